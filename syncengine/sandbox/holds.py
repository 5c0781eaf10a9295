"""Requests that a fault holds back until they are released.

With them a test stops the world at a chosen moment: it waits until a request is held
(``wait_for``), does something meanwhile, such as killing the engine or changing a
contact, and lets the request go on (``release``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from syncengine.sandbox.journal import Entry


@dataclass(frozen=True, slots=True)
class HeldRequest:
    """A request that waits."""

    id: int
    entry: Entry
    """The request in the journal."""
    gone: Callable[[], bool]
    """Returns whether the client has left."""
    released: asyncio.Event = field(default_factory=asyncio.Event)


class Holds:
    """The waiting requests of one twin, oldest first."""

    def __init__(self) -> None:
        self._waiting: dict[int, HeldRequest] = {}
        self._ids = count(1)
        self._grown = asyncio.Condition()
        """Notified when a request has begun to wait."""

    async def hold(self, entry: Entry, gone: Callable[[], bool]) -> None:
        """Wait until the request is released; raises nothing where its client leaves.

        ``gone`` is shown to whoever looks at the waiting requests.
        """
        held = HeldRequest(next(self._ids), entry, gone)
        self._waiting[held.id] = held
        async with self._grown:
            self._grown.notify_all()
        try:
            await held.released.wait()
        finally:
            # ``release`` has removed it already, but not where the task was cancelled.
            self._waiting.pop(held.id, None)

    async def wait_for(self, number: int) -> tuple[HeldRequest, ...]:
        """Return the waiting requests, once there are at least ``number``.

        Waits without end; callers set a timeout.
        """
        async with self._grown:
            await self._grown.wait_for(lambda: len(self._waiting) >= number)
            return tuple(self._waiting.values())

    def release(self, number: int | None = None) -> int:
        """Let the oldest requests go on (None: all); return how many went."""
        ids = list(self._waiting)[:number]
        for held_id in ids:
            # Removed here, not by the request itself: whoever asks before it has run
            # again must not see it as waiting.
            held = self._waiting.pop(held_id)
            held.released.set()
        return len(ids)
