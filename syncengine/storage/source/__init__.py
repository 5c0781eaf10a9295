"""The source: a table, view or query that is only read."""
