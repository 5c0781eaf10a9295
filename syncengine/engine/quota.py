"""Quotas: limits with long windows, drawn ahead in blocks from counts in the database.

"10,000 requests a day" outlives every process, so requests are counted in the database.
A query for each request would be slow. So a block of them is reserved (that is,
counted) at once, and then drawn from in memory.

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
"""Requests of a block, at most."""
_SHARE = 100
"""A block is at most one part in so many of a limit: if no more requests come, what is
left of the block is wasted."""


@dataclass(slots=True)
class _Quota:
    """Limits of one method (None: of all requests), and the block in use."""

    method: str | None
    windows: tuple[tuple[int, float], ...]
    """Pairs of requests and seconds, the seconds already longer by what may pass
    between a reservation and the arrival of its request."""
    size: int = 1
    """Requests of the block in use when it was reserved."""
    left: int = 0
    """Requests of the block that are not drawn yet."""
    used: int = 0
    """Requests drawn from the block in use."""
    asked: float = 0.0
    """The loop's time right before the block was asked for."""
    empty_until: float = 0.0
    """The loop's time until which the store has no request to grant."""

    @property
    def name(self) -> str:
        """The name under which the store counts the quota."""
        return quota_name(self.method)

    def has_block(self, now: float) -> bool:
        """Return whether a request may be drawn from the block in use.

        The rest of an expired block is lost: the windows of the store are longer by one
        BLOCK_LIFE only, so a later draw could exceed the vendor's limit.
        """
        return self.left > 0 and now < self.asked + BLOCK_LIFE

    def next_size(self, now: float) -> int:
        """Return the size of the next block: few round trips, little waste.

        It doubles when the last block was used up at once, and is what was used of that
        one when a part of it expired.
        """
        shares = [calls // _SHARE for calls, _ in self.windows]
        most = max(1, min(_LARGEST, *shares))
        # A part of the last block expired: ask only for as many as were used.
        if self.left:
            return max(1, self.used)
        if now - self.asked < BLOCK_LIFE / 4:
            return min(most, self.size * 2)
        return self.size


class Quotas:
    """The long windows of one account. Only the pacer calls it.

    ``late`` is how long after its permit a request may arrive, in seconds.

    ``try_draw`` draws from blocks in memory and never waits, so that it can be one step
    with the other checks of a request; where it fails, ``refill`` may wait for the
    store, and then the whole step is tried again.
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
        methods = dict.fromkeys(limit.method for limit in limits)
        self._quotas: list[_Quota] = []
        for method in methods:
            windows = _windows(limits, method, late)
            self._quotas.append(_Quota(method, windows))

    def try_draw(self, method: str) -> bool:
        """Count one request in every quota that applies, or in none of them.

        Returns False where one of them has no block to draw from: see ``refill``.
        """
        now = _now()
        quotas = self._applying(method)
        if not all(quota.has_block(now) for quota in quotas):
            return False
        for quota in quotas:
            quota.left -= 1
            quota.used += 1
        return True

    def waits(self, method: str) -> float:
        """Return the seconds until the store may have requests again; 0: now."""
        now = _now()
        waits = [quota.empty_until - now for quota in self._applying(method)]
        return max(0.0, *waits, 0.0)

    async def refill(self, method: str) -> float:
        """Reserve blocks where they are missing.

        Returns the seconds until that can succeed, 0 where it has. Raises VendorHalted
        when that is longer than ``max_wait``, StorageError.
        """
        for quota in self._applying(method):
            wait = await self._refill(quota)
            if wait:
                return wait
        return 0.0

    async def _refill(self, quota: _Quota) -> float:
        now = _now()
        if quota.has_block(now):
            return 0.0
        if now < quota.empty_until:
            return quota.empty_until - now
        size = quota.next_size(now)
        granted, wait = await self._store.reserve(quota.name, quota.windows, size)
        quota.left = granted
        quota.used = 0
        quota.size = size
        # The time from before the question: the store counted the block at some moment
        # since, and a block must not outlive what the store allows for.
        quota.asked = now
        if granted:
            return 0.0
        if wait > self._max_wait:
            raise VendorHalted(
                f"the quota of {_in_words(quota)} is used up for another "
                f"{_duration(wait)}, longer than max_wait "
                f"({_duration(self._max_wait)}): "
                "what is left is deferred, and the next run goes on with it",
                setting="limits",
            )
        quota.empty_until = now + wait
        return wait

    def _applying(self, method: str) -> list[_Quota]:
        """Return the quotas that count requests of a method."""
        return [quota for quota in self._quotas if quota.method in (None, method)]


def counted_window(limit: Limit, late: float) -> float:
    """Return the seconds for which a reserved request may count at the vendor.

    ``late`` is how long after its permit a request may arrive.
    """
    return limit.per * (1 + CLOCK_DRIFT) + BLOCK_LIFE + late


def quota_name(method: str | None) -> str:
    """Return the name under which the store counts requests of a method, or all."""
    return method or "all"


def _windows(
    limits: Sequence[Limit], method: str | None, late: float
) -> tuple[tuple[int, float], ...]:
    """Return the windows that the store is asked for, for one method's limits.

    See ``_Quota.windows``. The module docstring says why they are longer.
    """
    of_method = [limit for limit in limits if limit.method == method]
    return tuple((limit.calls, counted_window(limit, late)) for limit in of_method)


def _now() -> float:
    return asyncio.get_running_loop().time()


def _in_words(quota: _Quota) -> str:
    calls = " and ".join(str(calls) for calls, _ in quota.windows)
    if quota.method is None:
        return f"{calls} requests"
    return f"{calls} {quota.method} requests"


def _duration(seconds: float) -> str:
    hours = int(seconds // 3600)
    minutes = int(seconds % 3600 // 60)
    if hours:
        return f"{hours} h {minutes} min"
    if minutes:
        return f"{minutes} min"
    return f"{seconds:.0f} s"
