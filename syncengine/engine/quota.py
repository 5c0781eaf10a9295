"""Quotas: limits with long windows, drawn ahead in blocks from counts in the database.

"10,000 requests a day" outlives every process, so requests are counted in the database.
A query for each request would be slow. So a block of them is reserved (that is,
counted) at once, and then drawn from in memory. Items are counted alike, where a limit
counts these: then a request draws as many as it carries, and has to find them together.

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
"""Requests or items of a block, at most, unless one request carries more."""
_SHARE = 100
"""A block is at most one part in so many of a limit: if no more requests come, what is
left of the block is wasted."""


@dataclass(slots=True)
class _Quota:
    """Limits of one method (None: of all requests), and the block in use.

    Numbers are those of requests, or of items, as these limits count.
    """

    method: str | None
    counts_items: bool
    windows: tuple[tuple[int, float], ...]
    """Pairs of a number and seconds, the seconds already longer by what may pass
    between a reservation and the arrival of its request."""
    size: int = 1
    """Number in the block in use when it was reserved."""
    left: int = 0
    """Number in the block that is not drawn yet."""
    used: int = 0
    """Number drawn from the block in use."""
    asked: float = 0.0
    """The loop's time right before the block was asked for; of a block that was topped
    up, right before its first part was."""
    empty_until: float = 0.0
    """The loop's time until which the store has nothing to grant."""

    @property
    def name(self) -> str:
        """The name under which the store counts the quota."""
        return quota_name(self.method, counts_items=self.counts_items)

    def share_of(self, items: int) -> int:
        """Return how much a request that carries so many items draws."""
        return items if self.counts_items else 1

    def left_at(self, now: float) -> int:
        """Return what may still be drawn from the block in use.

        The rest of an expired block is lost: the windows of the store are longer by one
        BLOCK_LIFE only, so a later draw could exceed the vendor's limit.
        """
        return self.left if now < self.asked + BLOCK_LIFE else 0

    def has_room(self, items: int, now: float) -> bool:
        """Return whether a request with so many items may be drawn from the block."""
        return self.left_at(now) >= self.share_of(items)

    def next_size(self, now: float) -> int:
        """Return the size of the next block: few round trips, little waste.

        It doubles when the last block was used up at once, and is what was used of that
        one when a part of it expired.
        """
        shares = [number // _SHARE for number, _ in self.windows]
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
        kinds = dict.fromkeys((limit.method, limit.counts_items) for limit in limits)
        self._quotas: list[_Quota] = []
        for method, counts_items in kinds:
            of_kind = [
                limit
                for limit in limits
                if limit.method == method and limit.counts_items == counts_items
            ]
            windows = tuple(
                (limit.most, counted_window(limit, late)) for limit in of_kind
            )
            self._quotas.append(_Quota(method, counts_items, windows))

    def try_draw(self, method: str, items: int = 1) -> bool:
        """Count one request in every quota that applies, or in none of them.

        Returns False where one of them has too little left to draw: see ``refill``.
        """
        now = _now()
        quotas = self._applying(method)
        if not all(quota.has_room(items, now) for quota in quotas):
            return False
        for quota in quotas:
            share = quota.share_of(items)
            quota.left -= share
            quota.used += share
        return True

    def waits(self, method: str) -> float:
        """Return the seconds until the store may have something again; 0: now."""
        now = _now()
        waits = [quota.empty_until - now for quota in self._applying(method)]
        return max(0.0, *waits, 0.0)

    async def refill(self, method: str, items: int = 1) -> float:
        """Reserve blocks where they are missing, or too small for so many items.

        Returns the seconds until that can succeed, 0 where it has. Raises VendorHalted
        when that is longer than ``max_wait``, StorageError.
        """
        for quota in self._applying(method):
            wait = await self._refill(quota, items)
            if wait:
                return wait
        return 0.0

    async def _refill(self, quota: _Quota, items: int) -> float:
        now = _now()
        if quota.has_room(items, now):
            return 0.0
        if now < quota.empty_until:
            return quota.empty_until - now
        rest = quota.left_at(now)
        if rest:
            return await self._top_up(quota, quota.share_of(items) - rest)
        least = quota.share_of(items)
        size = max(least, quota.next_size(now))
        granted, wait = await self._store.reserve(
            quota.name, quota.windows, size, least
        )
        quota.left = granted
        quota.used = 0
        quota.size = size
        # The time from before the question: the store counted the block at some moment
        # since, and a block must not outlive what the store allows for.
        quota.asked = now
        if granted:
            return 0.0
        return self._wait_for_store(quota, wait)

    async def _top_up(self, quota: _Quota, lacking: int) -> float:
        """Reserve what one request lacks beyond the rest of the block in use.

        So that rest is not lost. Just so much, since all of it expires with the block.
        """
        granted, wait = await self._store.reserve(
            quota.name, quota.windows, lacking, lacking
        )
        quota.left += granted
        if granted:
            return 0.0
        return self._wait_for_store(quota, wait)

    def _wait_for_store(self, quota: _Quota, wait: float) -> float:
        """Return the seconds until the store has something; remember them.

        Raises VendorHalted when they are more than ``max_wait``.
        """
        if wait > self._max_wait:
            raise VendorHalted(
                f"the quota of {_in_words(quota)} is used up for another "
                f"{_duration(wait)}, longer than max_wait "
                f"({_duration(self._max_wait)}): "
                "what is left is deferred, and the next run goes on with it",
                setting="limits",
            )
        quota.empty_until = _now() + wait
        return wait

    def _applying(self, method: str) -> list[_Quota]:
        """Return the quotas that count requests of a method."""
        return [quota for quota in self._quotas if quota.method in (None, method)]


def counted_window(limit: Limit, late: float) -> float:
    """Return the seconds for which a reserved request may count at the vendor.

    ``late`` is how long after its permit a request may arrive.
    """
    return limit.per * (1 + CLOCK_DRIFT) + BLOCK_LIFE + late


def quota_name(method: str | None, *, counts_items: bool) -> str:
    """Return the name under which the store counts requests of a method, or all.

    With ``counts_items``, the one under which it counts their items.
    """
    name = method or "all"
    return f"{name} items" if counts_items else name


def _now() -> float:
    return asyncio.get_running_loop().time()


def _in_words(quota: _Quota) -> str:
    numbers = " and ".join(str(number) for number, _ in quota.windows)
    if quota.counts_items:
        by_method = "" if quota.method is None else f" by {quota.method}"
        return f"{numbers} contacts{by_method}"
    if quota.method is None:
        return f"{numbers} requests"
    return f"{numbers} {quota.method} requests"


def _duration(seconds: float) -> str:
    hours = int(seconds // 3600)
    minutes = int(seconds % 3600 // 60)
    if hours:
        return f"{hours} h {minutes} min"
    if minutes:
        return f"{minutes} min"
    return f"{seconds:.0f} s"
