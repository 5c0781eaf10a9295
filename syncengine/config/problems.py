"""Messages about pydantic's findings, for people who write YAML.

Values are never repeated: one may be a secret.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from syncengine.errors import Problem
from syncengine.model.http import Json

_Model = TypeVar("_Model", bound=BaseModel)

_NUMBER, _WHOLE = "must be a number", "must be a whole number"
_LIST = "must be a list: in [ ], or one a line behind a '-'"
_ORDINARY = "a mapping: keys, each with a value"
_SHAPES = {
    "SourceModel": "a mapping, such as {table: crm.contacts, key: id}",
    "FieldModel": "a column's name, or a mapping such as {from: COLUMN, as: lower}",
    "MembersModel": "a mapping: {from: ARRAY_COLUMN}, or {columns: {NAME: BOOLEAN_COLUMN}}",
    "LimitModel": "a mapping, such as {calls: 200, per: 1m}",
}
"""Models with an example of what to write; all others are a mapping."""
_WORDS = {
    "missing": "is missing",
    "string_type": "must be text (in quotes, if it looks like something else)",
    "string_too_short": "must not be empty",
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_from_float": _WHOLE,
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "finite_number": _NUMBER,
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "dict_type": f"must be {_ORDINARY}",
    "tuple_type": _LIST,
    "list_type": _LIST,
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be {ge} or more",
    "less_than_equal": "must be {le} or less",
    "enum": "must be {expected}",
    "literal_error": "must be {expected}",
}
_PATTERNS = {
    "^[a-z0-9_-]+$": "may hold a-z, 0-9, _ and - only",
    "^[A-Z]{2}$": "must be a country's two capital letters by ISO 3166, such as DE, GB or US",
}


def checked(
    model: type[_Model],
    data: Json,
    where: str,
    problems: list[Problem],
    prefix: str = "",
) -> _Model | None:
    """Return the data as the model, or None where ``problems`` has grown.

    One problem a place is enough.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        for found in error.errors(include_url=False):
            path = ".".join(str(part) for part in found["loc"] if part != "[key]")
            note(
                problems,
                Problem(
                    f"{where}: {prefix}{path}".rstrip(": ."), _in_words(found, model)
                ),
            )
        return None


def note(problems: list[Problem], problem: Problem) -> None:
    """Add a problem, unless something is known to be wrong at that place already."""
    if all(problem.where != known.where for known in problems):
        problems.append(problem)


def near(name: str, names: Iterable[str]) -> str:
    """Return a question about the name that was probably meant, or nothing."""
    folded = {known.casefold(): known for known in names}
    close = difflib.get_close_matches(name.casefold(), list(folded), n=1)
    return f'; did you mean "{folded[close[0]]}"?' if close else ""


def _in_words(found: Any, model: type[BaseModel]) -> str:
    kind, context = found["type"], found.get("ctx", {})
    if kind == "extra_forbidden":
        *path, key = found["loc"]
        there = _keys_at(model, path)
        return "there is no such key" + (
            near(str(key), there) or f"; there are: {', '.join(there)}"
        )
    if "[key]" in found["loc"]:
        return (
            "holds a key that is empty"
            if kind == "string_too_short"
            else "a key must be text: put it in quotes"
        )
    if found["input"] is None:
        return "has no value: write one behind the colon, or leave the key out"
    if kind == "model_type":
        return f"must be {_SHAPES.get(context['class_name'], _ORDINARY)}"
    return _of_kind(kind, context) or str(found["msg"]).removeprefix("Value error, ")


def _of_kind(kind: str, context: Mapping[str, Any]) -> str | None:
    if kind == "string_pattern_mismatch":
        return _PATTERNS.get(context["pattern"], f"must look like {context['pattern']}")
    if words := _WORDS.get(kind):
        numbers = {
            name: f"{value:g}"
            for name, value in context.items()
            if isinstance(value, int | float)
        }
        return words.format(**{**context, **numbers})
    return None


def _keys_at(model: type[BaseModel], path: Sequence[object]) -> list[str]:
    """Return the keys there are at a place.

    Parts of the path that are no field (indexes, names) lead no deeper.
    """
    for part in path:
        for name, info in model.model_fields.items():
            if part in (name, info.alias):
                inner = _model_in(info.annotation)
                if inner is None:
                    return []
                model = inner
    return [info.alias or name for name, info in model.model_fields.items()]


def _model_in(annotation: object) -> type[BaseModel] | None:
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        return annotation
    return next(
        (found for part in get_args(annotation) if (found := _model_in(part))), None
    )
