"""Long windows, counted in memory.

An integration test checks that these counts equal those in Postgres.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from syncengine.engine.quota import BLOCK_LIFE, Quotas
from syncengine.errors import VendorHalted
from syncengine.model.limits import Limit
from tests.support.memory.quotas import Quotas as Store
from tests.support.virtual_time import run

HOUR, DAY, LATE = 3600.0, 86400.0, 90.0


def now() -> float:
    return asyncio.get_running_loop().time()


def quotas(store: Store, *limits: Limit, max_wait: float = 120.0) -> Quotas:
    return Quotas(limits, store, late=LATE, max_wait=max_wait)


async def send(
    pool: Quotas, requests: int, *, method: str = "GET", every: float = 0.0
) -> list[float]:
    """Return when each of these requests was drawn, after waiting as the pacer does."""
    times = []
    for _ in range(requests):
        while not pool.try_draw(method):  # noqa: ASYNC110 - the store has no event to offer
            await asyncio.sleep(await pool.refill(method))
        times.append(now())
        await asyncio.sleep(every)
    return times


def in_time(test: Callable[[Store], Awaitable[None]]) -> None:
    async def whole() -> None:
        await test(Store(now))

    run(whole())


def test_ten_thousand_a_day_are_used_and_not_one_more_in_any_day() -> None:
    async def days(store: Store) -> None:
        times = await send(
            quotas(store, Limit(10_000, DAY), max_wait=2 * DAY), 25_000, every=0.05
        )
        assert all(
            times[number + 10_000] - times[number] > DAY for number in range(15_000)
        )
        assert times[-1] < 2.02 * DAY

    in_time(days)


def test_several_windows_of_one_method_hold_at_once() -> None:
    async def hours(store: Store) -> None:
        limits = (Limit(100, HOUR), Limit(250, DAY))
        times = await send(quotas(store, *limits, max_wait=2 * DAY), 300, every=1.0)
        for limit in limits:
            beyond = zip(times, times[limit.calls :], strict=False)
            assert all(later - earlier > limit.per for earlier, later in beyond)

    in_time(hours)


def test_a_method_with_a_limit_of_its_own_counts_against_both() -> None:
    async def both(store: Store) -> None:
        pool = quotas(store, Limit(40, DAY), Limit(10, DAY, "POST"))
        await send(pool, 10, method="POST")
        with pytest.raises(VendorHalted, match="10 POST requests is used up"):
            await pool.refill("POST")
        await send(pool, 30)
        with pytest.raises(VendorHalted, match="40 requests is used up"):
            await pool.refill("GET")

    in_time(both)


def test_a_new_process_goes_on_with_the_counts_of_the_one_before() -> None:
    async def lives(store: Store) -> None:
        for _ in range(100):
            await send(quotas(store, Limit(100, DAY)), 1)
        with pytest.raises(VendorHalted):
            await quotas(store, Limit(100, DAY)).refill("GET")

    in_time(lives)


def test_a_lowered_limit_counts_what_was_sent_under_the_old_one() -> None:
    async def lowered(store: Store) -> None:
        await send(quotas(store, Limit(1000, DAY)), 60)
        with pytest.raises(VendorHalted):
            await quotas(store, Limit(50, DAY)).refill("GET")

    in_time(lowered)


def test_a_short_wait_is_waited_out_and_a_long_one_ends_the_run_with_words() -> None:
    async def waits(store: Store) -> None:
        await send(quotas(store, Limit(10, HOUR)), 10)
        with pytest.raises(
            VendorHalted,
            match=r"for another 1 h .*longer than max_wait \(2 min\).*next run goes on",
        ):
            await quotas(store, Limit(10, HOUR)).refill("GET")
        assert (
            0.0
            < await quotas(store, Limit(10, HOUR), max_wait=DAY).refill("GET")
            < 1.1 * HOUR
        )

    in_time(waits)


def test_while_it_waits_it_does_not_ask_again() -> None:
    async def patient(store: Store) -> None:
        pool = quotas(store, Limit(10, HOUR), max_wait=DAY)
        await send(pool, 10)
        wait = await pool.refill("GET")
        asked = store.asked
        await asyncio.sleep(wait / 2)
        assert await pool.refill("GET") == pytest.approx(wait / 2)
        assert store.asked == asked

    in_time(patient)


def test_a_run_in_a_hurry_asks_rarely_and_a_slow_one_wastes_little() -> None:
    async def asks(store: Store) -> None:
        await send(quotas(store, Limit(100_000, DAY)), 20_000)
        assert store.asked < 40
        slow = Store(now)
        await send(
            quotas(slow, Limit(1000, DAY), max_wait=1.0), 900, every=BLOCK_LIFE / 2
        )

    in_time(asks)


def test_the_rest_of_a_block_is_not_used_later() -> None:
    """Its requests would arrive outside the window they were counted in."""

    async def stale(store: Store) -> None:
        pool = quotas(store, Limit(100_000, DAY))
        await send(pool, 1000)
        asked = store.asked
        await asyncio.sleep(BLOCK_LIFE)
        await pool.refill("GET")
        assert store.asked == asked + 1

    in_time(stale)


def test_a_request_may_arrive_long_after_it_was_reserved_and_is_counted_from_then() -> (
    None
):
    async def late(store: Store) -> None:
        pool = quotas(store, Limit(100, HOUR), max_wait=DAY)
        await pool.refill("GET")  # reserves
        await asyncio.sleep(BLOCK_LIFE - 1.0)
        await send(pool, 1)
        arrives = now() + LATE
        times = await send(pool, 100)
        assert times[-1] > arrives + HOUR

    in_time(late)


async def send_batches(pool: Quotas, sizes: list[int], every: float = 0.0) -> float:
    """Send batches of these sizes; return when the last one was drawn."""
    for size in sizes:
        while not pool.try_draw("POST", size):  # noqa: ASYNC110 - as in ``send``
            await asyncio.sleep(await pool.refill("POST", size))
        await asyncio.sleep(every)
    return now()


def test_items_of_a_day_are_used_without_loss_and_beside_the_requests() -> None:
    async def batches(store: Store) -> None:
        pool = quotas(store, Limit(items=1000, per=DAY), Limit(40, DAY))
        await send_batches(pool, [100] * 7 + [30] * 10)
        assert not pool.try_draw("POST", 1)
        with pytest.raises(VendorHalted, match="1000 contacts is used up"):
            await pool.refill("POST", 1)
        # The requests were counted as such: 17 of 40.
        assert await quotas(store, Limit(40, DAY)).refill("GET") == 0.0

    in_time(batches)


def test_a_batch_takes_the_rest_of_a_block_and_what_it_lacks() -> None:
    async def batches(store: Store) -> None:
        pool = quotas(store, Limit(items=100_000, per=DAY))
        await send_batches(pool, [1] * 60 + [100] * 30, every=0.1)
        reserved = sum(store.reserved("all items"))
        assert 3060 <= reserved <= 4060

    in_time(batches)


def test_a_batch_does_not_gather_its_items_crumb_by_crumb() -> None:
    """A crumb would expire before the next one is free, again and again."""

    async def batches(store: Store) -> None:
        limit = Limit(items=100, per=HOUR)
        for _ in range(10):
            await send_batches(quotas(store, limit), [10])
            await asyncio.sleep(300.0)
        pool = quotas(store, limit, max_wait=2 * HOUR)
        # Ten items become free every five minutes; the batch needs all places.
        assert await send_batches(pool, [100]) < 2.2 * HOUR
        assert sum(store.reserved("all items")) == 200

    in_time(batches)
