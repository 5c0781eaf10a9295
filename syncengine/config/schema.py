"""JSON Schema of the configuration, for editors.

``syncengine schema`` writes it to ``config/schema.json``. It covers both kinds of file,
with every vendor's settings, and accepts what the engine accepts. It does not decide
what a file alone does not decide: what a variable holds, whether a phone number exists,
and whether a freely named match field is mapped.

It is made in layers. Pydantic's own schema of the models says which keys there are and
of what type (``models_json_schema``). Each type is then replaced by the schema of what
people *write* for it, since a number may also be a variable (``_written``, with the
expressions of ``schema_texts``). Rules across keys are added
(``_add_rules_across_keys``), and at last those of each vendor, under the condition that
the file names it (``schema_of_vendor``).
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import orjson
from phonenumbers import SUPPORTED_REGIONS
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from syncengine import vendors
from syncengine.config import models as config_models
from syncengine.config import schema_texts as texts
from syncengine.config.models import (
    DestinationFile,
    EngineFile,
    FieldModel,
    LimitModel,
    MembersModel,
    SourceModel,
    time_zones,
)
from syncengine.config.schema_of_vendor import of_vendor
from syncengine.config.schema_texts import Schema
from syncengine.model.contact import LISTS
from syncengine.model.http import Json
from syncengine.model.mapping import Form
from syncengine.vendors.kit.settings import NOTES, VendorSettings, Written, lists_names

_MODE: JsonSchemaMode = "validation"
_VALUE: Schema = {"$ref": "#/$defs/Value"}
_FORMS: Mapping[str, Callable[[Mapping[str, Any]], Schema]] = {
    "duration": lambda part: texts.duration(
        at_least=int(part.get("at_least", 0)), above_zero=bool(part.get("above_zero"))
    ),
    "address": lambda _: texts.address(),
    "secret": lambda _: texts.secret(),
    "database": lambda _: texts.database(embedded=False),
    "state database": lambda _: texts.database(embedded=True),
    "country": lambda _: texts.one_of(sorted(SUPPORTED_REGIONS)),
    "zone": lambda _: texts.one_of(sorted(time_zones())),
    "proxy": lambda _: texts.proxy(),
    "condition": lambda _: texts.condition(),
    "account": lambda _: texts.fitting("[a-z0-9_-]", "[a-z0-9_-]+"),
}
"""The ``format`` that a model gives to a type of its own (``WithJsonSchema``), with the
function that makes the schema of it. A function takes pydantic's part of the schema."""


def as_text() -> str:
    """Return the text of ``config/schema.json``: a line for each definition."""
    whole = schema()
    definitions = whole.pop("$defs")
    definition_lines = [_line(name, part) for name, part in definitions.items()]
    lines = [_line(name, part) for name, part in whole.items()]
    lines.append('"$defs": {\n' + ",\n".join(definition_lines) + "\n}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _line(name: str, part: Json) -> str:
    """Return one member of a JSON object on one line."""
    return f'"{name}": {orjson.dumps(part).decode()}'


def schema() -> dict[str, Json]:
    """Return a schema for ``syncengine.yaml`` and every destination's file.

    Their keys distinguish the two kinds of file: one that has a key which only
    destinations have is a destination's.
    """
    specs = vendors.load_all()
    settings = {name: spec.settings for name, spec in specs.items()}
    models: list[type[Written]] = [EngineFile, DestinationFile, *settings.values()]
    references, generated = models_json_schema([(model, _MODE) for model in models])
    definitions = _definitions(generated["$defs"], settings, references)
    _add_rules_across_keys(definitions)
    _add_choice_of_vendor(
        definitions["DestinationFile"],
        {name: references[model, _MODE] for name, model in settings.items()},
    )
    for name, spec in specs.items():
        definitions[_rules_of(name)] = {"allOf": of_vendor(spec)}
    definitions["Value"] = {
        "anyOf": [
            texts.text(),
            {"type": ["number", "boolean", "null"]},
            {"type": "array", "items": _VALUE},
            {"type": "object", "additionalProperties": _VALUE},
        ]
    }
    keys_of_destinations = [
        key
        for key in DestinationFile.model_fields
        if key not in EngineFile.model_fields
    ]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "syncengine: config/syncengine.yaml and config/destinations/NAME.yaml",
        "if": {"anyOf": [{"required": [key]} for key in keys_of_destinations]},
        "then": {"$ref": "#/$defs/DestinationFile"},
        "else": {"$ref": "#/$defs/EngineFile"},
        "$defs": dict(sorted(definitions.items())),
    }


def _definitions(
    generated: Mapping[str, Any],
    settings: Mapping[str, type[VendorSettings]],
    references: Mapping[Any, Mapping[str, Any]],
) -> dict[str, Any]:
    """Return the schema of every model and enum, by pydantic's names for them.

    ``references`` maps model and mode to a reference to the model's definition.
    """
    models = {}
    for model in [*_file_models(), *settings.values()]:
        reference = references.get((model, _MODE), {}).get("$ref", model.__name__)
        models[str(reference).rpartition("/")[2]] = model
    return {
        name: _of_model(models[name], part) if name in models else _written(part)
        for name, part in generated.items()
    }


def _file_models() -> list[type[Written]]:
    """Return the models of both kinds of file and of their parts."""
    return [
        item
        for item in vars(config_models).values()
        if inspect.isclass(item)
        and issubclass(item, Written)
        # Not the base class itself, which is imported there.
        and item.__module__ == config_models.__name__
    ]


def _of_model(model: type[Written], generated: Mapping[str, Any]) -> Schema:
    """Return the schema of a mapping with the keys of a model.

    ``generated`` is pydantic's schema of the model.
    """
    descriptions = _descriptions_in(model)
    properties: dict[str, Schema] = {}
    for name, info in model.model_fields.items():
        key = info.alias or name
        part = _written(generated["properties"][key])
        if lists_names(info):
            # One name alone needs no list.
            part = {"anyOf": [part["items"], part]}
        if name in model.EMPTY:
            # A key without a value is null in YAML.
            part = {"anyOf": [part, {"type": "null"}]}
        properties[key] = dict(part)
        if name in descriptions:
            properties[key]["description"] = descriptions[name]
        if _is_shown(info.default):
            default = info.get_default(call_default_factory=True)
            properties[key]["default"] = default
    description = str(generated.get("description", ""))
    return {
        "type": "object",
        "description": _on_one_line(description),
        "properties": properties,
        "patternProperties": {f"^{NOTES}": True},
        "additionalProperties": False,
        "required": generated.get("required", []),
    }


def _on_one_line(text: str) -> str:
    return " ".join(text.split())


def _is_shown(default: object) -> bool:
    """Return whether a default is shown in editors: None and objects say nothing."""
    return isinstance(default, str | int | float)


def _descriptions_in(model: type[Written]) -> dict[str, str]:
    """Return the text under each of a model's keys, its bases' keys included."""
    descriptions: dict[str, str] = {}
    for base in reversed(model.__mro__):
        if issubclass(base, Written):
            descriptions |= _own_descriptions_in(base)
    return descriptions


def _own_descriptions_in(model: type[Written]) -> dict[str, str]:
    """Return the texts under the keys that a class itself defines.

    They are read from the source code: pydantic's own way of reading them would make
    every start of the command slower.
    """
    module = ast.parse(inspect.getsource(sys.modules[model.__module__]))
    (definition,) = [
        part
        for part in module.body
        if isinstance(part, ast.ClassDef) and part.name == model.__name__
    ]
    descriptions: dict[str, str] = {}
    for statement, following in pairwise(definition.body):
        # ``name: type = default``, and behind it a text that stands alone.
        match statement, following:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(
                value=ast.Constant(value=str(text))
            ):
                descriptions[name] = _on_one_line(text)
    return descriptions


def _written(part: Mapping[str, Any]) -> Schema:
    """Return the schema of what people write for a part of pydantic's schema.

    Pydantic's own describes the value itself. People may write a variable in its place.
    A part of a type without a schema of its own may be any value.
    """
    if "format" in part:
        return _FORMS[part["format"]](part)
    if "$ref" in part:
        return {"$ref": part["$ref"]}
    if "anyOf" in part:
        # A key without a value is allowed by the models' EMPTY alone.
        choices = [
            _written(choice) for choice in part["anyOf"] if choice.get("type") != "null"
        ]
        return choices[0] if len(choices) == 1 else {"anyOf": choices}
    if "enum" in part:
        return texts.one_of(part["enum"])
    of_type = _TYPES.get(part.get("type", ""))
    if of_type is None:
        return dict(_VALUE)
    return of_type(part)


def _of_number(part: Mapping[str, Any]) -> Schema:
    return texts.number(
        whole=part["type"] == "integer",
        low=part.get("minimum"),
        high=part.get("maximum"),
    )


def _of_list(part: Mapping[str, Any]) -> Schema:
    schema: Schema = {"type": "array", "items": _written(part["items"])}
    if "minItems" in part:
        schema["minItems"] = part["minItems"]
    return schema


def _of_mapping(part: Mapping[str, Any]) -> Schema:
    """Return the schema of a mapping whose keys are names that people choose."""
    values = part.get("additionalProperties", True)
    schema: Schema = {
        "type": "object",
        "additionalProperties": _VALUE if values is True else _written(values),
    }
    if "propertyNames" in part:
        schema["propertyNames"] = part["propertyNames"]
    return schema


_TYPES: Mapping[str, Callable[[Mapping[str, Any]], Schema]] = {
    "string": lambda part: texts.text(empty=not part.get("minLength")),
    "boolean": lambda _: texts.truth(),
    "integer": _of_number,
    "number": _of_number,
    "array": _of_list,
    "object": _of_mapping,
}
"""Types of JSON with the functions that make their schemas."""


def _add_rules_across_keys(definitions: dict[str, Any]) -> None:
    """Add to the schema what the models and rules ask of several keys together.

    The models' own validators and ``config.rules`` ask the same of a file.
    """
    definitions[SourceModel.__name__]["not"] = {"required": ["table", "query"]}
    columns = {"properties": {"columns": {"minProperties": 1}}, "required": ["columns"]}
    definitions[MembersModel.__name__]["oneOf"] = [{"required": ["from"]}, columns]
    counted = [{"required": [key]} for key in ("calls", "items")]
    definitions[LimitModel.__name__]["oneOf"] = counted

    field = definitions[FieldModel.__name__]
    field["allOf"] = [
        _only_with("region", Form.E164),
        _only_with("zone", Form.DATE),
        *[_default_in(form) for form in Form],
    ]
    # A column's name alone will do.
    definitions[FieldModel.__name__] = {"anyOf": [texts.text(empty=False), field]}

    destination = definitions[DestinationFile.__name__]
    # Lists have a key of their own, so no field may look like one.
    list_prefix = LISTS.replace(".", "[.]")
    names = {"minLength": 1, "not": {"pattern": f"^{list_prefix}"}}
    destination["properties"]["fields"] |= {"minProperties": 1, "propertyNames": names}
    destination["allOf"] = [{"if": _is_unencrypted(), "then": _allows_http()}]


def _is_unencrypted() -> Schema:
    """Return that keys and contacts would be sent without encryption."""
    has_address = {
        "properties": {"base_url": texts.sends_unencrypted()},
        "required": ["base_url"],
    }
    return {"properties": {"settings": has_address}, "required": ["settings"]}


def _allows_http() -> Schema:
    """Return that the file allows it by name."""
    return {
        "properties": {"allow_http": texts.may_be_true()},
        "required": ["allow_http"],
    }


def _only_with(key: str, form: Form) -> Schema:
    """Return that a key of a field goes with one form only."""
    has_form = {
        "properties": {"as": texts.fitting("[a-z0-9]", form.value)},
        "required": ["as"],
    }
    return {"if": {"required": [key]}, "then": has_form}


def _default_in(form: Form) -> Schema:
    """Return that a field's default can be brought into its form."""
    has_form = {"properties": {"as": {"const": form.value}}, "required": ["as"]}
    has_default: Schema = {"properties": {"default": texts.value_in(form.value)}}
    if form is not Form.E164:
        return {"if": has_form, "then": has_default}
    # With a region, a number may be as short as 0171.
    has_short_default = {"properties": {"default": texts.phone(fewest=4)}}
    by_region = {
        "if": {"required": ["region"]},
        "then": has_short_default,
        "else": has_default,
    }
    return {"if": has_form, "then": by_region}


def _rules_of(vendor: str) -> str:
    """Return the name of the definition that holds a vendor's rules."""
    return f"asked by {vendor}"


def _add_choice_of_vendor(
    destination: dict[str, Any], settings: Mapping[str, Schema]
) -> None:
    """Add to a destination's schema that its vendor decides about everything else.

    ``settings`` are references to the schemas of the vendors' settings.
    """
    # What pydantic wrote is any text, and this is one of a few.
    vendor = destination["properties"]["vendor"]
    for key in ("type", "pattern", "not"):
        vendor.pop(key, None)
    vendor |= texts.one_of(list(settings))
    for name, reference in settings.items():
        # A reference is part of a URI, where a blank is written like this.
        definition = _rules_of(name).replace(" ", "%20")
        rules = {"$ref": f"#/$defs/{definition}"}
        is_this_vendor = {
            "required": ["vendor"],
            "properties": {"vendor": {"const": name}},
        }
        own_settings = {"properties": {"settings": {"$ref": reference["$ref"]}}}
        destination["allOf"].append(
            {"if": is_this_vendor, "then": {"allOf": [own_settings, rules]}}
        )
