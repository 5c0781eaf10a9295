"""Time that requests take under an account's limits, and the limit that decides it.

Limits with short windows are *paced*: their requests are sent evenly. Those with long
windows, such as a day, are *quotas*: they cost no time until they are used up. Then the
next request waits until an earlier one leaves the window.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from math import inf

from syncengine.model.costs import Cost, Duration
from syncengine.model.limits import LONGEST_PACED, Limit
from syncengine.model.plans import QuotaShortage


@dataclass(frozen=True, slots=True)
class QuotaUse:
    """A limit with a long window, and the requests that count in it by now."""

    limit: Limit
    window: float
    """Seconds for which a request counts."""
    used: tuple[tuple[float, int], ...] = ()
    """Pairs: so many seconds ago, so many requests."""

    @property
    def left(self) -> int:
        """Return the number of requests that may be sent now."""
        return self.limit.calls - sum(requests for _, requests in self.used)


@dataclass(frozen=True, slots=True)
class Timing:
    """Time of a number of requests."""

    seconds: Duration
    limit: Limit | None
    """The limit that decides the usual time; None where no limit applies."""
    shortages: tuple[QuotaShortage, ...] = ()
    """Quotas that do not suffice for the usual number of requests."""


def timing(
    requests: Cost,
    limits: Sequence[Limit],
    *,
    by_method: Mapping[str, int] | None = None,
    quotas: Sequence[QuotaUse] = (),
    wait: float = 0.0,
    round_trip: float = 0.0,
) -> Timing:
    """Return the time that requests take when they are sent as the limits allow.

    Args:
        requests: their number, as a range.
        limits: the account's limits.
        by_method: the usual number by HTTP method; None where that is not known.
        quotas: those of the limits with long windows.
        wait: seconds before the first request, for what was sent earlier.
        round_trip: seconds until an answer, on average. A place in a limit is free
            again one window after the answer, so the windows are longer by that.
    """
    paced = [
        _PacedLimit(limit, limit.calls / (limit.per + round_trip))
        for limit in limits
        if limit.per <= LONGEST_PACED
    ]
    seconds, limit = _paced(requests, paced, by_method)
    for quota in quotas:
        longer = Duration(
            _quota_seconds(requests.least, seconds.least, quota),
            _quota_seconds(requests.usual, seconds.usual, quota),
            _quota_seconds(requests.most, seconds.most, quota),
        )
        if longer.usual > seconds.usual:
            limit = quota.limit
        seconds = longer
    if requests.usual == 0:
        return Timing(seconds, None)
    waited = Duration(wait + seconds.least, wait + seconds.usual, wait + seconds.most)
    return Timing(waited, limit, tuple(_shortages(requests.usual, quotas)))


@dataclass(frozen=True, slots=True)
class _PacedLimit:
    """A limit with a short window, and the requests a second that it really allows."""

    limit: Limit
    rate: float


def _paced(
    requests: Cost, limits: Sequence[_PacedLimit], by_method: Mapping[str, int] | None
) -> tuple[Duration, Limit | None]:
    """Return the time under paced limits, and the slowest of these for the usual time.

    Where it is not known which methods the requests use, all of them usually meet the
    slowest limit. At most that is so in any case; at best they are spread over the
    limits of all methods.
    """
    if not limits:
        return Duration(), None
    usual, limit = -1.0, limits[0].limit
    # The slowest first, so that of limits that take equally long the tightest is named.
    for each in sorted(limits, key=lambda paced: paced.rate):
        number = requests.usual
        method = each.limit.method
        if by_method is not None and method is not None:
            number = by_method.get(method, 0)
        seconds = _seconds(number, each.rate)
        if seconds > usual:
            usual, limit = seconds, each.limit
    slowest = min(each.rate for each in limits)
    least = _least_seconds(requests.least, limits)
    most = _seconds(requests.most, slowest)
    return Duration(min(least, usual), usual, max(usual, most)), limit


def _least_seconds(requests: int, limits: Sequence[_PacedLimit]) -> float:
    """Return the seconds of requests that are spread over all methods."""
    common = [each.rate for each in limits if each.limit.method is None]
    by_method: dict[str, float] = {}
    for each in limits:
        method = each.limit.method
        if method is not None:
            by_method[method] = min(each.rate, by_method.get(method, inf))
    seconds = [_seconds(requests, rate) for rate in common]
    if by_method:
        # The first request of each method goes out at once.
        behind = max(0, requests - len(by_method))
        seconds.append(behind / sum(by_method.values()))
    return max(seconds)


def _seconds(requests: int, rate: float) -> float:
    """Return the seconds that requests take: the first one goes out at once."""
    return max(0, requests - 1) / rate


def _quota_seconds(requests: int, seconds: float, quota: QuotaUse) -> float:
    """Return the seconds that requests take where a quota delays some of them.

    ``seconds`` is what they take without it.
    """
    if requests <= quota.left:
        return seconds
    between = seconds / max(1, requests - 1)
    # Places for requests, with the time from which they may be used.
    places = [(max(0.0, quota.window - age), number) for age, number in quota.used]
    places.append((0.0, quota.left))
    heapify(places)
    now, to_send, owed = 0.0, requests, 0
    while to_send:
        free_at, number = heappop(places)
        if number < 0:
            # More was sent than the limit allows, when it was higher.
            owed -= number
            continue
        paid = min(owed, number)
        owed -= paid
        sent = min(number - paid, to_send)
        if sent:
            now = max(now, free_at) + sent * between
            to_send -= sent
            heappush(places, (now + quota.window, sent))
    return max(0.0, now - between)


def _shortages(requests: int, quotas: Sequence[QuotaUse]) -> list[QuotaShortage]:
    found: list[QuotaShortage] = []
    for quota in quotas:
        left = max(0, quota.left)
        if requests > left:
            found.append(QuotaShortage(quota.limit, left, requests - left))
    return found
