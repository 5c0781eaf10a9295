"""Crowd of the contacts that are worked on side by side.

A wave (``engine.waves``) that is not full waits for further contacts. The crowd tells
whether any can come.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")


class Crowd:
    """Counts the contacts that are worked on, and those that are about to begin.

    A contact is *parked* while it waits for an answer of the vendor's, or for a wave to
    go out. Otherwise it moves, and may join a wave soon.
    """

    def __init__(self, workers: int) -> None:
        """Take the number of contacts that are worked on at once."""
        self.workers = workers
        self.on_quiet: Callable[[], None] = _ignore
        """Called when no contact may come any more that could before."""
        self._is_fed = False
        """True while further contacts are being prepared."""
        self._handed_out = 0
        """Contacts that are handed out, and that no worker has taken yet."""
        self._working = 0
        self._parked = 0

    def feed(self) -> None:
        """Note that further contacts are being prepared."""
        self._is_fed = True

    def end_feed(self) -> None:
        """Note that none are prepared before those handed out are through."""
        self._is_fed = False
        self._tell_if_quiet()

    def hand_out(self) -> None:
        """Note that a contact is handed out to the workers."""
        self._handed_out += 1

    @contextmanager
    def working(self) -> Iterator[None]:
        """Count a contact that was handed out as worked on, while the block runs."""
        self._handed_out -= 1
        self._working += 1
        try:
            yield
        finally:
            self._working -= 1
            self._tell_if_quiet()

    def park(self) -> None:
        """Note that a contact waits for the vendor."""
        self._parked += 1
        self._tell_if_quiet()

    def resume(self) -> None:
        """Note that a contact has its answer, and goes on."""
        self._parked -= 1

    @property
    def may_move(self) -> bool:
        """True while some contact may ask for something without a new answer."""
        if self._working > self._parked:
            return True
        is_awaited = self._is_fed or self._handed_out > 0
        return is_awaited and self._working < self.workers

    def _tell_if_quiet(self) -> None:
        if not self.may_move:
            self.on_quiet()


def _ignore() -> None:
    """Do nothing."""


async def side_by_side(
    crowd: Crowd, works: Sequence[Awaitable[T]]
) -> list[T | BaseException]:
    """Do works side by side, each about a contact of the crowd.

    Returns the result of each, or what it raised, in order.
    """
    for _ in works:
        crowd.hand_out()

    async def result(work: Awaitable[T]) -> T:
        with crowd.working():
            return await work

    return await asyncio.gather(*map(result, works), return_exceptions=True)
