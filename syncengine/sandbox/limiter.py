"""Limit the requests that a twin lets in, counted strictly when they arrive.

Pure: the time is an argument.
"""

from __future__ import annotations

from array import array
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from syncengine.sandbox.limits import Counter, TwinLimit, counter


@dataclass(frozen=True, slots=True)
class FullestWindow:
    """The most arrivals that one window of a limit saw, refused ones included (of a bucket: any ``per`` seconds)."""

    limit: TwinLimit
    calls: int


@dataclass(frozen=True, slots=True)
class LimitStanding:
    """The limit that leaves the fewest places: how many, and the seconds until the next comes free (0: one is)."""

    limit: TwinLimit
    left: int
    free_in: float


class Limiter:
    """Several limits at once; a request takes a place in all that cover it, or in none.

    Each ``scope`` (a token, say) is counted on its own. A refused request takes no place, save in the limits that
    count refused ones too.
    """

    def __init__(self, limits: Sequence[TwinLimit] = ()) -> None:
        self._limits = tuple(limits)
        self._counters: dict[tuple[str, int], Counter] = {}
        self._arrivals: defaultdict[tuple[str, str], array[float]] = defaultdict(
            lambda: array("d")
        )

    @property
    def limits(self) -> tuple[TwinLimit, ...]:
        return self._limits

    def configure(self, limits: Sequence[TwinLimit]) -> None:
        """Replace the limits; what was let in under the old ones is forgotten, the arrivals are not."""
        self._limits = tuple(limits)
        self._counters.clear()

    def reset(self) -> None:
        """Forget every request."""
        self._counters.clear()
        self._arrivals.clear()

    def arrive(self, method: str, now: float, scope: str = "") -> float | None:
        """Return None if the request is let in, else the seconds until one would be."""
        self._arrivals[scope, method].append(now)
        covering = list(self._covering(method, scope))
        waits = [each.free_in(now) for each in covering if each.left(now) == 0]
        for each in covering:
            if not waits or each.limit.count_refused:
                each.take(now)
        return max(waits, default=None)

    def standing(
        self, method: str, now: float, scope: str = ""
    ) -> LimitStanding | None:
        """Return the standing of a scope's next request; None without a covering limit.

        Counts nothing.
        """
        standings = (
            LimitStanding(
                each.limit, left := each.left(now), 0.0 if left else each.free_in(now)
            )
            for each in self._covering(method, scope)
        )
        return min(standings, key=lambda each: (each.left, -each.free_in), default=None)

    def worst(self, limit: TwinLimit) -> FullestWindow:
        """The fullest window of a limit, which need not be one of the configured ones."""
        scopes: defaultdict[str, list[float]] = defaultdict(list)
        for (scope, method), arrivals in self._arrivals.items():
            if limit.covers(method):
                scopes[scope].extend(arrivals)
        return FullestWindow(
            limit,
            max(
                (_fullest(sorted(times), limit) for times in scopes.values()), default=0
            ),
        )

    def _covering(self, method: str, scope: str) -> Iterator[Counter]:
        for number, limit in enumerate(self._limits):
            if limit.covers(method):
                if (scope, number) not in self._counters:
                    self._counters[scope, number] = counter(limit)
                yield self._counters[scope, number]


def _fullest(times: Sequence[float], limit: TwinLimit) -> int:
    fullest = 0
    window: deque[float] = deque()
    for at in times:
        while window and limit.is_over(window[0], at):
            window.popleft()
        window.append(at)
        fullest = max(fullest, len(window))
    return fullest
