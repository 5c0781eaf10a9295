"""Histories: nights that go wrong, the clean runs that repair them, and a verdict.

A history is data alone, so the same history can be played again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from syncengine.errors import VendorHalted
from syncengine.model.mapping import OnRemoved
from syncengine.model.undo import UndoScope
from tests.simulation.change_oracle import not_sent, unexplained
from tests.simulation.life import Life, Point, elsewhere
from tests.simulation.manual_edits import AtVendor
from tests.simulation.network import Fate
from tests.simulation.oracle import safety, vendor_contacts, violations
from tests.simulation.pair import contact_id, pair
from tests.simulation.row_changes import SourceEdit, Sources
from tests.simulation.scenes import SCENES, SECOND_DESTINATION, fill
from tests.simulation.undo_oracle import (
    PutBack,
    distrust_rows,
    put_back,
    sent_again,
    wrongly_taken_back,
)
from tests.simulation.world import LONGEST_WINDOW, RunResult, World
from tests.support.virtual_time import Deadlock, run


@dataclass(frozen=True)
class Outage:
    """A time in which the same happens to every request."""

    fate: Fate
    seconds: float


@dataclass(frozen=True)
class Standstill:
    """A time in which no statement reaches the database."""

    seconds: float


@dataclass(frozen=True)
class Jump:
    """A leap of the database's clock, forward or back.

    Durable times are the database's. So after a leap forward nobody starts a run, or
    takes an account over, before the longest window of the limits is over.
    """

    seconds: float


@dataclass(frozen=True)
class SecondRun:
    """The start of a second run by somebody else."""


@dataclass(frozen=True)
class Stop:
    """A signal to the run to end."""


@dataclass(frozen=True)
class Suppress:
    """A suppression: from now on nothing may be sent about a contact."""

    contact: int


@dataclass(frozen=True)
class Lift:
    """The end of a suppression."""

    contact: int


@dataclass(frozen=True)
class Copy:
    """One more contact at the vendor with the match key that a contact asks for.

    It is made by hand, or by another program.
    """

    contact: int


@dataclass(frozen=True)
class ManyEdits:
    """Changes of several rows at once."""

    edits: tuple[SourceEdit, ...]


PersonEvent = SourceEdit | Suppress | Lift | Copy | AtVendor
"""Something that a person does: in the source, here, or at the vendor."""
Event = PersonEvent | ManyEdits | Outage | Standstill | Jump | SecondRun | Stop


@dataclass(frozen=True)
class Night:
    """One run, and the events during and after it."""

    dies_at: Point = 0
    faults: float = 0.0
    """The share of requests that something happens to."""
    events: tuple[tuple[Point, Event], ...] = ()
    """Events, each with the place where the process waits when it happens."""
    afterwards: tuple[PersonEvent, ...] = ()
    """Events once the run is over."""


@dataclass(frozen=True)
class Undo:
    """An undo of what one of the nights changed, repeated when all goes well again."""

    night: int
    """The night whose run is taken back, right behind it or later."""
    after: int
    """The night behind which it is taken back first."""
    dies_at: Point = 0
    deletes_created: bool = False


@dataclass(frozen=True)
class History:
    """Nights and their repair.

    ``play(History(...))`` with the same arguments is the same history again.
    """

    pair: str
    scene: str
    seed: int
    """The seed of all draws during play: durations, fates of requests."""
    nights: tuple[Night, ...]
    destinations: int = 1
    find_first: bool = True
    tight: bool = False
    """True if the vendor has a second, longer limit."""
    final_events: tuple[PersonEvent, ...] = ()
    """Events once clean runs have made dead letters of refusals."""
    recreates: bool = False
    """True if contacts deleted at the vendor are created again."""
    keeps_removed: bool = False
    """True if removed contacts are kept, whatever the scene says."""
    undo: Undo | None = None
    wave_size: int | None = None
    """Contacts that one request is about at most; None: as many as the vendor takes."""


@dataclass(frozen=True)
class HistoryResult:
    """The violations of a history, and what happened in it."""

    violations: tuple[str, ...]
    runs: tuple[RunResult, ...] = ()
    events: tuple[Event, ...] = ()
    """The events that came to pass, during runs and between them."""


PATIENCE = 1
"""Clean runs after which no contact may be deferred."""
_UNTIL_DEAD = 3
"""Clean runs after which a refused contact is a dead letter."""
NIGHTS = 4
"""Clean runs at most, of which the last has nothing to do: three may be refused."""


Bases = dict[tuple[str, str, int], World]
"""Prepared worlds by pair, scene and number of destinations."""


_PREPARED: Bases = {}


def play(history: History, bases: Bases | None = None) -> HistoryResult:
    """Play a history and judge it.

    The world as it stands before the first night is prepared once for each pair, scene
    and number of destinations, and kept in ``bases`` (by default: for the process).
    """
    kept = _PREPARED if bases is None else bases
    key = (history.pair, history.scene, history.destinations)
    if key not in kept:
        kept[key] = run(_prepared(history))
    try:
        return run(_Play(history, kept[key]).play())
    except Deadlock as error:
        return HistoryResult((f"everything stands still: {error}",))


async def _prepared(history: History) -> World:
    """Return the world as it stands before the nights in question, in step.

    It is frozen: only copies of it go on.
    """
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
        self._halted: list[RunResult] = []
        """Runs that were halted because the vendor has no known contact any more."""

    async def play(self) -> HistoryResult:
        """Play the nights, then clean runs until one has nothing to do."""
        history = self._history
        world = self._world = self._prepared_world()
        runs: list[RunResult] = []
        first_runs: list[int] = []
        undo = history.undo
        for number, night in enumerate(history.nights):
            first_runs.append(max(world.database.runs, default=0) + 1)
            runs += await self._night(night)
            if undo is not None and undo.after == number:
                scope = UndoScope(
                    first_runs[undo.night], deletes_created=undo.deletes_created
                )
                runs.append(await world.run(dies_at=undo.dies_at, undo=scope))
        # From here on nothing goes wrong any more.
        world.weather.faults = world.weather.ends = world.database_stalled_until = 0.0
        await world.settle()
        kept: list[PutBack] = []
        if undo is not None:
            runs.append(await world.run(undo=scope))
            await world.settle()
            kept = put_back(world, scope)
        if history.final_events:
            runs += await self._make_dead_letters()
            for event in history.final_events:
                self._apply(event)
            self._happened += history.final_events
        found = list(safety(world))
        clean = await self._clean_runs()
        found += violations(world)
        found += _shortcomings(clean)
        found += unexplained(world, vendor_contacts(world))
        found += not_sent(world)
        found += wrongly_taken_back(world)
        found += await self._sent_again(kept)
        return HistoryResult(
            tuple(dict.fromkeys(found)),
            (*runs, *self._halted, *clean),
            tuple(self._happened),
        )

    async def _sent_again(self, kept: list[PutBack]) -> list[str]:
        """Return what a backfill at the end sends again of what was taken back."""
        if kept:
            distrust_rows(self._world)
            await self._world.run()
            await self._world.settle()
        return list(sent_again(self._world, kept))

    def _prepared_world(self) -> World:
        """Return a copy of the base with the history's sources and settings."""
        history, scene = self._history, SCENES[self._history.scene]
        world = self._base.copy(history.seed)
        world.find_first = history.find_first
        world.recreates = history.recreates
        if history.wave_size is not None:
            world.pair = world.pair.with_wave_size(history.wave_size)
        world.on_removed = scene.on_removed
        if history.keeps_removed:
            world.on_removed = OnRemoved.IGNORE
        world.limit(tight=history.tight)
        before, after = dict(scene.before), dict(scene.after)
        if history.destinations > 1:
            before |= SECOND_DESTINATION.before
            after |= SECOND_DESTINATION.after
        self._sources = Sources(before, after)
        fill(world, self._sources.now)
        return world

    async def _make_dead_letters(self) -> list[RunResult]:
        runs: list[RunResult] = []
        for _ in range(_UNTIL_DEAD):
            runs.append(await self._world.run())
            await self._world.settle()
        return runs

    async def _clean_runs(self) -> list[RunResult]:
        """Run until a run has nothing to do, or too many had something to do."""
        runs: list[RunResult] = []
        while len(runs) < NIGHTS:
            ran = await self._world.run()
            await self._world.settle()
            if self._is_to_be_accepted(ran):
                self._world.gone_accepted = True
                self._halted.append(ran)
                continue
            runs.append(ran)
            if ran.is_quiet:
                break
        return runs

    def _is_to_be_accepted(self, ran: RunResult) -> bool:
        """Return whether a run was halted because the vendor has no known contact.

        Whoever looks at the account then finds that this is so, and accepts it.
        """
        is_halted = isinstance(ran.stopped, VendorHalted)
        return is_halted and self._world.is_emptied and not self._world.gone_accepted

    async def _night(self, night: Night) -> list[RunResult]:
        world = self._world
        world.weather.faults = night.faults
        others: list[asyncio.Task[RunResult]] = []
        ran = [
            await world.run(dies_at=night.dies_at, events=self._events(night, others))
        ]
        ran += [await other for other in others]
        if self._leapt:
            # Nobody starts a run before the longest window is over (see ``Jump``).
            await asyncio.sleep(LONGEST_WINDOW)
            self._leapt = False
        for event in night.afterwards:
            self._apply(event)
        self._happened += night.afterwards
        return ran

    def _events(
        self, night: Night, others: list[asyncio.Task[RunResult]]
    ) -> Mapping[Point, Callable[[Life], None]]:
        def happening(event: Event) -> Callable[[Life], None]:
            return lambda life: self._handle(event, life, others)

        return {point: happening(event) for point, event in night.events}

    def _handle(
        self, event: Event, life: Life, others: list[asyncio.Task[RunResult]]
    ) -> None:
        world, loop = self._world, asyncio.get_running_loop()
        if isinstance(event, ManyEdits):
            for edit in event.edits:
                self._handle(edit, life, others)
            return
        self._happened.append(event)
        match event:
            case Outage(fate, seconds):
                world.weather.outage, world.weather.ends = fate, loop.time() + seconds
            case Standstill(seconds):
                world.database_stalled_until = loop.time() + seconds
            case Jump(seconds) if seconds < 0 or self._may_leap(life, others):
                world.clock_offset += seconds
                self._leapt = self._leapt or seconds > 0
            case SecondRun() if not self._leapt:
                others.append(loop.create_task(world.run(), context=elsewhere()))
            case Stop():
                life.stop_requested = True
            case SourceEdit() | Suppress() | Lift() | Copy() | AtVendor():
                self._apply(event)

    def _may_leap(self, life: Life, others: list[asyncio.Task[RunResult]]) -> bool:
        """Return whether the clock may leap forward without a run that starts then."""
        return not others and "renew lease: committed" in life.points

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


_OPEN = ("deferred", "unknown")
"""Outcomes that no contact may have once the clean runs have had their time."""


def _shortcomings(clean: Sequence[RunResult]) -> Iterator[str]:
    """Yield what clean runs over one unchanged source must not end with."""
    for number, run_result in enumerate(clean, 1):
        if run_result.stopped is not None:
            yield f"clean run {number} stopped: {run_result.stopped}"
    late = clean[PATIENCE:]
    contacts = {contact for run_result in late for contact in run_result.outcomes}
    for contact in sorted(contacts):
        put_off = [
            number
            for number, run_result in enumerate(late, PATIENCE + 1)
            if run_result.outcomes.get(contact) in _OPEN
        ]
        if put_off:
            message = clean[put_off[-1] - 1].messages[contact]
            numbers = ", ".join(map(str, put_off))
            yield f"{contact} is put off in clean runs {numbers}: {message}"
    last = clean[-1]
    if not last.is_quiet:
        yield (
            f"clean run {len(clean)} has work again: "
            f"{last.requests} requests, {dict(last.outcomes)}"
        )
