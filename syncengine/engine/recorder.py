"""Recorder that writes steps and outcomes down in groups.

A group is written 250 ms after its first record, or as soon as it has 500. If the
process dies before that, the intents of these contacts are still in the state, and the
next run settles them.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from syncengine.model.work import Record
from syncengine.ports import ContactStore

INTERVAL = 0.25
"""Seconds."""
MOST = 500
"""Number of records of a group."""
_GRACE = 1.0
"""Seconds in which a flush may come to its end when everything is being cancelled; it
leaves nothing behind it."""


class Recorder:
    """Collects records and flushes them in the order they came, one flush at a time."""

    def __init__(self, store: ContactStore) -> None:
        self._store = store
        self._waiting: list[tuple[int, Record]] = []
        """Records, each with its batch, that no flush has taken yet."""
        self._any = asyncio.Event()
        """Set while there is any."""
        self._full = asyncio.Event()
        """Set once they are as many as a group has."""
        self._flushing = asyncio.Lock()

    def put(self, batch: int, record: Record) -> None:
        """Have a record written soon."""
        self._waiting.append((batch, record))
        self._any.set()
        if len(self._waiting) >= MOST:
            self._full.set()

    async def flush(self) -> None:
        """Write everything put so far; returns when it is committed."""
        async with self._flushing:
            taken, self._waiting = self._waiting, []
            self._any.clear()
            self._full.clear()
            batches: dict[int, list[Record]] = defaultdict(list)
            for batch, record in taken:
                batches[batch].append(record)
            for batch, records in batches.items():
                await self._store.record(batch, records)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Flush in the background while the block runs.

        A failed flush surfaces in the block's task group.
        """
        async with asyncio.TaskGroup() as group:
            beat = group.create_task(self._beat(), name="recorder")
            try:
                yield
            finally:
                beat.cancel()

    async def _beat(self) -> None:
        """Flush group by group, until cancelled."""
        while True:
            await self._any.wait()
            # The group grows for a while, unless it is full before.
            with suppress(TimeoutError):
                async with asyncio.timeout(INTERVAL):
                    await self._full.wait()
            # When all is cancelled, a flush that has begun may still end: what it has
            # written need not be settled by the next run.
            flushing = asyncio.ensure_future(self.flush())
            try:
                await asyncio.shield(flushing)
            except asyncio.CancelledError:
                await asyncio.wait({flushing}, timeout=_GRACE)
                flushing.cancel()
                await asyncio.gather(flushing, return_exceptions=True)
                raise
