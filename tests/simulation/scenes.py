"""Small worlds: what the source held last night, and what it holds tonight."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from syncengine.model.mapping import OnRemoved
from tests.simulation.pair import CLEARED, Pair, contact_id
from tests.simulation.world import DESTINATIONS, World


@dataclass(frozen=True)
class Wish:
    """One source row, by the numbers of its values. No two rows of a source have the same key."""

    key: int
    values: tuple[int, ...] = (1, 1)
    tags: tuple[str, ...] = ()


Source = Mapping[int, Wish]
"""Contact to what it asks for."""


@dataclass(frozen=True)
class Scene:
    """A source that changes between two nights."""

    before: Source
    after: Source
    gone: Source = field(default_factory=dict)
    """Who was there the night before the last one."""
    met: tuple[str, ...] | None = None
    """The tags of a contact with the key of contact 1 that the vendor held before us."""
    on_removed: OnRemoved = OnRemoved.UNTAG
    hands_on: bool = False
    """Whether a match key goes from one who stays to another: nothing for vendors that cannot change it."""


_ANN = Wish(1, (1, 1), ("a", "b"))
_BOB = Wish(2, (2, 2), ("b",))
_CAT = Wish(3, (3, CLEARED), ())

SCENES: Mapping[str, Scene] = {
    "newcomers": Scene({}, {1: _ANN, 2: replace(_BOB, values=(2, CLEARED))}),
    "changes": Scene(
        {1: _ANN, 2: _BOB},
        {1: replace(_ANN, values=(4, CLEARED)), 2: replace(_BOB, tags=("a", "c"))},
    ),
    "left": Scene({1: _ANN, 2: _BOB}, {2: _BOB}),
    "deleted": Scene({1: _ANN, 2: _BOB}, {2: replace(_BOB, values=(5, 5))}, on_removed=OnRemoved.DELETE),
    "back": Scene({2: _BOB}, {1: replace(_ANN, tags=("c",)), 2: _BOB}, gone={1: _ANN, 2: _BOB}),
    "taken over": Scene({1: _ANN}, {2: replace(_ANN, values=(6, 6), tags=("b", "c"))}),
    "handed on": Scene({1: _ANN}, {1: replace(_ANN, key=9), 2: replace(_BOB, key=1)}, hands_on=True),
    "swapped": Scene({1: _ANN, 2: _BOB}, {1: replace(_ANN, key=2), 2: replace(_BOB, key=1)}, hands_on=True),
    "met": Scene({2: _BOB}, {1: _ANN, 2: replace(_BOB, key=8)}, met=("a", "x")),
    "all at once": Scene(
        {1: _ANN, 2: _BOB, 3: _CAT, 4: Wish(4, (4, 4), ("d",))},
        {
            1: replace(_ANN, tags=("b",), values=(7, 1)),
            2: replace(_BOB, key=3),
            3: replace(_CAT, key=2, values=(3, 3)),
            5: Wish(4, (5, 5), ("a", "d")),
            6: Wish(6, (6, CLEARED), ("e",)),
        },
        hands_on=True,
    ),
}


def fitting(pair: Pair) -> tuple[str, ...]:
    """The names of the scenes that mean something at this vendor."""
    return tuple(name for name, scene in SCENES.items() if pair.rekeys or not scene.hands_on)


BESIDES = Scene({11: Wish(11, (1, 2), ("a",)), 12: Wish(12)}, {11: Wish(11, (2, 2), ("b",)), 13: Wish(13)})
"""What a second destination in the account holds and is to hold, where there is one."""


def is_beside(contact: int) -> bool:
    """Whether a contact is one of the second destination's."""
    return contact >= min(BESIDES.before)


def fill(world: World, source: Source) -> None:
    """Make the sources hold just this."""
    for table in world.tables.values():
        table.rows.clear()
    for number, wish in source.items():
        row = world.pair.row(number, wish.key, wish.values, wish.tags)
        world.tables[DESTINATIONS[is_beside(number)]].rows[contact_id(number)] = row
