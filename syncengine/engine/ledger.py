"""The ledger of one account: which requests its vendor may still be counting.

Pure: time is an argument, in seconds of any steady clock. ``Pacing`` asks the ledger
before each request, and dumps it into the lease for the next process.

A request takes a slot in every limit that applies when it is sent: a place in those that
count requests, and one for each item that it carries in those that count items. The
vendor counts it at its arrival, which we never see, but which lies before its response. So a slot that
is given back one window after the *response* cannot be taken again inside a window that
still holds the request: no window of the vendor's clock, sliding or fixed, holds more
than the limit, whatever the network does. After an abandoned request the arrival is
known to lie before the abandonment plus ``settles_within``, and the slot is given back
one window after that.

Two clocks measure the same window: each may run fast or slow by 500 millionths (the
most that NTP steers a clock by), so a window lasts ``1 + CLOCK_DRIFT`` times as long
for us.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import groupby
from math import ceil, inf

from syncengine.model.http import Json
from syncengine.model.limits import Limit

CLOCK_DRIFT = 0.001
"""Both clocks together: one may run fast by 500 millionths, and the other slow."""
LEARNING = 50
"""Answers a tight ledger waits for before it relies on the smallest round trip seen."""
BUCKETS = 100
"""The most entries a limit has in a dump."""


@dataclass(slots=True)
class _Page:
    """A limit's page in the ledger: what the vendor may count, and until when.

    Numbers are those of requests, or of items, as the limit counts.
    """

    limit: Limit
    unanswered: int = 0
    """Number sent and not answered: they may arrive at any time."""
    arrived: int = 0
    """Number in ``arrivals``, all together."""
    arrivals: list[tuple[float, int]] = field(default_factory=list)
    """A heap of (latest possible arrival, number): answered or abandoned, and still
    inside a window."""

    @property
    def window(self) -> float:
        """Seconds of the limit's window by our clock, however far the two differ."""
        return self.limit.per * (1 + CLOCK_DRIFT)

    def add_arrivals(self, arrival: float, number: int) -> None:
        """Count so many that arrived at the vendor at ``arrival`` or before."""
        if number:
            heappush(self.arrivals, (arrival, number))
            self.arrived += number

    def expire(self, now: float) -> None:
        """Give back what has left every window."""
        # The first entry of a heap is its smallest: the earliest arrival.
        while self.arrivals:
            earliest, number = self.arrivals[0]
            if earliest + self.window > now:
                return
            heappop(self.arrivals)
            self.arrived -= number

    def has_room(self, items: int) -> bool:
        """Return whether a request with so many items cannot exceed the limit."""
        taken = self.unanswered + self.arrived
        return taken + self.limit.share_of(items) <= self.limit.most

    def next_free(self) -> float | None:
        """Return when the first slot is free; None while that depends on an answer."""
        if not self.arrivals:
            return None
        earliest, _ = self.arrivals[0]
        return earliest + self.window


@dataclass(frozen=True, slots=True, eq=False)
class Slot:
    """A request's place in every limit that applies to it. Given back exactly once."""

    pages: tuple[_Page, ...] = field(repr=False)
    taken: float
    """Time at which the request was about to be sent."""
    items: int = 1
    """Number of items that the request carries."""


class Ledger:
    """The slots of one account's limits with windows up to ten minutes.

    Longer windows are counted in the database (``quota``): they outlive any process.

    Starts empty: nothing was ever sent. ``settles_within`` is the time in seconds in
    which an abandoned request still may arrive. ``tight`` takes the smallest round trip
    seen off every window: a bet that the path to the vendor gets no shorter.
    """

    def __init__(
        self, limits: Sequence[Limit], settles_within: float, *, tight: bool = False
    ) -> None:
        self._pages = [_Page(limit) for limit in limits]
        self._settles_within = settles_within
        self._tight = tight
        self._answers = 0
        self._waited = 0.0
        """Seconds that all answers together were waited for."""
        self._round_trip = inf
        self._late = -inf
        """Time at which the last abandoned request may arrive at the latest, or the
        last scheduled work be done."""
        self._by_method: dict[str, tuple[_Page, ...]] = {}

    @property
    def mean_round_trip(self) -> float | None:
        """Seconds from a slot to its answer on average; None before any answer."""
        return self._waited / self._answers if self._answers else None

    def room(self, method: str, now: float, items: int = 1) -> bool:
        """Return whether ``take`` would give a slot."""
        pages = self._applying(method)
        for page in pages:
            page.expire(now)
        return all(page.has_room(items) for page in pages)

    def take(self, method: str, now: float, items: int = 1) -> Slot | None:
        """Return a slot in every limit that applies, or None when one is full."""
        if not self.room(method, now, items):
            return None
        slot = Slot(self._applying(method), now, items)
        for page in slot.pages:
            page.unanswered += page.limit.share_of(items)
        return slot

    def free_at(self, method: str, items: int = 1) -> float | None:
        """Return when to try ``take`` again; None: after the next answer.

        A request with many items may have to wait longer: then it is asked again.
        """
        latest = 0.0
        for page in self._applying(method):
            if page.has_room(items):
                continue
            free_at = page.next_free()
            if free_at is None:
                return None
            # All limits have to have room, so the last one decides.
            latest = max(latest, free_at)
        return latest

    def answered(self, slot: Slot, now: float) -> None:
        """Note the response: the request arrived before ``now``."""
        self._answers += 1
        self._waited += now - slot.taken
        self._round_trip = min(self._round_trip, now - slot.taken)
        arrival = now
        if self._tight and self._answers > LEARNING:
            # The answer took some of the round trip: the request arrived earlier.
            arrival -= self._round_trip
        self._settle(slot, arrival)

    def abandoned(self, slot: Slot, now: float) -> None:
        """Note that no response is waited for any more.

        The request arrives within ``settles_within``, or never.
        """
        self.scheduled(now)
        self._settle(slot, now + self._settles_within)

    def scheduled(self, now: float) -> None:
        """Note that the vendor carries something out within ``settles_within``."""
        self._late = max(self._late, now + self._settles_within)

    def unsettled(self, now: float) -> float:
        """Return the seconds in which earlier requests may still take effect.

        Those are abandoned or scheduled requests; they would do so behind whatever is
        sent meanwhile.
        """
        return max(0.0, self._late - now)

    def unsent(self, slot: Slot) -> None:
        """Give the slot back at once: no byte of the request was sent."""
        for page in slot.pages:
            page.unanswered -= page.limit.share_of(slot.items)

    def fill(self, at: float) -> None:
        """Count every limit as used up as of ``at``.

        What was sent before is not known, but has arrived by then.
        """
        self._late = max(self._late, at)
        for page in self._pages:
            page.add_arrivals(at, page.limit.most)

    def dump(self, now: float) -> Json:
        """Return the slots in use, for ``restore`` in another process.

            {"limits": [{"calls": 200, "per": 60.0, "method": null,
                         "arrivals": [[-3.5, 12], [0.25, 1]]}],
             "unsettled": 0.0}

        The first number of an arrival is in seconds from ``now``, rounded up, and the
        second one counts requests; items where there is ``items`` in place of
        ``calls``. There are at most ``BUCKETS`` arrivals a limit.
        Unanswered requests count as abandoned: nobody will wait for their answers.
        """
        dumped: list[Json] = []
        for page in self._pages:
            page.expire(now)
            arrivals: list[tuple[float, int]] = []
            for arrival, number in page.arrivals:
                arrivals.append((arrival - now, number))
            if page.unanswered:
                arrivals.append((self._settles_within, page.unanswered))
            dumped.append(
                {
                    _unit(page.limit): page.limit.most,
                    "per": page.limit.per,
                    "method": page.limit.method,
                    "arrivals": _compact(sorted(arrivals)),
                }
            )
        return {"limits": dumped, "unsettled": self.unsettled(now)}

    def restore(self, dump: Json, elapsed: float, now: float) -> None:
        """Take over a dump that was made ``elapsed`` seconds ago.

        A limit that the dump cannot answer for, since it is new, longer or for more
        methods, counts as used up as of the latest arrival that is possible: what no
        limit counted may have been abandoned right before.
        """
        if not isinstance(dump, dict):
            # An unreadable dump answers for no limit.
            dump = {}
        limits = dump.get("limits", ())
        # A negative time, from a clock that was set back, would let slots go early.
        made = now - max(elapsed, 0.0)
        self._late = max(self._late, made + dump.get("unsettled", 0.0))
        for page in self._pages:
            old = _covering(limits, page.limit)
            if old is None:
                # Nobody counted for this limit before the dump: a whole window's worth
                # may have been given up right before, and may still arrive.
                page.add_arrivals(made + self._settles_within, page.limit.most)
            else:
                for offset, number in old["arrivals"]:
                    page.add_arrivals(made + offset, number)

    def _applying(self, method: str) -> tuple[_Page, ...]:
        """Return the pages of the limits that count requests of a method."""
        pages = self._by_method.get(method)
        if pages is None:
            pages = tuple(
                page for page in self._pages if page.limit.method in (None, method)
            )
            self._by_method[method] = pages
        return pages

    def _settle(self, slot: Slot, arrival: float) -> None:
        """Note that a slot's request has arrived at ``arrival`` or before."""
        for page in slot.pages:
            share = page.limit.share_of(slot.items)
            page.unanswered -= share
            page.add_arrivals(arrival, share)


def _compact(arrivals: Sequence[tuple[float, int]]) -> list[list[float | int]]:
    """Return sorted arrivals in at most ``BUCKETS`` entries, each rounded up.

    The time between the first and the last one is cut into buckets of equal width. All
    arrivals of a bucket are moved to its end: so a slot is given back late, never
    early.
    """
    if not arrivals:
        return []
    first, _ = arrivals[0]
    last, _ = arrivals[-1]
    width = max((last - first) / (BUCKETS - 1), 0.001)

    def bucket_of(entry: tuple[float, int]) -> int:
        arrival, _ = entry
        return ceil((arrival - first) / width)

    compacted: list[list[float | int]] = []
    for number, entries in groupby(arrivals, key=bucket_of):
        milliseconds = ceil((first + number * width) * 1000)
        counted = sum(number for _, number in entries)
        compacted.append([milliseconds / 1000, counted])
    return compacted


def _covering(pages: Sequence[Json], limit: Limit) -> Json | None:
    """Return the dumped limit that saw every request the limit has to count.

    Of those that count the same and whose window is long enough it is the one with the
    shortest, and among equals the one of the same method: it counts the fewest requests
    in vain. None where no window is long enough.
    """
    unit = _unit(limit)
    fit: list[Json] = []
    for page in pages:
        is_long_enough = page["per"] >= limit.per
        # From requests nothing follows about the items that they carried.
        counts_the_same = unit in page
        if (
            counts_the_same
            and is_long_enough
            and page["method"] in (None, limit.method)
        ):
            fit.append(page)
    return min(fit, key=_shortest_first, default=None)


def _shortest_first(page: Json) -> tuple[float, bool]:
    is_for_all_methods = page["method"] is None
    return page["per"], is_for_all_methods


def _unit(limit: Limit) -> str:
    """Return the name in a dump of what a limit counts."""
    return "items" if limit.counts_items else "calls"
