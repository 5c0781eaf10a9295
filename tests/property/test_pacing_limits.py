"""Pacing keeps the limits, and hardly ever stays below them.

Whatever the network does, and however often the process dies.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from random import Random

import pytest
from aiolimiter import AsyncLimiter
from hypothesis import given, settings
from hypothesis import strategies as st

from syncengine.engine.pacing import Pacing
from syncengine.errors import LeaseLost, StorageError
from syncengine.model.limits import Limit, most_items
from tests.support.memory.database import Database
from tests.support.paced_processes import (
    TTL,
    Line,
    database_clock,
    holding,
    kept_in_memory,
    now,
    work,
)
from tests.support.strict_vendor import StrictVendor, Weather, Wire
from tests.support.virtual_time import run

A_MINUTE = Limit(200, 60.0)
A_SECOND = Limit(20, 1.0)
SETTLES_WITHIN, TIMEOUT = 5.0, 10.0


class Ending(StrEnum):
    """The way in which a process ends."""

    RELEASED = "released"
    """It finishes its work, and releases the lease."""
    KILLED = "killed"
    CUT_OFF = "cut off"
    """It cannot reach the database any more, and works on until its lease runs out."""


@dataclass(frozen=True, slots=True)
class Life:
    """One process: its working time, its end, and the pause after it."""

    seconds: float
    ending: Ending
    rest: float
    limits: tuple[Limit, ...] | None = None
    """None: those of its history."""


@dataclass(frozen=True, slots=True)
class History:
    """Everything that happens to an account."""

    limits: tuple[Limit, ...]
    weather: Weather
    lives: tuple[Life, ...]
    workers: int
    in_flight: int
    speed: float
    """The speed of the vendor's clock, measured by ours."""
    seed: int


def seconds(most: float) -> st.SearchStrategy[float]:
    return st.floats(0.0, most, allow_nan=False)


def sometimes(most: float) -> st.SearchStrategy[float]:
    return st.just(0.0) | seconds(most)


PERIODS = st.sampled_from([0.5, 1.0, 2.0, 5.0, 12.0])
METHODS = st.sampled_from([None, None, "GET", "POST"])
LIMITS = st.lists(
    st.builds(Limit, st.integers(1, 12), PERIODS, METHODS),
    min_size=1,
    max_size=3,
).map(tuple)
ITEM_LIMITS = st.builds(Limit, st.none(), PERIODS, METHODS, items=st.integers(1, 40))
MIXED_LIMITS = st.lists(
    ITEM_LIMITS | st.builds(Limit, st.integers(1, 12), PERIODS, METHODS),
    min_size=1,
    max_size=3,
).map(tuple)
WEATHERS = st.builds(
    Weather,
    latency=sometimes(2.0),
    jitter=seconds(0.05),
    service=seconds(0.2),
    connecting=sometimes(1.0),
    slow=sometimes(0.2),
    lost=sometimes(0.1),
    unsent=sometimes(0.1),
    throttled=sometimes(0.1),
    frozen=sometimes(0.02),
)
LIVES = st.lists(
    st.builds(
        Life,
        seconds(15.0),
        st.sampled_from(Ending),
        sometimes(12.0),
    ),
    min_size=1,
    max_size=4,
).map(tuple)
HISTORIES = st.builds(
    History,
    LIMITS,
    WEATHERS,
    LIVES,
    workers=st.integers(1, 20),
    in_flight=st.integers(1, 12),
    speed=st.sampled_from([1.0, 1.0009, 0.9991]),
    seed=st.integers(0, 2**32),
)


@dataclass(frozen=True, slots=True)
class Lived:
    """The vendor and the wires at the end of a history."""

    vendor: StrictVendor
    wires: list[Wire]


async def live(history: History) -> Lived:
    """Play a history from beginning to end."""
    random = Random(history.seed)
    vendor = StrictVendor(history.speed)
    database = Database(database_clock)
    wires: list[Wire] = []
    processes: list[asyncio.Task[None]] = []
    with kept_in_memory():
        for life in history.lives:
            wire = _wire(history, life, vendor, random)
            line = Line(database)
            wires.append(wire)
            process = asyncio.create_task(work_on_account(history, life, wire, line))
            processes.append(process)
            is_released = life.ending is Ending.RELEASED
            timeout = None if is_released else life.seconds
            await asyncio.wait([process], timeout=timeout)
            if life.ending is Ending.KILLED:
                process.cancel()
            elif life.ending is Ending.CUT_OFF:
                line.reachable = False
            await asyncio.sleep(life.rest)
        await asyncio.sleep(TIMEOUT + SETTLES_WITHIN)
    for process in processes:
        if not process.cancelled():
            process.result()
    return Lived(vendor, wires)


def _wire(history: History, life: Life, vendor: StrictVendor, random: Random) -> Wire:
    if life.ending is not Ending.CUT_OFF:
        return Wire(vendor, history.weather, random, SETTLES_WITHIN, TIMEOUT)
    # A process that is cut off goes on beside the next one. What it sent before its
    # lease ran out has to arrive within the same time, so it gives up sooner.
    patience = 1.0
    return Wire(vendor, history.weather, random, SETTLES_WITHIN - patience, patience)


async def work_on_account(history: History, life: Life, wire: Wire, line: Line) -> None:
    """Work until the end, or until the lease or the database is gone."""
    limits = life.limits or history.limits

    async def send() -> None:
        # Batches as large as the limits let through, and single contacts.
        most = most_items(limits) or 20
        items = wire.random.choice([1, most, wire.random.randint(1, most)])
        await wire.send(pacing, wire.random.choice(["GET", "POST"]), items)

    # Longer than its lease lasts: it ends because it loses the lease.
    endless = life.seconds + (10 * TTL if life.ending is Ending.CUT_OFF else 0.0)
    try:
        async with holding(
            line,
            limits,
            in_flight=history.in_flight,
            settles_within=SETTLES_WITHIN,
            timeout=TIMEOUT,
        ) as pacing:
            wire.on_retry_after = pacing.pause
            pacing.prove()
            await work(history.workers, send, endless)
    except* (LeaseLost, StorageError):
        assert life.ending is Ending.CUT_OFF or history.weather.frozen


@settings(max_examples=150, derandomize=True, deadline=None)
@given(HISTORIES)
def test_no_window_of_the_vendor_ever_holds_more_than_its_limit(
    history: History,
) -> None:
    lived = run(live(history))
    assert lived.vendor.excess(history.limits) == {}
    assert all(wire.most_under_way <= history.in_flight for wire in lived.wires)


@settings(max_examples=100, derandomize=True, deadline=None)
@given(HISTORIES, MIXED_LIMITS)
def test_no_window_of_the_vendor_ever_holds_more_items_than_its_limit(
    history: History, limits: tuple[Limit, ...]
) -> None:
    """Requests carry one item or many; limits count these, or requests."""
    lived = run(live(replace(history, limits=limits)))
    assert lived.vendor.excess(limits) == {}
    assert all(wire.most_under_way <= history.in_flight for wire in lived.wires)


@settings(max_examples=80, derandomize=True, deadline=None)
@given(HISTORIES, MIXED_LIMITS | st.just(()), MIXED_LIMITS)
def test_a_changed_limit_counts_what_was_sent_before_it(
    history: History, before: tuple[Limit, ...], after: tuple[Limit, ...]
) -> None:
    """Judge every window with a request of the last process.

    It is the first one with these limits.
    """
    *lives, last = history.lives
    lives = [replace(life, limits=before) for life in lives or [last]]
    lives.append(replace(last, limits=after))
    lived = run(live(replace(history, limits=after, lives=tuple(lives))))
    assert lived.vendor.excess(after, sender=lived.wires[-1]) == {}


CALM = Weather(jitter=0.0, service=0.0)


@pytest.mark.parametrize("speed", [0.9991, 1.0009])
def test_a_clock_that_runs_fast_or_slow_makes_no_difference(speed: float) -> None:
    """With weather in which nothing else keeps requests apart."""
    life = Life(300.0, Ending.RELEASED, rest=0.0)
    history = History(
        (Limit(3, 30.0),),
        CALM,
        (life, life),
        workers=4,
        in_flight=4,
        speed=speed,
        seed=1,
    )
    lived = run(live(history))
    assert lived.vendor.excess([Limit(3, 30.0)]) == {}


@pytest.mark.parametrize("seed", range(20))
def test_who_takes_over_lets_the_requests_of_the_dead_arrive_first(seed: int) -> None:
    """In windows shorter than the time they may take."""
    limits = (Limit(3, 0.5),)
    history = History(
        limits,
        Weather(lost=0.5),
        (Life(6.0, Ending.KILLED, rest=0.0), Life(10.0, Ending.RELEASED, rest=0.0)),
        workers=8,
        in_flight=8,
        speed=1.0,
        seed=seed,
    )
    lived = run(live(history))
    assert lived.vendor.excess(limits) == {}


async def paced(
    limits: Sequence[Limit], weather: Weather, seconds: float, *, tight: bool = False
) -> StrictVendor:
    """One process that has always more to send."""
    vendor = StrictVendor()
    wire = Wire(vendor, weather, Random(7))
    with kept_in_memory():
        async with holding(Line(), limits, in_flight=16, tight=tight) as pacing:
            pacing.prove()
            await work(16, lambda: wire.send(pacing, "GET"), seconds)
    return vendor


@pytest.mark.parametrize("jitter", [0.0, 0.05])
def test_a_minute_is_used_to_98_percent(jitter: float) -> None:
    """Count the requests in the fifteen windows after the first one.

    The share of those allowed is judged.
    """
    vendor = run(paced([A_MINUTE], Weather(jitter=jitter), 16 * 60.0))
    assert vendor.excess([A_MINUTE]) == {}
    assert 0.98 <= vendor.use(A_MINUTE, since=60.0, windows=15) <= 1.0


@pytest.mark.parametrize("workers", [1, 100])
def test_a_backlog_changes_nothing(workers: int) -> None:
    async def crowd() -> StrictVendor:
        vendor = StrictVendor()
        wire = Wire(vendor, Weather(), Random(7))
        async with Pacing([A_MINUTE], in_flight=8, settles_within=5.0) as pacing:
            pacing.prove()
            await work(workers, lambda: wire.send(pacing, "GET"), 600.0)
        return vendor

    vendor = run(crowd())
    assert vendor.excess([A_MINUTE]) == {}
    assert vendor.use(A_MINUTE, since=60.0, windows=9) >= 0.98


def test_batches_use_98_percent_of_a_minute_of_items() -> None:
    """The time is the limit's own, where a batch is a share of it."""
    limit = Limit(items=1000, per=60.0)

    async def batches() -> StrictVendor:
        vendor = StrictVendor()
        wire = Wire(vendor, Weather(latency=0.15), Random(7))
        with kept_in_memory():
            async with holding(Line(), [limit, A_MINUTE], in_flight=8) as pacing:
                pacing.prove()
                await work(8, lambda: wire.send(pacing, "POST", 100), 16 * 60.0)
        return vendor

    vendor = run(batches())
    assert vendor.excess([limit, A_MINUTE]) == {}
    assert 0.98 <= vendor.use(limit, since=60.0, windows=15) <= 1.0


def test_several_limits_are_kept_at_once_and_the_tightest_is_used() -> None:
    limits = [A_SECOND, A_MINUTE, Limit(150, 60.0, "GET")]
    vendor = run(paced(limits, Weather(), 11 * 60.0))
    assert vendor.excess(limits) == {}
    assert vendor.use(limits[2], since=60.0, windows=10) >= 0.98


def test_a_tight_second_is_used_to_98_percent() -> None:
    """Bet on the shortest way.

    The bet is won as long as the way does not get shorter than at first.
    """
    weather = Weather(latency=0.02, jitter=0.01)
    usual = run(paced([A_SECOND], weather, 201.0, tight=False))
    tight = run(paced([A_SECOND], weather, 201.0, tight=True))
    assert usual.excess([A_SECOND]) == tight.excess([A_SECOND]) == {}
    assert usual.use(A_SECOND, since=1.0, windows=200) < 0.95
    assert tight.use(A_SECOND, since=1.0, windows=200) >= 0.98


class Smooth:
    """A gate that trusts a token bucket."""

    def __init__(self, limit: Limit) -> None:
        self._bucket = AsyncLimiter(limit.most, limit.per)

    async def permit(self, _method: str, _items: int = 1) -> Smooth:
        await self._bucket.acquire()
        return self

    def check(self) -> None: ...

    def answered(self) -> None: ...

    def abandoned(self) -> None: ...

    def unsent(self) -> None: ...


class SendsLog(Smooth):
    """A gate that counts requests when it sends them."""

    def __init__(self, limit: Limit) -> None:
        super().__init__(limit)
        self._limit = limit
        self._sent: deque[float] = deque()

    async def permit(self, _method: str, _items: int = 1) -> SendsLog:
        while (  # noqa: ASYNC110
            len(self._sent) == self._limit.most
            and now() < self._sent[0] + self._limit.per
        ):
            await asyncio.sleep(self._sent[0] + self._limit.per - now())
        if len(self._sent) == self._limit.most:
            self._sent.popleft()
        self._sent.append(now())
        return self


@pytest.mark.parametrize("naive", [Smooth, SendsLog])
@pytest.mark.parametrize("limit", [A_MINUTE, A_SECOND], ids=["minute", "second"])
def test_simpler_ways_are_caught(naive: type[Smooth], limit: Limit) -> None:
    async def trusting() -> StrictVendor:
        vendor = StrictVendor()
        wire, gate = Wire(vendor, Weather(), Random(7)), naive(limit)
        await work(16, lambda: wire.send(gate, "GET"), 5 * limit.per)
        return vendor

    assert run(trusting()).excess([limit])
