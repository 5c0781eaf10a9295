"""What the verbs report, for people and for programs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from syncengine.model.http import Json


@dataclass(frozen=True, slots=True)
class Noteworthy:
    """A contact worth a look."""

    contact_id: str
    outcome: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class RunReport:
    """One destination's run. The names ``public`` gives are promised: they do not change."""

    destination: str
    run_id: int | None
    status: str
    """``done``, ``incomplete``, ``halted``, ``stopped``, ``refused`` or ``held``."""
    contacts: Mapping[str, int] = field(default_factory=dict)
    actions: Mapping[str, int] = field(default_factory=dict)
    calls: int = 0
    requests: int = 0
    throttled: int = 0
    seconds: float = 0.0
    error: str | None = None
    exit_code: int = 0
    noteworthy: tuple[Noteworthy, ...] = ()
    remarks: tuple[str, ...] = ()
    """What a person may want to know although nothing fell short."""

    def public(self) -> dict[str, Json]:
        """The object ``run --json`` prints."""
        return {
            "destination": self.destination,
            "run_id": self.run_id,
            "status": self.status,
            "contacts": dict(self.contacts),
            "actions": dict(self.actions),
            "calls": self.calls,
            "requests": self.requests,
            "throttled": self.throttled,
            "seconds": round(self.seconds, 3),
            "error": self.error,
        }


@dataclass(frozen=True, slots=True)
class PlanReport:
    """What a run for one destination would send."""

    destination: str
    contacts: int
    actions: Mapping[str, int]
    unsupported: int
    rejected: Mapping[str, int]
    look_ups: int
    """Contacts that are looked up first; how many requests that takes depends on what is found."""
    requests: int
    """Requests of the calls, look-ups apart."""
    seconds: float
    """The least time under the limits, one request a look-up."""
    brake: str | None = None
    error: str | None = None

    def public(self) -> dict[str, Json]:
        """The object ``plan --json`` prints."""
        return {
            "destination": self.destination,
            "contacts": self.contacts,
            "actions": dict(self.actions),
            "unsupported": self.unsupported,
            "rejected": dict(self.rejected),
            "look_ups": self.look_ups,
            "requests": self.requests,
            "seconds": round(self.seconds, 1),
            "brake": self.brake,
            "error": self.error,
        }


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was checked."""

    area: str
    ok: bool
    message: str


@dataclass(frozen=True, slots=True)
class AdoptReport:
    """Whom an account was found to hold already. The names ``public`` gives are promised."""

    destination: str
    status: str
    """That of a run, or ``unreadable``: the vendor has no look-up."""
    linked: int = 0
    unmatched: int = 0
    """Nobody at the vendor matches: the next run creates them."""
    ambiguous: int = 0
    """Several at the vendor match."""
    owned: int = 0
    """The one that matches belongs to another contact."""
    refused: int = 0
    """The row itself, or its match key, cannot be used."""
    unread: int = 0
    """The vendor gave no answer."""
    requests: int = 0
    seconds: float = 0.0
    error: str | None = None
    exit_code: int = 0
    contacts: tuple[Noteworthy, ...] = ()

    def public(self) -> dict[str, Json]:
        """The object ``adopt --json`` prints."""
        return {
            "destination": self.destination,
            "status": self.status,
            "linked": self.linked,
            "unmatched": self.unmatched,
            "ambiguous": self.ambiguous,
            "owned": self.owned,
            "refused": self.refused,
            "unread": self.unread,
            "requests": self.requests,
            "seconds": round(self.seconds, 3),
            "error": self.error,
            "contacts": [
                {"contact": each.contact_id, "finding": each.outcome, "code": each.code, "message": each.message}
                for each in self.contacts
            ],
        }


class Progress(Protocol):
    """Told how a run goes on."""

    def started(self, destination: str, total: int) -> None: ...

    def advanced(self, destination: str, contacts: int, requests: int) -> None: ...

    def note(self, destination: str, text: str) -> None: ...

    def finished(self, destination: str) -> None: ...


class Silent:
    """Progress for nobody."""

    def started(self, destination: str, total: int) -> None: ...

    def advanced(self, destination: str, contacts: int, requests: int) -> None: ...

    def note(self, destination: str, text: str) -> None: ...

    def finished(self, destination: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Drifted:
    """A contact whose copy is not what we left there: what is told are names, never values."""

    contact_id: str
    found: Mapping[str, tuple[str, ...]]
    """``gone``, ``changed``, ``missing``, ``extra``, ``missing_tags``, ``extra_tags`` to the fields or tags."""


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What the copies at one destination look like. The names ``public`` gives are promised."""

    destination: str
    status: str
    """That of a run, or ``unreadable``: the vendor shows nothing of what it holds."""
    compared: int = 0
    drifted: int = 0
    found: Mapping[str, int] = field(default_factory=dict)
    """How many contacts drifted in which way."""
    subjects: Mapping[str, int] = field(default_factory=dict)
    """Field or tag to how many contacts drifted in it."""
    in_doubt: int = 0
    """Contacts the next run has to settle first; not compared."""
    unread: int = 0
    """Contacts the vendor did not show for as long as it was asked."""
    strangers: int | None = None
    """Contacts at the vendor that belong to nobody here; None where the vendor was not listed."""
    repaired: int = 0
    requests: int = 0
    seconds: float = 0.0
    error: str | None = None
    exit_code: int = 0
    contacts: tuple[Drifted, ...] = ()

    def public(self) -> dict[str, Json]:
        """The object ``verify --json`` prints."""
        return {
            "destination": self.destination,
            "status": self.status,
            "compared": self.compared,
            "drifted": self.drifted,
            "found": dict(self.found),
            "subjects": dict(self.subjects),
            "in_doubt": self.in_doubt,
            "unread": self.unread,
            "strangers": self.strangers,
            "repaired": self.repaired,
            "requests": self.requests,
            "seconds": round(self.seconds, 3),
            "error": self.error,
            "contacts": [{"contact": each.contact_id, **each.found} for each in self.contacts],
        }


@dataclass(frozen=True, slots=True)
class Copy:
    """A contact's fields and tags, as one of three sees them. Values are personal data: for whoever asked for them."""

    fields: Mapping[str, Json] = field(default_factory=dict, repr=False)
    tags: tuple[str, ...] = ()

    def public(self) -> dict[str, Json]:
        return {"fields": dict(self.fields), "tags": list(self.tags)}


@dataclass(frozen=True, slots=True)
class ShowReport:
    """One contact at one destination. The names ``public`` gives are promised."""

    destination: str
    contact_id: str
    status: str
    """As in ``sync_state``, or ``unknown``."""
    external_id: str | None = None
    source: Copy | None = None
    """What the source asks for; None: it does not select the contact."""
    known: Copy | None = None
    """What we last knew the vendor to hold; None: nothing."""
    vendor: Copy | None = None
    """What the vendor holds now; None: nothing, or it was not told."""
    details: Mapping[str, Json] = field(default_factory=dict, repr=False)
    remarks: tuple[str, ...] = ()
    exit_code: int = 0

    def public(self) -> dict[str, Json]:
        """The object ``show --json`` prints."""
        copies = {"source": self.source, "known": self.known, "vendor": self.vendor}
        return {
            "destination": self.destination,
            "contact": self.contact_id,
            "status": self.status,
            "external_id": self.external_id,
            **{name: copy.public() if copy else None for name, copy in copies.items()},
            "details": dict(self.details),
            "remarks": list(self.remarks),
        }
