"""Read the body of a response, unless it is far larger or deeper than a contact is.

A broken or hostile vendor must not use up the memory of the process, which serves all
accounts. The second half of the module has the types that models of replies are made
of: ids, lists and tags as vendors write them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Annotated, TypeAlias, TypeVar

import orjson
from pydantic import AfterValidator, BeforeValidator, Field

from syncengine.model.bounds import DEEPEST_ANSWER, LONGEST_NAME, MOST_PARTS
from syncengine.model.http import Json, Request
from syncengine.model.texts import is_storable

_LONGEST_ID = 512
"""Characters."""
_SURROGATE = re.compile("[\ud800-\udfff]")
"""Half of a character, which no UTF-8 text may hold."""


class Unreadable(ValueError):
    """The body is no JSON, or none that an API of contacts would answer with."""


def read_json(request: Request, body: bytes) -> Json:
    """Return the JSON value of a body. Raises Unreadable."""
    if len(body) > request.most_bytes:
        raise Unreadable("it is far too long")
    # A small body may decode to millions of empty lists. Each part but the first
    # follows one of these characters, so that no more parts are made than counted here.
    separators = body.count(b",") + body.count(b"[") + body.count(b"{")
    if separators > MOST_PARTS:
        raise Unreadable("it has far too many parts")
    value = _decoded(body, lists=request.lists)
    if _is_deeper(value, DEEPEST_ANSWER):
        raise Unreadable("it is nested far too deep")
    return value


def _decoded(body: bytes, *, lists: bool) -> Json:
    """Return the JSON value of a body.

    In a list of contacts, half of a character becomes NUL: so it spoils the contact
    that has it, and none beside it.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        has_surrogates = b"\\ud" in body.lower()
        if not lists or not has_surrogates:
            raise Unreadable("it is no JSON") from None
    try:
        # The standard library reads escaped surrogates, which orjson refuses.
        written_out = json.dumps(json.loads(body), ensure_ascii=False)
        return orjson.loads(_SURROGATE.sub(r"\\u0000", written_out))
    except (ValueError, RecursionError):
        raise Unreadable("it is no JSON") from None


def _is_deeper(value: Json, most: int) -> bool:
    """Return whether lists and objects are nested deeper than ``most`` levels."""
    # Level by level: recursion would fail on the very answers that this is to find.
    level = [value]
    for _ in range(most):
        next_level: list[Json] = []
        for each in level:
            next_level += _parts(each)
        if not next_level:
            return False
        level = next_level
    return True


def _parts(value: Json) -> list[Json]:
    """Return the values in a list or an object; none for any other value."""
    if isinstance(value, dict):
        return list(value.values())
    if isinstance(value, list):
        return value
    return []


_T = TypeVar("_T")
ListOf: TypeAlias = Annotated[tuple[_T, ...], Field(fail_fast=True)]
"""Values of one kind. Checking ends at the first wrong one: a description of each would
need far more room than the answer."""


def _int_to_text(value: Json) -> Json:
    """Return a number as text; true and false, which no id is, stay for an error."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value


def fits_a_path(value: str, *, slashes: bool = False) -> bool:
    """Return whether a value can be one segment of a path, and leads nowhere else.

    ``slashes`` lets those pass that a vendor's ids may hold: many servers read ``%2F``
    as a slash.
    """
    # Some servers read a backslash as a slash too.
    parts = [part.strip() for part in value.replace("\\", "/").split("/")]
    if not value.isprintable() or not any(parts):
        return False
    # These lead to another directory, also where they are percent-encoded.
    if "." in parts or ".." in parts:
        return False
    return slashes or len(parts) == 1


def _fitting_a_path(value: str, *, slashes: bool) -> str:
    if not fits_a_path(value, slashes=slashes):
        raise ValueError("no request could ask for it")
    return value


_IdText: TypeAlias = Annotated[
    str, BeforeValidator(_int_to_text), Field(min_length=1, max_length=_LONGEST_ID)
]
ExternalId: TypeAlias = Annotated[
    _IdText, AfterValidator(partial(_fitting_a_path, slashes=False))
]
"""A vendor's id as text, fit for a path; some vendors write theirs as a number."""
ExternalIdWithSlashes: TypeAlias = Annotated[
    _IdText, AfterValidator(partial(_fitting_a_path, slashes=True))
]
"""A vendor's id as text, which may hold slashes."""


def storable_tags(tags: Iterable[str]) -> tuple[str, ...]:
    """Return the tags as the vendor shows them, without those that cannot be stored.

    Such a name is none of ours.
    """
    return tuple(tag for tag in tags if len(tag) <= LONGEST_NAME and is_storable(tag))


TagNames: TypeAlias = Annotated[ListOf[str], AfterValidator(storable_tags)]
"""The names of a contact's tags in a reply."""


def _object_if_null(value: Json) -> Json:
    return {} if value is None else value


def _list_if_null(value: Json) -> Json:
    return [] if value is None else value


NULL_AS_OBJECT = BeforeValidator(_object_if_null)
"""For fields of a reply in which vendors write null in place of ``{}``."""
NULL_AS_LIST = BeforeValidator(_list_if_null)
"""For fields of a reply in which vendors write null in place of ``[]``."""


def prefixed(prefix: str, values: Mapping[str, Json]) -> dict[str, Json]:
    """Return values under our dotted names: custom fields have a common prefix."""
    return {f"{prefix}{name}": value for name, value in values.items()}
