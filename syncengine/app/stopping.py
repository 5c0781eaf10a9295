"""Stop of a run on request: requests that are out are finished, other waits end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from syncengine.engine.pacing import Pacing
from syncengine.errors import RunStopped

_STOPPED = "the run was stopped before this contact was through; the next run goes on"


class Stopping:
    """Says that one account is to stop (an ``engine.stopping.StopFlag``).

    That is so once somebody asks for a stop of everything, and once the account itself
    is stopped, for example since its vendor refuses the key.
    """

    def __init__(self, requested: asyncio.Event, pacing: Pacing) -> None:
        self.requested = requested
        """Set when a stop of all accounts was asked for."""
        self._pacing = pacing

    def is_set(self) -> bool:
        """Return whether the account is to stop, for either reason."""
        return self.requested.is_set() or self._pacing.stopped is not None

    async def wait(self) -> None:
        """Return once the account is to stop, for either reason."""
        # One wait is enough for both: ``stop_account_on`` makes a stop on request a
        # stop of this account.
        await self._pacing.over.wait()


@asynccontextmanager
async def stop_account_on(
    requested: asyncio.Event, pacing: Pacing
) -> AsyncIterator[Stopping]:
    """Let no request out any more once ``requested`` is set.

    Without that, workers would wait for the vendor's limit before they notice: up to an
    hour.
    """

    async def stop_account() -> None:
        await requested.wait()
        pacing.stop(RunStopped(_STOPPED))

    task = asyncio.create_task(stop_account(), name="stop")
    try:
        yield Stopping(requested, pacing)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
