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
    """Yield the fields that the answer shows empty, or as they were before.

    Only those for which another value was wanted. Any other value counts as ours in the
    vendor's form, or as a newer one from elsewhere.
    """
    for name, value in wanted.items():
        theirs, clears = shown.get(name), value in _EMPTY
        if not same(name, value, theirs) and (clears or theirs in (*_EMPTY, before.get(name))):
            yield not_as_wanted(name, value, theirs)


def not_as_wanted(name: str, wanted: Json, shown: Json) -> Unsupported:
    """Return the shortfall of a write whose answer shows another value.

    A value that is not shown has not necessarily been dropped.
    """
    if wanted in _EMPTY:
        return Unsupported("clear_field", name)
    code = "field_not_shown" if shown in _EMPTY else "field_shown_otherwise"
    return Unsupported(code, name)


def tags_not_taken(wanted: Iterable[str], shown: Iterable[str]) -> Iterator[Unsupported]:
    """Yield the tags that the answer should show and does not; case is ignored."""
    there = {tag.casefold() for tag in shown}
    yield from (Unsupported("tag_not_shown", tag) for tag in wanted if tag.casefold() not in there)
