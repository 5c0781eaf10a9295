"""Stop of a run on request: requests that are out are finished, other waits end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

from syncengine.engine.pacing import Pacing
from syncengine.errors import RunStopped


class Stopping(asyncio.Event):
    """Set when the whole call is to stop, or when this account is."""

    def __init__(self, stop: asyncio.Event, pacing: Pacing) -> None:
        super().__init__()
        self.call = stop
        """Set when the whole call is to."""
        self._pacing = pacing

    def is_set(self) -> bool:
        return self.call.is_set() or self._pacing.stopped is not None

    async def wait(self) -> Literal[True]:
        """Wait for either stop.

        ``stop_account_on`` makes a stop of the whole call a stop of this account.
        """
        return await self._pacing.over.wait()


@asynccontextmanager
async def stop_account_on(
    stop: asyncio.Event, pacing: Pacing
) -> AsyncIterator[Stopping]:
    """Let no request out any more once ``stop`` is set.

    Without that a vendor's limit may have them wait for an hour.
    """

    async def heed() -> None:
        await stop.wait()
        pacing.stop(RunStopped(_TOLD))

    task = asyncio.create_task(heed(), name="stop")
    try:
        yield Stopping(stop, pacing)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


_TOLD = "the run was stopped before this contact was through; the next run goes on"
