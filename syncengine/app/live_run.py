"""A run that is watched: it shows its progress to its caller, and writes it down.

The caller's ``Progress`` is in the same process; what is written into the state is read
by ``watch``, ``status`` and the desk, from wherever they are. Neither delays a request
or fails the run: where a write fails, the next one contains everything.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import ClassVar

from syncengine.engine.pacing import Pacing
from syncengine.engine.run_monitor import RunMonitor
from syncengine.engine.tally import Tally
from syncengine.errors import SyncEngineError
from syncengine.model.progress import RunSnapshot
from syncengine.model.reports import LiveProgress, Progress
from syncengine.model.work import RunKind
from syncengine.storage.state.fence import Fence
from syncengine.storage.state.progress import ProgressStore
from syncengine.storage.state.runs import NO_RUN

SHOWN_EVERY = 1.0
"""Seconds between two snapshots for a caller that shows them."""
WRITTEN_EVERY = 5.0
"""Seconds between two writes into the state, at least."""
_LONGEST_UNWRITTEN = 30.0
"""Seconds between two writes, at most, however many runs the process has."""
_WRITES_A_SECOND = 10.0
"""Writes of all runs of the process. With more than fifty each one writes less often."""
_FIRST_WRITE = 1.0
"""Seconds after which it is written that a run is still being prepared."""
_LONGEST_WRITE = 4.0
"""Seconds after which a write is given up."""
_LONGEST_LAST_WRITE = 1.0
"""Seconds after which the last write is given up: the end of the run waits for it."""

_COUNTS_AS = {RunKind.VERIFY: "compared", RunKind.ADOPT: "looked_up"}
"""Word under which the contacts are counted, in runs that give them no outcome."""

_logger = logging.getLogger("syncengine")


class LiveRun:
    """One run with those who watch it.

    ``NO_RUN`` as the run's number: nothing is written.
    """

    _under_way: ClassVar[int] = 0
    """Number of runs of this process that write."""

    def __init__(
        self,
        destination: str,
        run_id: int,
        fence: Fence,
        pacing: Pacing,
        progress: Progress,
        kind: RunKind | None,
    ) -> None:
        self.tally = Tally()
        """The counts of the run."""
        self._destination = destination
        self._pacing = pacing
        self._progress = progress
        self._view = progress if isinstance(progress, LiveProgress) else None
        """The caller that is shown snapshots; None where nobody is, or it failed."""
        self._patience = fence.patience
        counts_as = ""
        if kind is not None:
            counts_as = _COUNTS_AS.get(kind, "")
        self._monitor = RunMonitor(
            pacing,
            self.tally,
            lambda: fence.patience.is_waiting,
            counts_as=counts_as,
        )
        self._store: ProgressStore | None = None
        if run_id != NO_RUN:
            self._store = ProgressStore(fence, run_id)
        self._is_over = False
        self._writing = asyncio.Lock()
        """Locked during a write, so that the last one is written last."""
        self._has_news = asyncio.Event()
        """Set when something is worth a write before the next one is due."""

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Show and write the progress while the block runs, and once at its end."""
        LiveRun._under_way += 1
        self._pacing.on_request = self._monitor.requested
        # At once: the contacts may take a while to be found, and without this line the
        # run would look as if it had not begun.
        self._show(self._monitor.snapshot())
        beat = asyncio.create_task(self._beat(), name="progress")
        try:
            yield
        finally:
            try:
                # Also after an error: `watch` shows how far the run came.
                await self.end()
            finally:
                LiveRun._under_way -= 1
                beat.cancel()
                await asyncio.gather(beat, return_exceptions=True)

    def started(self, total: int) -> None:
        """Show that the run is about so many contacts."""
        self._monitor.started(total)
        self._has_news.set()
        self._progress.started(self._destination, total)

    def expect(self, requests: int) -> None:
        """Note the requests of the whole run, by its forecast."""
        self._monitor.expected_requests = requests

    def advanced(self, contacts: int) -> None:
        """Show that so many more contacts are through."""
        self._monitor.advanced(contacts)
        requests = self._monitor.requests
        self._progress.advanced(self._destination, contacts, requests)

    async def end(self) -> None:
        """Show and write the progress for the last time, before the run is finished."""
        if self._is_over:
            return
        self._is_over = True
        snapshot = self._monitor.snapshot()
        self._show(snapshot)
        # No write of the beat may follow it: it stops once the run is over.
        await self._write(snapshot, _LONGEST_LAST_WRITE)
        self._progress.finished(self._destination)

    async def _beat(self) -> None:
        """Show and write the progress again and again, until cancelled."""
        loop = asyncio.get_running_loop()
        next_write = loop.time() + _FIRST_WRITE
        while True:
            pause = min(next_write - loop.time(), self._monitor.until_next_minute())
            if self._view is not None:
                pause = min(SHOWN_EVERY, pause)
            await self._wait(pause)
            if self._is_over:
                return
            # Also right at the end of a minute, so that its counts are its own.
            snapshot = self._monitor.snapshot()
            self._show(snapshot)
            if self._has_news.is_set() or loop.time() >= next_write:
                self._has_news.clear()
                await self._write(snapshot, _LONGEST_WRITE)
                next_write = loop.time() + _pause_between_writes(LiveRun._under_way)

    async def _wait(self, seconds: float) -> None:
        """Wait so long, or until there is news."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._has_news.wait(), max(0.0, seconds))

    def _show(self, snapshot: RunSnapshot) -> None:
        if self._view is None:
            return
        try:
            self._view.updated(self._destination, snapshot)
        except Exception:
            # It is the caller's own, and must not end a run that is sending. Once is
            # enough: it would fail every second.
            self._view = None
            _logger.exception("the progress of %s cannot be shown", self._destination)

    async def _write(self, snapshot: RunSnapshot, longest: float) -> None:
        """Write the progress if the database takes it."""
        minutes = self._monitor.minutes()
        # While it is away the run's own writers wait for it, and report it.
        if self._store is None or self._patience.is_waiting:
            return
        # Progress is worth no retry and no failed run: the next write has all of it.
        with suppress(SyncEngineError, TimeoutError):
            async with asyncio.timeout(longest), self._writing:
                now = await self._store.write(snapshot, minutes)
            if now is not None:
                self._monitor.set_database_time(now)
                self._monitor.stored(minutes)


def _pause_between_writes(runs: int) -> float:
    """Return the seconds between two writes of a run where so many are under way."""
    return min(_LONGEST_UNWRITTEN, max(WRITTEN_EVERY, runs / _WRITES_A_SECOND))
