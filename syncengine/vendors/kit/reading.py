"""Read an answer's body, within bounds: what is far larger or deeper than any contact is not believed."""

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
"""Half of a character."""


class Unreadable(ValueError):
    """The body is no JSON, or none that an API of contacts would answer with."""


def read_json(request: Request, body: bytes) -> Json:
    """The JSON value of a body. Raises Unreadable."""
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
    """The value. In a list half of a character counts as NUL: it spoils what holds it, and no contact beside it."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        if not lists or b"\\ud" not in body.lower():
            raise Unreadable("it is no JSON") from None
    try:
        return orjson.loads(_HALF.sub(r"\\u0000", json.dumps(json.loads(body), ensure_ascii=False)))
    except (ValueError, RecursionError):
        raise Unreadable("it is no JSON") from None


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


def fits_a_path(value: str, *, slashes: bool = False) -> bool:
    """Whether a value can be one segment of a path, and means no other place there.

    ``slashes`` lets those pass that a vendor's ids may hold: many a server reads ``%2F`` as a slash.
    """
    parts = [part.strip() for part in value.replace("\\", "/").split("/")]
    elsewhere = not any(parts) or not {".", ".."}.isdisjoint(parts)
    return not elsewhere and value.isprintable() and (slashes or len(parts) == 1)


def _fit(value: str, *, slashes: bool) -> str:
    if not fits_a_path(value, slashes=slashes):
        raise ValueError("no request could ask for it")
    return value


_Text: TypeAlias = Annotated[str, BeforeValidator(_id_as_text), Field(min_length=1, max_length=_LONGEST_ID)]
AnyId: TypeAlias = Annotated[_Text, AfterValidator(partial(_fit, slashes=True))]
"""A vendor's id as text, which may hold slashes."""
Id: TypeAlias = Annotated[_Text, AfterValidator(partial(_fit, slashes=False))]
"""A vendor's id as text, fit for a path; some write theirs as a number."""


def readable(tags: Iterable[str]) -> tuple[str, ...]:
    """The tags as the vendor shows them. A name that cannot be kept is none of ours and is left out."""
    return tuple(tag for tag in tags if len(tag) <= LONGEST_NAME and is_storable(tag))


Tags: TypeAlias = Annotated[Many[str], AfterValidator(readable)]
