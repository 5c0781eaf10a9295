"""The choice of the way in which a source and the state are compared."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from syncengine.storage.source.spec import KeyKind, Source


class Way(StrEnum):
    """Ways to compare source and state."""

    RANGES = "ranges"
    """One statement per range of keys joins the two; unchanged rows never leave the
    database."""
    STREAMS = "streams"
    """Both are read in one order, and compared in this process."""


@dataclass(frozen=True, slots=True)
class Strategy:
    """The way, and for streams their order and whether they are cut into ranges."""

    way: Way
    by_number: bool
    """True where keys are compared as numbers, else as text."""
    cut: bool
    """True where each statement reads one range of keys, and not the whole source."""


def choose_strategy(source: Source, *, same_database: bool, numbered: bool) -> Strategy:
    """Return the fastest strategy that is correct for this source.

    With ``numbered``, every contact of the state has a number to be joined by.
    """
    by_number = source.kind is KeyKind.NUMBER and numbered
    # The state has two indexes: by number and by text. The source's index has to be in
    # the order of one of them, or a range of the one would be no range of the other.
    has_common_index = source.indexed and (
        by_number or source.kind is not KeyKind.NUMBER
    )
    # Ranges need an index that admits no key twice, since the join would pair each of
    # two equal keys with the same contact. And they need rows that lie in its order:
    # else each range would read the whole table (uuid keys at random: 2.0 times the
    # hash scan in memory, against 1.5 for the streams, and far more from a disk).
    if same_database and has_common_index and source.unique and source.in_key_order:
        return Strategy(Way.RANGES, by_number, cut=True)
    # Streams are always correct. They are cut where that costs nothing, or to survive
    # on a replica, which cancels statements that run for long.
    cut = has_common_index and (source.in_key_order or source.on_replica)
    return Strategy(Way.STREAMS, by_number, cut=cut)
