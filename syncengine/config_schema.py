"""JSON Schema of the configuration, for editors.

It covers both kinds of file, with every vendor's settings.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import orjson
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from syncengine import config_models, vendors
from syncengine.config_models import DestinationFile, EngineFile
from syncengine.config_yaml import VARIABLE
from syncengine.model.http import Json
from syncengine.vendors.kit import VendorSettings

_MODE: JsonSchemaMode = "validation"
_VARIABLE = "Variable"
_LEFT_OUT = {"title", "gt", "ge"}
"""Titles repeat the names; the others are no keywords, but what pydantic leaves of a
duration's bounds."""


_NO_TEXT = ("integer", "number", "boolean", ["number", "string"])
"""Types, as the schema names them, that ask for more than some text (the last is a
duration's)."""


def as_text() -> str:
    """Return the text of ``config/schema.json``."""
    return orjson.dumps(schema(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode()


def schema() -> dict[str, Json]:
    """Return a schema for ``syncengine.yaml`` and every destination's file.

    Their keys distinguish the two kinds of file.
    """
    settings = {name: vendors.load(name).settings for name in vendors.names()}
    models: list[type[BaseModel]] = [EngineFile, DestinationFile, *settings.values()]
    places, generated = models_json_schema([(model, _MODE) for model in models])
    definitions: dict[str, Any] = generated["$defs"]
    for model in _described(settings):
        _describe(model, definitions[_name(places.get((model, _MODE), {}), model)])
    _shorthand(definitions)
    _by_vendor(definitions["DestinationFile"], {name: places[model, _MODE] for name, model in settings.items()})
    definitions[_VARIABLE] = {"type": "string", "pattern": VARIABLE}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "syncengine: config/syncengine.yaml and config/destinations/NAME.yaml",
        "if": {"anyOf": [{"required": [key]} for key in ("vendor", "settings", "fields")]},
        "then": {"$ref": "#/$defs/DestinationFile"},
        "else": {"$ref": "#/$defs/EngineFile"},
        "$defs": {name: _with_variables(part) for name, part in sorted(definitions.items())},
    }


def _described(settings: Mapping[str, type[VendorSettings]]) -> list[type[BaseModel]]:
    ours = [item for item in vars(config_models).values() if inspect.isclass(item) and issubclass(item, BaseModel)]
    return [model for model in ours if model.__module__ == config_models.__name__ and model.model_fields] + [
        *settings.values()
    ]


def _name(reference: Mapping[str, Json], model: type[BaseModel]) -> str:
    return str(reference.get("$ref", model.__name__)).rpartition("/")[2]


def _describe(model: type[BaseModel], definition: dict[str, Any]) -> None:
    """Put the text under each of the model's fields into its schema."""
    for base in reversed(model.__mro__):
        if issubclass(base, BaseModel) and base is not BaseModel:
            for field, text in _texts(base).items():
                definition["properties"][model.model_fields[field].alias or field]["description"] = text


def _texts(model: type[BaseModel]) -> dict[str, str]:
    """Return the texts of the models' keys, read from the source code.

    Pydantic's own way makes every start of the command slower.
    """
    module = ast.parse(inspect.getsource(sys.modules[model.__module__]))
    body = next(part.body for part in module.body if isinstance(part, ast.ClassDef) and part.name == model.__name__)
    texts = {}
    for field, text in pairwise(body):
        match field, text:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(words))):
                texts[name] = " ".join(words.split())
    return texts


def _shorthand(definitions: Mapping[str, dict[str, Any]]) -> None:
    """Add to the schema what the models' own validators accept or require."""
    definitions["FieldModel"]["type"] = ["string", "object"]
    definitions["MembersModel"]["oneOf"] = [{"required": ["from"]}, {"required": ["columns"]}]


def _by_vendor(destination: dict[str, Any], settings: Mapping[str, Mapping[str, Json]]) -> None:
    destination["properties"]["vendor"] |= {"enum": list(settings)}
    destination["properties"]["settings"].pop("additionalProperties", None)
    destination["allOf"] = [
        {
            "if": {"required": ["vendor"], "properties": {"vendor": {"const": name}}},
            "then": {"properties": {"settings": dict(model)}},
        }
        for name, model in settings.items()
    ]


def _with_variables(part: Json) -> Json:
    """Return the schema with ``${NAME}`` allowed for more than texts."""
    if not isinstance(part, dict):
        return part
    kept = {key: _inside(key, value) for key, value in part.items() if key not in _LEFT_OUT}
    if part.get("type") in _NO_TEXT or "enum" in part:
        about = {key: kept.pop(key) for key in ("description", "default") if key in kept}
        return {"anyOf": [kept, {"$ref": f"#/$defs/{_VARIABLE}"}], **about}
    return kept


def _inside(key: str, value: Json) -> Json:
    inner: Callable[[Json], Json] = _with_variables
    if key == "properties":
        return {name: inner(part) for name, part in value.items()}
    if key in {"anyOf", "oneOf", "allOf"}:
        return [inner(part) for part in value]
    return inner(value) if key in {"items", "additionalProperties", "then"} else value
