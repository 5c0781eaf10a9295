"""The configuration: YAML files, their models, rules and schema."""
