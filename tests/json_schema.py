"""As much of JSON Schema (draft 7) as ``config/schema.json`` uses, for tests; unknown keywords are refused."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

_ABOUT = {"$schema", "$defs", "title", "description", "default"}
_TYPES: dict[str, Any] = {"string": str, "object": dict, "array": list, "boolean": bool, "null": type(None)}


def complaints(value: Any, schema: Any, root: Any, path: str = "") -> Iterator[str]:  # noqa: C901 - a table of keywords
    """What the schema has against the value, each with its place."""
    for keyword, asked in schema.items():
        match keyword:
            case "$ref":
                yield from complaints(value, _definition(asked, root), root, path)
            case "type":
                if not any(_is(value, name) for name in ([asked] if isinstance(asked, str) else asked)):
                    yield f"{path}: is no {asked}"
            case "anyOf":
                if not any(_fits(value, choice, root) for choice in asked):
                    yield f"{path}: fits no choice"
            case "oneOf":
                if sum(_fits(value, choice, root) for choice in asked) != 1 and isinstance(value, dict):
                    yield f"{path}: does not fit exactly one choice"
            case "allOf":
                for part in asked:
                    yield from complaints(value, part, root, path)
            case "if":
                branch = schema.get("then" if _fits(value, asked, root) else "else", {})
                yield from complaints(value, branch, root, path)
            case _ if keyword not in {*_ABOUT, "then", "else"}:
                yield from _about(keyword, asked, value, schema, root, path)


def _about(  # noqa: C901, PLR0912 - a table of keywords
    keyword: str, asked: Any, value: Any, schema: Any, root: Any, path: str
) -> Iterator[str]:
    """The keywords that speak of values of one type only."""
    match keyword, value:
        case "properties", dict():
            for name in asked.keys() & value.keys():
                yield from complaints(value[name], asked[name], root, f"{path}/{name}")
        case "additionalProperties", dict():
            for name in value.keys() - schema.get("properties", {}).keys():
                if asked is False:
                    yield f"{path}: has no key {name}"
                elif asked is not True:
                    yield from complaints(value[name], asked, root, f"{path}/{name}")
        case "propertyNames", dict():
            for name in value:
                yield from complaints(name, asked, root, f"{path}/{name}")
        case "required", dict():
            yield from (f"{path}: {name} is missing" for name in asked if name not in value)
        case "items", list():
            for index, item in enumerate(value):
                yield from complaints(item, asked, root, f"{path}/{index}")
        case "enum", _ if value not in asked:
            yield f"{path}: is none of {asked}"
        case "const", _ if value != asked:
            yield f"{path}: is not {asked}"
        case "pattern", str() if not re.search(asked, value):
            yield f"{path}: does not look like {asked}"
        case "minLength", str() if len(value) < asked:
            yield f"{path}: is too short"
        case "minimum", int() | float() if value < asked:
            yield f"{path}: is below {asked}"
        case "maximum", int() | float() if value > asked:
            yield f"{path}: is above {asked}"
        case _:
            assert keyword in _KEYWORDS, f"{path}: this validator does not know {keyword}"


_KEYWORDS = {
    *("properties", "additionalProperties", "propertyNames", "required", "items", "enum", "const"),
    *("pattern", "minLength", "minimum", "maximum"),
}


def _fits(value: Any, schema: Any, root: Any) -> bool:
    return not any(True for _ in complaints(value, schema, root))


def _definition(reference: str, root: Any) -> Any:
    found = root
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return found


def _is(value: Any, name: str) -> bool:
    if name in ("number", "integer"):
        return isinstance(value, int if name == "integer" else int | float) and not isinstance(value, bool)
    return isinstance(value, _TYPES[name])
