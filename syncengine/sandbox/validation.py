"""Check JSON from outside against a type, and describe what is wrong with it."""

from __future__ import annotations

from typing import TypeVar

import orjson
from pydantic import ConfigDict, TypeAdapter, ValidationError

from syncengine.model.http import Json

T = TypeVar("T")
STRICT = ConfigDict(extra="forbid", strict=True)
"""Pydantic settings under which unknown names and wrong types are errors."""


def validated(kind: type[T], value: Json) -> T:
    """Convert JSON to a type.

    Raises ValueError with one readable line per mistake.
    """
    # Strict mode takes a list for a tuple only while it reads JSON text, so the value
    # is written out once more.
    try:
        return TypeAdapter(kind).validate_json(orjson.dumps(value))
    except ValidationError as error:
        raise ValueError(mistakes_of(error)) from None


def mistakes_of(error: ValidationError) -> str:
    """Return one line per mistake, each with the place of the mistake.

    The lines hold no values: these may be secrets or personal data.
    """
    lines = []
    for mistake in error.errors(
        include_url=False, include_input=False, include_context=False
    ):
        place = ".".join(map(str, mistake["loc"])) or "value"
        lines.append(f"{place}: {mistake['msg']}")
    return "\n".join(lines)
