"""What the verbs that look at the vendors' copies report, for people and for programs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from syncengine.model.http import Json
from syncengine.model.reports import Noteworthy


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


@dataclass(frozen=True, slots=True)
class Drifted:
    """A contact whose copy is not what we left there: what is told are names, never values."""

    contact_id: str
    found: Mapping[str, tuple[str, ...]]
    """``gone``, ``changed``, ``missing``, ``extra``, ``opted_out``, ``missing_tags``,
    ``extra_tags`` to the fields or tags."""


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
    opted_out: int = 0
    """Contacts that drifted only in that they said no there, which stays as it is."""
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
            "opted_out": self.opted_out,
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
    """As in ``sync_state``, or ``unknown``; ``forgotten``, ``suppressed`` or ``opted_out`` where no run sends anything
    about it."""
    external_id: str | None = None
    source: Copy | None = None
    """What the source asks for; None: it does not select the contact."""
    known: Copy | None = None
    """What we last knew the vendor to hold; None: nothing."""
    vendor: Copy | None = None
    """What the vendor holds now; None: nothing, or it was not told."""
    details: Mapping[str, Json] = field(default_factory=dict, repr=False)
    remarks: tuple[str, ...] = ()
    next_run: str = ""
    """What the next run would do about it."""
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
            "next_run": self.next_run,
        }


@dataclass(frozen=True, slots=True)
class MergeReport:
    """How a merge of two vendor contacts ended. The names ``public`` gives are promised."""

    destination: str
    status: str
    """``done``, ``rejected``, ``incomplete`` (not known), ``halted``, ``refused`` or ``held``."""
    left: str | None = None
    """The external id of the contact that is left."""
    contact_id: str | None = None
    """Whose copy it is, if it is anybody's here."""
    error: str | None = None
    exit_code: int = 0

    def public(self) -> dict[str, Json]:
        """The object ``merge --json`` prints."""
        return {
            "destination": self.destination,
            "status": self.status,
            "external_id": self.left,
            "contact": self.contact_id,
            "error": self.error,
        }
