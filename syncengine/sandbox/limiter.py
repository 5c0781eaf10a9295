"""How many requests a twin lets in, counted strictly when they arrive. Pure: the time is an argument."""

from __future__ import annotations

import math
from array import array
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import ConfigDict, Field


@dataclass(frozen=True, slots=True)
class Limit:
    """At most ``calls`` requests in any ``per`` seconds (sliding), or in each period of ``per`` seconds (fixed).

    ``method`` narrows it to one HTTP method. Fixed periods begin at ``phase`` seconds and at each multiple of ``per``
    from there.
    """

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)

    calls: Annotated[int, Field(gt=0)]
    per: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    kind: Literal["sliding", "fixed"] = "sliding"
    method: str | None = None
    phase: float = 0.0

    def covers(self, method: str) -> bool:
        return self.method in (None, method)

    def period(self, at: float) -> int:
        """The number of the fixed period that holds a moment."""
        return math.floor((at - self.phase) / self.per)


@dataclass(frozen=True, slots=True)
class Worst:
    """The most arrivals that one window of a limit saw, refused ones included."""

    limit: Limit
    calls: int


class Limiter:
    """Several limits at once; a request takes a place in all that cover it, or in none.

    Each ``scope`` (a token, say) is counted on its own. A refused request takes no place.
    """

    def __init__(self, limits: Sequence[Limit] = ()) -> None:
        self._limits = tuple(limits)
        self._let_in: defaultdict[tuple[str, int], deque[float]] = defaultdict(deque)
        self._arrivals: defaultdict[tuple[str, str], array[float]] = defaultdict(lambda: array("d"))

    @property
    def limits(self) -> tuple[Limit, ...]:
        return self._limits

    def configure(self, limits: Sequence[Limit]) -> None:
        """Replace the limits; what was let in under the old ones is forgotten, the arrivals are not."""
        self._limits = tuple(limits)
        self._let_in.clear()

    def reset(self) -> None:
        """Forget every request."""
        self._let_in.clear()
        self._arrivals.clear()

    def arrive(self, method: str, now: float, scope: str = "") -> float | None:
        """None when the request is let in; else the seconds until one would be."""
        self._arrivals[scope, method].append(now)
        taken = []
        wait = 0.0
        for number, limit in enumerate(self._limits):
            if limit.covers(method):
                places = self._let_in[scope, number]
                _forget(places, limit, now)
                taken.append(places)
                if len(places) >= limit.calls:
                    wait = max(wait, _free_at(places, limit) - now)
        if wait > 0:
            return wait
        for places in taken:
            places.append(now)
        return None

    def worst(self, limit: Limit) -> Worst:
        """The fullest window of a limit, which need not be one of the configured ones."""
        scopes: defaultdict[str, list[float]] = defaultdict(list)
        for (scope, method), arrivals in self._arrivals.items():
            if limit.covers(method):
                scopes[scope].extend(arrivals)
        return Worst(limit, max((_fullest(sorted(times), limit) for times in scopes.values()), default=0))


def _forget(places: deque[float], limit: Limit, now: float) -> None:
    if limit.kind == "fixed":
        while places and limit.period(places[0]) < limit.period(now):
            places.popleft()
    else:
        while places and places[0] + limit.per <= now:
            places.popleft()


def _free_at(places: deque[float], limit: Limit) -> float:
    if limit.kind == "fixed":
        return (limit.period(places[0]) + 1) * limit.per + limit.phase
    return places[-limit.calls] + limit.per


def _fullest(times: Sequence[float], limit: Limit) -> int:
    fullest = 0
    places: deque[float] = deque()
    for at in times:
        _forget(places, limit, at)
        places.append(at)
        fullest = max(fullest, len(places))
    return fullest
