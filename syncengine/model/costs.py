"""Numbers of requests, as a range where they depend on what the vendor holds.

They are worked out by ``planning.forecast``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cost:
    """Requests: at least, usually (where no contact is found), and at most."""

    least: int = 0
    usual: int = 0
    most: int = 0

    def __add__(self, other: Cost) -> Cost:
        """Return the cost of both together."""
        return Cost(
            least=self.least + other.least,
            usual=self.usual + other.usual,
            most=self.most + other.most,
        )


@dataclass(frozen=True, slots=True)
class Duration:
    """Seconds: at least, usually (where no contact is found), and at most."""

    least: float = 0.0
    usual: float = 0.0
    most: float = 0.0


def exactly(requests: int) -> Cost:
    """Return the cost of a fixed number of requests."""
    return Cost(requests, requests, requests)


def total(costs: Iterable[Cost]) -> Cost:
    """Return the sum of the costs."""
    return sum(costs, Cost())
