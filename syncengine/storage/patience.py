"""Waits for a database that is away for a while.

It may be restarted, unreachable, full, or read-only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial, update_wrapper
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from syncengine.errors import RunRefused
from syncengine.model.events import Event, OnEvent, ignore_event

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 3.0
"""Seconds between two attempts. The pause doubles from the first to the longest."""
_DRAIN = 8.0
"""Seconds to wait once the run is to stop: whoever stops it does not wait for long."""

_P = ParamSpec("_P")
_T = TypeVar("_T")


class DatabasePatience:
    """The patience of a run's writers with a database that is away.

    It is shared by all writers of a run, lasts ``seconds``, less once ``stop`` is set,
    and knows whether one of them waits now.
    """

    def __init__(
        self,
        seconds: float = 0.0,
        on_event: OnEvent = ignore_event,
        stop: asyncio.Event | None = None,
    ) -> None:
        self._seconds = seconds
        self._on_event = on_event
        self._stop = stop or asyncio.Event()
        self._waiting = 0
        """Number of writers that wait now."""
        self._nobody_waits = asyncio.Event()
        self._nobody_waits.set()

    @property
    def is_waiting(self) -> bool:
        """Return whether a writer waits now: the database is away."""
        return self._waiting > 0

    async def wait_out(self, attempt: Callable[[], Awaitable[_T]]) -> _T:
        """Return the attempt's result, after waiting for the database where needed.

        An error that may pass by itself leads to another attempt until the patience is
        at its end; then it is raised. The attempt must be harmless to repeat: a commit
        whose answer was lost may have been carried out.
        """
        try:
            return await attempt()
        except RunRefused as error:
            if not error.may_pass:
                raise
            # Many writers meet the same outage at once. One event is enough.
            if not self._waiting:
                self._on_event(Event.DATABASE_AWAY, error=str(error))
        # No await since the failed attempt: as soon as a write has failed, ``over``
        # holds back the sender, which would else send what cannot be recorded.
        self._waiting += 1
        self._nobody_waits.clear()
        try:
            result = await self._try_again(attempt)
            # The last writer to get through reports the end of the outage.
            if self._waiting == 1:
                self._on_event(Event.DATABASE_BACK)
            return result
        finally:
            self._waiting -= 1
            if not self._waiting:
                self._nobody_waits.set()

    async def over(self) -> None:
        """Return once no writer waits.

        What cannot be recorded now must not be done either.
        """
        await self._nobody_waits.wait()

    async def _try_again(self, attempt: Callable[[], Awaitable[_T]]) -> _T:
        """Repeat an attempt until it succeeds, or the patience is at its end."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self._seconds
        pause = _FIRST_PAUSE
        is_hurried = False
        while True:
            # A stop that is asked for during the outage shortens the wait once, counted
            # from the moment at which it is noticed.
            if self._stop.is_set() and not is_hurried:
                until = min(until, loop.time() + _DRAIN)
                is_hurried = True
            seconds_left = until - loop.time()
            await asyncio.sleep(min(pause, max(seconds_left, 0.0)))
            try:
                return await attempt()
            except RunRefused as error:
                # The pause before this attempt used up what was left: it was the last.
                is_last = seconds_left <= pause
                if is_last or not error.may_pass:
                    raise
            pause = min(2 * pause, _LONGEST_PAUSE)


class Patient(Protocol):
    """An object whose methods may be decorated with ``patient``."""

    @property
    def patience(self) -> DatabasePatience: ...


_S = TypeVar("_S", bound=Patient)


def patient(
    method: Callable[Concatenate[_S, _P], Coroutine[Any, Any, _T]],
) -> Callable[Concatenate[_S, _P], Coroutine[Any, Any, _T]]:
    """Make a method wait while the database is away.

    It must be harmless to carry out twice.
    """

    async def waiting(self: _S, /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        return await self.patience.wait_out(partial(method, self, *args, **kwargs))

    update_wrapper(waiting, method)
    return waiting
