"""The gate: who may send and when, and how waiting ends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import NoReturn

import pytest

from syncengine.engine.pacing import GrantedPermit, Pacing
from syncengine.errors import LeaseLost, StorageError, VendorHalted
from syncengine.model.limits import Limit
from tests.support.memory.quotas import Quotas
from tests.support.virtual_time import run

DAY = 86400.0
HALTED = VendorHalted("the key is wrong", setting="settings.token")


def now() -> float:
    return asyncio.get_running_loop().time()


def gated(
    test: Callable[[Pacing], Awaitable[None]],
    *limits: Limit,
    in_flight: int = 8,
    proven: bool = True,
    check: Callable[[], None] = lambda: None,
    quotas: Quotas | None = None,
) -> None:
    """Run the test in virtual time with the gate of an account."""

    async def whole() -> None:
        gate = Pacing(
            limits, in_flight=in_flight, settles_within=5.0, check=check, quotas=quotas
        )
        async with gate:
            if proven:
                gate.prove()
            await test(gate)

    run(whole())


async def granted(
    gate: Pacing, *methods: str, within: float = 1.0
) -> list[asyncio.Task[GrantedPermit]]:
    """Start one task for each method, in their order, so much later."""
    tasks = [asyncio.create_task(gate.permit(method)) for method in methods]
    await asyncio.sleep(within)
    return tasks


def done(tasks: Sequence[asyncio.Task[GrantedPermit]]) -> list[bool]:
    return [task.done() for task in tasks]


async def granting(gate: Pacing) -> None:
    """Wait until the pacer has granted a permit that its worker has not seen yet."""
    while not gate._flying:  # noqa: ASYNC110 - the very turn of the loop matters
        await asyncio.sleep(0)


async def let_go(tasks: Sequence[asyncio.Task[GrantedPermit]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


LIMITED = pytest.mark.parametrize(
    "limits", [(), (Limit(1000, 1.0),)], ids=["unlimited", "limited"]
)


@LIMITED
def test_until_the_key_is_proven_one_request_is_out_at_a_time(
    limits: tuple[Limit, ...],
) -> None:
    async def one_by_one(gate: Pacing) -> None:
        tasks = await granted(gate, "GET", "GET", "GET")
        assert done(tasks) == [True, False, False]
        tasks[0].result().answered()
        await asyncio.sleep(1.0)
        assert done(tasks) == [True, True, False]
        gate.prove()
        await asyncio.sleep(1.0)
        assert done(tasks) == [True, True, True]

    gated(one_by_one, *limits, proven=False)


@LIMITED
def test_no_more_are_in_flight_than_allowed(limits: tuple[Limit, ...]) -> None:
    async def two(gate: Pacing) -> None:
        tasks = await granted(gate, *["GET"] * 4)
        assert done(tasks) == [True, True, False, False]
        tasks[0].result().abandoned()
        tasks[1].result().unsent()
        await asyncio.sleep(1.0)
        assert done(tasks) == [True] * 4

    gated(two, *limits, in_flight=2)


def test_workers_are_served_in_the_order_they_came() -> None:
    async def in_order(gate: Pacing) -> None:
        served: list[int] = []

        async def worker(number: int) -> None:
            (await gate.permit("POST" if number % 3 else "GET")).answered()
            served.append(number)

        await asyncio.gather(*(worker(number) for number in range(30)))
        assert served == list(range(30))

    gated(in_order, Limit(100, 1.0), Limit(5, 1.0, "GET"))


@LIMITED
def test_the_longest_pause_the_vendor_asked_for_holds_everybody_up(
    limits: tuple[Limit, ...],
) -> None:
    async def paused(gate: Pacing) -> None:
        gate.pause(30.0)
        gate.pause(10.0)
        permit = await gate.permit("GET")
        assert now() == pytest.approx(30.0, abs=0.01)
        assert gate.throttled == 2
        permit.answered()

    gated(paused, *limits)


@LIMITED
def test_a_pause_that_comes_while_somebody_waits_holds_for_it_too(
    limits: tuple[Limit, ...],
) -> None:
    async def paused(gate: Pacing) -> None:
        first = await gate.permit("GET")
        waiting = asyncio.create_task(gate.permit("GET"))
        await asyncio.sleep(0.1)
        gate.pause(30.0)
        first.answered()
        await waiting
        assert now() == pytest.approx(30.1, abs=0.01)

    gated(paused, *limits, in_flight=1)


@LIMITED
def test_a_stopped_account_lets_nobody_through_whether_waiting_or_new(
    limits: tuple[Limit, ...],
) -> None:
    async def stopped(gate: Pacing) -> None:
        tasks = await granted(gate, "GET", "GET")
        gate.stop(HALTED)
        gate.stop(LeaseLost("later"))
        with pytest.raises(VendorHalted):
            await tasks[1]
        with pytest.raises(VendorHalted):
            await gate.permit("GET")
        with pytest.raises(VendorHalted):
            gate.check()
        assert gate.stopped is HALTED

    gated(stopped, *limits, in_flight=1)


def test_who_was_let_through_in_the_moment_of_the_stop_does_not_send() -> None:
    async def stopped(gate: Pacing) -> None:
        first = await gate.permit("GET")
        second = asyncio.create_task(gate.permit("GET"))
        await asyncio.sleep(1.0)
        first.answered()
        await granting(gate)
        gate.stop(HALTED)
        with pytest.raises(VendorHalted):
            await second
        assert (gate._flying, gate.requests) == (0, 1)

    gated(stopped, Limit(100, 1.0), in_flight=1)


@LIMITED
def test_a_worker_that_is_cancelled_while_it_waits_takes_nothing_along(
    limits: tuple[Limit, ...],
) -> None:
    async def cancelled(gate: Pacing) -> None:
        tasks = await granted(gate, "GET", "GET", "GET")
        await let_go(tasks[1:2])
        tasks[0].result().answered()
        await asyncio.sleep(1.0)
        assert tasks[2].done()
        tasks[2].result().answered()
        assert gate.requests == 2

    gated(cancelled, *limits, in_flight=1)


def test_a_worker_that_is_cancelled_right_after_its_grant_gives_the_permit_back() -> (
    None
):
    async def cancelled(gate: Pacing) -> None:
        task = asyncio.create_task(gate.permit("GET"))
        await granting(gate)
        await let_go([task])
        assert gate._flying == 0
        assert gate.ledger.room("GET", now())

    gated(cancelled, Limit(1, DAY))


def test_only_the_first_ending_of_a_permit_counts() -> None:
    async def ended(gate: Pacing) -> None:
        permit = await gate.permit("GET")
        permit.abandoned()
        permit.answered()
        permit.unsent()
        assert (gate._flying, gate.requests) == (0, 1)
        assert not gate.ledger.room("GET", now() + 600.0)

    gated(ended, Limit(1, 600.0))


def test_requests_that_were_never_sent_are_not_counted() -> None:
    async def unsent(gate: Pacing) -> None:
        for _ in range(3):
            (await gate.permit("GET")).unsent()
        assert gate.requests == 0

    gated(unsent, Limit(1, 0.01))


def test_a_batch_too_large_for_every_window_stops_the_account() -> None:
    """It would wait for ever; a limit of another method is no reason."""

    async def too_large(gate: Pacing) -> None:
        (await gate.permit("GET", 11)).answered()
        (await gate.permit("POST", 10)).answered()
        with pytest.raises(VendorHalted, match=r"11 contacts .* lets 10") as caught:
            await gate.permit("POST", 11)
        assert caught.value.setting == "limits"
        assert gate.stopped is caught.value
        assert (gate.requests, gate.items) == (2, 21)

    gated(too_large, Limit(items=10, per=1.0, method="POST"))


def test_a_batch_waits_for_all_of_its_items_and_nobody_passes_it_by() -> None:
    async def batches(gate: Pacing) -> None:
        first = await gate.permit("POST", 6)
        second = asyncio.create_task(gate.permit("POST", 6))
        await asyncio.sleep(0.1)
        small = asyncio.create_task(gate.permit("POST", 1))
        await asyncio.sleep(20.0)
        assert not second.done()
        assert not small.done()
        first.answered()
        answered_at = now()
        await asyncio.gather(second, small)
        assert now() - answered_at == pytest.approx(10.0, abs=0.7)
        await let_go([second, small])

    gated(batches, Limit(items=10, per=10.0))


def test_a_long_window_of_items_is_kept_by_its_quota() -> None:
    async def days(gate: Pacing) -> None:
        for _ in range(3):
            (await gate.permit("POST", 30)).answered()
        assert now() < 1.0
        with pytest.raises(VendorHalted, match="100 contacts is used up"):
            await gate.permit("POST", 30)

    gated(days, Limit(items=100, per=DAY), quotas=Quotas(now))


def test_the_lease_is_asked_right_before_the_bytes_go_out() -> None:
    def lost() -> NoReturn:
        raise LeaseLost("gone")

    async def checked(gate: Pacing) -> None:
        with pytest.raises(LeaseLost):
            gate.check()

    gated(checked, check=lost)


def test_a_long_window_is_kept_by_its_quota_and_does_not_slow_a_short_run_down() -> (
    None
):
    async def days(gate: Pacing) -> None:
        for _ in range(10):
            (await gate.permit("GET")).answered()
        assert now() < 1.0
        with pytest.raises(VendorHalted, match="10 requests is used up"):
            await gate.permit("GET")
        assert gate.stopped is not None

    gated(days, Limit(10, DAY), quotas=Quotas(now))


def test_a_long_window_without_counts_is_kept_in_the_ledger() -> None:
    async def days(gate: Pacing) -> None:
        for _ in range(11):
            (await gate.permit("GET")).answered()
        assert now() > DAY

    gated(days, Limit(10, DAY))


def test_a_quota_that_cannot_be_read_reaches_everybody_who_waits() -> None:
    async def unreachable(_what: str) -> None:
        await asyncio.sleep(0.1)
        raise StorageError("the database is gone")

    async def broken(gate: Pacing) -> None:
        tasks = [asyncio.create_task(gate.permit("GET")) for _ in range(3)]
        endings = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(ending) for ending in endings] == [StorageError] * 3
        assert gate.stopped is None

    gated(broken, Limit(10, DAY), quotas=Quotas(now, unreachable))


def test_a_pause_that_comes_while_the_quota_is_asked_is_kept() -> None:
    async def slow(_what: str) -> None:
        await asyncio.sleep(1.0)

    async def paused(gate: Pacing) -> None:
        task = asyncio.create_task(gate.permit("GET"))
        await asyncio.sleep(0.5)
        gate.pause(20.0)
        await task
        assert now() == pytest.approx(20.5, abs=0.01)

    gated(paused, Limit(10, DAY), quotas=Quotas(now, slow))


def test_a_worker_that_is_cancelled_while_its_quota_is_asked_delays_nobody() -> None:
    async def slow(_what: str) -> None:
        await asyncio.sleep(1.0)

    async def next_in_line(gate: Pacing) -> None:
        (await gate.permit("GET")).answered()
        # The hour's only request is used up for about another 100 seconds.
        await asyncio.sleep(3650.0)
        asked_at = now()
        get = asyncio.create_task(gate.permit("GET"))
        post = asyncio.create_task(gate.permit("POST"))
        await asyncio.sleep(0.5)
        get.cancel()
        await post
        assert now() - asked_at < 10.0

    gated(next_in_line, Limit(1, 3600.0, "GET"), quotas=Quotas(now, slow))
