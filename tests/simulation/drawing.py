"""Histories drawn from seeds.

The order of the draws is part of what a seed means: a draw that is added, dropped or
moved makes other histories of all seeds. Seeds named in tests and messages would lie.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from random import Random

from tests.simulation.history import (
    Copy,
    Event,
    History,
    Jump,
    Lift,
    ManyEdits,
    Night,
    Outage,
    PersonEvent,
    SecondRun,
    Standstill,
    Stop,
    Suppress,
    Undo,
)
from tests.simulation.life import Point
from tests.simulation.manual_edits import Act, AtVendor
from tests.simulation.network import OUTAGES
from tests.simulation.pair import pairs
from tests.simulation.row_changes import MILD, RowChange, SourceEdit
from tests.simulation.scenes import SCENES, SECOND_DESTINATION
from tests.simulation.wave_log import SECOND_HALF, WAITS

_ENDS = (
    "intend: committed",
    "link: committed",
    "record: asked",
    "record: committed",
    ": permit granted",
    ": sent",
    " at the vendor",
    ": answered",
)
"""Ends of the names of places where a death leaves most unknown."""
_ENDS_IN_WAVES = (
    WAITS,
    "intend: committed",
    " contacts: sent",
    " contacts: fine at the vendor",
    " contacts: answer lost at the vendor",
    " contacts: half at the vendor",
    " contacts: half late at the vendor",
    "record: asked",
)
"""The same where requests are about several contacts."""
_ENDS_IN_HALVES = (f"{SECOND_HALF}: permit asked", f"{SECOND_HALF}: sent")
"""The same where such a request was refused as a whole."""
_MANY = (2, 7, 8, 9, 10)
"""Contacts whose rows change at once: most are newcomers at first."""
_CHANGES_OF_MANY = (RowChange.COMES, RowChange.COMES, RowChange.CHANGES, RowChange.TAGS)
_BEFORE_THE_DIFF = "diff: asked"
_WAVE_SIZES = (1, 2, 2, 3, 3, None)
_MILD = (*MILD, RowChange.LEAVES, RowChange.CHANGES_KEY)
_HARD = (
    *(change for change in RowChange if change is not RowChange.MOVES),
    *(
        RowChange.LEAVES,
        RowChange.CHANGES_KEY,
        RowChange.WANTS,
        RowChange.SHARES,
        RowChange.CORRECTED,
    ),
)


@dataclass(frozen=True)
class _Repertoire:
    """The events that may happen in a history."""

    contacts: tuple[int, ...]
    hard: bool
    """True if rows are bad, share match keys or opt out.

    And whether somebody makes copies by hand.
    """
    suppresses: bool
    copies: bool
    """True if others make contacts at the vendor.

    A destination without look-ups promises that nobody does.
    """
    moves: bool
    """True if contacts move between two destinations."""

    def edit(self, random: Random) -> SourceEdit:
        if self.moves and random.random() < 0.4:
            return SourceEdit(RowChange.MOVES, random.choice(self.contacts))
        changes = _HARD if self.hard else _MILD
        return SourceEdit(random.choice(changes), random.choice(self.contacts))


def draw_history(vendor: str, seed: int) -> History:
    """Return the history of this seed."""
    random = Random(f"{vendor} {seed}")
    pair = random.choice(pairs(vendor))
    find_first = random.random() < 0.7
    scene = random.choice(
        [name for name, scene in SCENES.items() if find_first or not scene.strangers]
    )
    destinations = 2 if random.random() < 0.2 else 1
    contacts = sorted({*SCENES[scene].before, *SCENES[scene].after, 7})
    if destinations > 1:
        contacts += sorted({*SECOND_DESTINATION.before, *SECOND_DESTINATION.after})
    repertoire = _Repertoire(
        tuple(contacts),
        hard=random.random() < 0.5,
        suppresses=random.random() < 0.3,
        copies=find_first,
        moves=destinations > 1,
    )
    nights = tuple(
        _night(random, repertoire) for _ in range(random.choice((1, 1, 2, 2, 3)))
    )
    # Drawn apart, so that everything else about a seed stays as it was.
    undo = _undo(Random(f"{vendor} {seed} undo"), len(nights))
    visit = _visit(Random(f"{vendor} {seed} at the vendor"), repertoire, len(nights))
    history = History(
        pair=pair.name,
        scene=scene,
        seed=seed,
        nights=_visited(nights, visit),
        destinations=destinations,
        find_first=find_first,
        tight=random.random() < 0.2,
        recreates=visit.recreates,
        keeps_removed=random.random() < 0.2,
        final_events=tuple(
            _person_event(random, repertoire)
            for _ in range(random.choice((0, 0, 0, 1, 2)))
        ),
        undo=undo,
    )
    if not pair.has_waves:
        return history
    return _in_waves(history, Random(f"{vendor} {seed} waves"), repertoire)


def _in_waves(history: History, random: Random, repertoire: _Repertoire) -> History:
    """Draw what only requests about several contacts have."""
    nights = []
    for night in history.nights:
        events = list(night.events)
        edits: list[SourceEdit] = []
        if random.random() < 0.7:
            change = random.choice(_CHANGES_OF_MANY)
            edits += [SourceEdit(change, contact) for contact in _MANY]
        if random.random() < 0.25:
            contact = random.choice((*repertoire.contacts, *_MANY))
            events.append(((WAITS, random.randint(1, 9)), Suppress(contact)))
        dies_at = night.dies_at
        if random.random() < 0.4:
            dies_at = random.choice(_ENDS_IN_WAVES), random.choice((1, 1, 2, 3))
        if random.random() < 0.3:
            contact = random.choice((*repertoire.contacts, *_MANY))
            edits.append(SourceEdit(RowChange.REFUSED, contact))
            if random.random() < 0.4:
                # It is to be refused with others, and the halves are sent apart.
                dies_at = random.choice(_ENDS_IN_HALVES), 1
        events.append(((_BEFORE_THE_DIFF, 1), ManyEdits(tuple(edits))))
        faults = random.choice((night.faults, 0.3, 0.5))
        nights.append(
            replace(night, events=tuple(events), dies_at=dies_at, faults=faults)
        )
    return replace(history, nights=tuple(nights), wave_size=random.choice(_WAVE_SIZES))


def _undo(random: Random, nights: int) -> Undo | None:
    """Draw an undo of one of the nights, if there is one."""
    night = random.randrange(nights)
    undo = Undo(
        night=night,
        after=random.randrange(night, nights),
        dies_at=_point(random),
        deletes_created=random.random() < 0.5,
    )
    return undo if random.random() < 0.4 else None


@dataclass(frozen=True)
class _Visit:
    """An act of a person at the vendor's screen, if anybody is there."""

    night: int
    point: int
    """The point of the run at which it happens; 0: between two runs."""
    act: AtVendor | None
    recreates: bool


def _visit(random: Random, repertoire: _Repertoire, nights: int) -> _Visit:
    act = AtVendor(random.choice(tuple(Act)), random.choice(repertoire.contacts))
    return _Visit(
        night=random.randrange(nights),
        point=random.choice((0, 0, random.randint(1, 80))),
        act=act if random.random() < 0.4 else None,
        recreates=random.random() < 0.4,
    )


def _visited(nights: tuple[Night, ...], visit: _Visit) -> tuple[Night, ...]:
    if visit.act is None:
        return nights
    night = nights[visit.night]
    if visit.point:
        night = replace(night, events=(*night.events, (visit.point, visit.act)))
    else:
        night = replace(night, afterwards=(visit.act, *night.afterwards))
    return (*nights[: visit.night], night, *nights[visit.night + 1 :])


def _night(random: Random, repertoire: _Repertoire) -> Night:
    events = [
        (random.randint(1, 100), _event(random, repertoire))
        for _ in range(random.choice((0, 0, 1, 2, 4)))
    ]
    if repertoire.suppresses:
        events.append(
            (random.randint(1, 100), Suppress(random.choice(repertoire.contacts)))
        )
    return Night(
        dies_at=_point(random),
        faults=random.choice((0.0, 0.0, 0.1, 0.3, 0.5)),
        events=tuple(events),
        afterwards=tuple(
            _person_event(random, repertoire)
            for _ in range(random.choice((0, 1, 1, 2)))
        ),
    )


def _person_event(random: Random, repertoire: _Repertoire) -> PersonEvent:
    """Draw what a person does: most often, a change of a row."""
    contact = random.choice(repertoire.contacts)
    if repertoire.suppresses and random.random() < 0.2:
        return random.choice((Suppress, Lift))(contact)
    if repertoire.hard and repertoire.copies and random.random() < 0.1:
        return Copy(contact)
    return repertoire.edit(random)


def _point(random: Random) -> Point:
    """Draw where the process dies: nowhere, anywhere, or where it hurts."""
    match random.choice(("nowhere", "anywhere", "hurts", "hurts")):
        case "nowhere":
            return 0
        case "anywhere":
            return random.randint(1, random.choice((60, 160)))
        case _:
            return random.choice(_ENDS), random.choice((1, 1, 2, 3, 5, 8))


_EVENTS: Mapping[str, Callable[[Random], Event]] = {
    "outage": lambda random: Outage(random.choice(OUTAGES), random.uniform(1, 200)),
    "standstill": lambda random: Standstill(random.uniform(1, 40)),
    "jump": lambda random: Jump(random.choice((-100.0, -5.0, 5.0, 60.0, 3600.0))),
    "another": lambda _: SecondRun(),
    "stop": lambda _: Stop(),
}


def _event(random: Random, repertoire: _Repertoire) -> Event:
    name = random.choice(("change", "change", "change", "copy", *_EVENTS))
    if name in _EVENTS:
        return _EVENTS[name](random)
    if name == "copy" and repertoire.hard and repertoire.copies:
        return Copy(random.choice(repertoire.contacts))
    return repertoire.edit(random)
