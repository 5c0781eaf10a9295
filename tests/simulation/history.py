"""A history: nights that go wrong in ways told by data alone, the night that repairs them, and what was violated."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from tests.simulation.life import Life, Point, elsewhere
from tests.simulation.network import Fate
from tests.simulation.oracle import safety, violations
from tests.simulation.pair import contact_id, pair
from tests.simulation.scenes import BESIDES, SCENES, fill
from tests.simulation.twists import Sources, Twisted
from tests.simulation.world import LONGEST_WINDOW, Ran, World
from tests.virtual_time import Deadlock, run


@dataclass(frozen=True)
class Outage:
    """The same happens to every request for a while."""

    fate: Fate
    seconds: float


@dataclass(frozen=True)
class Standstill:
    """No statement comes through to the database for a while."""

    seconds: float


@dataclass(frozen=True)
class Jump:
    """The database's clock is set forward, or back.

    Durable times are the database's: after a leap forward nobody starts a run, or takes an account over, before the
    longest window is over.
    """

    seconds: float


@dataclass(frozen=True)
class Another:
    """Somebody starts a second run."""


@dataclass(frozen=True)
class Stop:
    """The run gets a signal to end."""


@dataclass(frozen=True)
class Suppress:
    """From now on nothing may be sent about a contact."""

    contact: int


Event = Twisted | Outage | Standstill | Jump | Another | Stop | Suppress


@dataclass(frozen=True)
class Night:
    """One run, and what happens meanwhile."""

    dies_at: Point = 0
    faults: float = 0.0
    """The share of requests that something happens to."""
    events: tuple[tuple[int, Event], ...] = ()
    """Each when the process waits for the so manieth time."""
    then: tuple[Twisted, ...] = ()
    """What happens to source rows once the run is over."""


@dataclass(frozen=True)
class History:
    """Nights, and their repair. ``play(History(...))`` with the same arguments is the same history again."""

    pair: str
    scene: str
    seed: int
    """Of all that is drawn while it is played: the ways' durations, what happens to requests."""
    nights: tuple[Night, ...]
    destinations: int = 1
    find_first: bool = True
    tight: bool = False
    """Whether the vendor has a second, longer limit."""


@dataclass(frozen=True)
class Told:
    """How a history went."""

    wrong: tuple[str, ...]
    ran: tuple[Ran, ...] = ()
    happened: tuple[Event, ...] = ()
    """The events that came to pass, and the twists between runs."""


Bases = dict[tuple[str, str, int], World]
"""Worlds that were prepared before, by pair, scene and destinations."""


_PREPARED: Bases = {}


def play(history: History, bases: Bases | None = None) -> Told:
    """Play it from the start, or from a world that was prepared before (they are kept, in ``bases`` if given)."""
    kept = _PREPARED if bases is None else bases
    key = (history.pair, history.scene, history.destinations)
    if key not in kept:
        kept[key] = run(_prepared(history))
    try:
        return run(_Play(history, kept[key]).told())
    except Deadlock as error:
        return Told((f"everything stands still: {error}",))


async def _prepared(history: History) -> World:
    """The world as it stands before the nights in question, in step. Frozen: only copies of it go on."""
    scene = SCENES[history.scene]
    world = World(pair(history.pair), 0, scene.on_removed, history.destinations)
    if scene.met is not None:
        first = scene.after[1]
        world.meet(world.pair.row(1, first.key, first.values, ()), frozenset(scene.met))
    besides = BESIDES.before if history.destinations > 1 else {}
    for source in (scene.gone, scene.before):
        fill(world, {**source, **besides})
        await world.run()
        await world.settle()
    assert violations(world) == []
    return world.freeze()


class _Play:
    def __init__(self, history: History, base: World) -> None:
        self._history = history
        self._base = base
        self._happened: list[Event] = []
        self._leapt = False

    async def told(self) -> Told:
        history, scene = self._history, SCENES[self._history.scene]
        world = self._world = self._base.copy(history.seed)
        world.find_first = history.find_first
        world.limit(tight=history.tight)
        beside = BESIDES if history.destinations > 1 else None
        self._sources = Sources(
            {**scene.before, **(beside.before if beside else {})},
            {**scene.after, **(beside.after if beside else {})},
            rekeys=world.pair.rekeys,
        )
        fill(world, self._sources.now)
        ran: list[Ran] = []
        for night in history.nights:
            ran += await self._night(night)
        world.weather.faults = world.weather.ends = world.still_until = 0.0
        await world.settle()
        wrong = list(safety(world))
        ran.append(await world.run())
        await world.settle()
        wrong += violations(world)
        wrong += _fell_short(ran[-1])
        wrong += [f"{contact} is blamed" for contact in sorted(world.blamed())]
        ran.append(await world.run())
        wrong += [f"{ran[-1].requests} requests although all is in step"] if ran[-1].requests else []
        wrong += safety(world)
        return Told(tuple(dict.fromkeys(wrong)), tuple(ran), tuple(self._happened))

    async def _night(self, night: Night) -> list[Ran]:
        world = self._world
        world.weather.faults = night.faults
        others: list[asyncio.Task[Ran]] = []
        ran = [await world.run(dies_at=night.dies_at, events=self._events(night, others))]
        ran += [await other for other in others]
        if self._leapt:
            await asyncio.sleep(LONGEST_WINDOW)
            self._leapt = False
        for twisted in night.then:
            self._let(twisted)
        self._happened += night.then
        return ran

    def _events(self, night: Night, others: list[asyncio.Task[Ran]]) -> Mapping[int, Callable[[Life], None]]:
        def happening(event: Event) -> Callable[[Life], None]:
            return lambda life: self._happen(event, life, others)

        return {point: happening(event) for point, event in night.events}

    def _happen(self, event: Event, life: Life, others: list[asyncio.Task[Ran]]) -> None:
        world, loop = self._world, asyncio.get_running_loop()
        self._happened.append(event)
        match event:
            case Twisted():
                self._let(event)
            case Outage(fate, seconds):
                world.weather.outage, world.weather.ends = fate, loop.time() + seconds
            case Standstill(seconds):
                world.still_until = loop.time() + seconds
            case Jump(seconds) if seconds < 0 or (not others and "renew lease: committed" in life.points):
                world.jumped += seconds
                self._leapt = self._leapt or seconds > 0
            case Another() if not self._leapt:
                others.append(loop.create_task(world.run(), context=elsewhere()))
            case Stop():
                life.told_to_stop = True
            case Suppress(contact) if self._sources.silence(contact):
                world.suppress(contact_id(contact))

    def _let(self, twisted: Twisted) -> None:
        self._sources.let(twisted)
        fill(self._world, self._sources.now)


def _fell_short(ran: Ran) -> Iterator[str]:
    if ran.stopped is not None:
        yield f"the clean run stopped: {ran.stopped}"
    for contact, outcome in ran.outcomes.items():
        if outcome not in ("unsupported", "suppressed"):
            yield f"{contact} ended {outcome} in a clean run"
