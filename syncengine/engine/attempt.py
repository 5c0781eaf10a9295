"""An attempt of a contact: its progress, and its end."""

from __future__ import annotations

from dataclasses import dataclass

from syncengine.engine.exchange import Meter
from syncengine.engine.task import Job
from syncengine.model.calls import Action, Unsupported
from syncengine.model.contact import Known
from syncengine.model.work import KeyWait, Record

LAST_ATTEMPT = 3
"""After one wait for another contact, and one for the vendor."""


@dataclass(frozen=True, slots=True)
class Ending:
    """End of a contact's attempt."""

    record: Record
    refused: bool = False
    """The vendor refused this contact, or the rest of what was to be sent for it."""
    weight: int = 0
    """Weight of the refusal (see ``refusals.weight``)."""
    unreachable: bool = False
    """The vendor judged nothing for as long as it was asked."""
    postponed: bool = False
    """True where another attempt is worth it: the contact that has its match key at the
    vendor is about to let go, or see ``ready_in``."""
    waits_for: KeyWait | None = None
    """Contact to wait for, where another one has its match key at the vendor."""
    ready_in: float = 0.0
    """Seconds until the vendor, which has just created it, will let it be written to.
    """
    answered: int = 0
    """The place of the vendor's last answer about it among all answers of the run; 0:
    there was none."""


@dataclass(slots=True)
class Attempt:
    """State of a contact's attempt so far."""

    job: Job
    known: Known
    meter: Meter
    actions: tuple[Action, ...] = ()
    dropped: tuple[Unsupported, ...] = ()
    receipt: str = ""
    was_gone: bool = False
    """True where its contact at the vendor was to be deleted and was not there."""
    answered: int = 0
    missing: str | None = None
    """Its known contact at the vendor, once that turned out to be gone."""
    moved: bool = False
    """Its contact at the vendor turned out to be another one than the known one."""
