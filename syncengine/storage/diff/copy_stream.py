"""The result of a query in COPY's text format, read as it arrives."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Self, TypeAlias

from syncengine.storage.connect import Connection

_AHEAD = 4
"""Blocks that are read ahead. They bound the memory, since the server waits."""
TIMEOUT = 6 * 3600.0
"""Seconds that the query of a stream may take."""
Opened: TypeAlias = Callable[[Connection], AbstractAsyncContextManager[None]]
"""Opens a read-only transaction on a connection."""


class CopyStream:
    """A query that runs in its own transaction while the context lasts.

    Leaving the context early cancels the query.
    """

    def __init__(self, connection: Connection, query: str, opened: Opened) -> None:
        self._connection = connection
        self._query = query
        self._opened = opened
        # The queue has no limit of its own, so that the empty block at the end never
        # waits for room: ``_copy`` must end even if nobody reads any more.
        self._blocks: asyncio.Queue[bytes] = asyncio.Queue()
        self._room = asyncio.Semaphore(_AHEAD)
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._copy())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._task is not None
        # Waits until the transaction was left: the connection may serve others then.
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def read(self) -> bytes:
        """Return the next block, not cut at line ends; empty at the end.

        Raises what the query raised.
        """
        assert self._task is not None
        block = await self._blocks.get()
        if block:
            self._room.release()
        else:
            # The end, or an error: then this raises it.
            await self._task
        return block

    async def _copy(self) -> None:
        try:
            async with self._opened(self._connection):
                await self._connection.copy_from_query(self._query, output=self._take)
        finally:
            self._blocks.put_nowait(b"")

    async def _take(self, block: bytes) -> None:
        """Take a block from asyncpg, which reads no further until this returns."""
        await self._room.acquire()
        self._blocks.put_nowait(block)
