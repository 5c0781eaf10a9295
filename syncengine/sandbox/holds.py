"""Requests that wait until they are released."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from syncengine.sandbox.journal import Entry


@dataclass(frozen=True, slots=True)
class HeldRequest:
    """A request that waits; ``gone`` returns whether its client has left."""

    id: int
    entry: Entry
    gone: Callable[[], bool]
    released: asyncio.Event = field(default_factory=asyncio.Event)


class Holds:
    """The waiting requests of one twin, oldest first."""

    def __init__(self) -> None:
        self._held: dict[int, HeldRequest] = {}
        self._ids = count(1)
        self._changed = asyncio.Condition()

    async def hold(self, entry: Entry, gone: Callable[[], bool]) -> None:
        """Wait until released."""
        held = HeldRequest(next(self._ids), entry, gone)
        self._held[held.id] = held
        async with self._changed:
            self._changed.notify_all()
        try:
            await held.released.wait()
        finally:
            self._held.pop(held.id, None)

    async def wait_for(self, number: int) -> tuple[HeldRequest, ...]:
        """Return the waiting requests, once there are at least ``number``."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self._held) >= number)
            return tuple(self._held.values())

    def release(self, number: int | None = None) -> int:
        """Let the oldest go on (None: all); return their number."""
        freed = [self._held.pop(each) for each in list(self._held)[:number]]
        for held in freed:
            held.released.set()
        return len(freed)
