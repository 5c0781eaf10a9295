"""Reports of the verbs that look at the vendors' copies, for people and programs.

A *copy* is a contact as a vendor holds it. ``adopt`` links copies that exist to
contacts, ``verify`` compares them, ``show`` prints one, ``merge`` makes one of two.
What all reports have in common is said in ``model.reports``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from syncengine.errors import SyncEngineError
from syncengine.model.http import Json
from syncengine.model.public import public_or_none
from syncengine.model.reports import Noteworthy, RunStatus, error_of


@dataclass(frozen=True, slots=True)
class AdoptReport:
    """Contacts that an account already holds. The names in ``public`` are stable."""

    destination: str
    status: RunStatus
    linked: int = 0
    unmatched: int = 0
    """Contacts without a match at the vendor: the next run creates them."""
    alike: int = 0
    """Unmatched contacts whose phone has the digits of somebody at the vendor, who is
    not surely the same."""
    gone: int = 0
    """Contacts that were deleted at the vendor, and are not found by their match keys
    either: no run creates them again unasked."""
    ambiguous: int = 0
    """Contacts with several matches at the vendor."""
    owned: int = 0
    """Contacts whose match belongs to another contact."""
    refused: int = 0
    """Contacts of which the row itself, or its match key, cannot be used."""
    unread: int = 0
    """Contacts for which the vendor gave no answer."""
    silent: int = 0
    """Contacts without a link that are not looked up, since nothing may be sent about
    them."""
    requests: int = 0
    seconds: float = 0.0
    error: str | None = None
    contacts: tuple[Noteworthy, ...] = ()

    def public(self) -> dict[str, Json]:
        """Return the object that ``adopt --json`` prints."""
        return {
            "destination": self.destination,
            "status": self.status.value,
            "linked": self.linked,
            "unmatched": self.unmatched,
            "alike": self.alike,
            "gone": self.gone,
            "ambiguous": self.ambiguous,
            "owned": self.owned,
            "refused": self.refused,
            "unread": self.unread,
            "silent": self.silent,
            "requests": self.requests,
            "seconds": round(self.seconds, 3),
            "error": self.error,
            "contacts": [_public_finding(contact) for contact in self.contacts],
        }


def _public_finding(contact: Noteworthy) -> dict[str, Json]:
    """Return one contact in the object that ``adopt --json`` prints."""
    return {
        "contact": contact.contact_id,
        "finding": contact.outcome,
        "code": contact.code,
        "message": contact.message,
    }


_LEFT_ALONE = ("gone", "dead_letter", "not_asked")
"""Reasons of ``planning.repair.NotRepaired`` that need nobody's attention."""


@dataclass(frozen=True, slots=True)
class Drifted:
    """A contact whose copy differs from what was last written there.

    Only names are reported, never values.
    """

    contact_id: str
    found: Mapping[str, tuple[str, ...]]
    """Kind of drift (``gone``, ``changed``, ``missing``, ``extra``, ``opted_out``,
    ``missing_tags``, ``extra_tags``) to its fields or tags."""


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """State of the copies at one destination. The names in ``public`` are stable."""

    destination: str
    status: RunStatus
    compared: int = 0
    drifted: int = 0
    found: Mapping[str, int] = field(default_factory=dict)
    """Kind of drift to the number of contacts that drifted so."""
    subjects: Mapping[str, int] = field(default_factory=dict)
    """Field or tag to the number of contacts that drifted in it."""
    in_doubt: int = 0
    """Contacts with unknown changes, which the next run settles first; not compared."""
    silent: int = 0
    """Contacts about whom nothing may be sent, suppressed or opted out; they are not
    compared."""
    erasing: tuple[str, ...] = ()
    """Forgotten contacts of which something is still known here; not compared."""
    gone: int = 0
    """Contacts that stood as gone before: they were deleted at the vendor, and there is
    nothing to compare."""
    unread: int = 0
    """Contacts that the vendor did not show within the time that was given."""
    merged: tuple[str, ...] = ()
    """Contacts in whose place the vendor shows another one, into which they were merged
    there; not compared."""
    strangers: int | None = None
    """Contacts at the vendor that belong to no contact here; None where the vendor's
    contacts were not listed."""
    repaired: int = 0
    """Contacts that the next run mends."""
    left: Mapping[str, int] = field(default_factory=dict)
    """Of a repair: reason to the number of drifted contacts that are left as they
    are."""
    opted_out: int = 0
    """Contacts that drifted only by an opt-out at the vendor, which stays."""
    other_account: bool = False
    """True where the vendor has none of the contacts that were compared: there is
    nothing to repair before somebody has looked at the account."""
    requests: int = 0
    seconds: float = 0.0
    error: str | None = None
    contacts: tuple[Drifted, ...] = ()
    cause: SyncEngineError | None = field(default=None, repr=False, compare=False)
    """The error that ended the verification, where one did."""

    @property
    def ok(self) -> bool:
        """Return whether the copies are as they should be.

        They count as such where the vendor does not show its contacts, too.
        """
        if self.status is RunStatus.UNREADABLE:
            return True
        is_compared = self.status is RunStatus.DONE and self.error is None
        return is_compared and self.is_settled

    def raise_for_status(self) -> None:
        """Raise an exception unless the copies are as they should be.

        Raises the error that refused the verification (RunRefused, LeaseHeld), or else
        ReportError.
        """
        if not self.ok:
            drifted = f"{self.drifted} of {self.compared} contacts drifted"
            raise error_of(self, self.status, self.error or drifted, self.cause)

    @property
    def is_settled(self) -> bool:
        """Return whether no drifted contact needs a person's attention.

        Those that are repaired do not, nor opt-outs, nor what is left alone on purpose
        or counted elsewhere.
        """
        left_alone = sum(self.left.get(reason, 0) for reason in _LEFT_ALONE)
        return self.drifted <= self.repaired + self.opted_out + left_alone

    def public(self) -> dict[str, Json]:
        """Return the object that ``verify --json`` prints."""
        return {
            "destination": self.destination,
            "status": self.status.value,
            "compared": self.compared,
            "drifted": self.drifted,
            "found": dict(self.found),
            "subjects": dict(self.subjects),
            "in_doubt": self.in_doubt,
            "silent": self.silent,
            "erasing": list(self.erasing),
            "gone": self.gone,
            "unread": self.unread,
            "merged": list(self.merged),
            "strangers": self.strangers,
            "repaired": self.repaired,
            "left": dict(self.left),
            "opted_out": self.opted_out,
            "requests": self.requests,
            "seconds": round(self.seconds, 3),
            "error": self.error,
            "contacts": [
                {"contact": each.contact_id, **each.found} for each in self.contacts
            ],
        }


@dataclass(frozen=True, slots=True)
class Copy:
    """A contact's fields and tags in the source, in the state, or at the vendor.

    Values are personal data: they go only to the person who asked for them.
    """

    fields: Mapping[str, Json] = field(default_factory=dict, repr=False)
    tags: tuple[str, ...] = ()

    def public(self) -> dict[str, Json]:
        """Return the copy as ``show --json`` prints it."""
        return {"fields": dict(self.fields), "tags": list(self.tags)}


@dataclass(frozen=True, slots=True)
class ShowReport:
    """One contact at one destination. The names in ``public`` are stable."""

    destination: str
    contact_id: str
    status: str
    """The status in ``sync_state``, or ``unknown``; ``forgotten``, ``suppressed`` or
    ``opted_out`` where no run sends anything about the contact."""
    external_id: str | None = None
    source: Copy | None = None
    """The contact in the source; None where the source does not select it."""
    known: Copy | None = None
    """The contact as the vendor is known to hold it; None: it is not known there."""
    vendor: Copy | None = None
    """The contact at the vendor now; None where there is none, or the vendor did not
    answer."""
    details: Mapping[str, Json] = field(default_factory=dict, repr=False)
    remarks: tuple[str, ...] = ()
    next_run: str = ""
    """Description of the next run's calls for the contact."""
    look_up: RunStatus = RunStatus.DONE
    """End of the look at the vendor: done; incomplete where the vendor gave no answer
    or several contacts match; held while another run works on the account."""

    def public(self) -> dict[str, Json]:
        """Return the object that ``show --json`` prints."""
        return {
            "destination": self.destination,
            "contact": self.contact_id,
            "status": self.status,
            "external_id": self.external_id,
            "source": public_or_none(self.source),
            "known": public_or_none(self.known),
            "vendor": public_or_none(self.vendor),
            "details": dict(self.details),
            "remarks": list(self.remarks),
            "next_run": self.next_run,
        }


@dataclass(frozen=True, slots=True)
class MergeReport:
    """Result of a merge of two vendor contacts. The names in ``public`` are stable."""

    destination: str
    status: RunStatus
    """Incomplete where it is unknown whether the two were merged."""
    left: str | None = None
    """The external id of the contact that remains."""
    contact_id: str | None = None
    """The contact to which the remaining copy belongs; None where it is none of
    ours."""
    error: str | None = None

    def public(self) -> dict[str, Json]:
        """Return the object that ``merge --json`` prints."""
        return {
            "destination": self.destination,
            "status": self.status.value,
            "external_id": self.left,
            "contact": self.contact_id,
            "error": self.error,
        }
