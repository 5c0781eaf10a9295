"""One life of a simulated process.

Every place where the process waits is counted. At such a place it may die, and things
may happen around it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from contextvars import Context, ContextVar, copy_context
from random import Random
from typing import Any

Point = int | tuple[str, int]
"""A place where the process waits.

A number counts the places from 1 (0: none). A text and a number stand for that
manieth place whose name ends with the text.
"""

SLOWEST = 0.02
"""Seconds that a way to the database takes at most.

Ways take different times, so that the tasks of the process overtake each other.
"""


class Life:
    """A process that may die.

    Once dead it does nothing: whatever would leave it is cancelled instead.
    """

    def __init__(
        self,
        random: Random,
        *,
        dies_at: Point = 0,
        events: Mapping[Point, Callable[[Life], None]] | None = None,
        still: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self.points: list[str] = []
        """The places where it waited, in order; counted from 1."""
        self.dead = False
        self.stop_requested = False
        """True if a signal asked it to end cleanly."""
        self.on_death: Callable[[], None] = lambda: None
        self._random = random
        self._dies_at = dies_at
        self._events = events or {}
        self._remaining_stall = still
        self._task: asyncio.Task[Any] | None = None
        self._tasks: list[asyncio.Task[Any]] = []

    def point(self, what: str) -> None:
        """Pass a place where the process waits.

        Raises CancelledError where the process dies here, or is dead.
        """
        self.witness(what)
        if self.dead:
            raise asyncio.CancelledError

    def witness(self, what: str) -> None:
        """Count a moment in which something happens elsewhere meanwhile."""
        if self.dead:
            return
        self.points.append(what)
        for point, event in self._events.items():
            if self._has_come_to(point):
                event(self)
        if self._has_come_to(self._dies_at):
            self._die()

    def _has_come_to(self, point: Point) -> bool:
        """Return whether the last place where the process waited is this one."""
        if isinstance(point, int):
            return len(self.points) == point
        end, number = point
        if not self.points[-1].endswith(end):
            return False
        return sum(point.endswith(end) for point in self.points) == number

    async def hop(self, what: str) -> None:
        """Take a way to the database or back (``memory.database.Hop``)."""
        self.point(what)
        await asyncio.sleep(
            max(self._random.uniform(0, SLOWEST), self._remaining_stall())
        )
        # It may have died while this task was on its way.
        if self.dead:
            raise asyncio.CancelledError

    async def live(self, main: Coroutine[Any, Any, None]) -> None:
        """Run until the end or the death; then nothing of the process is left."""
        loop = asyncio.get_running_loop()
        loop.set_task_factory(_owned)
        context = copy_context()
        context.run(_ALIVE.set, self)
        self._task = loop.create_task(main, context=context)
        try:
            await self._task
        except BaseException:
            # A dead process raises nothing to anybody.
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
        """Take note of a task that this process has started."""
        self._tasks.append(task)


_ALIVE: ContextVar[Life | None] = ContextVar("alive", default=None)
"""The process whose code is running; None in the world around."""


def elsewhere() -> Context:
    """Return a context outside of every process.

    It is for tasks that outlive the process in which they are started.
    """
    context = copy_context()
    context.run(_ALIVE.set, None)
    return context


def _owned(
    loop: asyncio.AbstractEventLoop, main: Any, **options: Any
) -> asyncio.Task[Any]:
    """Start a task as the loop does, and note whose it is.

    Several processes live in one loop.
    """
    context = options.get("context")
    life = _ALIVE.get() if context is None else context.get(_ALIVE)
    task: asyncio.Task[Any] = asyncio.Task(main, loop=loop, **options)
    if life is not None:
        life.own(task)
    return task
