"""Quotas of long windows, drawn ahead in blocks from counts in the database.

The counts outlive crashes and restarts.

A reservation is counted when it is made; its request may arrive later, by the life of a
block, the wait for its answer and ``settles_within`` at most. So the store is asked for
windows longer by just that: every request that arrives in a window of the vendor's
clock was reserved in the longer one, and the vendor sees no more than its limit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from syncengine.engine.ledger import CLOCK_DRIFT
from syncengine.errors import VendorHalted
from syncengine.model.limits import Limit
from syncengine.ports import QuotaStore

BLOCK_LIFE = 60.0
"""Seconds; what is left of a block then is lost."""
_LARGEST = 1000
_SHARE = 100
"""A block is at most this part of a limit, so that a lull wastes little of it."""


@dataclass(slots=True)
class _Quota:
    """Limits of one method (None: of all requests), and the block in use."""

    method: str | None
    windows: tuple[tuple[int, float], ...]
    size: int = 1
    left: int = 0
    used: int = 0
    asked: float = 0.0
    empty_until: float = 0.0

    @property
    def name(self) -> str:
        return self.method or "all"

    def next_size(self, now: float) -> int:
        """Return the size of the next block: few round trips, little waste.

        It is larger when the block was used up at once, smaller when it was not used.
        """
        most = max(1, min(_LARGEST, *(calls // _SHARE for calls, _ in self.windows)))
        # A part of the last block expired: ask only for as many as were used.
        if self.left:
            return max(1, self.used)
        return (
            min(most, self.size * 2) if now - self.asked < BLOCK_LIFE / 4 else self.size
        )


class Quotas:
    """The long windows of one account. Only the pacer calls it.

    ``late`` is how long after its permit a request may arrive, in seconds.
    """

    def __init__(
        self,
        limits: Sequence[Limit],
        store: QuotaStore,
        *,
        late: float,
        max_wait: float,
    ) -> None:
        self._store = store
        self._max_wait = max_wait
        self._quotas = [
            _Quota(
                method,
                tuple(
                    (limit.calls, limit.per * (1 + CLOCK_DRIFT) + BLOCK_LIFE + late)
                    for limit in limits
                    if limit.method == method
                ),
            )
            for method in dict.fromkeys(limit.method for limit in limits)
        ]

    async def wait(self, method: str) -> float:
        """Return 0 when one more request may be drawn now, else seconds to wait.

        Raises VendorHalted when that is longer than ``max_wait``, StorageError.
        """
        for quota in self._applying(method):
            if wait := await self._refill(quota):
                return wait
        return 0.0

    def draw(self, method: str) -> None:
        """Count one request, right after ``wait`` returned 0."""
        for quota in self._applying(method):
            quota.left -= 1
            quota.used += 1

    async def _refill(self, quota: _Quota) -> float:
        asked = _now()
        # The rest of an expired block is lost: the windows of the store are longer by
        # one BLOCK_LIFE only, so a later draw could exceed the vendor's limit.
        if quota.left and asked < quota.asked + BLOCK_LIFE:
            return 0.0
        if asked < quota.empty_until:
            return quota.empty_until - asked
        size = quota.next_size(asked)
        granted, wait = await self._store.reserve(quota.name, quota.windows, size)
        quota.left, quota.used, quota.size, quota.asked = granted, 0, size, asked
        if granted:
            return 0.0
        if wait > self._max_wait:
            raise VendorHalted(
                f"the quota of {_in_words(quota)} is used up for another {_duration(wait)}, longer than max_wait "
                f"({_duration(self._max_wait)}): what is left is deferred, and the next run goes on with it",
                setting="limits",
            )
        quota.empty_until = asked + wait
        return wait

    def _applying(self, method: str) -> list[_Quota]:
        return [quota for quota in self._quotas if quota.method in (None, method)]


def _now() -> float:
    return asyncio.get_running_loop().time()


def _in_words(quota: _Quota) -> str:
    calls = " and ".join(f"{calls}" for calls, _ in quota.windows)
    return f"{calls} {quota.method or ''} requests".replace("  ", " ")


def _duration(seconds: float) -> str:
    hours, minutes = int(seconds // 3600), int(seconds % 3600 // 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min" if minutes else f"{seconds:.0f} s"
