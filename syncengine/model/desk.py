"""Rows that the reading verbs list: runs and batches, failures, and their contacts.

Each has ``public``, the object that ``--format json`` prints; its names are stable.
Nothing in it is a contact's value, unless the caller asked for values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from syncengine.model.http import Json


def iso(moment: datetime | None) -> str | None:
    """Return a moment as programs read it: ISO 8601, to the second."""
    return None if moment is None else moment.isoformat(timespec="seconds")


@dataclass(frozen=True, slots=True)
class RunSummary:
    """A run as the state has it."""

    run_id: int
    destination: str
    account: str
    kind: str
    """Text, and no ``RunKind``: a newer version may have kinds of its own."""
    retry_of: int | None
    status: str
    started_at: datetime
    ended_at: datetime | None
    """None while it is under way, or where its process died and no other run found
    that yet."""
    seconds: float
    """How long it took, or has taken so far."""
    contacts: Mapping[str, int] = field(default_factory=dict)
    """Contacts by outcome; empty where it did not come as far as to count them."""
    requests: int | None = None
    error: str | None = None

    def public(self) -> dict[str, Json]:
        """Return one row of ``runs --json``."""
        return {
            "run_id": self.run_id,
            "destination": self.destination,
            "account": self.account,
            "kind": self.kind,
            "retry_of": self.retry_of,
            "status": self.status,
            "started_at": iso(self.started_at),
            "ended_at": iso(self.ended_at),
            "seconds": round(self.seconds, 3),
            "contacts": dict(self.contacts),
            "requests": self.requests,
            "error": self.error,
        }


RUN_NAMES = (
    "run_id",
    "destination",
    "account",
    "kind",
    "retry_of",
    "status",
    "started_at",
    "ended_at",
    "seconds",
    "contacts",
    "requests",
    "error",
)
"""Public names of a run."""


@dataclass(frozen=True, slots=True)
class BatchSummary:
    """A batch of a run: a slice of its contacts."""

    run_id: int
    number: int
    kind: str
    """``removals`` or ``changes``."""
    status: str
    """``waiting`` or ``done``."""
    contacts: int
    outcomes: Mapping[str, int]
    """Contacts by outcome, once it is done."""
    error: str | None

    def public(self) -> dict[str, Json]:
        """Return one row of ``runs --run RUN --batches --json``."""
        return {
            "run_id": self.run_id,
            "batch": self.number,
            "kind": self.kind,
            "status": self.status,
            "contacts": self.contacts,
            "outcomes": dict(self.outcomes),
            "error": self.error,
        }


BATCH_NAMES = ("run_id", "batch", "kind", "status", "contacts", "outcomes", "error")
"""Public names of a batch."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A contact that fell short, and what is to be done about it."""

    destination: str
    contact_id: str
    outcome: str
    """How its last try ended; empty where `prune` has deleted that."""
    code: str
    message: str
    http_status: int | None
    requests: int | None
    run_id: int | None
    """The run of that try; None where it was before runs were noted."""
    since_run_id: int | None
    """The run since which the contact is not in step."""
    rejections: int
    """How often this version of its row was rejected."""
    standing: str | None
    """Why it is not tried any more; None where the next run tries it."""
    at: datetime | None
    next_step: str = ""
    """What happens next, or what a person can do."""

    def public(self) -> dict[str, Json]:
        """Return one row of ``failures --json``."""
        return {
            "destination": self.destination,
            "contact": self.contact_id,
            "outcome": self.outcome,
            "code": self.code,
            "message": self.message,
            "http_status": self.http_status,
            "requests": self.requests,
            "run_id": self.run_id,
            "since_run_id": self.since_run_id,
            "rejections": self.rejections,
            "standing": self.standing,
            "at": iso(self.at),
            "next": self.next_step,
        }


FAILURE_NAMES = (
    "destination",
    "contact",
    "outcome",
    "code",
    "message",
    "http_status",
    "requests",
    "run_id",
    "since_run_id",
    "rejections",
    "standing",
    "at",
    "next",
)
"""Public names of a failure."""
