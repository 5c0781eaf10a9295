"""Runs and their batches in memory (``ports.BatchStore``).

The counterpart of ``storage.state.runs``, ``storage.state.batches`` and their SQL.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Mapping, Sequence

from syncengine.model.work import Batch, BatchKind, Status
from tests.support.memory.database import BatchRow, Database, Fence


async def start_run(fence: Fence, destination: str, undo_of: int | None = None) -> int:
    async with fence.writing("start run", sending=True) as database:
        database.accounts[destination] = fence.account
        _judge_again(database, destination)
        _forget_waits(database, destination)
        run_id = max(database.runs, default=0) + 1
        database.runs[run_id] = "running"
        database.last_runs[destination] = run_id
        database.destinations[run_id] = destination
        if undo_of is not None:
            database.undone_by[run_id] = undo_of
    return run_id


def _judge_again(database: Database, destination: str) -> None:
    """Plan contacts again that the last run judged and did not reach."""
    last = database.last_runs.get(destination)
    waiting = [
        row
        for (run, _), row in database.batches.items()
        if run == last and row.totals is None
    ]
    not_reached = {contact for row in waiting for contact in row.contact_ids}
    for contact_id in not_reached:
        state = database.states.get((destination, contact_id))
        if state is None or state.status is Status.REMOVED:
            _drop_claims(database, destination, contact_id)
            continue
        state.source_hash = None
        if state.status is Status.DEAD:
            state.rejected_hash = None


def _drop_claims(database: Database, destination: str, contact_id: str) -> None:
    claims = [key for key in database.keys if key[:2] == (destination, contact_id)]
    for claim in claims:
        del database.keys[claim]


def _forget_waits(database: Database, destination: str) -> None:
    """Delete the waits of contacts that do not wait any more."""
    for place in [place for place in database.waits if place[0] == destination]:
        row = database.states.get(place)
        if (
            row is None
            or row.status is not Status.DEAD
            or row.code not in ("key_held", "ambiguous_match")
        ):
            del database.waits[place]


async def finish_run(fence: Fence, run_id: int, status: str) -> None:
    async with fence.writing("finish run") as database:
        database.runs[run_id] = status


class Batches:
    def __init__(self, fence: Fence, run_id: int) -> None:
        self._fence = fence
        self._run_id = run_id
        self._numbers = itertools.count(1)

    async def add(self, kind: BatchKind, contact_ids: Sequence[str]) -> int:
        number = next(self._numbers)
        async with self._fence.writing("add batch") as database:
            database.batches.setdefault(
                (self._run_id, number), BatchRow(kind, tuple(contact_ids))
            )
        return number

    async def waiting(self) -> AsyncIterator[Batch]:
        after = (False, 0)
        while True:
            async with self._fence.reading("next batch") as database:
                left = sorted(
                    (row.kind is not BatchKind.REMOVALS, number)
                    for (run, number), row in database.batches.items()
                    if run == self._run_id and row.totals is None
                )
                after = next((place for place in left if place > after), (False, -1))
                row = database.batches.get((self._run_id, after[1]))
            if row is None:
                return
            yield Batch(after[1], row.kind, row.contact_ids)

    async def finish(
        self,
        number: int,
        totals: Mapping[str, int],
    ) -> None:
        async with self._fence.writing("finish batch") as database:
            if row := database.batches.get((self._run_id, number)):
                row.totals = dict(totals)

    async def left(self) -> int:
        async with self._fence.reading("batches left") as database:
            rows = [
                row
                for (run, _), row in database.batches.items()
                if run == self._run_id and row.totals is None
            ]
        return sum(len(row.contact_ids) for row in rows)
