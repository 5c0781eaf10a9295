"""A history: nights that go wrong in ways told by data alone, the night that repairs them, and what was violated."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from syncengine.model.mapping import OnRemoved
from tests.simulation.life import Life, Point, elsewhere
from tests.simulation.manual_edits import AtVendor
from tests.simulation.network import Fate
from tests.simulation.oracle import safety, violations
from tests.simulation.pair import contact_id, pair
from tests.simulation.row_changes import SourceEdit, Sources
from tests.simulation.scenes import SCENES, SECOND_DESTINATION, fill
from tests.simulation.world import LONGEST_WINDOW, RunResult, World
from tests.support.virtual_time import Deadlock, run


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
class SecondRun:
    """Somebody starts a second run."""


@dataclass(frozen=True)
class Stop:
    """The run gets a signal to end."""


@dataclass(frozen=True)
class Suppress:
    """From now on nothing may be sent about a contact."""

    contact: int


@dataclass(frozen=True)
class Lift:
    """A suppression is taken back."""

    contact: int


@dataclass(frozen=True)
class Copy:
    """By hand or by another program, the vendor gets one more contact with the match key a contact asks for."""

    contact: int


PersonEvent = SourceEdit | Suppress | Lift | Copy | AtVendor
"""What people do: in the source, here, or at the vendor."""
Event = PersonEvent | Outage | Standstill | Jump | SecondRun | Stop


@dataclass(frozen=True)
class Night:
    """One run, and what happens meanwhile."""

    dies_at: Point = 0
    faults: float = 0.0
    """The share of requests that something happens to."""
    events: tuple[tuple[int, Event], ...] = ()
    """Each when the process waits for the so manieth time."""
    afterwards: tuple[PersonEvent, ...] = ()
    """What happens once the run is over."""


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
    final_events: tuple[PersonEvent, ...] = ()
    """What happens once clean runs have judged everybody and refusals have become dead letters."""
    recreates: bool = False
    """Whether contacts deleted at the vendor are created again."""
    keeps_removed: bool = False
    """Whether nothing happens to who leaves, whatever the scene says."""


@dataclass(frozen=True)
class HistoryResult:
    """How a history went."""

    violations: tuple[str, ...]
    runs: tuple[RunResult, ...] = ()
    events: tuple[Event, ...] = ()
    """The events that came to pass, and the edits between runs."""


PATIENCE = 1
"""Clean runs after which nobody is deferred."""
_UNTIL_DEAD = 3
NIGHTS = 4
"""Clean runs of which the last one must have nothing to do: a refusal is held against a contact three times."""


Bases = dict[tuple[str, str, int], World]
"""Worlds that were prepared before, by pair, scene and destinations."""


_PREPARED: Bases = {}


def play(history: History, bases: Bases | None = None) -> HistoryResult:
    """Play it from the start, or from a world that was prepared before (they are kept, in ``bases`` if given)."""
    kept = _PREPARED if bases is None else bases
    key = (history.pair, history.scene, history.destinations)
    if key not in kept:
        kept[key] = run(_prepared(history))
    try:
        return run(_Play(history, kept[key]).result())
    except Deadlock as error:
        return HistoryResult((f"everything stands still: {error}",))


async def _prepared(history: History) -> World:
    """The world as it stands before the nights in question, in step. Frozen: only copies of it go on."""
    scene = SCENES[history.scene]
    world = World(pair(history.pair), 0, scene.on_removed, history.destinations)
    for tags in scene.strangers:
        world.add_stranger(1, scene.after[1].key, frozenset(tags))
    besides = SECOND_DESTINATION.before if history.destinations > 1 else {}
    for source in (scene.two_nights_ago, scene.before):
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

    async def result(self) -> HistoryResult:
        history, scene = self._history, SCENES[self._history.scene]
        world = self._world = self._base.copy(history.seed)
        world.find_first = history.find_first
        world.recreates = history.recreates
        world.on_removed = (
            OnRemoved.IGNORE if history.keeps_removed else scene.on_removed
        )
        world.limit(tight=history.tight)
        beside = SECOND_DESTINATION if history.destinations > 1 else None
        self._sources = Sources(
            {**scene.before, **(beside.before if beside else {})},
            {**scene.after, **(beside.after if beside else {})},
        )
        fill(world, self._sources.now)
        ran: list[RunResult] = []
        for night in history.nights:
            ran += await self._night(night)
        world.weather.faults = world.weather.ends = world.database_stalled_until = 0.0
        await world.settle()
        if history.final_events:
            for _ in range(_UNTIL_DEAD):
                ran.append(await world.run())
                await world.settle()
            for event in history.final_events:
                self._apply(event)
            self._happened += history.final_events
        wrong = list(safety(world))
        clean: list[RunResult] = []
        while len(clean) < NIGHTS and not (clean and clean[-1].is_quiet):
            clean.append(await world.run())
            await world.settle()
        wrong += violations(world)
        wrong += _fell_short(clean)
        return HistoryResult(
            tuple(dict.fromkeys(wrong)), (*ran, *clean), tuple(self._happened)
        )

    async def _night(self, night: Night) -> list[RunResult]:
        world = self._world
        world.weather.faults = night.faults
        others: list[asyncio.Task[RunResult]] = []
        ran = [
            await world.run(dies_at=night.dies_at, events=self._events(night, others))
        ]
        ran += [await other for other in others]
        if self._leapt:
            await asyncio.sleep(LONGEST_WINDOW)
            self._leapt = False
        for event in night.afterwards:
            self._apply(event)
        self._happened += night.afterwards
        return ran

    def _events(
        self, night: Night, others: list[asyncio.Task[RunResult]]
    ) -> Mapping[int, Callable[[Life], None]]:
        def happening(event: Event) -> Callable[[Life], None]:
            return lambda life: self._handle(event, life, others)

        return {point: happening(event) for point, event in night.events}

    def _handle(
        self, event: Event, life: Life, others: list[asyncio.Task[RunResult]]
    ) -> None:
        world, loop = self._world, asyncio.get_running_loop()
        self._happened.append(event)
        match event:
            case Outage(fate, seconds):
                world.weather.outage, world.weather.ends = fate, loop.time() + seconds
            case Standstill(seconds):
                world.database_stalled_until = loop.time() + seconds
            case Jump(seconds) if seconds < 0 or (
                not others and "renew lease: committed" in life.points
            ):
                world.clock_offset += seconds
                self._leapt = self._leapt or seconds > 0
            case SecondRun() if not self._leapt:
                others.append(loop.create_task(world.run(), context=elsewhere()))
            case Stop():
                life.stop_requested = True
            case SourceEdit() | Suppress() | Lift() | Copy() | AtVendor():
                self._apply(event)

    def _apply(self, event: PersonEvent) -> None:
        world = self._world
        match event:
            case SourceEdit():
                self._sources.apply(event)
                fill(world, self._sources.now)
            case Suppress(contact):
                world.suppress(contact_id(contact))
            case Lift(contact):
                world.lift(contact_id(contact))
            case AtVendor(act, contact):
                world.act(act, contact_id(contact), contact)
            case Copy(contact) if contact in self._sources.now:
                world.add_stranger(
                    contact, self._sources.now[contact].key, frozenset({"x"})
                )


def _fell_short(clean: Sequence[RunResult]) -> Iterator[str]:
    """What clean runs over one source must not end with, the first one first."""
    for number, ran in enumerate(clean, 1):
        if ran.stopped is not None:
            yield f"clean run {number} stopped: {ran.stopped}"
    late = clean[PATIENCE:]
    for contact in sorted({each for ran in late for each in ran.outcomes}):
        numbers = [
            number
            for number, ran in enumerate(late, PATIENCE + 1)
            if ran.outcomes.get(contact) in _OPEN
        ]
        if numbers:
            said = late[numbers[-1] - PATIENCE - 1].messages[contact]
            yield f"{contact} is put off in clean runs {', '.join(map(str, numbers))}: {said}"
    if not clean[-1].is_quiet:
        yield f"clean run {len(clean)} has work again: {clean[-1].requests} requests, {dict(clean[-1].outcomes)}"


_OPEN = ("deferred", "unknown")
