"""Check JSON from outside against a type, and describe what is wrong with it."""

from __future__ import annotations

from collections.abc import Hashable
from functools import cache
from typing import Any, TypeVar, cast

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
        # mypy does not see that a type is hashable.
        adapter = _adapter(cast("Hashable", kind))
        checked: T = adapter.validate_json(orjson.dumps(value))
    except ValidationError as error:
        raise ValueError(mistakes_of(error)) from None
    return checked


# Making one takes a hundred times as long as using it.
@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


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
