"""Messages about pydantic's findings, for people who write YAML.

Pydantic speaks to programmers ("Input should be a valid integer, unable to parse string
as an integer"). ``checked`` validates data against a model and turns each finding into
a ``Problem``: the file and the key path, and what to write there ("must be a whole
number"). Values are never repeated: one may be a secret.
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
    "MembersModel": (
        "a mapping: {from: ARRAY_COLUMN}, or {columns: {NAME: BOOLEAN_COLUMN}}"
    ),
    "AlertTargetModel": 'a mapping, such as {webhook: "${OPS_CHAT}", on: [halted, stale]}',
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
"""Kinds of pydantic's errors in our words; ``{...}`` is filled in from the error."""
_PATTERNS = {
    "^[a-z0-9_-]+$": "may hold a-z, 0-9, _ and - only",
}
"""Patterns of the models in words."""
_KEY = "[key]"
"""What pydantic appends to a place where it means a key, not its value."""


def checked(
    model: type[_Model],
    data: Json,
    where: str,
    problems: list[Problem],
    prefix: str = "",
) -> _Model | None:
    """Return the data as the model, or None where ``problems`` has grown.

    ``prefix`` stands before the keys in messages. One problem a place is enough.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        for found in error.errors(include_url=False):
            path = ".".join(str(part) for part in found["loc"] if part != _KEY)
            # Without a path, the file as a whole is meant.
            place = f"{where}: {prefix}{path}".rstrip(": .")
            note(problems, Problem(place, _in_words(found, model)))
        return None


def note(problems: list[Problem], problem: Problem) -> None:
    """Add a problem, unless something is known to be wrong at that place already."""
    if all(problem.where != known.where for known in problems):
        problems.append(problem)


def near(name: str, names: Iterable[str]) -> str:
    """Return a question about the name that was probably meant, or nothing."""
    name_by_folded = {known.casefold(): known for known in names}
    close = difflib.get_close_matches(name.casefold(), list(name_by_folded), n=1)
    if not close:
        return ""
    meant = name_by_folded[close[0]]
    return f'; did you mean "{meant}"?'


def _in_words(found: Any, model: type[BaseModel]) -> str:
    """Return what is wrong, and what to write instead.

    ``found`` is one of pydantic's errors (``ErrorDetails``): ``type`` is its kind,
    ``loc`` the keys that lead there, ``input`` the value, ``ctx`` what the rule asks
    for. ``model`` is the model of the whole file.
    """
    kind = found["type"]
    if kind == "extra_forbidden":
        return _unknown_key(found["loc"], model)
    if _KEY in found["loc"]:
        if kind == "string_too_short":
            return "holds a key that is empty"
        return "a key must be text: put it in quotes"
    if found["input"] is None:
        return "has no value: write one behind the colon, or leave the key out"
    context = found.get("ctx", {})
    if kind == "model_type":
        return f"must be {_SHAPES.get(context['class_name'], _ORDINARY)}"
    # The models' own ValueErrors are written for people already.
    own_words = str(found["msg"]).removeprefix("Value error, ")
    return _of_kind(kind, context) or own_words


def _unknown_key(place: Sequence[object], model: type[BaseModel]) -> str:
    """Return that there is no such key, with the key that was probably meant."""
    *path, key = place
    known = _keys_at(model, path)
    advice = near(str(key), known) or f"; there are: {', '.join(known)}"
    return f"there is no such key{advice}"


def _of_kind(kind: str, context: Mapping[str, Any]) -> str | None:
    """Return our own words for a kind of error of pydantic's, if there are any."""
    if kind == "string_pattern_mismatch":
        pattern = context["pattern"]
        return _PATTERNS.get(pattern, f"must look like {pattern}")
    words = _WORDS.get(kind)
    if words is None:
        return None
    # Bounds are floats in some models: 10.0 is written as 10.
    numbers = {
        name: f"{value:g}"
        for name, value in context.items()
        if isinstance(value, int | float)
    }
    return words.format(**{**context, **numbers})


def _keys_at(model: type[BaseModel], path: Sequence[object]) -> list[str]:
    """Return the keys there are at a place.

    Parts of the path that are no field (indexes, names) lead no deeper.
    """
    for part in path:
        for name, info in model.model_fields.items():
            if part not in (name, info.alias):
                continue
            inner = _model_in(info.annotation)
            if inner is None:
                return []
            model = inner
    return [info.alias or name for name, info in model.model_fields.items()]


def _model_in(annotation: object) -> type[BaseModel] | None:
    """Return the model that a field's type is, or is a list or mapping of."""
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        return annotation
    for part in get_args(annotation):
        inner = _model_in(part)
        if inner is not None:
            return inner
    return None
