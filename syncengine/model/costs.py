"""Requests that something takes: a number, or a range where it depends on what the vendor holds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cost:
    """Requests at best, where nobody is found, and at worst."""

    least: int = 0
    usual: int = 0
    most: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.least + other.least, self.usual + other.usual, self.most + other.most)


@dataclass(frozen=True, slots=True)
class Duration:
    """Seconds at best, where nobody is found, and at worst."""

    least: float = 0.0
    usual: float = 0.0
    most: float = 0.0


def exactly(requests: int) -> Cost:
    """The cost of what takes so many requests in any case."""
    return Cost(requests, requests, requests)


def total(costs: Iterable[Cost]) -> Cost:
    """The cost of all of them."""
    return sum(costs, Cost())
