"""Old runs with their outcomes, changes and batches, deleted in slices.

Slices keep the wait for a lock short.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from syncengine.storage.connect import Pool
from syncengine.storage.state.access import read_state, write_state
from syncengine.storage.statements import statements

_SQL = statements("retention")
SLICE = 2000
"""Number of rows deleted in one transaction."""


class Retention:
    """Deletes records that are older than they have to be kept.

    Every step is a short transaction; doing one twice does no harm.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def expired_runs(self, seconds: float) -> list[int]:
        """Return the runs that ended longer ago, but not each destination's newest."""
        async with read_state(self._pool) as connection:
            rows = await connection.fetch(_SQL["expired_runs"], seconds)
        return [row["run_id"] for row in rows]

    async def runs_with_changes(
        self, seconds: float, destination: str | None = None
    ) -> list[int]:
        """Return the runs that ended longer ago and still have changes.

        With ``destination``, only its runs.
        """
        async with read_state(self._pool) as connection:
            rows = await connection.fetch(
                _SQL["runs_with_changes"], seconds, destination
            )
        return [row["run_id"] for row in rows]

    async def changes(self, run_id: int) -> AsyncIterator[int]:
        """Delete a run's changes; yield their number, slice by slice."""
        async for deleted in self._slices("changes", run_id):
            yield deleted

    async def outcomes(self, run_id: int) -> AsyncIterator[int]:
        """Delete a run's outcomes; yield their number, slice by slice."""
        async for deleted in self._slices("outcomes", run_id):
            yield deleted

    async def batches(self, run_id: int) -> AsyncIterator[int]:
        """Delete a run's batches; yield their number, slice by slice."""
        async for deleted in self._slices("batches", run_id):
            yield deleted

    async def run(self, run_id: int) -> bool:
        """Delete a run; False when another process already did.

        Its outcomes, changes and batches have to be deleted before, slice by slice: the cascade
        of the foreign keys would delete all of them in one long transaction.
        """
        async with write_state(self._pool) as connection:
            return await connection.fetchval(_SQL["run"], run_id) is not None

    async def minutes(self, seconds: float) -> AsyncIterator[int]:
        """Delete older counts of quotas; yield the number of minutes by slice."""
        while True:
            async with write_state(self._pool) as connection:
                deleted = await connection.fetchval(_SQL["minutes"], seconds, SLICE)
            yield deleted
            # A slice that is not full was the last one.
            if deleted < SLICE:
                return

    async def _slices(self, statement: str, run_id: int) -> AsyncIterator[int]:
        """Delete rows of a run in the order of their keys, from slice to slice.

        The next slice begins after the ``last`` key. Starting from the beginning each
        time, Postgres would step over all rows deleted before.
        """
        last = None
        while True:
            async with write_state(self._pool) as connection:
                row = await connection.fetchrow(_SQL[statement], run_id, last, SLICE)
            assert row is not None
            if row["last"] is None:
                return
            last = row["last"]
            yield row["deleted"]
