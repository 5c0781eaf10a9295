"""Time that requests take under an account's limits, and the limit that decides it.

Limits with short windows are *paced*: their requests are sent evenly. Those with long
windows, such as a day, are *quotas*: they cost no time until they are used up. Then the
next request waits until an earlier one leaves the window.

A limit counts requests, or the items that these carry. Each kind is timed by itself, and
the slowest limit of all decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from math import ceil, inf

from syncengine.model.costs import Cost, Duration
from syncengine.model.limits import LONGEST_PACED, Limit
from syncengine.model.plans import QuotaShortage


@dataclass(frozen=True, slots=True)
class QuotaUse:
    """A limit with a long window, and the requests or items that count in it by now."""

    limit: Limit
    window: float
    """Seconds for which a request counts."""
    used: tuple[tuple[float, int], ...] = ()
    """Pairs: so many seconds ago, so many requests or items."""

    @property
    def left(self) -> int:
        """Return the number of requests, or items, that may be sent now."""
        return self.limit.most - sum(number for _, number in self.used)


@dataclass(frozen=True, slots=True)
class Timing:
    """Time of a number of requests."""

    seconds: Duration
    limit: Limit | None
    """The limit that decides the usual time; None where no limit applies."""
    shortages: tuple[QuotaShortage, ...] = ()
    """Quotas that do not suffice for the usual number of requests, or items."""


def timing(
    requests: Cost,
    limits: Sequence[Limit],
    *,
    items: Cost | None = None,
    by_method: Mapping[str, int] | None = None,
    quotas: Sequence[QuotaUse] = (),
    wait: float = 0.0,
    round_trip: float = 0.0,
) -> Timing:
    """Return the time that requests take when they are sent as the limits allow.

    Args:
        requests: their number, as a range.
        limits: the account's limits.
        items: number of items that the requests carry; None: one each.
        by_method: the usual number by HTTP method; None where that is not known. How
            the items are spread over methods is known only where each request carries
            one.
        quotas: those of the limits with long windows.
        wait: seconds before the first request, for what was sent earlier.
        round_trip: seconds until an answer, on average. A place in a limit is free
            again one window after the answer, so the windows are longer by that.
    """
    load_of_requests = _Load(requests, 1, by_method)
    load_of_items = _load_of_items(requests, items, by_method)
    paced = [limit for limit in limits if limit.per <= LONGEST_PACED]
    of_requests = [limit for limit in paced if not limit.counts_items]
    of_items = [limit for limit in paced if limit.counts_items]
    seconds, limit = _paced(load_of_requests, of_requests, round_trip)
    item_seconds, item_limit = _paced(load_of_items, of_items, round_trip)
    if limit is None or item_seconds.usual > seconds.usual:
        limit = item_limit or limit
    seconds = _longer(seconds, item_seconds)
    # By ``Limit.counts_items``.
    loads = {False: load_of_requests, True: load_of_items}
    for quota in quotas:
        number = loads[quota.limit.counts_items].number
        longer = Duration(
            _quota_seconds(number.least, seconds.least, quota),
            _quota_seconds(number.usual, seconds.usual, quota),
            _quota_seconds(number.most, seconds.most, quota),
        )
        if longer.usual > seconds.usual:
            limit = quota.limit
        seconds = longer
    if requests.usual == 0:
        return Timing(seconds, None)
    waited = Duration(wait + seconds.least, wait + seconds.usual, wait + seconds.most)
    return Timing(waited, limit, tuple(_shortages(loads, quotas)))


@dataclass(frozen=True, slots=True)
class _Load:
    """Number of requests, or of the items that they carry."""

    number: Cost
    at_once: int
    """Number that each request takes of a limit, usually."""
    by_method: Mapping[str, int] | None
    """The usual number by HTTP method; None where that is not known."""


def _load_of_items(
    requests: Cost, items: Cost | None, by_method: Mapping[str, int] | None
) -> _Load:
    if items is None or items == requests:
        return _Load(requests, 1, by_method)
    return _Load(items, ceil(items.usual / max(1, requests.usual)), None)


def _places(limit: Limit, size: int) -> int:
    """Return how many places of a window can be used, so many at once."""
    # Of 250 places two batches of a hundred use 200: a third one waits.
    return max(limit.most - limit.most % size, 1)


def _longer(one: Duration, other: Duration) -> Duration:
    """Return the time of which each part is the longer one of both."""
    return Duration(
        max(one.least, other.least),
        max(one.usual, other.usual),
        max(one.most, other.most),
    )


@dataclass(frozen=True, slots=True)
class _PacedLimit:
    """A limit with a short window, and the requests a second that it really allows.

    They are items where the limit counts these.
    """

    limit: Limit
    rate: float
    at_once: int
    """Number of places that each request takes at once."""


def _paced(
    load: _Load, limits: Sequence[Limit], round_trip: float
) -> tuple[Duration, Limit | None]:
    """Return the time under paced limits, and the slowest of these for the usual time.

    All limits count what the load is of. Where it is not known which methods the
    requests use, all of them usually meet the slowest limit. At most that is so in any
    case; at best they are spread over the limits of all methods.
    """
    if not limits:
        return Duration(), None
    paced: list[_PacedLimit] = []
    for each in limits:
        rate = _places(each, load.at_once) / (each.per + round_trip)
        paced.append(_PacedLimit(each, rate, load.at_once))
    # The slowest first, so that of limits that take equally long the tightest is named.
    paced.sort(key=lambda entry: entry.rate)
    slowest = paced[0]
    usual, limit = -1.0, slowest.limit
    for entry in paced:
        number = load.number.usual
        method = entry.limit.method
        if load.by_method is not None and method is not None:
            number = load.by_method.get(method, 0)
        seconds = _seconds(number, entry)
        if seconds > usual:
            usual, limit = seconds, entry.limit
    least = _least_seconds(load.number.least, paced)
    most = _seconds(load.number.most, slowest)
    return Duration(min(least, usual), usual, max(usual, most)), limit


def _least_seconds(requests: int, limits: Sequence[_PacedLimit]) -> float:
    """Return the seconds of requests that are spread over all methods."""
    common = [each for each in limits if each.limit.method is None]
    by_method: dict[str, float] = {}
    for each in limits:
        method = each.limit.method
        if method is not None:
            by_method[method] = min(each.rate, by_method.get(method, inf))
    seconds = [_seconds(requests, each) for each in common]
    if by_method:
        # The first request of each method goes out at once.
        behind = max(0, requests - len(by_method) * limits[0].at_once)
        seconds.append(behind / sum(by_method.values()))
    return max(seconds)


def _seconds(number: int, paced: _PacedLimit) -> float:
    """Return the seconds that requests take: the first one goes out at once."""
    return max(0, number - paced.at_once) / paced.rate


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


def _shortages(
    loads: Mapping[bool, _Load], quotas: Sequence[QuotaUse]
) -> list[QuotaShortage]:
    """Return the quotas that do not suffice for the load of items, or of requests."""
    found: list[QuotaShortage] = []
    for quota in quotas:
        left = max(0, quota.left)
        number = loads[quota.limit.counts_items].number.usual
        if number > left:
            found.append(QuotaShortage(quota.limit, left, number - left))
    return found
