"""Early ends of waits, once a run is to stop.

Somebody has pressed Ctrl-C, or the account was halted: no wait may delay that.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Protocol

from syncengine.errors import RunStopped

_NOTHING_SENT = "stopped before anything was sent; the next run begins again"


class StopFlag(Protocol):
    """Says that a run is to stop; ``asyncio.Event`` is one."""

    def is_set(self) -> bool:
        """Return whether the run is to stop."""
        ...

    async def wait(self) -> object:
        """Return once the run is to stop."""
        ...


async def sleep_unless_stopped(stop: StopFlag, seconds: float) -> None:
    """Sleep for so long, or until ``stop`` is set."""
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)


@asynccontextmanager
async def broken_off_by(stop: StopFlag) -> AsyncIterator[None]:
    """Cancel the block once ``stop`` is set, and raise RunStopped in its place.

    The block must not send anything: cancelled at some await, it could not say what
    became of it.
    """
    if stop.is_set():
        raise RunStopped(_NOTHING_SENT)

    async def expire(block: asyncio.Timeout) -> None:
        await stop.wait()
        # A time in the past: it is due at once.
        block.reschedule(0.0)

    try:
        # The timeout has no time of its own: it serves to cancel the block, and to
        # tell that cancellation from one of the task as a whole.
        async with asyncio.timeout(None) as block:
            watch = asyncio.create_task(
                expire(block), name="stop of what precedes the first request"
            )
            try:
                yield
            finally:
                watch.cancel()
    except TimeoutError:
        # A TimeoutError that the block raised by itself has nothing to do with a stop.
        if not block.expired():
            raise
        raise RunStopped(_NOTHING_SENT) from None
