"""Keep the lease of an account while a run works, and know when it is lost.

The lease is the right to be the only process that writes for an account. It is a row in
the state that has to be renewed in time (``storage.state.lease``). A process that stood
still, or lost the database, for longer than that must not go on: another one may have
taken the lease over. So each request asks ``check`` before it goes out, which compares
clocks and needs no query.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from syncengine.errors import AccountStopped, LeaseLost, StorageError
from syncengine.model.events import Event, OnEvent, ignore_event
from syncengine.model.work import LeaseGrant
from syncengine.ports import LeaseStore

_BEATS = 3
"""Number of renewals in one lease's time."""
_SOONER = 5
"""Factor by which renewals are tried more often while they fail: as many as possible
before the lease runs out."""


def boot_time() -> float:
    """Return seconds on a clock that never stops.

    It goes on while the process is stopped and while the machine sleeps.
    """
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class LeaseKeeper:
    """Renews a lease, and judges by our own clock whether it still runs."""

    def __init__(
        self,
        store: LeaseStore,
        grant: LeaseGrant,
        asked: float,
        clock: Callable[[], float],
        on_event: OnEvent = ignore_event,
    ) -> None:
        """Take a lease that was asked for at the time ``asked`` of ``clock``.

        The clock has to go on while the process or the machine sleeps (``boot_time``).
        """
        self._store = store
        self._grant = grant
        self._clock = clock
        self._on_event = on_event
        self._until = asked + grant.ttl
        """Time of the clock at which the lease runs out."""
        self._lost: str | None = None
        """Message of the LeaseLost to raise; None while the lease runs. Once lost, a
        lease stays lost, even if a later renewal succeeds."""
        self._away: str | None = None
        """Why the last renewal failed; None where it succeeded."""

    def check(self) -> None:
        """Raise LeaseLost unless the lease still runs."""
        if self._lost is None and self._clock() >= self._until:
            why = self._away or "this process or the database stood still"
            self._lost = (
                f"the lease of account {self._grant.account} ran out before it was "
                f"renewed ({why}): this run stops here, "
                "and the next one settles what it left"
            )
        if self._lost is not None:
            raise LeaseLost(self._lost)

    async def keep(self, stop: Callable[[AccountStopped], None]) -> None:
        """Renew until cancelled; call ``stop`` and return when the lease is lost."""
        while True:
            pause = self._grant.ttl / _BEATS
            if self._away:
                pause /= _SOONER
            await asyncio.sleep(pause)
            # From before the question: the database counts from some moment since, and
            # a lease must not end there before it ends here.
            asked = self._clock()
            try:
                self.check()
                await self._store.renew(self._grant)
            except LeaseLost as error:
                self._lost = str(error)
                stop(error)
                return
            except StorageError as error:
                self._away = str(error)
                self._on_event(Event.DATABASE_AWAY, error=str(error))
                # The lease runs on for a while; check() ends the work when it does not.
                continue
            if self._away:
                self._away = None
                self._on_event(Event.DATABASE_BACK)
            self._until = asked + self._grant.ttl

    @asynccontextmanager
    async def kept(self, stop: Callable[[AccountStopped], None]) -> AsyncIterator[None]:
        """Renew in the background while the block runs."""
        beat = asyncio.create_task(
            self.keep(stop), name=f"lease of {self._grant.account}"
        )
        try:
            yield
        finally:
            beat.cancel()
            await asyncio.gather(beat, return_exceptions=True)
