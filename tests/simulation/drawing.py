"""Histories drawn from a seed."""

from __future__ import annotations

from random import Random

from tests.simulation.history import Another, Event, History, Jump, Night, Outage, Standstill, Stop
from tests.simulation.network import OUTAGES
from tests.simulation.pair import pairs
from tests.simulation.scenes import BESIDES, SCENES, fitting
from tests.simulation.twists import Twist, Twisted

_NEVER_MET = ("newcomers", "changes", "left", "deleted", "back")
"""Scenes in which no newcomer's match key is at the vendor already: look-ups may be spared."""


def drawn(vendor: str, seed: int) -> History:
    """The history of this seed."""
    random = Random(f"{vendor} {seed}")
    pair = random.choice(pairs(vendor))
    scene = random.choice(fitting(pair))
    destinations = 2 if random.random() < 0.25 else 1
    find_first = scene not in _NEVER_MET or random.random() < 0.5
    contacts = sorted({*SCENES[scene].before, *SCENES[scene].after, 7})
    if destinations > 1:
        contacts += sorted({*BESIDES.before, *BESIDES.after})
    nights = tuple(_night(random, contacts) for _ in range(random.choice((1, 1, 2, 2, 3))))
    return History(pair.name, scene, seed, nights, destinations, find_first)


def _night(random: Random, contacts: list[int]) -> Night:
    return Night(
        dies_at=random.choice((0, random.randint(1, 60), random.randint(1, 160))),
        faults=random.choice((0.0, 0.0, 0.05, 0.2, 0.5)),
        events=tuple((random.randint(1, 100), _event(random, contacts)) for _ in range(random.choice((0, 0, 1, 2, 4)))),
        then=tuple(_twisted(random, contacts) for _ in range(random.choice((0, 0, 1, 2)))),
    )


def _event(random: Random, contacts: list[int]) -> Event:
    match random.choice(("twist", "twist", "twist", "outage", "standstill", "jump", "another", "stop")):
        case "outage":
            return Outage(random.choice(OUTAGES), random.uniform(1, 200))
        case "standstill":
            return Standstill(random.uniform(1, 40))
        case "jump":
            return Jump(random.choice((-100.0, -5.0, 5.0, 10.0)))
        case "another":
            return Another()
        case "stop":
            return Stop()
        case _:
            return _twisted(random, contacts)


def _twisted(random: Random, contacts: list[int]) -> Twisted:
    return Twisted(random.choice(list(Twist)), random.choice(contacts))
