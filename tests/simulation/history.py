"""A history: a night that goes wrong in a way told by data alone, the nights that repair it, and what was violated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from random import Random

from tests.simulation.oracle import safety, violations
from tests.simulation.pair import Pair, pairs
from tests.simulation.scenes import SCENES, Source, Wish, fill
from tests.simulation.world import Ran, World
from tests.virtual_time import run


class Twist(StrEnum):
    """What happens to a source row between two runs."""

    REVERTS = "reverts"
    CHANGES_KEY = "changes key"
    CHANGES = "changes"
    LEAVES = "leaves"
    COMES = "comes"
    """A contact that left is back as it was, or one that never was is new."""


@dataclass(frozen=True)
class History:
    """One night and its repair. ``play(History(...))`` with the same arguments is the same history again."""

    pair: str
    scene: str
    seed: int = 0
    """Of all that is drawn: the ways' durations, what happens to requests, which of the dead process's arrive."""
    deaths: tuple[int, ...] = ()
    """One run each: the place where the process dies, counted from 1; 0: it lives."""
    twists: tuple[tuple[Twist, int], ...] = ()
    """What happens to which contact, one behind each of these runs."""
    faults: float = 0.0
    """The share of requests that something happens to."""


@dataclass(frozen=True)
class Told:
    """How a history went."""

    wrong: tuple[str, ...]
    ran: tuple[Ran, ...]


def play(history: History, bases: dict[tuple[str, str], World] | None = None) -> Told:
    """Play it from the start, or from worlds that were prepared before (they are kept in ``bases``)."""

    async def told() -> Told:
        key = (history.pair, history.scene)
        kept = bases if bases is not None else {}
        if key not in kept:
            kept[key] = await _prepared(history)
        return await _play(history, kept[key])

    return run(told())


async def _prepared(history: History) -> World:
    """The world as it stands before the night in question, in step. Frozen: only copies of it go on."""
    scene = SCENES[history.scene]
    world = World(_pairs()[history.pair], 0, scene.on_removed)
    if scene.met is not None:
        first = scene.after[1]
        world.meet(world.pair.row(1, first.key, first.values, ()), frozenset(scene.met))
    for source in (scene.gone, scene.before):
        fill(world, source)
        await world.run()
        await world.settle()
    assert violations(world) == []
    return world.freeze()


async def _play(history: History, base: World) -> Told:
    scene, world = SCENES[history.scene], base.copy(history.seed)
    sources = Sources(scene.before, scene.after)
    fill(world, sources.now)
    world.faults = history.faults
    ran: list[Ran] = []
    wrong: list[str] = []
    for number, death in enumerate(history.deaths):
        ran.append(await world.run(dies_at=death or None))
        wrong += safety(world)
        if not ran[-1].died:
            await world.settle()
        for twist, contact in history.twists[number : number + 1]:
            sources.twist(twist, contact)
            fill(world, sources.now)
    world.faults = 0.0
    await world.settle()
    ran.append(await world.run())
    await world.settle()
    wrong += violations(world)
    wrong += _fell_short(ran[-1])
    wrong += [f"{contact} is blamed" for contact in sorted(world.blamed())]
    ran.append(await world.run())
    wrong += [f"{ran[-1].requests} requests although all is in step"] if ran[-1].requests else []
    wrong += safety(world)
    return Told(tuple(dict.fromkeys(wrong)), tuple(ran))


def _fell_short(ran: Ran) -> Iterator[str]:
    if ran.stopped is not None:
        yield f"the clean run stopped: {ran.stopped}"
    for contact, outcome in ran.outcomes.items():
        if outcome != "unsupported":
            yield f"{contact} ended {outcome} in a clean run"


class Sources:
    """The source through the night."""

    def __init__(self, before: Source, after: Source) -> None:
        self._before = dict(before)
        self.now = dict(after)
        self._fresh = 20

    def twist(self, twist: Twist, contact: int) -> None:
        """Let it happen, unless two rows would then have one key."""
        now, was = dict(self.now), self._before.get(contact)
        self._fresh += 1
        match twist:
            case Twist.REVERTS if was is not None:
                now[contact] = was
            case Twist.REVERTS | Twist.LEAVES:
                now.pop(contact, None)
            case Twist.CHANGES_KEY if contact in now:
                now[contact] = replace(now[contact], key=self._fresh)
            case Twist.CHANGES if contact in now:
                now[contact] = replace(now[contact], values=(self._fresh, self._fresh), tags=("b", f"t{self._fresh}"))
            case Twist.COMES if contact not in now:
                now[contact] = was or Wish(self._fresh, (1, 2), ("a",))
        if len({wish.key for wish in now.values()}) == len(now):
            self.now = now


def _pairs() -> dict[str, Pair]:
    if not _KNOWN:
        _KNOWN.update({pair.name: pair for pair in pairs()})
    return _KNOWN


_KNOWN: dict[str, Pair] = {}


def drawn(pair: str, seed: int, *, deaths: int = 2, faults: float = 0.0) -> History:
    """A history drawn from a seed."""
    random = Random(seed)
    scene = random.choice(sorted(SCENES))
    contacts = sorted({*SCENES[scene].before, *SCENES[scene].after, 7})
    return History(
        pair,
        scene,
        seed,
        tuple(
            random.choice((0, random.randint(1, 60), random.randint(1, 160))) for _ in range(random.randint(1, deaths))
        ),
        tuple((random.choice(list(Twist)), random.choice(contacts)) for _ in range(random.randint(0, deaths))),
        faults,
    )
