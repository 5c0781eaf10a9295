"""Facts of runs for the operator's desk, as the state has them, and nothing else.

They are read by ``storage`` and turned into pages by ``desk``. Names of fields and tags
are among them, and ids of contacts. Values are only where somebody asked for them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from syncengine.model.desk import BatchSummary
from syncengine.model.http import Json
from syncengine.model.reports import (
    CONTACTS,
    RunStatus,
    present_status,
    standing_from,
)
from syncengine.model.work import Standing


@dataclass(frozen=True, slots=True)
class RunFacts:
    """One run as it is recorded, under way or over."""

    run_id: int
    destination: str
    account: str
    kind: str
    """Text, and no ``RunKind``: a newer version may have kinds of its own."""
    status: RunStatus
    """Status that its process noted; ``present_status`` is that of right now."""
    started_at: datetime
    ended_at: datetime | None
    """None while it is under way."""
    read_at: datetime
    """Moment at which this was read, by the clock of Postgres."""
    retry_of: int | None = None
    totals: Mapping[str, Json] = field(default_factory=dict)
    """The totals of its report; empty while it is under way."""
    error: str | None = None
    holder: str | None = None
    """The process that works on its account right now; None: nobody does."""
    forecast: Mapping[str, Json] | None = None
    """Forecast that it made of itself before its first request."""
    progress: Mapping[str, Json] | None = None
    """Progress that it last wrote while it was under way."""

    @property
    def contacts(self) -> Mapping[str, int]:
        """Return its contacts by outcome, all of them as ``changed``.

        While it is under way they are those of its progress.
        """
        counted = _numbers(self.totals.get("contacts"))
        if counted or self.progress is None:
            return counted
        so_far = _numbers(self.progress.get("outcomes"))
        total = self.progress.get("total")
        return {"changed": total, **so_far} if isinstance(total, int) else so_far

    @property
    def actions(self) -> Mapping[str, int]:
        """Return what was done, by action."""
        return _numbers(self.totals.get("actions"))

    @property
    def standing(self) -> Mapping[Standing, int] | None:
        """Return the standing contacts at its end; None where they were not counted."""
        counts = _numbers(self.totals.get("standing"))
        if not counts:
            return None
        return standing_from(counts)

    @property
    def seconds(self) -> float:
        """Return how long it took, or has taken so far."""
        end = self.ended_at or self.read_at
        return max(0.0, (end - self.started_at).total_seconds())

    @property
    def present_status(self) -> RunStatus:
        """Return its status right now, as far as the state can tell."""
        return present_status(self.status, holds_lease=self.holder is not None)

    @property
    def is_running(self) -> bool:
        """Return whether some process works on it, as far as the state can tell."""
        return self.present_status is RunStatus.RUNNING

    @property
    def fell_short(self) -> int:
        """Return the number of contacts that are still to be brought in step."""
        counts = self.contacts
        named = ("rejected", "deferred", "unknown")
        return sum(counts.get(name, 0) for name in named)

    def so_far(self, name: str) -> int:
        """Return a number of its report or its progress, such as ``requests``."""
        for place in (self.totals, self.progress or {}):
            value = place.get(name)
            if isinstance(value, int) and not isinstance(value, bool):
                return value
        return 0


def _numbers(value: Json) -> dict[str, int]:
    """Return the whole numbers of a JSON object by name; empty for anything else.

    What other kinds of runs keep under the same name may be a list.
    """
    if not isinstance(value, Mapping):
        return {}
    return {
        name: number
        for name, number in value.items()
        if isinstance(number, int) and not isinstance(number, bool)
    }


OUTCOMES = CONTACTS[1:]
"""Outcomes in the order in which they are shown; ``changed`` is none, but their sum."""


@dataclass(frozen=True, slots=True)
class ChangedName:
    """A field or tag, and the contacts at which a run changed it."""

    name: str
    contacts: int
    cleared: int = 0
    """Number of contacts at which a field is empty now; 0 for tags."""


@dataclass(frozen=True, slots=True)
class ChangeCounts:
    """Changes of a run, counted by field and tag; no values."""

    contacts: int = 0
    effects: Mapping[str, int] = field(default_factory=dict)
    """Contacts that were created, linked, updated or deleted."""
    fields: tuple[ChangedName, ...] = ()
    tags_added: tuple[ChangedName, ...] = ()
    tags_removed: tuple[ChangedName, ...] = ()
    is_complete: bool = True
    """False where only the first changes of the run were counted."""


@dataclass(frozen=True, slots=True)
class ChangedValue:
    """One changed value of a contact. Personal data."""

    name: str
    old: Json = field(repr=False)
    new: Json = field(repr=False)
    was_known: bool = True
    """False where it is not known what the vendor had before."""


@dataclass(frozen=True, slots=True)
class ChangedContact:
    """Change of one contact by a run, with its values. Personal data."""

    contact_id: str
    effect: str
    fields: tuple[ChangedValue, ...] = ()
    tags_added: tuple[str, ...] = ()
    tags_removed: tuple[str, ...] = ()
    run_id: int = 0
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class MinuteFacts:
    """One minute of a run, by the clock of Postgres."""

    minute: datetime
    requests: int
    throttled: int = 0
    outcomes: Mapping[str, int] = field(default_factory=dict)
    codes: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FailureKind:
    """Contacts of a run that ended alike, and did not simply succeed."""

    outcome: str
    code: str
    contacts: int
    message: str
    """Message about one of them."""
    contact_ids: tuple[str, ...] = ()
    """The first ones."""


@dataclass(frozen=True, slots=True)
class StandingKind:
    """Standing contacts of one reason and code."""

    reason: Standing
    code: str
    contacts: int
    contact_ids: tuple[str, ...] = ()
    """The first ones."""


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run with everything that its report shows."""

    run: RunFacts
    changes: ChangeCounts = ChangeCounts()
    minutes: tuple[MinuteFacts, ...] = ()
    failures: tuple[FailureKind, ...] = ()
    standing: tuple[StandingKind, ...] = ()
    """Standing contacts now, which may be long after the run."""
    batches: tuple[BatchSummary, ...] = ()
    """The first ones."""
    batch_count: int = 0
    changed_contacts: tuple[ChangedContact, ...] = ()
    """The first ones, with their values; empty unless somebody asked for values."""
