"""Compare what was asked for with what the answer shows: some vendors drop things with a success."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from syncengine.model.calls import Unsupported
from syncengine.model.contact import Fields
from syncengine.model.http import Json
from syncengine.vendors.kit.values import text

_EMPTY = (None, "")


def fields_not_taken(
    sent: Fields, shown: Fields, same: Callable[[str, Json, Json], bool]
) -> Iterator[Unsupported]:
    """Yield the fields that the answer shows with another value than was sent.

    White space around a text and the kind of its line ends are the vendor's own form.
    """
    for name, value in sent.items():
        theirs = shown.get(name)
        if not same(name, value, theirs) and _lines(value) != _lines(theirs):
            yield not_as_wanted(name, value, theirs)


def fields_lost(kept: Fields, shown: Fields) -> Iterator[Unsupported]:
    """Yield the fields that were there before a write, and that its answer shows empty.

    Another value than before counts as a newer one from elsewhere.
    """
    return (
        not_as_wanted(name, value, None)
        for name, value in kept.items()
        if shown.get(name) in _EMPTY
    )


def _lines(value: Json) -> list[str]:
    return [line.rstrip() for line in text(value).strip().splitlines()]


def not_as_wanted(name: str, wanted: Json, shown: Json) -> Unsupported:
    """Return the shortfall of a write whose answer shows another value.

    A value that is not shown has not necessarily been dropped.
    """
    if wanted in _EMPTY:
        return Unsupported("clear_field", name)
    code = "field_not_shown" if shown in _EMPTY else "field_shown_otherwise"
    return Unsupported(code, name)


def tags_not_taken(
    wanted: Iterable[str], shown: Iterable[str]
) -> Iterator[Unsupported]:
    """Yield the tags that the answer should show and does not; case is ignored."""
    there = {tag.casefold() for tag in shown}
    yield from (
        Unsupported("tag_not_shown", tag)
        for tag in wanted
        if tag.casefold() not in there
    )


def tags_not_removed(
    unwanted: Iterable[str], shown: Iterable[str]
) -> Iterator[Unsupported]:
    """Yield the tags that the answer should not show any more and does; case is ignored."""
    there = {tag.casefold() for tag in shown}
    yield from (
        Unsupported("remove_tag", tag) for tag in unwanted if tag.casefold() in there
    )
