"""One life of the process: every place where it waits is counted; there it dies, and there things happen around it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from contextvars import Context, ContextVar, copy_context
from random import Random
from typing import Any

Point = int | tuple[str, int]
"""A place where the process waits: counted from 1 (0: none), or the so manieth one whose name ends so."""

SLOWEST = 0.02
"""Seconds a way to the database takes at most. That ways take different times is what mixes the tasks."""


class Life:
    """A process that may die. Once dead it does nothing: whatever would leave it is cancelled instead."""

    def __init__(
        self,
        random: Random,
        *,
        dies_at: Point = 0,
        events: Mapping[int, Callable[[Life], None]] | None = None,
        still: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self.points: list[str] = []
        """The places where it waited, in order; counted from 1."""
        self.dead = False
        self.stop_requested = False
        """By a signal: it is to end cleanly."""
        self.on_death: Callable[[], None] = lambda: None
        self._random = random
        self._dies_at = dies_at
        self._events = events or {}
        self._remaining_stall = still
        self._task: asyncio.Task[Any] | None = None
        self._tasks: list[asyncio.Task[Any]] = []

    def point(self, what: str) -> None:
        """A place where the process waits; raises CancelledError when it dies here or is dead."""
        self.witness(what)
        if self.dead:
            raise asyncio.CancelledError

    def witness(self, what: str) -> None:
        """A moment in which something happens elsewhere while the process waits."""
        if self.dead:
            return
        self.points.append(what)
        if event := self._events.get(len(self.points)):
            event(self)
        if self._is_last():
            self._die()

    def _is_last(self) -> bool:
        if isinstance(self._dies_at, int):
            return len(self.points) == self._dies_at
        end, number = self._dies_at
        return (
            self.points[-1].endswith(end)
            and sum(point.endswith(end) for point in self.points) == number
        )

    async def hop(self, what: str) -> None:
        """A way to the database or back (``tests.support.memory.database.Hop``)."""
        self.point(what)
        await asyncio.sleep(
            max(self._random.uniform(0, SLOWEST), self._remaining_stall())
        )
        if self.dead:
            raise asyncio.CancelledError

    async def live(self, main: Coroutine[Any, Any, None]) -> None:
        """Run to the end or to the death, and see to it that nothing of the process is left."""
        loop = asyncio.get_running_loop()
        loop.set_task_factory(_owned)
        context = copy_context()
        context.run(_ALIVE.set, self)
        self._task = loop.create_task(main, context=context)
        try:
            await self._task
        except BaseException:
            if not self.dead:
                raise
        finally:
            left = [task for task in self._tasks if not task.done()]
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    def _die(self) -> None:
        self.dead = True
        self.on_death()
        if self._task is not None:
            self._task.cancel()

    def own(self, task: asyncio.Task[Any]) -> None:
        """A task of this process was started."""
        self._tasks.append(task)


_ALIVE: ContextVar[Life | None] = ContextVar("alive", default=None)
"""The process whose code runs; in the world around there is none."""


def elsewhere() -> Context:
    """A context outside of every process, for tasks that outlive the one in which they are started."""
    context = copy_context()
    context.run(_ALIVE.set, None)
    return context


def _owned(
    loop: asyncio.AbstractEventLoop, main: Any, **options: Any
) -> asyncio.Task[Any]:
    """Start a task as the loop does, and note whose it is: several processes live in one loop."""
    context = options.get("context")
    life = _ALIVE.get() if context is None else context.get(_ALIVE)
    task: asyncio.Task[Any] = asyncio.Task(main, loop=loop, **options)
    if life is not None:
        life.own(task)
    return task
