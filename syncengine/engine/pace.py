"""The pace: requests spread evenly, at the rate of the tightest limit.

``aiolimiter`` alone is no limit: a bucket of 200 a minute lets 399 through in one
minute. It smooths, the ledger limits.
"""

from __future__ import annotations

from collections.abc import Sequence

from aiolimiter import AsyncLimiter

from syncengine.model.limits import Limit

LONGEST_PACED = 600.0
"""Seconds. Longer windows are quotas: to spread them evenly would slow down every short
run."""
_EVEN = 20.0
"""Requests a second up to which single draws lose nothing; above, every late timer
would cost some (measured)."""
_BURST = 4


class Pace:
    """Draws from the buckets that apply to a request.

    One is for all methods, and one more for each method with its own limit. They are
    drawn one unit at a time, by one task: ``aiolimiter`` serves small amounts first and
    is unfair among waiters.
    """

    def __init__(self, limits: Sequence[Limit]) -> None:
        self._buckets: dict[str | None, AsyncLimiter] = {}
        for method in {limit.method for limit in limits}:
            rate = min(
                limit.calls / limit.per for limit in limits if limit.method == method
            )
            burst = 1 if rate <= _EVEN else _BURST
            self._buckets[method] = AsyncLimiter(burst, burst / rate)

    async def draw(self, method: str) -> None:
        """Wait until the pace has room for one more request."""
        for key in (None, method):
            bucket = self._buckets.get(key)
            if bucket is not None:
                await bucket.acquire()
