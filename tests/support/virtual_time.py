"""An asyncio event loop whose clock is virtual.

Hours pass in milliseconds, and always in the same way. When nothing is ready to run,
the clock jumps to the next timer. Every pass of the loop takes at least a microsecond,
so that code which waits for zero seconds until some time has come does not spin for
ever. There is no real input or output.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, NoReturn, TypeVar

T = TypeVar("T")

_SHORTEST_PASS = 1e-6


class Deadlock(RuntimeError):
    """Every task waits for something that nothing can bring about."""


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in a virtual time of its own that starts at 0.

    ``asyncio.get_running_loop().time()`` returns the time. Raises Deadlock where a real
    loop would hang.
    """
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """The loop itself, for those who must hold one."""

    def __init__(self) -> None:
        self._now = 0.0
        super().__init__(_Clock(self._pass))

    def time(self) -> float:
        return self._now

    def stand_still(self, seconds: float) -> None:
        """Let time pass while nothing runs, as in a frozen process."""
        self._now += seconds

    def run_in_executor(self, *_: object) -> NoReturn:
        raise RuntimeError("Threads take real time; there are none in virtual time")

    def _pass(self, seconds: float | None) -> None:
        if seconds is None:
            waiting = sorted(repr(task.get_coro()) for task in asyncio.all_tasks(self))
            raise Deadlock(
                "No task can go on and no timer is set. Waiting: " + ", ".join(waiting)
            )
        self._now += max(seconds, _SHORTEST_PASS)


class _Clock(selectors.BaseSelector):
    """A selector that lets time pass instead of waiting for files.

    It accepts one file: the pipe by which the loop wakes itself up.
    """

    def __init__(self, let_pass: Callable[[float | None], None]) -> None:
        self._let_pass = let_pass
        self._keys: dict[Any, selectors.SelectorKey] = {}

    def register(
        self, fileobj: Any, events: int, data: Any = None
    ) -> selectors.SelectorKey:
        if self._keys:
            raise RuntimeError(
                "Sockets and files take real time; there are none in virtual time"
            )
        self._keys[fileobj] = selectors.SelectorKey(fileobj, -1, events, data)
        return self._keys[fileobj]

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._keys.pop(fileobj)

    def select(
        self, timeout: float | None = None
    ) -> list[tuple[selectors.SelectorKey, int]]:
        self._let_pass(timeout)
        return []

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._keys
