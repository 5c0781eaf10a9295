"""A vendor's rate limit, as data."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

LONGEST_PACED = 600.0
"""Seconds. Requests under limits with longer windows are not spread evenly: that would
slow down every short run."""
REMEMBERED = 35 * 86400.0
"""Seconds for which the requests sent are remembered, by the minute: a limit may be
given a longer window later."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit of so many requests, or items, in any window of ``per`` seconds.

    The window is that of the vendor's clock. Items are the contacts that requests
    carry (``Request.items``): ``Limit(calls=200, per=60.0)``,
    ``Limit(items=1000, per=60.0)``.
    """

    calls: int | None = None
    """Number of requests; None where items are counted."""
    per: float = 0.0
    """Seconds, more than 0."""
    method: str | None = None
    """Only requests of this HTTP method count; None: all do."""
    items: int | None = None
    """Number of items; None where requests are counted."""

    def __post_init__(self) -> None:
        if (self.calls is None) == (self.items is None):
            raise ValueError("a limit counts calls or items: exactly one of the two")
        if self.per <= 0:
            raise ValueError("per has to be more than 0 seconds")

    @property
    def counts_items(self) -> bool:
        """Return whether it counts items; otherwise it counts requests."""
        return self.items is not None

    @property
    def most(self) -> int:
        """Return the number of requests, or of items, that a window may hold."""
        number = self.calls if self.items is None else self.items
        assert number is not None, "one of the two is given"
        return number

    def share_of(self, items: int) -> int:
        """Return how much a request that carries so many items takes of the limit."""
        return items if self.counts_items else 1


def most_items(limits: Iterable[Limit]) -> int | None:
    """Return the most items that one request may carry under all of these limits.

    A request with more would have to wait for ever: no window has room for it. None
    where no limit counts items.
    """
    return min((limit.most for limit in limits if limit.counts_items), default=None)
