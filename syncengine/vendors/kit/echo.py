"""Compare a write with its answer: some vendors drop values and report a success.

What the answer lacks becomes an ``Unsupported`` of the contact: it counts as written,
and reports say which value the vendor did not take. ``fields_not_taken`` and the others
are generators, so that an adapter joins what applies to its vendor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from syncengine.model.calls import Unsupported
from syncengine.model.contact import Fields
from syncengine.model.http import Json
from syncengine.vendors.kit.values import as_text

_EMPTY = (None, "")
"""Values that vendors use for "no value"."""


def fields_not_taken(
    sent: Fields, shown: Fields, same: Callable[[str, Json, Json], bool]
) -> Iterator[Unsupported]:
    """Yield the fields that the answer shows with another value than was sent.

    ``same`` is the adapter's comparison. White space around a text and the kind of its
    line ends are the vendor's own form.
    """
    for name, value in sent.items():
        theirs = shown.get(name)
        if not same(name, value, theirs) and _lines(value) != _lines(theirs):
            yield shortfall(name, value, theirs)


def fields_lost(kept: Fields, shown: Fields) -> Iterator[Unsupported]:
    """Yield the fields that were there before a write, and that its answer shows empty.

    A value other than the one before counts as a newer one from elsewhere.
    """
    for name, value in kept.items():
        if shown.get(name) in _EMPTY:
            yield shortfall(name, value, None)


def _lines(value: Json) -> list[str]:
    """Return the lines of a text without white space behind each and around all."""
    return [line.rstrip() for line in as_text(value).strip().splitlines()]


def shortfall(name: str, wanted: Json, shown: Json) -> Unsupported:
    """Return what a write fell short of, whose answer shows another value.

    ``wanted`` is the value that was sent, ``shown`` is the one in the answer. A value
    that the answer does not show has not necessarily been dropped.
    """
    if wanted in _EMPTY:
        return Unsupported("clear_field", name)
    if shown in _EMPTY:
        return Unsupported("field_not_shown", name)
    return Unsupported("field_shown_otherwise", name)


def tags_not_taken(
    wanted: Iterable[str], shown: Iterable[str]
) -> Iterator[Unsupported]:
    """Yield the added tags that the answer does not show; case is ignored."""
    present = {tag.casefold() for tag in shown}
    for tag in wanted:
        if tag.casefold() not in present:
            yield Unsupported("tag_not_shown", tag)


def tags_not_removed(
    unwanted: Iterable[str], shown: Iterable[str]
) -> Iterator[Unsupported]:
    """Yield the removed tags that the answer still shows; case is ignored."""
    present = {tag.casefold() for tag in shown}
    for tag in unwanted:
        if tag.casefold() in present:
            yield Unsupported("remove_tag", tag)
