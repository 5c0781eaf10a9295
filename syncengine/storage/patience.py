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

_FIRST, _MOST = 0.1, 3.0
"""Seconds between two attempts, at first and at most."""
_DRAIN = 8.0
"""Seconds to wait once the run is to stop."""

_P = ParamSpec("_P")
_T = TypeVar("_T")


class DatabasePatience:
    """The patience of a run's writers with a database that is away.

    It is shared, lasts a number of seconds, less once ``stop`` is set, and knows
    whether one of them waits now.
    """

    def __init__(
        self,
        seconds: float = 0.0,
        tell: OnEvent = ignore_event,
        stop: asyncio.Event | None = None,
    ) -> None:
        self._seconds = seconds
        self._tell = tell
        self._stop = stop or asyncio.Event()
        self._waiting = 0
        self._nobody_waits = asyncio.Event()
        self._nobody_waits.set()

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
            if not self._waiting:
                self._tell(Event.DATABASE_AWAY, error=str(error))
        self._waiting += 1
        self._nobody_waits.clear()
        try:
            result = await self._again(attempt)
            if self._waiting == 1:
                self._tell(Event.DATABASE_BACK)
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

    async def _again(self, attempt: Callable[[], Awaitable[_T]]) -> _T:
        loop = asyncio.get_running_loop()
        until, wait, hurried = loop.time() + self._seconds, _FIRST, False
        while True:
            if self._stop.is_set() and not hurried:
                until, hurried = min(until, loop.time() + _DRAIN), True
            left = until - loop.time()
            await asyncio.sleep(min(wait, max(left, 0.0)))
            try:
                return await attempt()
            except RunRefused as error:
                if not error.may_pass or left <= wait:
                    raise
            wait = min(2 * wait, _MOST)


class Patient(Protocol):
    """An object with patience."""

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
