"""One strict limit, and how it counts: in a sliding window, in fixed periods, or with a bucket of tokens."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Annotated, Literal, Protocol

from pydantic import ConfigDict, Field


@dataclass(frozen=True, slots=True)
class TwinLimit:
    """At most ``calls`` requests in any ``per`` seconds (sliding), or in each period of ``per`` seconds (fixed).

    A bucket holds ``burst`` requests (None: ``calls``), is full at first, and gets ``calls`` more every ``per``
    seconds, evenly. ``method`` narrows a limit to one HTTP method. Fixed periods begin at ``phase`` seconds and at each
    multiple of ``per`` from there. With ``count_refused`` a request takes a place although it is refused.
    """

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)

    calls: Annotated[int, Field(gt=0)]
    per: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    kind: Literal["sliding", "fixed", "bucket"] = "sliding"
    method: str | None = None
    phase: Annotated[float, Field(allow_inf_nan=False)] = 0.0
    burst: Annotated[int, Field(gt=0)] | None = None
    count_refused: bool = False

    def __post_init__(self) -> None:
        if self.burst is not None and self.kind != "bucket":
            raise ValueError("only a bucket has a burst")

    def covers(self, method: str) -> bool:
        return self.method in (None, method)

    def period(self, at: float) -> int:
        """The number of the fixed period that holds a moment."""
        return math.floor((at - self.phase) / self.per)

    def is_over(self, start: float, now: float) -> bool:
        """Return whether no window of this limit holds both moments."""
        if self.kind == "fixed":
            return self.period(start) < self.period(now)
        return start + self.per <= now


class Counter(Protocol):
    """The places of one limit in one scope. Times never go back."""

    limit: TwinLimit

    def left(self, now: float) -> int:
        """Return the number of free places."""

    def free_in(self, now: float) -> float:
        """Seconds until a place comes free, when none is."""

    def take(self, now: float) -> None:
        """Take a place, or, where none is free, note one more that asked for it."""


def counter(limit: TwinLimit) -> Counter:
    """A new counter of a limit, with every place free."""
    match limit.kind:
        case "sliding":
            return _Sliding(limit)
        case "fixed":
            return _Fixed(limit)
        case "bucket":
            return _Bucket(limit)


class _Sliding:
    def __init__(self, limit: TwinLimit) -> None:
        self.limit = limit
        self._taken: deque[float] = deque()

    def left(self, now: float) -> int:
        while self._taken and self.limit.is_over(self._taken[0], now):
            self._taken.popleft()
        return max(0, self.limit.calls - len(self._taken))

    def free_in(self, now: float) -> float:
        return self._taken[-self.limit.calls] + self.limit.per - now

    def take(self, now: float) -> None:
        self._taken.append(now)


class _Fixed:
    def __init__(self, limit: TwinLimit) -> None:
        self.limit = limit
        self._period: int | None = None
        self._taken = 0

    def left(self, now: float) -> int:
        period = self.limit.period(now)
        if period != self._period:
            self._period, self._taken = period, 0
        return max(0, self.limit.calls - self._taken)

    def free_in(self, now: float) -> float:
        end = (self.limit.period(now) + 1) * self.limit.per + self.limit.phase
        return max(
            0.0, end - now
        )  # rounding may put the end a hair before a moment that still belongs to the period

    def take(self, now: float) -> None:
        self.left(now)
        self._taken += 1


class _Bucket:
    def __init__(self, limit: TwinLimit) -> None:
        self.limit = limit
        self._size = limit.burst or limit.calls
        self._level = float(self._size)
        self._at: float | None = None

    def left(self, now: float) -> int:
        if self._at is not None:
            self._level = min(
                self._size,
                self._level + (now - self._at) * self.limit.calls / self.limit.per,
            )
        self._at = now
        return int(self._level)

    def free_in(self, now: float) -> float:
        self.left(now)
        return (1.0 - self._level) * self.limit.per / self.limit.calls

    def take(self, now: float) -> None:
        if self.left(now):
            self._level -= 1.0
