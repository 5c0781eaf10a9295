"""Counts of long windows in Postgres.

Recorded minutes are moved back, so that no test has to wait.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from random import Random

import pytest
import pytest_asyncio

from syncengine.errors import LeaseLost
from syncengine.storage.connect import Pool, open_pool
from syncengine.storage.state.fence import Fence
from syncengine.storage.state.quota import QuotaCounts
from tests.support.memory.quotas import Quotas

pytestmark = pytest.mark.asyncio
HOUR, DAY = 3600.0, 86400.0


@dataclass
class State:
    """The state database in which the account holds its lease."""

    pool: Pool

    def counts(self, epoch: int = 1) -> QuotaCounts:
        """Return the counts of a process that has just begun."""
        return QuotaCounts(Fence(self.pool, "acme", epoch))

    async def pass_by(self, minutes: int) -> None:
        """Make everything that was counted older by this time."""
        a_thousand_years = (
            525_960_000  # on the way out and back, so that no minute meets another
        )
        for shift in (-a_thousand_years, a_thousand_years - minutes):
            await self.pool.execute(
                "UPDATE syncengine.sync_quota "
                "SET minute = minute + $1::integer * interval '1 minute'",
                shift,
            )

    async def ran(self, requests: int, minutes_ago: int, account: str = "acme") -> None:
        """Insert a run that sent so many requests and recorded no quota."""
        await self.pool.execute(
            """
            WITH run AS (
                INSERT INTO syncengine.sync_run (destination, account, kind, epoch,
                    started_at)
                VALUES ('there', $2, 'sync', 1,
                    clock_timestamp() - ($3::integer + 1) * interval '1 minute')
                RETURNING run_id
            )
            INSERT INTO syncengine.sync_outcome (run_id, contact_id, batch, outcome,
                requests, at)
            SELECT run_id, contact, 1, 'applied', $1,
                clock_timestamp() - $3::integer * interval '1 minute'
            FROM run, unnest(ARRAY['a', 'b']) AS contact
            """,
            requests // 2,
            account,
            minutes_ago,
        )


@pytest_asyncio.fixture
async def state(database: str) -> AsyncIterator[State]:
    async with open_pool(database) as pool:
        await pool.execute(
            "INSERT INTO syncengine.sync_lease (account, holder, epoch, expires_at, "
            "released) VALUES ('acme', 'test', 1, "
            "clock_timestamp() + interval '1 hour', false)"
        )
        yield State(pool)


async def test_reserved_requests_count_until_they_have_left_the_window(
    state: State,
) -> None:
    assert await state.counts().reserve("all", [(10, HOUR)], 7) == (7, 0.0)
    assert await state.counts().reserve("all", [(10, HOUR)], 7) == (3, 0.0)
    granted, wait = await state.counts().reserve("all", [(10, HOUR)], 1)
    assert granted == 0
    assert HOUR - 30.0 <= wait <= HOUR + 60.0
    await state.pass_by(62)
    assert await state.counts().reserve("all", [(10, HOUR)], 20) == (10, 0.0)


async def test_quotas_and_accounts_are_counted_apart(state: State) -> None:
    await state.counts().reserve("POST", [(10, HOUR)], 10)
    assert await state.counts().reserve("all", [(10, HOUR)], 10) == (10, 0.0)


async def test_a_batch_gets_all_it_needs_or_nothing(state: State) -> None:
    counts = state.counts()
    assert await counts.reserve("all items", [(10, HOUR)], 7, 7) == (7, 0.0)
    await state.pass_by(30)
    assert await counts.reserve("all items", [(10, HOUR)], 5, 3) == (3, 0.0)
    await state.pass_by(32)
    # Seven have left the window, three have not.
    assert (await counts.reserve("all items", [(10, HOUR)], 9, 8))[0] == 0
    assert await counts.reserve("all items", [(10, HOUR)], 9, 7) == (7, 0.0)


async def test_items_of_runs_that_did_not_count_them_are_estimated(
    state: State,
) -> None:
    await state.ran(10, minutes_ago=10)
    # Ten requests about two contacts; and two contacts that were in one request.
    await state.ran(2, minutes_ago=5)
    granted, _ = await state.counts().reserve("all items", [(100, HOUR)], 100)
    assert granted == 100 - 10 - 2 * 3


async def test_the_counts_in_memory_are_those_in_postgres(state: State) -> None:
    """Ages are multiples of ten minutes, and windows are not.

    So it does not matter when a minute of the real clock ends.
    """
    random, minute = Random(3), 0
    windows = [(40, HOUR - 300.0), (90, 3 * HOUR - 300.0)]
    memory, counts = Quotas(lambda: minute * 60.0), state.counts()
    for _ in range(60):
        granted, wait = await counts.reserve(
            "all",
            windows,
            wanted := random.randint(1, 15),
            least := random.randint(1, wanted),
        )
        expected, expected_wait = await memory.reserve("all", windows, wanted, least)
        assert granted == expected
        assert wait == pytest.approx(expected_wait, abs=90.0)
        minute += (passing := 10 * random.randint(0, 2))
        await state.pass_by(passing)


async def test_a_run_that_lost_the_lease_reserves_nothing(state: State) -> None:
    with pytest.raises(LeaseLost):
        await state.counts(epoch=0).reserve("all", [(10, HOUR)], 1)


async def test_a_new_quota_counts_what_runs_sent_before_it(state: State) -> None:
    await state.ran(6, minutes_ago=30)
    await state.ran(100, minutes_ago=30, account="other")
    await state.ran(2, minutes_ago=120)
    assert await state.counts().reserve("all", [(10, HOUR), (13, DAY)], 10) == (4, 0.0)
    assert await state.counts().reserve("all", [(13, DAY)], 10) == (1, 0.0)


async def test_a_quota_that_was_away_counts_what_was_sent_meanwhile_once(
    state: State,
) -> None:
    await state.counts().reserve("all", [(20, DAY)], 3)
    await state.pass_by(60)
    await state.ran(6, minutes_ago=30)
    for _ in range(2):
        await state.counts().reserve("all", [(20, DAY)], 1)
    assert await state.counts().reserve("all", [(20, DAY)], 20) == (9, 0.0)


async def test_runs_that_kept_the_quota_are_not_counted_twice(state: State) -> None:
    await state.ran(6, minutes_ago=10)
    await state.counts().reserve("all", [(20, DAY)], 2)
    await state.pool.execute(
        "UPDATE syncengine.sync_run SET started_at = (SELECT max(minute) "
        "FROM syncengine.sync_quota) + interval '59 s'"
    )
    assert await state.counts().reserve("all", [(20, DAY)], 20) == (12, 0.0)
