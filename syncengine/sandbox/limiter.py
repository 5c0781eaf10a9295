"""Limit the requests that a twin lets in, counted strictly when they arrive.

Pure: the time is an argument.
"""

from __future__ import annotations

from array import array
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from syncengine.sandbox.limits import LimitCounter, TwinLimit, counter_of

_Arrival: TypeAlias = tuple[float, int]
"""Time of a request, and the places that it takes."""


@dataclass(frozen=True, slots=True)
class FullestWindow:
    """The most arrivals that one window of a limit saw, refused ones included.

    They are counted in items where the limit counts these. A bucket has no windows of
    its own: any ``per`` seconds count as one.
    """

    limit: TwinLimit
    calls: int


@dataclass(frozen=True, slots=True)
class LimitStanding:
    """The limit that leaves the fewest places to a request."""

    limit: TwinLimit
    left: int
    """Free places."""
    free_in: float
    """Seconds until the next place comes free; 0 while there is one."""


class Limiter:
    """Several limits at once; a request takes a place in all that cover it, or in none.

    Each ``scope`` (a token, say) is counted on its own. A refused request takes no
    place, save in the limits that count refused ones too.
    """

    def __init__(self, limits: Sequence[TwinLimit] = ()) -> None:
        self._limits = tuple(limits)
        self._counters: dict[tuple[str, int], LimitCounter] = {}
        """By scope and number of the limit; made when a scope sends its first
        request."""
        self._arrivals: defaultdict[tuple[str, str, str], array[float]] = defaultdict(
            lambda: array("d")
        )
        """Times of all requests, refused ones too, by scope, method and route."""
        self._items: defaultdict[tuple[str, str, str], array[int]] = defaultdict(
            lambda: array("l")
        )
        """Numbers of items that these requests carried."""

    @property
    def limits(self) -> tuple[TwinLimit, ...]:
        return self._limits

    def configure(self, limits: Sequence[TwinLimit]) -> None:
        """Replace the limits.

        What was let in under the old ones is forgotten, the arrivals are not.
        """
        self._limits = tuple(limits)
        self._counters.clear()

    def reset(self) -> None:
        """Forget every request."""
        self._counters.clear()
        self._arrivals.clear()
        self._items.clear()

    def arrive(
        self, method: str, now: float, scope: str = "", route: str = "", items: int = 1
    ) -> float | None:
        """Count a request that arrives, and that carries so many items.

        Returns None if it is let in, else the seconds until one would be.
        """
        self._arrivals[scope, method, route].append(now)
        self._items[scope, method, route].append(items)
        covering = list(self._covering(method, scope, route))
        # Every limit is looked at before a place is taken in any: a request that one of
        # them refuses must use up nothing of the others.
        full = [each for each in covering if each.left(now) < each.limit.places(items)]
        waits = [each.free_in(now, each.limit.places(items)) for each in full]
        for each in covering:
            if not full or each.limit.count_refused:
                each.take(now, each.limit.places(items))
        # The request would be let in once the last of the full limits has a place.
        return max(waits, default=None)

    def standing(
        self, method: str, now: float, scope: str = "", route: str = ""
    ) -> LimitStanding | None:
        """Return how near the next request of a scope is to its narrowest limit.

        None without a covering limit of requests. Counts nothing.
        """
        standings = self.standings(method, now, scope, route)
        return min(standings, key=_narrowness, default=None)

    def standings(
        self, method: str, now: float, scope: str = "", route: str = ""
    ) -> list[LimitStanding]:
        """Return how near the next request is to each limit that covers it.

        Limits of items are left out: answers tell of requests only.
        """
        standings = []
        for each in self._covering(method, scope, route):
            if each.limit.counts == "items":
                continue
            left = each.left(now)
            free_in = 0.0 if left else each.free_in(now)
            standings.append(LimitStanding(each.limit, left, free_in))
        return standings

    def worst(self, limit: TwinLimit) -> FullestWindow:
        """Return the fullest window of a limit, which need not be in force.

        Scopes are looked at one by one, as the limit counts them.
        """
        arrivals_by_scope: defaultdict[str, list[_Arrival]] = defaultdict(list)
        for (scope, method, route), times in self._arrivals.items():
            if limit.covers(method, route):
                items = self._items[scope, method, route]
                places = (limit.places(each) for each in items)
                arrivals = zip(times, places, strict=True)
                arrivals_by_scope[scope].extend(arrivals)
        fullest = 0
        for arrivals_of_scope in arrivals_by_scope.values():
            fullest = max(fullest, _fullest(sorted(arrivals_of_scope), limit))
        return FullestWindow(limit, fullest)

    def _covering(self, method: str, scope: str, route: str) -> Iterator[LimitCounter]:
        """Yield the counters of the limits that a request takes a place in."""
        for number, limit in enumerate(self._limits):
            if not limit.covers(method, route):
                continue
            if (scope, number) not in self._counters:
                self._counters[scope, number] = counter_of(limit)
            yield self._counters[scope, number]


def _narrowness(standing: LimitStanding) -> tuple[int, float]:
    """Return the key by which the narrowest of several standings comes first.

    Of several full limits the one counts that stays full for longest.
    """
    return standing.left, -standing.free_in


def _fullest(arrivals: Sequence[_Arrival], limit: TwinLimit) -> int:
    """Return the most places of these arrivals that one window of a limit holds.

    The arrivals are in order.
    """
    fullest = held = 0
    window: deque[_Arrival] = deque()
    # The fullest window ends at one of the requests: it is enough to look, at each, how
    # many of those before it are still in the same window.
    for at, places in arrivals:
        while window and limit.is_over(window[0][0], at):
            _, gone = window.popleft()
            held -= gone
        window.append((at, places))
        held += places
        fullest = max(fullest, held)
    return fullest
