"""The batches of a run: slices of its contacts, and the unit of progress."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Mapping, Sequence

import asyncpg
import orjson

from syncengine.model.work import Batch, BatchKind
from syncengine.storage.patience import patient
from syncengine.storage.state.fence import Fence, FencedStore
from syncengine.storage.statements import statements

_SQL = statements("batches")


class Batches(FencedStore):
    """The batches of one run (``ports.BatchStore``), which is their only writer."""

    def __init__(self, fence: Fence, run_id: int) -> None:
        super().__init__(fence)
        self._run_id = run_id
        self._numbers = itertools.count(1)

    async def add(self, kind: BatchKind, contact_ids: Sequence[str]) -> int:
        """Add a batch; return its number."""
        # The number is fixed before the first try. Should the answer to the commit be
        # lost, the next try inserts the same row, which then is there already.
        number = next(self._numbers)
        await self._add(number, kind, contact_ids)
        return number

    @patient
    async def _add(
        self, number: int, kind: BatchKind, contact_ids: Sequence[str]
    ) -> None:
        async with self._fence.writing() as connection:
            await connection.execute(
                _SQL["add_batch"], self._run_id, number, kind.value, list(contact_ids)
            )

    async def waiting(self) -> AsyncIterator[Batch]:
        """Yield the unfinished batches in the order of work, each read when needed."""
        # Removals are worked first: they free match keys that changes may wait for.
        # Each batch is read on its own, since others may be added meanwhile, and no
        # transaction may stay open while a vendor is called.
        is_behind_removals = False
        number = 0
        while True:
            row = await self._next(number, is_behind_removals=is_behind_removals)
            if row is None:
                return
            kind = BatchKind(row["kind"])
            number = row["number"]
            is_behind_removals = kind is not BatchKind.REMOVALS
            yield Batch(number, kind, tuple(row["contact_ids"]))

    @patient
    async def _next(
        self, number: int, *, is_behind_removals: bool
    ) -> asyncpg.Record | None:
        """Return the first unfinished batch after ``number``.

        It is of the same kind, or one of the changes that come after the removals.
        """
        async with self._fence.reading() as connection:
            return await connection.fetchrow(
                _SQL["next_batch"], self._run_id, is_behind_removals, number
            )

    @patient
    async def finish(self, number: int, totals: Mapping[str, int]) -> None:
        """Mark a batch as done, with the numbers of its outcomes."""
        async with self._fence.writing() as connection:
            stored = orjson.dumps(dict(totals)).decode()
            await connection.execute(_SQL["finish_batch"], self._run_id, number, stored)

    @patient
    async def left(self) -> int:
        """Return the number of contacts in unfinished batches."""
        async with self._fence.reading() as connection:
            number: int = await connection.fetchval(
                _SQL["waiting_contacts"], self._run_id
            )
        return number
