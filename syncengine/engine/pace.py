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
"""Requests a second up to which they are kept apart one by one; above, timers are too
coarse for that (measured)."""
_BURST = 4
"""Requests that may go out together at rates above that."""
_LATE = 0.05
"""Seconds by which a timer may be late without a loss. They are late where much is done
for the contacts of other requests meanwhile."""


class Pace:
    """Draws from the buckets that apply to a request.

    One is for all methods, and one more for each method with its own limit; there may
    be two of each, for requests and for items. Requests are drawn one at a time, by one
    task: ``aiolimiter`` serves small amounts first and is unfair among waiters.
    """

    def __init__(self, limits: Sequence[Limit]) -> None:
        self._requests: dict[str | None, AsyncLimiter | _EvenPace] = {}
        """By HTTP method; None: for all methods."""
        self._items: dict[str | None, _EvenPace] = {}
        """The same for items."""
        of_items = [limit for limit in limits if limit.counts_items]
        of_requests = [limit for limit in limits if not limit.counts_items]
        for method, rate in _rates(of_requests).items():
            if rate <= _EVEN:
                self._requests[method] = _EvenPace(rate)
            else:
                # ``AsyncLimiter(burst, seconds)``: so many in so many seconds.
                self._requests[method] = AsyncLimiter(_BURST, _BURST / rate)
        for method, rate in _rates(of_items).items():
            self._items[method] = _EvenPace(rate)

    async def draw(self, method: str, items: int = 1) -> None:
        """Wait until the pace has room for one more request with so many items."""
        for key in (None, method):
            bucket = self._requests.get(key)
            if bucket is not None:
                await bucket.acquire()
            item_pace = self._items.get(key)
            if item_pace is not None:
                await item_pace.acquire(items)


class _EvenPace:
    """Keeps requests apart, one by one or by the items that they carry.

    Drawn from by one task. A bucket would lose what a late timer costs, and of items it
    would have to hold the largest request, and so would let a burst of small ones
    through at first.
    """

    def __init__(self, rate: float) -> None:
        """Take the rate, in requests or items a second."""
        self._rate = rate
        self._due = 0.0
        """The loop's time at which all that was drawn so far has had its time."""

    async def acquire(self, amount: float = 1) -> None:
        """Wait until all that was drawn before has had its time."""
        loop = asyncio.get_running_loop()
        begin = loop.time()
        wait = self._due - begin
        if wait > 0:
            await asyncio.sleep(wait)
            # From the moment at which it was due, so that late timers cost nothing.
            begin = max(self._due, loop.time() - _LATE)
        # Time in which nothing was sent is not saved up.
        self._due = begin + amount / self._rate


def _rates(limits: Sequence[Limit]) -> dict[str | None, float]:
    """Return the lowest number a second that the limits of each method allow."""
    rates: dict[str | None, float] = {}
    for limit in limits:
        rate = limit.most / limit.per
        rates[limit.method] = min(rate, rates.get(limit.method, rate))
    return rates
