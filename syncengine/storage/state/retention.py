"""Old runs with their outcomes and batches, deleted in slices.

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
            return [
                row["run_id"]
                for row in await connection.fetch(_SQL["expired_runs"], seconds)
            ]

    async def outcomes(self, run_id: int) -> AsyncIterator[int]:
        """Delete a run's outcomes; yield their number, slice by slice."""
        async for deleted in self._slices("outcomes", run_id):
            yield deleted

    async def batches(self, run_id: int) -> AsyncIterator[int]:
        """Delete a run's batches; yield their number, slice by slice."""
        async for deleted in self._slices("batches", run_id):
            yield deleted

    async def run(self, run_id: int) -> bool:
        """Delete a run; False when another process already did."""
        async with write_state(self._pool) as connection:
            return await connection.fetchval(_SQL["run"], run_id) is not None

    async def minutes(self, seconds: float) -> AsyncIterator[int]:
        """Delete older counts of quotas; yield the number of minutes by slice."""
        deleted = SLICE
        while deleted == SLICE:
            async with write_state(self._pool) as connection:
                deleted = await connection.fetchval(_SQL["minutes"], seconds, SLICE)
            yield deleted

    async def _slices(self, statement: str, run_id: int) -> AsyncIterator[int]:
        last = None
        while True:
            async with write_state(self._pool) as connection:
                row = await connection.fetchrow(_SQL[statement], run_id, last, SLICE)
            assert row is not None
            if row["last"] is None:
                return
            last = row["last"]
            yield row["deleted"]
