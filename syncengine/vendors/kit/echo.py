"""Compare what was asked for with what the answer shows: some vendors drop things with a success."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from syncengine.model.calls import Unsupported
from syncengine.model.contact import Fields
from syncengine.model.http import Json

_EMPTY = (None, "")


def fields_not_taken(
    wanted: Fields, before: Fields, shown: Fields, same: Callable[[str, Json, Json], bool]
) -> Iterator[Unsupported]:
    """The fields that the answer shows empty, or as they were before, although another value was wanted.

    Any other value counts as ours in the vendor's form, or as somebody else's newer one.
    """
    for name, value in wanted.items():
        theirs, clears = shown.get(name), value in _EMPTY
        if not same(name, value, theirs) and (clears or theirs in (*_EMPTY, before.get(name))):
            yield Unsupported("clear_field" if clears else "field_dropped", name)


def tags_not_taken(wanted: Iterable[str], shown: Iterable[str]) -> Iterator[Unsupported]:
    """The tags that the answer should show and does not; their case is the vendor's."""
    there = {tag.casefold() for tag in shown}
    yield from (Unsupported("tag_dropped", tag) for tag in wanted if tag.casefold() not in there)
