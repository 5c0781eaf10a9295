"""The ledger: who is inside the vendor's windows. Pure; times are seconds of the caller's clock.

A request takes a slot in every limit that applies, all or none, when it is sent, and gives it back one window after its
response came in. The vendor counted the request somewhere between the two, so whatever window of its clock one looks
at, every request it counts in there held a slot at one and the same moment of ours: no window can hold more than the
limit, whatever the jitter, the kind of window or its phase.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from syncengine.model.http import Json
from syncengine.model.limits import Limit

_BUCKETS = 600
"""Times of return that a dump tells apart within one window; rounded up, so that no slot returns early."""


@dataclass(eq=False, slots=True)
class Slot:
    """One request's place in every limit that applies to it."""

    books: tuple[_Book, ...]


@dataclass(eq=False, slots=True)
class _Book:
    """One limit: requests without an answer, and the times when answered ones leave the window."""

    limit: Limit
    unanswered: int = 0
    leaving: list[float] = field(default_factory=list)

    def free(self, now: float) -> bool:
        while self.leaving and self.leaving[0] <= now:
            heapq.heappop(self.leaving)
        return self.unanswered + len(self.leaving) < self.limit.calls

    def applies(self, method: str) -> bool:
        return self.limit.method is None or self.limit.method == method

    @property
    def name(self) -> str:
        return f"{self.limit.calls}/{self.limit.per:g}/{self.limit.method or '*'}"


class Ledger:
    """The slots of one account.

    ``settles_within`` is how long after it was given up a request may still arrive, in seconds.
    """

    def __init__(self, limits: Sequence[Limit], settles_within: float) -> None:
        self._books = tuple(_Book(limit) for limit in limits)
        self._settles_within = settles_within

    def take(self, method: str, now: float) -> Slot | None:
        """A slot in every limit that applies, or None: then ``free_at`` says when to ask again."""
        books = tuple(book for book in self._books if book.applies(method))
        if not all(book.free(now) for book in books):
            return None
        for book in books:
            book.unanswered += 1
        return Slot(books)

    def free_at(self, method: str, now: float) -> float | None:
        """The earliest time a slot can be free; None when that depends on answers that are still to come."""
        full = [book for book in self._books if book.applies(method) and not book.free(now)]
        if any(not book.leaving for book in full):
            return None
        return max((book.leaving[0] for book in full), default=now)

    def answered(self, slot: Slot, now: float) -> None:
        """The response came in: the slot is free again one window later."""
        self._leave(slot, now)

    def abandoned(self, slot: Slot, now: float) -> None:
        """No response will come: the request may still arrive for ``settles_within``."""
        self._leave(slot, now + self._settles_within)

    def unsent(self, slot: Slot) -> None:
        """The request never left: the slot is free at once."""
        for book in slot.books:
            book.unanswered -= 1

    def _leave(self, slot: Slot, counted: float) -> None:
        for book in slot.books:
            book.unanswered -= 1
            heapq.heappush(book.leaving, counted + book.limit.per)

    def fill(self, now: float) -> None:
        """After a crash nobody knows what was sent: every limit counts as used up as of now."""
        for book in self._books:
            book.leaving = [now + book.limit.per] * book.limit.calls

    def dump(self, now: float) -> Json:
        """What is still taken, as seconds left from now and how many slots return then; for ``restore``."""
        return {book.name: _grouped(book, now, self._settles_within) for book in self._books}

    def restore(self, dumped: Json, elapsed: float, now: float) -> None:
        """Take over what was dumped ``elapsed`` seconds ago. A limit that was not among it counts as used up."""
        known = dumped if isinstance(dumped, dict) else {}
        for book in self._books:
            groups = known.get(book.name)
            if groups is None:
                book.leaving = [now + book.limit.per] * book.limit.calls
                continue
            book.leaving = [now + left - elapsed for left, number in groups if left > elapsed for _ in range(number)]
            heapq.heapify(book.leaving)


def _grouped(book: _Book, now: float, settles_within: float) -> list[list[float]]:
    lefts = [left - now for left in book.leaving if left > now]
    lefts += [settles_within + book.limit.per] * book.unanswered
    width = book.limit.per / _BUCKETS
    counts: dict[int, int] = {}
    for left in lefts:
        bucket = math.ceil(left / width)
        counts[bucket] = counts.get(bucket, 0) + 1
    return [[bucket * width, number] for bucket, number in sorted(counts.items())]
