"""Rows that the reading verbs list: runs and batches, failures, and their contacts.

Each has ``public``, the object that ``--format json`` prints; its names are stable.
Nothing in it is a contact's value, unless the caller asked for values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from syncengine.model.contact_ids import as_argument
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
    """Seconds that it took, or has taken so far."""
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
    """Outcome of its last try; empty where `prune` has deleted that."""
    code: str
    message: str
    http_status: int | None
    requests: int | None
    run_id: int | None
    """The run of that try; None where it was before runs were noted."""
    since_run_id: int | None
    """The run since which the contact is not in step."""
    rejections: int
    """Number of times this version of its row was rejected."""
    standing: str | None
    """Reason why it is not tried any more; None where the next run tries it."""
    at: datetime | None
    next_step: str = ""
    """Next step, by itself or by a person."""

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


@dataclass(frozen=True, slots=True)
class RecordedChange:
    """Change of a contact by a run."""

    effect: str
    """``created``, ``linked``, ``updated`` or ``deleted``."""
    fields: Mapping[str, Mapping[str, Json]] = field(repr=False)
    """Name to its values ``old`` and ``new``. Without ``old`` it was not known; null is
    empty."""
    tags_added: tuple[str, ...] = ()
    tags_removed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ContactEvent:
    """Part of one run in a contact's history."""

    run_id: int
    destination: str
    kind: str
    """Kind of the run."""
    at: datetime
    outcome: str
    """Empty where the run changed the contact without judging it."""
    code: str
    message: str
    http_status: int | None
    requests: int | None
    actions: tuple[str, ...]
    """The calls that were accepted."""
    change: RecordedChange | None

    def public(self, *, show_values: bool = False) -> dict[str, Json]:
        """Return one row of ``history --json``; values of fields only if asked for."""
        change = self.change
        row: dict[str, Json] = {
            "destination": self.destination,
            "run_id": self.run_id,
            "kind": self.kind,
            "at": iso(self.at),
            "outcome": self.outcome or None,
            "code": self.code,
            "message": self.message,
            "http_status": self.http_status,
            "requests": self.requests,
            "actions": list(self.actions),
            "effect": None,
            "changed": [],
            "tags_added": [],
            "tags_removed": [],
        }
        if show_values:
            row["values"] = {}
        if change is None:
            return row
        row["effect"] = change.effect
        row["changed"] = sorted(change.fields)
        row["tags_added"] = list(change.tags_added)
        row["tags_removed"] = list(change.tags_removed)
        if show_values:
            row["values"] = {name: dict(pair) for name, pair in change.fields.items()}
        return row


EVENT_NAMES = (
    "destination",
    "run_id",
    "kind",
    "at",
    "outcome",
    "code",
    "message",
    "http_status",
    "requests",
    "actions",
    "effect",
    "changed",
    "tags_added",
    "tags_removed",
)
"""Public names of what a run did to a contact; ``values`` is another one."""


@dataclass(frozen=True, slots=True)
class FieldReason:
    """One field of a contact: how it differs, and what the next run does with it."""

    name: str
    """Name of the vendor's field, or ``tags``."""
    state: str
    """``same``, ``differs`` or ``unknown``: the source's value now against the one that
    the vendor acknowledged last."""
    is_sent_next: bool
    """True where the next run sends it."""
    changed_at: datetime | None
    """When it was last changed there by a run; None where no kept change tells it."""
    run_id: int | None
    """The run that did."""
    source: Json = field(default=None, repr=False)
    last_sent: Json = field(default=None, repr=False)

    def public(self, *, show_values: bool = False) -> dict[str, Json]:
        """Return one member of ``fields``; values only if asked for."""
        row: dict[str, Json] = {
            "field": self.name,
            "state": self.state,
            "sent_next": self.is_sent_next,
            "changed_at": iso(self.changed_at),
            "run_id": self.run_id,
        }
        if show_values:
            row["source"] = self.source
            row["last_sent"] = self.last_sent
        return row


@dataclass(frozen=True, slots=True)
class WhyReport:
    """Explanation of a contact's state at one destination. The names are stable."""

    destination: str
    contact_id: str
    status: str
    external_id: str | None
    standing: str | None
    code: str
    rejections: int
    since_run_id: int | None
    synced_at: datetime | None
    last: ContactEvent | None
    """Change by the newest run that touched it."""
    next_run: str
    """To be read behind "the next run"; empty where that cannot be known."""
    reason: str
    """Reason why the next run does that."""
    fields: tuple[FieldReason, ...] = ()
    remarks: tuple[str, ...] = ()
    is_known: bool = True
    """False where neither the state nor the source knows the contact."""
    shows_values: bool = False

    def public(self) -> dict[str, Json]:
        """Return the object that ``why --json`` prints."""
        last = self.last.public(show_values=self.shows_values) if self.last else None
        fields = [each.public(show_values=self.shows_values) for each in self.fields]
        return {
            "destination": self.destination,
            "contact": self.contact_id,
            "status": self.status,
            "external_id": self.external_id,
            "standing": self.standing,
            "code": self.code,
            "rejections": self.rejections,
            "since_run_id": self.since_run_id,
            "synced_at": iso(self.synced_at),
            "last": last,
            "next_run": self.next_run,
            "reason": self.reason,
            "fields": fields,
            "remarks": list(self.remarks),
        }


@dataclass(frozen=True, slots=True)
class SuppressionRow:
    """One suppression, of somebody who is known by a salted hash alone."""

    kind: str
    """``contact``, ``phone`` or ``email``: what the hash is of."""
    reason: str
    """``suppressed`` or ``forgotten``."""
    since: datetime
    subject: str
    """The hash, in hexadecimal digits."""

    def public(self) -> dict[str, Json]:
        """Return one row of ``suppressions --json``."""
        return {
            "kind": self.kind,
            "reason": self.reason,
            "since": iso(self.since),
            "subject": self.subject,
        }


SUPPRESSION_NAMES = ("kind", "reason", "since", "subject")
"""Public names of a suppression."""


@dataclass(frozen=True, slots=True)
class AskedPerson:
    """The answer whether somebody is suppressed."""

    asked: str
    """Such as ``contact 7``, or ``--phones, line 3``: the number itself is not
    repeated."""
    kind: str | None = None
    """Subject of the suppression; None where there is none."""
    reason: str | None = None
    since: datetime | None = None

    def public(self) -> dict[str, Json]:
        """Return one row of ``suppressions --contact ID --json``."""
        return {
            "asked": self.asked,
            "suppressed": self.reason is not None,
            "kind": self.kind,
            "reason": self.reason,
            "since": iso(self.since),
        }


ASKED_NAMES = ("asked", "suppressed", "kind", "reason", "since")
"""Public names of such an answer."""


@dataclass(frozen=True, slots=True)
class ErasureRow:
    """One contact's erasure at one destination."""

    destination: str
    contact_id: str | None
    """None once it is through: then only a salted hash is kept."""
    status: str
    """``open``, ``scheduled``, ``impossible`` or ``done``."""
    receipt: str
    """Answer of the vendor, in words."""
    to_ask: str
    """Request that a person still has to make of the vendor; empty: none."""
    requested_at: datetime
    ended_at: datetime | None
    subject: str
    """Salted hash of the contact's id, in hexadecimal digits."""

    @property
    def is_to_do(self) -> bool:
        """Return whether somebody has to do something about it."""
        return self.status == "open" or bool(self.to_ask)

    @property
    def next_step(self) -> str:
        """Return what to do; empty where nothing."""
        # Without its id a person has to know whom they asked for.
        contact = "ID" if self.contact_id is None else as_argument(self.contact_id)
        forget = f"syncengine forget {contact}"
        if self.to_ask:
            name = as_argument(self.destination)
            return f"{self.to_ask}. Once they did: `{forget} --confirmed -d {name}`"
        if self.status == "open":
            return f"`{forget}` finishes it"
        return ""

    def public(self) -> dict[str, Json]:
        """Return one row of ``erasures --json``."""
        return {
            "destination": self.destination,
            "contact": self.contact_id,
            "status": self.status,
            "receipt": self.receipt,
            "requested_at": iso(self.requested_at),
            "ended_at": iso(self.ended_at),
            "next": self.next_step,
            "subject": self.subject,
        }


ERASURE_NAMES = (
    "destination",
    "contact",
    "status",
    "receipt",
    "requested_at",
    "ended_at",
    "next",
    "subject",
)
"""Public names of an erasure."""


@dataclass(frozen=True, slots=True)
class ContactRow:
    """A contact at a destination, as the state has it."""

    destination: str
    contact_id: str
    external_id: str | None
    status: str
    code: str | None
    standing: str | None
    rejections: int
    since_run_id: int | None
    synced_at: datetime | None
    fields: Mapping[str, Json] = field(default_factory=dict, repr=False)
    tags: tuple[str, ...] = field(default=(), repr=False)
    """Tags that are there, whoever set them."""

    def public(self, *, show_values: bool = False) -> dict[str, Json]:
        """Return one row of ``export --json``; values only if asked for."""
        row: dict[str, Json] = {
            "destination": self.destination,
            "contact": self.contact_id,
            "external_id": self.external_id,
            "status": self.status,
            "code": self.code,
            "standing": self.standing,
            "rejections": self.rejections,
            "since_run_id": self.since_run_id,
            "synced_at": iso(self.synced_at),
        }
        if show_values:
            row["fields"] = dict(self.fields)
            row["tags"] = list(self.tags)
        return row


CONTACT_NAMES = (
    "destination",
    "contact",
    "external_id",
    "status",
    "code",
    "standing",
    "rejections",
    "since_run_id",
    "synced_at",
)
"""Public names of a contact; ``fields`` and ``tags`` are others."""
