"""The file that carries suppressions and tombstones from one state to another.

A *tombstone* is what is left of a contact that was forgotten: a suppression that keeps
it from being sent again. People are named by salted hashes (``model.consent.Subject``),
so the file goes with its salt. ``Kept...`` are rows of the state's tables as the file
has them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from syncengine.model.http import Json


@dataclass(frozen=True, slots=True)
class KeptSuppression:
    """A suppression, or a tombstone (reason ``forgotten``)."""

    subject_hash: str
    """In hexadecimal digits."""
    kind: str
    reason: str
    since: datetime


@dataclass(frozen=True, slots=True)
class KeptValue:
    """A phone or an address of a contact that was suppressed or forgotten by its id."""

    subject_hash: str
    contact_hash: str
    kind: str


@dataclass(frozen=True, slots=True)
class KeptErasure:
    """The progress of an erasure at one destination."""

    contact_hash: str
    destination: str
    contact_id: str | None
    """Only while the erasure is not finished."""
    status: str
    receipt: str
    to_ask: str
    requested_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Consents:
    """All that a state knows of who is not to be written to."""

    salt: bytes
    """The salt of all hashes: a state with another one cannot compare them."""
    suppressions: tuple[KeptSuppression, ...] = ()
    values: tuple[KeptValue, ...] = ()
    erasures: tuple[KeptErasure, ...] = ()


@dataclass(frozen=True, slots=True)
class ConsentReport:
    """Result of an export or an import."""

    action: str
    """``exported`` or ``imported``."""
    suppressions: int
    erasures: int
    new: int = 0
    """Suppressions and erasures that the state did not have."""
    forgotten_here: tuple[str, ...] = ()
    """Contacts that are to be forgotten once more: a restore brought them back."""

    def public(self) -> dict[str, Json]:
        """Return the object that ``--json`` prints."""
        return {
            "action": self.action,
            "suppressions": self.suppressions,
            "erasures": self.erasures,
            "new": self.new,
            "forgotten_here": list(self.forgotten_here),
        }
