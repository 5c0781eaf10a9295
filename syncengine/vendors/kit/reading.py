"""Read an answer's body, within bounds: what is far larger or deeper than any contact is not believed."""

from __future__ import annotations

from typing import Annotated, TypeAlias, TypeVar

import orjson
from pydantic import AfterValidator, BeforeValidator, Field

from syncengine.model.http import MANY_BYTES, Json, Request

MOST_PARTS = 125_000
"""Values, lists and objects in one answer: a page of 200 contacts has some 20,000."""
MOST_DEPTH = 64
_LONGEST = 512
"""Characters of an id or a tag."""
_BYTES_A_PART = MANY_BYTES // MOST_PARTS


class Unreadable(ValueError):
    """The body is no JSON, or none that an API of contacts would answer with."""


def read_json(request: Request, body: bytes) -> Json:
    """The JSON value of a body. Raises Unreadable."""
    if len(body) > request.most_bytes:
        raise Unreadable("it is far too long")
    # Each part but the first follows one of these, so that no more parts are made than were counted.
    if sum(map(body.count, (b",", b"[", b"{"))) > max(request.most_bytes // _BYTES_A_PART, 1000):
        raise Unreadable("it has far too many parts")
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Unreadable("it is no JSON") from None
    if _is_deeper(value, MOST_DEPTH):
        raise Unreadable("it is nested far too deep")
    return value


def _is_deeper(value: Json, most: int) -> bool:
    """Whether lists and objects are nested deeper than so many levels."""
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
"""Values of one kind. The first wrong one is enough: a description of each would need far more room than the answer."""


def _id_as_text(value: Json) -> Json:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _printable(value: str) -> str:
    if not value.isprintable():
        raise ValueError("holds a control character")
    return value


def _no_way_up(value: str) -> str:
    if value.strip() in ("", ".", ".."):
        raise ValueError("means another place in a path")
    return value


def _one_segment(value: str) -> str:
    if "/" in value or "\\" in value:
        raise ValueError("holds a slash")
    return value


AnyId: TypeAlias = Annotated[
    str,
    BeforeValidator(_id_as_text),
    Field(min_length=1, max_length=_LONGEST),
    AfterValidator(_printable),
    AfterValidator(_no_way_up),
]
"""A vendor's id as text, which may hold slashes."""
Id: TypeAlias = Annotated[AnyId, AfterValidator(_one_segment)]
"""A vendor's id as text, fit for a path; some write theirs as a number."""
Tag: TypeAlias = Annotated[str, Field(max_length=_LONGEST), AfterValidator(_printable)]
"""A tag's name as the vendor shows it."""
