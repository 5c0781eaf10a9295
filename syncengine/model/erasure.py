"""Reports of suppressions and erasures.

A *suppression* keeps anything from being sent about a person. An *erasure* also has the
vendor delete what it holds (``syncengine forget``); where a vendor's API cannot, a
person has to ask for it, so an erasure stays open until that is confirmed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from syncengine.model.contact_ids import as_argument
from syncengine.model.http import Json


@dataclass(frozen=True, slots=True)
class SuppressReport:
    """Number of people named, and of those for whom that changed something."""

    action: str
    """``suppressed`` or ``lifted``."""
    named: int
    changed: int

    def public(self) -> dict[str, Json]:
        """Return the object that ``suppress --json`` prints."""
        return {"action": self.action, "named": self.named, "changed": self.changed}


@dataclass(frozen=True, slots=True)
class Suppressions:
    """Number of suppressions of one kind, for one reason."""

    kind: str
    reason: str
    number: int
    latest: datetime

    def public(self) -> dict[str, Json]:
        """Return one line of ``suppress --json``."""
        latest = self.latest.isoformat(timespec="seconds")
        return {
            "kind": self.kind,
            "reason": self.reason,
            "number": self.number,
            "latest": latest,
        }


class Erased(StrEnum):
    """Progress of one contact's erasure at one destination."""

    DONE = "done"
    SCHEDULED = "scheduled"
    """The vendor has accepted the erasure, and will carry it out later."""
    IMPOSSIBLE = "impossible"
    """The vendor's API cannot erase: a person has to ask, and to confirm that it was
    done."""
    OPEN = "open"
    """Not finished: to be asked for again."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """Result of one contact's erasure at one destination.

    The names in ``public`` are stable.
    """

    destination: str
    contact_id: str
    status: Erased
    message: str

    @property
    def is_closed(self) -> bool:
        """Return whether nobody has to do anything more about it."""
        return self.status in (Erased.DONE, Erased.SCHEDULED)

    @property
    def full_message(self) -> str:
        """Return the message, with the command that closes the erasure.

        A person has to ask the vendor for it, and to say so here.
        """
        if self.status is not Erased.IMPOSSIBLE:
            return self.message
        command = (
            f"syncengine forget {as_argument(self.contact_id)} --confirmed "
            f"-d {as_argument(self.destination)}"
        )
        return f"{self.message}. Once that is done, `{command}` closes it"

    def with_earlier_request(self, to_ask: str) -> Receipt:
        """Return the receipt together with an earlier request.

        That is what a person was to ask the vendor for before, and has not confirmed.
        """
        if not to_ask or self.status is Erased.OPEN:
            return self
        if self.status is not Erased.IMPOSSIBLE or self.message in to_ask:
            return replace(self, status=Erased.IMPOSSIBLE, message=to_ask)
        return replace(self, message=f"{to_ask}; {self.message}")

    def public(self) -> dict[str, Json]:
        """Return the object that ``forget --json`` prints."""
        return {
            "destination": self.destination,
            "contact": self.contact_id,
            "status": self.status.value,
            "message": self.full_message,
        }
