"""End waits early once a run is to stop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from syncengine.errors import RunStopped


@asynccontextmanager
async def broken_off_by(stop: asyncio.Event) -> AsyncIterator[None]:
    """Break the block off once ``stop`` is set; it may send nothing.

    Raises RunStopped.
    """
    if stop.is_set():
        raise RunStopped(_TOLD)

    async def heed(block: asyncio.Timeout) -> None:
        await stop.wait()
        block.reschedule(0.0)

    try:
        async with asyncio.timeout(None) as block:
            watch = asyncio.create_task(
                heed(block), name="stop of what precedes the first request"
            )
            try:
                yield
            finally:
                watch.cancel()
    except TimeoutError:
        if not block.expired():
            raise
        raise RunStopped(_TOLD) from None


_TOLD = "stopped before anything was sent; the next run begins again"
