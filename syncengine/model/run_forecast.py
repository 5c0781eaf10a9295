"""Forecast of a run, made before its first request, and how right it was.

It is stored with the run (``sync_run.forecast``), and scored in the run's report: calls
that were planned against calls that were made, and the time that the limits were to
make them take against the time it took.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from syncengine.model.costs import Cost, Duration
from syncengine.model.http import Json
from syncengine.model.limits import Limit
from syncengine.model.progress import public_limit_or_none

_FACTS = ("calls_made", "requests_made", "seconds_made", "round_trip")
"""Public names of what the run did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeByRun:
    """Facts of a run, to be compared with its forecast."""

    calls: int
    requests: int
    seconds: float
    """Seconds from the moment of the forecast until all was sent and recorded."""
    round_trip: float | None
    """Seconds until an answer, on average; None where no limit counted a request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunForecast:
    """Forecast that a run makes of itself."""

    at: datetime
    """Moment of the forecast, right before the first request."""
    calls: int
    """Calls where look-ups find no contact."""
    actions: Mapping[str, int]
    """The same by action."""
    look_ups: int
    """Requests of look-ups that find no contact."""
    requests: Cost
    seconds: Duration
    limit: Limit | None
    """The limit that decides how long it takes; None where none does."""
    made: MadeByRun | None = None
    """Facts of the run, once it is over."""

    @property
    def ends_at(self) -> datetime:
        """Return when the run is expected to end."""
        return self.at + timedelta(seconds=self.seconds.usual)

    def scored(self, made: MadeByRun) -> RunForecast:
        """Return the forecast beside what the run did."""
        return replace(self, made=made)

    def public(self) -> dict[str, Json]:
        """Return the object ``forecast`` of ``run --json``, which is stored as well."""
        public: dict[str, Json] = {
            "at": self.at.isoformat(timespec="seconds"),
            "ends_at": self.ends_at.isoformat(timespec="seconds"),
            "calls": self.calls,
            "actions": dict(self.actions),
            "look_ups": self.look_ups,
            "requests": self.requests.usual,
            "requests_least": self.requests.least,
            "requests_most": self.requests.most,
            "seconds": round(self.seconds.usual, 1),
            "seconds_least": round(self.seconds.least, 1),
            "seconds_most": round(self.seconds.most, 1),
            "limit": public_limit_or_none(self.limit),
        }
        return public | self._public_facts()

    def _public_facts(self) -> dict[str, Json]:
        """Return what the run did; while it is under way, every value is None."""
        made = self.made
        if made is None:
            return dict.fromkeys(_FACTS)
        facts = (
            made.calls,
            made.requests,
            round(made.seconds, 1),
            _rounded(made.round_trip),
        )
        return dict(zip(_FACTS, facts, strict=True))


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 4)
