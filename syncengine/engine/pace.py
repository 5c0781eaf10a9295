"""The pace: requests spread evenly, at the rate of the tightest limits.

The pace smooths, and the ``Ledger`` limits. ``aiolimiter`` alone would be no limit: its
bucket of 200 a minute is full at first, and refills while it is being emptied, so that
399 requests go out in the first minute.

Limits that count items have a pace of their own, since a request may carry any number
of them: it waits until those before it have had their time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from aiolimiter import AsyncLimiter

from syncengine.model.limits import Limit

_EVEN = 20.0
"""Requests a second up to which single draws lose nothing; above, every late timer
would cost some (measured)."""
_BURST = 4
"""Requests that may go out together at rates above that."""
_LATE = 0.05
"""Seconds by which a timer may be late without a loss of items."""


class Pace:
    """Draws from the buckets that apply to a request.

    One is for all methods, and one more for each method with its own limit; there may
    be two of each, for requests and for items. Requests are drawn one at a time, by one
    task: ``aiolimiter`` serves small amounts first and is unfair among waiters.
    """

    def __init__(self, limits: Sequence[Limit]) -> None:
        self._requests: dict[str | None, AsyncLimiter] = {}
        """By HTTP method; None: for all methods."""
        self._items: dict[str | None, _ItemPace] = {}
        """The same for items."""
        of_items = [limit for limit in limits if limit.counts_items]
        of_requests = [limit for limit in limits if not limit.counts_items]
        for method, rate in _rates(of_requests).items():
            burst = 1 if rate <= _EVEN else _BURST
            # ``AsyncLimiter(burst, seconds)`` lets so many through in so many seconds.
            self._requests[method] = AsyncLimiter(burst, burst / rate)
        for method, rate in _rates(of_items).items():
            self._items[method] = _ItemPace(rate)

    async def draw(self, method: str, items: int = 1) -> None:
        """Wait until the pace has room for one more request with so many items."""
        for key in (None, method):
            bucket = self._requests.get(key)
            if bucket is not None:
                await bucket.acquire()
            item_pace = self._items.get(key)
            if item_pace is not None:
                await item_pace.draw(items)


class _ItemPace:
    """Keeps requests apart by the items that they carry. Drawn from by one task.

    A bucket would have to hold the largest request, and so would let a burst of small
    ones through at first.
    """

    def __init__(self, rate: float) -> None:
        """Take the rate, in items a second."""
        self._rate = rate
        self._due = 0.0
        """The loop's time at which the items drawn so far have had their time."""

    async def draw(self, items: int) -> None:
        """Wait until all items before have had their time."""
        loop = asyncio.get_running_loop()
        wait = self._due - loop.time()
        if wait > 0:
            await asyncio.sleep(wait)
        # From the moment at which it was due, so that late timers cost nothing. Time in
        # which nothing was sent is not saved up.
        begin = max(self._due, loop.time() - _LATE)
        self._due = begin + items / self._rate


def _rates(limits: Sequence[Limit]) -> dict[str | None, float]:
    """Return the lowest number a second that the limits of each method allow."""
    rates: dict[str | None, float] = {}
    for limit in limits:
        rate = limit.most / limit.per
        rates[limit.method] = min(rate, rates.get(limit.method, rate))
    return rates
