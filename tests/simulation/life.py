"""One life of the process: every place where it waits is counted, and it dies at the one it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any

_SLOWEST = 0.02
"""Seconds a way to the database takes at most. That ways take different times is what mixes the tasks."""


class Life:
    """A process that may die. Once dead it does nothing: whatever would leave it is cancelled instead."""

    def __init__(self, random: Random, *, dies_at: int | None = None) -> None:
        self.points: list[str] = []
        """The places where it waited, in order; counted from 1."""
        self.dead = False
        self.on_death: Callable[[], None] = lambda: None
        self._random = random
        self._dies_at = dies_at
        self._task: asyncio.Task[Any] | None = None

    def point(self, what: str) -> None:
        """A place where the process waits; raises CancelledError when it dies here or is dead."""
        if not self.dead:
            self.points.append(what)
            if len(self.points) == self._dies_at:
                self._die()
        if self.dead:
            raise asyncio.CancelledError

    def witness(self, what: str) -> None:
        """A moment in which something happens elsewhere while the process waits."""
        if not self.dead:
            self.points.append(what)
            if len(self.points) == self._dies_at:
                self._die()

    async def hop(self, what: str) -> None:
        """A way to the database or back (``tests.memory.database.Hop``)."""
        self.point(what)
        await asyncio.sleep(self._random.uniform(0, _SLOWEST))
        if self.dead:
            raise asyncio.CancelledError

    async def live(self, main: Coroutine[Any, Any, None]) -> None:
        """Run to the end or to the death, and see to it that nothing of the process is left."""
        before = asyncio.all_tasks()
        self._task = asyncio.create_task(main)
        try:
            await self._task
        except BaseException:
            if not self.dead:
                raise
        finally:
            left = asyncio.all_tasks() - before
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    def _die(self) -> None:
        self.dead = True
        self.on_death()
        if self._task is not None:
            self._task.cancel()
