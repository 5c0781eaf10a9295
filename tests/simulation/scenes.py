"""Scenes: the contents of the source last night and tonight."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from syncengine.model.mapping import OnRemoved
from tests.simulation.pair import CLEARED, DesiredRow, Flaw, contact_id
from tests.simulation.world import DESTINATIONS, World

Source = Mapping[int, DesiredRow]
"""Contact to its row."""


@dataclass(frozen=True)
class Scene:
    """A source that changes between two nights."""

    before: Source
    after: Source
    two_nights_ago: Source = field(default_factory=dict)
    """The rows of the night before the last one."""
    strangers: tuple[tuple[str, ...], ...] = ()
    """Contacts that the vendor had before us, by their tags.

    All have the match key of contact 1.
    """
    on_removed: OnRemoved = OnRemoved.UNTAG


_ANN = DesiredRow(1, (1, 1), ("a", "b"))
_BOB = DesiredRow(2, (2, 2), ("b",))
_CAT = DesiredRow(3, (3, CLEARED), ())
_DAN, _EVE = DesiredRow(4, (4, 4), ("d",)), DesiredRow(5, (5, 5), ("e",))
_NEXT = DesiredRow(3, (9, 9), ("c", "d"))
"""The row of a newcomer with the match key of contact 3."""
_ABC = {1: _ANN, 2: _BOB, 3: _CAT}

SCENES: Mapping[str, Scene] = {
    "newcomers": Scene({}, {1: _ANN, 2: replace(_BOB, values=(2, CLEARED))}),
    "changes": Scene(
        {1: _ANN, 2: _BOB},
        {1: replace(_ANN, values=(4, CLEARED)), 2: replace(_BOB, tags=("a", "c"))},
    ),
    "left": Scene({1: _ANN, 2: _BOB}, {2: _BOB}),
    "deleted": Scene(
        {1: _ANN, 2: _BOB},
        {2: replace(_BOB, values=(5, 5))},
        on_removed=OnRemoved.DELETE,
    ),
    "back": Scene(
        {2: _BOB},
        {1: replace(_ANN, tags=("c",)), 2: _BOB},
        two_nights_ago={1: _ANN, 2: _BOB},
    ),
    "taken over": Scene({1: _ANN}, {2: replace(_ANN, values=(6, 6), tags=("b", "c"))}),
    "handed on": Scene({1: _ANN}, {1: replace(_ANN, key=9), 2: replace(_BOB, key=1)}),
    "swapped": Scene(
        {1: _ANN, 2: _BOB}, {1: replace(_ANN, key=2), 2: replace(_BOB, key=1)}
    ),
    "met": Scene(
        {2: _BOB}, {1: _ANN, 2: replace(_BOB, key=8)}, strangers=(("a", "x"),)
    ),
    "all at once": Scene(
        {1: _ANN, 2: _BOB, 3: _CAT, 4: DesiredRow(4, (4, 4), ("d",))},
        {
            1: replace(_ANN, tags=("b",), values=(7, 1)),
            2: replace(_BOB, key=3),
            3: replace(_CAT, key=2, values=(3, 3)),
            5: DesiredRow(4, (5, 5), ("a", "d")),
            6: DesiredRow(6, (6, CLEARED), ("e",)),
        },
    ),
    "met twice": Scene(
        {2: _BOB},
        {1: _ANN, 2: _BOB, 3: replace(_CAT, key=1)},
        strangers=(("a", "x"), ("y",)),
    ),
    "shared": Scene(
        {1: _ANN, 2: _BOB},
        {1: _ANN, 2: replace(_BOB, key=1), 3: _CAT, 4: replace(_DAN, key=3)},
    ),
    "wanted by one who waits": Scene(
        {1: _ANN, 2: _BOB},
        {
            1: replace(_ANN, key=2),
            2: _BOB,
            3: replace(_CAT, key=1),
            4: replace(_DAN, key=1),
        },
    ),
    "a chain": Scene(
        _ABC,
        {
            1: replace(_ANN, key=9),
            2: replace(_BOB, key=1),
            3: replace(_CAT, key=2),
            4: _NEXT,
        },
    ),
    "a ring": Scene(
        _ABC,
        {1: replace(_ANN, key=2), 2: replace(_BOB, key=3), 3: replace(_CAT, key=1)},
    ),
    "a chain behind one who is refused": Scene(
        _ABC,
        {
            1: replace(_ANN, key=9, flaw=Flaw.VALUE),
            2: replace(_BOB, key=1),
            3: replace(_CAT, key=2),
            4: _NEXT,
        },
    ),
    "a chain behind one whom the vendor refuses": Scene(
        _ABC,
        {
            1: _ANN,
            2: _BOB,
            3: replace(_CAT, key=9, values=(8, 8), flaw=Flaw.REFUSED),
            4: _NEXT,
            5: replace(_EVE, key=9),
        },
    ),
    "a chain behind one who opted out": Scene(
        _ABC,
        {
            1: replace(_ANN, key=9, opted_out=True),
            2: replace(_BOB, key=9),
            3: replace(_CAT, key=2),
            4: _NEXT,
            5: replace(_EVE, key=1),
        },
    ),
    "a chain behind one who left": Scene(
        _ABC,
        {
            2: replace(_BOB, key=1),
            3: replace(_CAT, key=2, flaw=Flaw.KEY),
            4: _NEXT,
            5: replace(_EVE, key=2),
        },
        on_removed=OnRemoved.IGNORE,
    ),
    "let be": Scene(
        {1: _ANN, 2: _BOB},
        {2: replace(_BOB, tags=("a",)), 5: replace(_EVE, key=1)},
        two_nights_ago={3: _CAT},
        on_removed=OnRemoved.IGNORE,
    ),
}


SECOND_DESTINATION = Scene(
    {11: DesiredRow(11, (1, 2), ("a",)), 12: DesiredRow(12)},
    {11: DesiredRow(11, (2, 2), ("b",)), 13: DesiredRow(13)},
)
"""The rows of a second destination in the account, where there is one."""


def is_in_second_destination(contact: int) -> bool:
    """Return whether a contact began at the second destination."""
    return contact >= min(SECOND_DESTINATION.before)


def fill(world: World, source: Source) -> None:
    """Make the sources hold these rows and no others."""
    for table in world.tables.values():
        table.rows.clear()
    for number, desired in source.items():
        destination = DESTINATIONS[is_in_second_destination(number) != desired.moved]
        world.tables[destination].rows[contact_id(number)] = world.pair.whole_row(
            number, desired
        )
    world.desired_rows = {
        contact_id(number): desired for number, desired in source.items()
    }
    world.note_rows()
