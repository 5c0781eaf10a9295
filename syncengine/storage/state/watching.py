"""Runs under way, read from the state for those who watch (``syncengine watch``)."""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg
import orjson

from syncengine.model.progress import snapshot_from
from syncengine.model.reports import RunStatus
from syncengine.model.watching import WatchReport, WatchState, watch_state
from syncengine.model.work import RunKind
from syncengine.storage.connect import Pool
from syncengine.storage.state.access import read_state
from syncengine.storage.statements import statements

_SQL = statements("watching")


async def read_newest_runs(
    pool: Pool, destinations: Sequence[str]
) -> list[WatchReport]:
    """Return each destination's newest run, in order. Raises StorageError."""
    async with read_state(pool) as connection:
        rows = await connection.fetch(_SQL["newest_runs"], list(destinations))
    found = {row["destination"]: _report(row) for row in rows}
    return [found[name] for name in destinations]


def _report(row: asyncpg.Record) -> WatchReport:
    destination, now = row["destination"], row["now"]
    if row["run_id"] is None:
        return WatchReport(destination=destination, state=WatchState.NEVER_RAN, now=now)
    status = RunStatus(row["status"])
    holder = row["holder"]
    contacts = orjson.loads(row["totals"]).get("contacts")
    # Of a verification or an adoption, contacts are a list, and no numbers.
    if not isinstance(contacts, dict):
        contacts = {}
    # The statement leaves the holder out where the lease is of another run.
    state = watch_state(status, holds_lease=holder is not None)
    return WatchReport(
        destination=destination,
        state=state,
        now=now,
        run_id=row["run_id"],
        kind=RunKind(row["kind"]),
        status=status,
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        # The lease may be that of the account's next run by the same process.
        holder=holder if state is WatchState.RUNNING else None,
        snapshot=snapshot_from(orjson.loads(row["progress"] or "null")),
        contacts=contacts,
        error=row["error"],
    )
