"""Lists of runs and of their batches, page by page."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence

import asyncpg
import orjson

from syncengine.model.desk import BatchSummary, RunSummary
from syncengine.model.http import Json
from syncengine.model.reports import RunStatus, present_status
from syncengine.storage.connect import Pool
from syncengine.storage.state.access import read_state
from syncengine.storage.statements import statements

_SQL = statements("run_list")
PAGE = 500
"""Rows that are read at a time."""


async def runs_page(
    pool: Pool,
    destinations: Sequence[str] | None,
    *,
    before: int | None = None,
    most: int = PAGE,
) -> list[RunSummary]:
    """Return runs, the newest first, of these destinations or of all.

    ``before`` is the number of the last run of the page before.
    """
    async with read_state(pool) as connection:
        if destinations is None:
            rows = await connection.fetch(_SQL["of_all"], before, most)
        else:
            rows = await connection.fetch(
                _SQL["of_destinations"], before, most, list(destinations)
            )
    return [_run(row) for row in rows]


async def find_run(pool: Pool, run_id: int) -> RunSummary | None:
    """Return one run; None where there is none of this number."""
    async with read_state(pool) as connection:
        row = await connection.fetchrow(_SQL["one"], run_id)
    return None if row is None else _run(row)


async def last_run_id(pool: Pool) -> int | None:
    """Return the number of the newest run; None where there is none."""
    async with read_state(pool) as connection:
        last: int | None = await connection.fetchval(_SQL["last"])
    return last


async def batches_page(
    pool: Pool, run_id: int, *, after: int = 0, most: int = PAGE
) -> list[BatchSummary]:
    """Return batches of a run in their order, those behind number ``after``."""
    async with read_state(pool) as connection:
        rows = await connection.fetch(_SQL["batches"], run_id, after, most)
    return [batch_summary(run_id, row) for row in rows]


async def all_batches(pool: Pool, run_id: int) -> AsyncIterator[list[BatchSummary]]:
    """Yield all batches of a run, page by page."""
    after = 0
    while page := await batches_page(pool, run_id, after=after):
        yield page
        after = page[-1].number


def _run(row: asyncpg.Record) -> RunSummary:
    totals = orjson.loads(row["totals"])
    ended_at = row["ended_at"] or row["now"]
    return RunSummary(
        run_id=row["run_id"],
        destination=row["destination"],
        account=row["account"],
        kind=row["kind"],
        retry_of=row["retry_of"],
        status=present_status(
            RunStatus(row["status"]), holds_lease=row["holds_lease"]
        ).value,
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        # Below zero where the clock was set back meanwhile.
        seconds=max(0.0, (ended_at - row["started_at"]).total_seconds()),
        contacts=_numbers(totals.get("contacts")),
        requests=totals.get("requests"),
        error=row["error"],
    )


def _numbers(counts: Json) -> Mapping[str, int]:
    """Return counted contacts; of a verification they are a list, and no numbers."""
    return counts if isinstance(counts, dict) else {}


def batch_summary(run_id: int, row: asyncpg.Record) -> BatchSummary:
    """Return the batch in a row."""
    return BatchSummary(
        run_id=run_id,
        number=row["number"],
        kind=row["kind"],
        status=row["status"],
        contacts=row["contacts"],
        outcomes=orjson.loads(row["totals"]),
        error=row["error"],
    )
