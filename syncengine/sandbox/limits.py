"""One strict limit, and three ways to count it.

Vendors differ, and few of them say which they use. Ten calls a second, say:

- *sliding*: no window of one second, wherever it begins, sees an eleventh request
- *fixed*: the count begins anew at each full second, so that the end of one and the
  start of the next together may see twenty
- *bucket*: ten requests at once, then one more every tenth of a second

``Limiter`` puts several limits together.
"""

from __future__ import annotations

import math
import re
from collections import deque
from dataclasses import dataclass
from typing import Annotated, Literal, Protocol

from pydantic import Field

from syncengine.sandbox.validation import STRICT


@dataclass(frozen=True, slots=True)
class TwinLimit:
    """At most ``calls`` requests in any ``per`` seconds, or in each fixed period.

    The module describes the three kinds of counting. With ``counts`` it is a limit of
    items: of contacts, of which a request may carry many.
    """

    __pydantic_config__ = STRICT

    calls: Annotated[int, Field(gt=0)]
    per: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    kind: Literal["sliding", "fixed", "bucket"] = "sliding"
    method: str | None = None
    """HTTP method that it is about; None: all."""
    phase: Annotated[float, Field(allow_inf_nan=False)] = 0.0
    """Seconds since 1970 at which a fixed period begins; the others begin whole
    multiples of ``per`` before and after it."""
    burst: Annotated[int, Field(gt=0)] | None = None
    """Requests that a bucket holds, and has at first; None: ``calls``. It gets
    ``calls`` more every ``per`` seconds, evenly."""
    count_refused: bool = False
    """True where a request takes a place although it is refused."""
    route: str | None = None
    """Regular expression that is searched in the routes it is about, such as
    ``POST /contact/{id}``; None: all."""
    counts: Literal["requests", "items"] = "requests"
    """Things that take a place each. A request that carries no batch is one item."""

    def __post_init__(self) -> None:
        if self.burst is not None and self.kind != "bucket":
            raise ValueError("only a bucket has a burst")
        try:
            re.compile(self.route or "")
        except re.error as error:
            raise ValueError(f"route is not a regular expression: {error}") from None

    def covers(self, method: str, route: str = "") -> bool:
        """Return whether requests of a method and a route count."""
        if self.method not in (None, method):
            return False
        return self.route is None or re.search(self.route, route) is not None

    def places(self, items: int) -> int:
        """Return the number of places that a request with so many items takes."""
        return items if self.counts == "items" else 1

    def period(self, at: float) -> int:
        """Return the number of the fixed period that a moment belongs to."""
        return math.floor((at - self.phase) / self.per)

    def is_over(self, start: float, now: float) -> bool:
        """Return whether no window of this limit holds both moments."""
        if self.kind == "fixed":
            return self.period(start) < self.period(now)
        return start + self.per <= now


class LimitCounter(Protocol):
    """The places of one limit in one scope.

    A place is the right to one request, or to one item of a request, which takes all of
    its places on its arrival. Times are seconds since 1970 and never go back from one
    call to the next.
    """

    limit: TwinLimit

    def left(self, now: float) -> int:
        """Return the number of free places."""

    def free_in(self, now: float, places: int = 1) -> float:
        """Return the seconds until so many places are free.

        Call it only where fewer are ``left``: else the result means nothing. Where the
        limit never has so many, one ``per`` is returned.
        """

    def take(self, now: float, places: int = 1) -> None:
        """Take places, or, where too few are free, note that they were asked for."""


def counter_of(limit: TwinLimit) -> LimitCounter:
    """Return a new counter of a limit, with every place free."""
    match limit.kind:
        case "sliding":
            return _SlidingCounter(limit)
        case "fixed":
            return _FixedCounter(limit)
        case "bucket":
            return _BucketCounter(limit)


class _SlidingCounter:
    """Remembers the time of every place that was taken in the window."""

    def __init__(self, limit: TwinLimit) -> None:
        self.limit = limit
        self._taken: deque[float] = deque()
        """Times at which places were taken, oldest first."""

    def left(self, now: float) -> int:
        while self._taken and self.limit.is_over(self._taken[0], now):
            self._taken.popleft()
        # Refused requests that count too may make it more than there are places.
        return max(0, self.limit.calls - len(self._taken))

    def free_in(self, now: float, places: int = 1) -> float:
        # A place comes free when fewer than ``calls`` requests are in the window: when
        # the one that is so many places from the newest leaves it. Many come free when
        # so many fewer are.
        bound = self.limit.calls - places + 1
        if bound <= 0:
            return self.limit.per
        leaves = self._taken[-bound] + self.limit.per
        return leaves - now

    def take(self, now: float, places: int = 1) -> None:
        self._taken.extend([now] * places)


class _FixedCounter:
    """Counts the requests of the present period."""

    def __init__(self, limit: TwinLimit) -> None:
        self.limit = limit
        self._period: int | None = None
        self._taken = 0

    def left(self, now: float) -> int:
        period = self.limit.period(now)
        if period != self._period:
            self._period = period
            self._taken = 0
        return max(0, self.limit.calls - self._taken)

    def free_in(self, now: float, places: int = 1) -> float:
        if places > self.limit.calls:
            return self.limit.per
        next_period = self.limit.period(now) + 1
        end = next_period * self.limit.per + self.limit.phase
        # Rounding may put the end a hair before a moment that still belongs to the
        # period.
        return max(0.0, end - now)

    def take(self, now: float, places: int = 1) -> None:
        # Begins a new period where the old one is over.
        self.left(now)
        self._taken += places


class _BucketCounter:
    """Keeps the level of a bucket, which fills as time goes by."""

    def __init__(self, limit: TwinLimit) -> None:
        self.limit = limit
        self._size = limit.burst or limit.calls
        self._level = float(self._size)
        """Free places; the fraction is the part of the next one that has come."""
        self._at: float | None = None
        """Time up to which the level is worked out."""

    def left(self, now: float) -> int:
        if self._at is not None:
            elapsed = now - self._at
            refilled = elapsed * self.limit.calls / self.limit.per
            self._level = min(self._size, self._level + refilled)
        self._at = now
        return int(self._level)

    def free_in(self, now: float, places: int = 1) -> float:
        if places > self._size:
            return self.limit.per
        self.left(now)
        lacking = places - self._level
        return lacking * self.limit.per / self.limit.calls

    def take(self, now: float, places: int = 1) -> None:
        # A refused request takes nothing from a bucket that holds too little, even
        # where it counts.
        if self.left(now) >= places:
            self._level -= places
