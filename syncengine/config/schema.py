"""JSON Schema of the configuration, for editors.

It covers both kinds of file, with every vendor's settings, and accepts what the engine
accepts. It does not decide what a file alone does not decide: what a variable holds,
whether a phone number exists, and whether a freely named match field is mapped.
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
"""Forms that the models name, with their schemas."""


def as_text() -> str:
    """Return the text of ``config/schema.json``: a line for each definition."""
    whole = schema()
    definitions = whole.pop("$defs")
    lines = [_line(name, part) for name, part in whole.items()]
    inside = ",\n".join(_line(name, part) for name, part in definitions.items())
    return "{\n" + ",\n".join([*lines, f'"$defs": {{\n{inside}\n}}']) + "\n}\n"


def _line(name: str, part: Json) -> str:
    return f'"{name}": {orjson.dumps(part).decode()}'


def schema() -> dict[str, Json]:
    """Return a schema for ``syncengine.yaml`` and every destination's file.

    Their keys distinguish the two kinds of file.
    """
    modules = {name: vendors.load(name) for name in vendors.names()}
    settings = {name: module.settings for name, module in modules.items()}
    models: list[type[Written]] = [EngineFile, DestinationFile, *settings.values()]
    places, generated = models_json_schema([(model, _MODE) for model in models])
    named = {
        str(places.get((model, _MODE), {}).get("$ref", model.__name__)).rpartition("/")[
            2
        ]: model
        for model in _described(settings)
    }
    definitions: dict[str, Any] = {
        name: _of_model(named[name], part) if name in named else _written(part)
        for name, part in generated["$defs"].items()
    }
    _across_keys(definitions)
    rules = {
        name: {"$ref": places[model, _MODE]["$ref"]} for name, model in settings.items()
    }
    _by_vendor(definitions["DestinationFile"], rules)
    for name, module in modules.items():
        definitions[_asked_by(name)] = {"allOf": of_vendor(module)}
    definitions["Value"] = {
        "anyOf": [
            texts.text(),
            {"type": ["number", "boolean", "null"]},
            {"type": "array", "items": _VALUE},
            {"type": "object", "additionalProperties": _VALUE},
        ]
    }
    own = [
        key
        for key in DestinationFile.model_fields
        if key not in EngineFile.model_fields
    ]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "syncengine: config/syncengine.yaml and config/destinations/NAME.yaml",
        "if": {"anyOf": [{"required": [key]} for key in own]},
        "then": {"$ref": "#/$defs/DestinationFile"},
        "else": {"$ref": "#/$defs/EngineFile"},
        "$defs": dict(sorted(definitions.items())),
    }


def _described(settings: Mapping[str, type[VendorSettings]]) -> list[type[Written]]:
    ours = [
        item
        for item in vars(config_models).values()
        if inspect.isclass(item) and issubclass(item, Written)
    ]
    return [model for model in ours if model.__module__ == config_models.__name__] + [
        *settings.values()
    ]


def _of_model(model: type[Written], generated: Mapping[str, Any]) -> Schema:
    """Return the schema of a mapping with the keys of a model."""
    about = _texts_of(model)
    properties: dict[str, Schema] = {}
    for name, info in model.model_fields.items():
        key = info.alias or name
        part = _written(generated["properties"][key])
        if lists_names(info):
            part = {"anyOf": [part["items"], part]}
        if name in model.EMPTY:
            part = {"anyOf": [part, {"type": "null"}]}
        kept = (
            {"default": info.get_default(call_default_factory=True)}
            if _is_plain(info.default)
            else {}
        )
        told = {"description": about[name]} if name in about else {}
        properties[key] = {**part, **told, **kept}
    return {
        "type": "object",
        "description": " ".join(str(generated.get("description", "")).split()),
        "properties": properties,
        "patternProperties": {f"^{NOTES}": True},
        "additionalProperties": False,
        "required": generated.get("required", []),
    }


def _is_plain(default: object) -> bool:
    return isinstance(default, str | int | float)


def _texts_of(model: type[Written]) -> dict[str, str]:
    """Return the text under each of a model's keys, its bases' keys included."""
    bases = [base for base in reversed(model.__mro__) if issubclass(base, Written)]
    return {name: text for base in bases for name, text in _texts(base).items()}


def _texts(model: type[Written]) -> dict[str, str]:
    """Return the texts of the models' keys, read from the source code.

    Pydantic's own way makes every start of the command slower.
    """
    module = ast.parse(inspect.getsource(sys.modules[model.__module__]))
    body = next(
        part.body
        for part in module.body
        if isinstance(part, ast.ClassDef) and part.name == model.__name__
    )
    found = {}
    for field, text in pairwise(body):
        match field, text:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(
                value=ast.Constant(value=str(words))
            ):
                found[name] = " ".join(words.split())
    return found


def _written(part: Mapping[str, Any]) -> Schema:
    """Return the schema of what people write for a part of pydantic's schema."""
    if "format" in part:
        return _FORMS[part["format"]](part)
    if "$ref" in part:
        return {"$ref": part["$ref"]}
    if "anyOf" in part:
        choices = [
            _written(choice) for choice in part["anyOf"] if choice.get("type") != "null"
        ]
        return choices[0] if len(choices) == 1 else {"anyOf": choices}
    if "enum" in part:
        return texts.one_of(part["enum"])
    of_type = _TYPES.get(part.get("type", ""))
    return of_type(part) if of_type else dict(_VALUE)


def _of_number(part: Mapping[str, Any]) -> Schema:
    return texts.number(
        whole=part["type"] == "integer",
        low=part.get("minimum"),
        high=part.get("maximum"),
    )


def _of_list(part: Mapping[str, Any]) -> Schema:
    least = {"minItems": part["minItems"]} if "minItems" in part else {}
    return {"type": "array", "items": _written(part["items"]), **least}


def _of_mapping(part: Mapping[str, Any]) -> Schema:
    """Return the schema of a mapping whose keys are names that people choose."""
    inside = part.get("additionalProperties", True)
    names = {"propertyNames": part["propertyNames"]} if "propertyNames" in part else {}
    return {
        "type": "object",
        "additionalProperties": _VALUE if inside is True else _written(inside),
        **names,
    }


_TYPES: Mapping[str, Callable[[Mapping[str, Any]], Schema]] = {
    "string": lambda part: texts.text(empty=not part.get("minLength")),
    "boolean": lambda _: texts.truth(),
    "integer": _of_number,
    "number": _of_number,
    "array": _of_list,
    "object": _of_mapping,
}


def _across_keys(definitions: dict[str, Any]) -> None:
    """Add to the schema what the models and rules ask of several keys together."""
    definitions[SourceModel.__name__]["not"] = {"required": ["table", "query"]}
    filled = {"properties": {"columns": {"minProperties": 1}}, "required": ["columns"]}
    definitions[MembersModel.__name__]["oneOf"] = [{"required": ["from"]}, filled]
    field = definitions[FieldModel.__name__]
    field["allOf"] = [
        *_goes_with("region", Form.E164),
        *_goes_with("zone", Form.DATE),
        *map(_default_in, Form),
    ]
    definitions[FieldModel.__name__] = {"anyOf": [texts.text(empty=False), field]}
    destination = definitions[DestinationFile.__name__]
    names = {"minLength": 1, "not": {"pattern": f"^{LISTS.replace('.', '[.]')}"}}
    destination["properties"]["fields"] |= {"minProperties": 1, "propertyNames": names}
    unencrypted = {
        "properties": {
            "settings": {
                "properties": {"base_url": texts.sends_unencrypted()},
                "required": ["base_url"],
            }
        },
        "required": ["settings"],
    }
    allowed = {
        "properties": {"allow_http": texts.may_be_true()},
        "required": ["allow_http"],
    }
    destination["allOf"] = [{"if": unencrypted, "then": allowed}]


def _goes_with(key: str, form: Form) -> list[Schema]:
    """Return that a key of a field goes with one form only."""
    with_form = {
        "properties": {"as": texts.fitting("[a-z0-9]", form.value)},
        "required": ["as"],
    }
    return [{"if": {"required": [key]}, "then": with_form}]


def _default_in(form: Form) -> Schema:
    has_form = {"properties": {"as": {"const": form.value}}, "required": ["as"]}
    then: Schema = {"properties": {"default": texts.value_in(form.value)}}
    if form is Form.E164:
        of_region = {"properties": {"default": texts.phone(fewest=4)}}  # such as 0171
        then = {"if": {"required": ["region"]}, "then": of_region, "else": then}
    return {"if": has_form, "then": then}


def _asked_by(vendor: str) -> str:
    return f"asked by {vendor}"


def _by_vendor(destination: dict[str, Any], settings: Mapping[str, Schema]) -> None:
    destination["properties"]["vendor"] |= texts.one_of(list(settings))
    for key in ("type", "pattern", "not"):
        destination["properties"]["vendor"].pop(key, None)
    for name, model in settings.items():
        asked = {"$ref": f"#/$defs/{_asked_by(name).replace(' ', '%20')}"}
        named = {"required": ["vendor"], "properties": {"vendor": {"const": name}}}
        then = {"allOf": [{"properties": {"settings": model}}, asked]}
        destination["allOf"].append({"if": named, "then": then})
