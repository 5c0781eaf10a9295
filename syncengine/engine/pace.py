"""The pace: requests spread evenly, at the rate of the tightest limit.

The pace smooths, and the ``Ledger`` limits. ``aiolimiter`` alone would be no limit: its
bucket of 200 a minute is full at first, and refills while it is being emptied, so that
399 requests go out in the first minute.
"""

from __future__ import annotations

from collections.abc import Sequence

from aiolimiter import AsyncLimiter

from syncengine.model.limits import Limit

_EVEN = 20.0
"""Requests a second up to which single draws lose nothing; above, every late timer
would cost some (measured)."""
_BURST = 4
"""Requests that may go out together at rates above that."""


class Pace:
    """Draws from the buckets that apply to a request.

    One is for all methods, and one more for each method with its own limit. They are
    drawn one unit at a time, by one task: ``aiolimiter`` serves small amounts first and
    is unfair among waiters.
    """

    def __init__(self, limits: Sequence[Limit]) -> None:
        self._buckets: dict[str | None, AsyncLimiter] = {}
        """By HTTP method; None: for all methods."""
        rates: dict[str | None, float] = {}
        for limit in limits:
            rate = limit.calls / limit.per
            rates[limit.method] = min(rate, rates.get(limit.method, rate))
        for method, rate in rates.items():
            burst = 1 if rate <= _EVEN else _BURST
            # ``AsyncLimiter(burst, seconds)`` lets so many through in so many seconds.
            self._buckets[method] = AsyncLimiter(burst, burst / rate)

    async def draw(self, method: str) -> None:
        """Wait until the pace has room for one more request."""
        for key in (None, method):
            bucket = self._buckets.get(key)
            if bucket is not None:
                await bucket.acquire()
