"""Progress of a run: what it writes about itself while it is under way.

A run writes its ``RunSnapshot`` into the state every few seconds, where other processes
read it, and hands it to the ``Progress`` of its caller.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from syncengine.model.http import Json
from syncengine.model.limits import Limit
from syncengine.model.open_words import OpenWords

MOST_CODES = 20
"""Number of codes that a snapshot has: the most frequent ones."""


class WaitReason(OpenWords):
    """Reasons why a run sends nothing at the moment."""

    THROTTLED = "throttled"
    """The vendor refused a request for its rate limit, and asked for this wait."""
    LIMIT_NEAR = "limit_near"
    """By the headers of an answer no request is left for so long."""
    QUOTA = "quota"
    """A limit with a long window, such as a day, is used up."""
    OUTAGE = "outage"
    """The vendor does not answer, or fails; requests are tried again after a while."""
    DATABASE = "database"
    """The state database is away: nothing is sent that could not be recorded."""


@dataclass(frozen=True, slots=True)
class RunWait:
    """A wait of a run that otherwise would send."""

    reason: WaitReason
    seconds: float | None = None
    """Seconds that are left of it; None where nobody knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSnapshot:
    """Progress of one destination's run at one moment."""

    at: datetime
    """That moment, by the database's clock."""
    seconds: float = 0.0
    """Seconds since the run began."""
    done: int = 0
    """Contacts that are through."""
    total: int | None = None
    """Contacts of the run; None while they are still being found."""
    outcomes: Mapping[str, int] = field(default_factory=dict)
    """Contacts by outcome; those without a change have none."""
    requests: int = 0
    throttled: int = 0
    """Number of pauses that a refusal for the rate limit has led to."""
    last_minute: int = 0
    """Requests of the last sixty seconds."""
    limit: Limit | None = None
    """The tightest limit of those that apply; None where there is none."""
    waiting: RunWait | None = None
    seconds_left: float | None = None
    """Estimate, from the real pace; None while nothing can be said."""
    codes: Mapping[str, int] = field(default_factory=dict)
    """Contacts that fell short, by code: the most frequent ones."""

    def public(self) -> dict[str, Json]:
        """Return the object that is stored, and that ``watch --json`` prints."""
        left = self.seconds_left
        return {
            "at": self.at.isoformat(timespec="milliseconds"),
            "seconds": round(self.seconds, 1),
            "done": self.done,
            "total": self.total,
            "outcomes": dict(self.outcomes),
            "requests": self.requests,
            "throttled": self.throttled,
            "last_minute": self.last_minute,
            "limit": public_limit_or_none(self.limit),
            "waiting": self._public_wait(),
            "seconds_left": None if left is None else round(left),
            "codes": dict(self.codes),
        }

    def _public_wait(self) -> dict[str, Json] | None:
        wait = self.waiting
        if wait is None:
            return None
        until = None
        if wait.seconds is not None:
            end = self.at + timedelta(seconds=wait.seconds)
            until = end.isoformat(timespec="seconds")
        return {"reason": wait.reason.value, "until": until}


def snapshot_from(stored: Json) -> RunSnapshot | None:
    """Return the snapshot that a run has stored; None where it has stored none."""
    if not isinstance(stored, dict):
        return None
    at = datetime.fromisoformat(stored["at"])
    return RunSnapshot(
        at=at,
        seconds=stored["seconds"],
        done=stored["done"],
        total=stored["total"],
        outcomes=stored["outcomes"],
        requests=stored["requests"],
        throttled=stored["throttled"],
        last_minute=stored["last_minute"],
        limit=_limit_from(stored["limit"]),
        waiting=_wait_from(stored["waiting"], at),
        seconds_left=stored["seconds_left"],
        codes=stored["codes"],
    )


def _limit_from(stored: Json) -> Limit | None:
    if stored is None:
        return None
    # Runs of versions before limits of items stored none.
    items = stored.get("items")
    return Limit(stored["calls"], stored["per"], stored["method"], items)


def _wait_from(stored: Json, at: datetime) -> RunWait | None:
    if stored is None:
        return None
    reason = WaitReason(stored["reason"])
    if stored["until"] is None:
        return RunWait(reason)
    until = datetime.fromisoformat(stored["until"])
    return RunWait(reason, max(0.0, (until - at).total_seconds()))


_UNITS = {1.0: "second", 60.0: "minute", 3600.0: "hour", 86400.0: "day"}


def limit_in_words(limit: Limit) -> str:
    """Return a limit as people say it: ``200 a minute``, ``10 POST per 5 s``.

    One that counts items names them: ``1,000 contacts a minute``.
    """
    number = f"{limit.most:,}"
    if limit.counts_items:
        number += " contacts"
    if limit.method is not None:
        number += f" by {limit.method}" if limit.counts_items else f" {limit.method}"
    unit = _UNITS.get(limit.per)
    return f"{number} per {limit.per:g} s" if unit is None else f"{number} a {unit}"


def public_limit_or_none(limit: Limit | None) -> dict[str, Json] | None:
    """Return the object that stands for a limit in JSON; None where there is none."""
    return None if limit is None else public_limit(limit)


def public_limit(limit: Limit) -> dict[str, Json]:
    """Return the object that stands for a limit in JSON."""
    return {
        "calls": limit.calls,
        "items": limit.items,
        "per": limit.per,
        "method": limit.method,
        "text": limit_in_words(limit),
    }


@dataclass(slots=True)
class RunMinute:
    """Work of a run in one minute of the database's clock."""

    minute: int
    """Number of the minute since 1970."""
    requests: int = 0
    throttled: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    codes: dict[str, int] = field(default_factory=dict)

    @property
    def begins_at(self) -> datetime:
        """Return the first moment of the minute."""
        return datetime.fromtimestamp(60 * self.minute, UTC)
