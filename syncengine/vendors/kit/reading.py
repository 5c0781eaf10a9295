"""Read an answer's body, unless it is far larger or deeper than any contact is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from functools import partial
from typing import Annotated, TypeAlias, TypeVar

import orjson
from pydantic import AfterValidator, BeforeValidator, Field

from syncengine.model.bounds import DEEPEST_ANSWER, LONGEST_NAME, MOST_PARTS
from syncengine.model.http import Json, Request
from syncengine.model.texts import is_storable

_LONGEST_ID = 512
_HALF = re.compile("[\ud800-\udfff]")
"""A surrogate, which is half of a character."""


class Unreadable(ValueError):
    """The body is no JSON, or none that an API of contacts would answer with."""


def read_json(request: Request, body: bytes) -> Json:
    """Return the JSON value of a body. Raises Unreadable."""
    if len(body) > request.most_bytes:
        raise Unreadable("it is far too long")
    # Each part but the first follows one of these, so that no more parts are made than were counted.
    if sum(map(body.count, (b",", b"[", b"{"))) > MOST_PARTS:
        raise Unreadable("it has far too many parts")
    value = _decoded(body, lists=request.lists)
    if _is_deeper(value, DEEPEST_ANSWER):
        raise Unreadable("it is nested far too deep")
    return value


def _decoded(body: bytes, *, lists: bool) -> Json:
    """Return the value of a body.

    In a list, half of a character becomes NUL: it spoils the contact that has it, and
    none beside it.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        if not lists or b"\\ud" not in body.lower():
            raise Unreadable("it is no JSON") from None
    try:
        return orjson.loads(
            _HALF.sub(r"\\u0000", json.dumps(json.loads(body), ensure_ascii=False))
        )
    except (ValueError, RecursionError):
        raise Unreadable("it is no JSON") from None


def _is_deeper(value: Json, most: int) -> bool:
    """Return whether lists and objects are nested deeper than ``most`` levels."""
    # Level by level: recursion would fail on the very answers that this is to find.
    level = [value]
    for _ in range(most):
        level = [part for each in level for part in _parts(each)]
        if not level:
            return False
    return True


def _parts(value: Json) -> list[Json]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


_T = TypeVar("_T")
Many: TypeAlias = Annotated[tuple[_T, ...], Field(fail_fast=True)]
"""Values of one kind. Checking ends at the first wrong one: a description of each would
need far more room than the answer."""


def _id_as_text(value: Json) -> Json:
    return (
        str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    )


def fits_a_path(value: str, *, slashes: bool = False) -> bool:
    """Return whether a value can be one segment of a path, and leads nowhere else.

    ``slashes`` lets those pass that a vendor's ids may hold: many servers read ``%2F``
    as a slash.
    """
    parts = [part.strip() for part in value.replace("\\", "/").split("/")]
    elsewhere = not any(parts) or not {".", ".."}.isdisjoint(parts)
    return not elsewhere and value.isprintable() and (slashes or len(parts) == 1)


def _fit(value: str, *, slashes: bool) -> str:
    if not fits_a_path(value, slashes=slashes):
        raise ValueError("no request could ask for it")
    return value


_Text: TypeAlias = Annotated[
    str, BeforeValidator(_id_as_text), Field(min_length=1, max_length=_LONGEST_ID)
]
AnyId: TypeAlias = Annotated[_Text, AfterValidator(partial(_fit, slashes=True))]
"""A vendor's id as text, which may hold slashes."""
Id: TypeAlias = Annotated[_Text, AfterValidator(partial(_fit, slashes=False))]
"""A vendor's id as text, fit for a path; some write theirs as a number."""


def readable(tags: Iterable[str]) -> tuple[str, ...]:
    """Return the tags as the vendor shows them.

    A name that cannot be stored is none of ours and is left out.
    """
    return tuple(tag for tag in tags if len(tag) <= LONGEST_NAME and is_storable(tag))


Tags: TypeAlias = Annotated[Many[str], AfterValidator(readable)]
