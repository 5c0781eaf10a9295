"""The minutes of a run, joined into as many slots as a chart or a table can show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from syncengine.model.run_record import OUTCOMES, MinuteFacts

_LENGTHS = (1, 2, 5, 10, 15, 30, 60, 120, 240, 480, 1440)
"""Minutes that one slot may have; longer ones are whole days."""
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class TimeSlot:
    """Some minutes of a run, one after the other."""

    begins_at: datetime
    minutes: int
    requests: int = 0
    busiest: int = 0
    """Requests of the minute with the most of them."""
    throttled: int = 0
    outcomes: Mapping[str, int] = field(default_factory=dict)

    @property
    def pace(self) -> float:
        """Return its requests a minute, on average."""
        return self.requests / self.minutes

    @property
    def contacts(self) -> int:
        """Return the contacts that ended in it."""
        return sum(self.outcomes.values())


def slots(minutes: Sequence[MinuteFacts], most: int) -> tuple[TimeSlot, ...]:
    """Join minutes into at most this many slots of equal length.

    Minutes in which nothing happened are not recorded, and are filled in.
    """
    if not minutes:
        return ()
    first, last = minutes[0].minute, minutes[-1].minute
    # The minute of the last one counts, too.
    span = round((last - first) / _MINUTE) + 1
    length = _length_for(span, most)
    members: dict[int, list[MinuteFacts]] = {}
    for each in minutes:
        place = round((each.minute - first) / _MINUTE) // length
        members.setdefault(place, []).append(each)
    # Rounded up: minutes that are left over have a slot, too.
    count = -(-span // length)
    return tuple(
        _slot(
            first + place * length * _MINUTE,
            # The last slot may have fewer minutes: its pace would look too low.
            min(length, span - place * length),
            members.get(place, []),
        )
        for place in range(count)
    )


def _length_for(span: int, most: int) -> int:
    """Return the shortest length of a slot with which so many minutes fit."""
    for length in _LENGTHS:
        if -(-span // length) <= most:
            return length
    # Longer than a day, a slot is whole days, so that a label can name it.
    day = _LENGTHS[-1]
    days = -(-span // (day * most))
    return day * days


def _slot(begins_at: datetime, length: int, members: Sequence[MinuteFacts]) -> TimeSlot:
    outcomes: Counter[str] = Counter()
    for each in members:
        outcomes.update(each.outcomes)
    return TimeSlot(
        begins_at=begins_at,
        minutes=length,
        requests=sum(each.requests for each in members),
        busiest=max((each.requests for each in members), default=0),
        throttled=sum(each.throttled for each in members),
        outcomes=outcomes,
    )


def outcomes_of(timeline: Sequence[TimeSlot]) -> tuple[str, ...]:
    """Return the outcomes that occur, in the order in which they are shown."""
    numbers: Counter[str] = Counter()
    for slot in timeline:
        numbers.update(slot.outcomes)
    found = {name for name, number in numbers.items() if number}
    # Outcomes of a newer release come last, by name.
    known = [name for name in OUTCOMES if name in found]
    return (*known, *sorted(found.difference(known)))
