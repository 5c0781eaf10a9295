"""Events about a database that stays away.

There is one when it begins, one every half minute, and one when it is back.
"""

from __future__ import annotations

import itertools

import pytest

from syncengine.app.event_log import sparingly
from syncengine.model.events import Event
from syncengine.model.http import Json


class _Heard:
    """A listener that notes events with the time, by a clock of its own."""

    def __init__(self) -> None:
        self.now = 0.0
        self.events: list[tuple[float, Event, dict[str, Json]]] = []
        self.tell = sparingly(self._tell, lambda: self.now)

    def _tell(self, event: Event, /, **facts: Json) -> None:
        self.events.append((self.now, event, facts))

    def away_until(self, end: float, every: float) -> None:
        """Let the lease and a writer report it, each time they try."""
        while self.now < end:
            self.tell(Event.DATABASE_AWAY, error="the lease")
            self.tell(Event.DATABASE_AWAY, error="a writer")
            self.now += every


@pytest.mark.parametrize("every", [0.67, 5.0, 29.0])
def test_an_absence_is_an_event_when_it_begins_and_every_half_minute_at_most(
    every: float,
) -> None:
    heard = _Heard()
    heard.away_until(120.0, every)
    heard.tell(Event.DATABASE_BACK)
    heard.tell(Event.DATABASE_BACK)
    *away, back = heard.events
    times = [at for at, event, _ in away if event is Event.DATABASE_AWAY]
    assert times[0] == 0.0
    assert 2 <= len(times) == len(away)
    assert all(later - sooner >= 30.0 for sooner, later in itertools.pairwise(times))
    assert back[1] is Event.DATABASE_BACK
    assert away[0][2] == {"error": "the lease"}


def test_a_second_absence_is_an_event_at_once() -> None:
    heard = _Heard()
    for _ in range(2):
        heard.tell(Event.DATABASE_AWAY, error="gone")
        heard.tell(Event.DATABASE_BACK)
    assert [event for _, event, _ in heard.events] == [
        Event.DATABASE_AWAY,
        Event.DATABASE_BACK,
    ] * 2


def test_everything_else_passes() -> None:
    heard = _Heard()
    for _ in range(3):
        heard.tell(Event.THROTTLED, seconds=1.0)
    assert [event for _, event, _ in heard.events] == [Event.THROTTLED] * 3
