"""Histories drawn from a seed."""

from __future__ import annotations

from random import Random

from tests.simulation.history import Another, Event, History, Jump, Night, Outage, Standstill, Stop, Suppress
from tests.simulation.life import Point
from tests.simulation.network import OUTAGES
from tests.simulation.pair import pairs
from tests.simulation.scenes import BESIDES, SCENES, fitting
from tests.simulation.twists import Twist, Twisted

_NEVER_MET = ("newcomers", "changes", "left", "deleted", "back")
"""Scenes in which no newcomer's match key is at the vendor already: unless one inherits it, look-ups may be spared."""


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
"""Where a death leaves most in doubt: the places whose names end so."""
_TWISTS = (*Twist, Twist.LEAVES, Twist.CHANGES_KEY)


def drawn(vendor: str, seed: int) -> History:
    """The history of this seed."""
    random = Random(f"{vendor} {seed}")
    pair = random.choice(pairs(vendor))
    scene = random.choice(fitting(pair))
    destinations = 2 if random.random() < 0.2 else 1
    contacts = sorted({*SCENES[scene].before, *SCENES[scene].after, 7})
    if destinations > 1:
        contacts += sorted({*BESIDES.before, *BESIDES.after})
    suppresses = random.random() < 0.3
    nights = tuple(_night(random, contacts, suppresses=suppresses) for _ in range(random.choice((1, 1, 2, 2, 3))))
    inherits = any(map(_inherits, nights))
    return History(
        pair=pair.name,
        scene=scene,
        seed=seed,
        nights=nights,
        destinations=destinations,
        find_first=scene not in _NEVER_MET or inherits or random.random() < 0.5,
        tight=random.random() < 0.2,
    )


def _inherits(night: Night) -> bool:
    events = (*night.then, *(event for _, event in night.events))
    return any(isinstance(event, Twisted) and event.twist is Twist.INHERITS for event in events)


def _night(random: Random, contacts: list[int], *, suppresses: bool) -> Night:
    events = [(random.randint(1, 100), _event(random, contacts)) for _ in range(random.choice((0, 0, 1, 2, 4)))]
    if suppresses:
        events.append((random.randint(1, 100), Suppress(random.choice(contacts))))
    return Night(
        dies_at=_point(random),
        faults=random.choice((0.0, 0.0, 0.1, 0.3, 0.5)),
        events=tuple(events),
        then=tuple(_twisted(random, contacts) for _ in range(random.choice((0, 1, 1, 2)))),
    )


def _point(random: Random) -> Point:
    """Nowhere, anywhere, or where it hurts."""
    match random.choice(("nowhere", "anywhere", "hurts", "hurts")):
        case "nowhere":
            return 0
        case "anywhere":
            return random.randint(1, random.choice((60, 160)))
        case _:
            return random.choice(_ENDS), random.choice((1, 1, 2, 3, 5, 8))


def _event(random: Random, contacts: list[int]) -> Event:
    match random.choice(("twist", "twist", "twist", "outage", "standstill", "jump", "another", "stop")):
        case "outage":
            return Outage(random.choice(OUTAGES), random.uniform(1, 200))
        case "standstill":
            return Standstill(random.uniform(1, 40))
        case "jump":
            return Jump(random.choice((-100.0, -5.0, 5.0, 60.0, 3600.0)))
        case "another":
            return Another()
        case "stop":
            return Stop()
        case _:
            return _twisted(random, contacts)


def _twisted(random: Random, contacts: list[int]) -> Twisted:
    return Twisted(random.choice(_TWISTS), random.choice(contacts))
