"""An attempt of a contact: its progress, its next step, and its end."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, auto

from syncengine.engine.exchange import Meter
from syncengine.engine.task import Job
from syncengine.model.calls import Action, Unsupported
from syncengine.model.contact import Known, Pending
from syncengine.model.work import KeyWait, Record

LAST_ATTEMPT = 3
"""After one wait for another contact, and one for the vendor."""


class Next(Enum):
    """What follows in an attempt that has not come to its end."""

    SETTLE = auto()
    """Something is unknown that a look-up can settle. It counts as one of the tries
    that the retry policy grants."""
    PLAN = auto()
    """More is known of the contact than before: plan against it, and send the rest."""


@dataclass(frozen=True, slots=True)
class AttemptEnding:
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
    """What is known of the contact now. It is the plan's when the attempt begins, and
    each look-up and each answer adds to it."""
    meter: Meter
    actions: tuple[Action, ...] = ()
    """Actions of the calls that were applied."""
    dropped: tuple[Unsupported, ...] = ()
    """Changes that were sent and that the vendor did not take."""
    receipt: str = ""
    """The vendor's name for a job that it will carry out later."""
    was_gone: bool = False
    """True where its contact at the vendor was to be deleted and was not there."""
    answered: int = 0
    """See ``AttemptEnding.answered``."""
    missing: str | None = None
    """Its known contact at the vendor, once that turned out to be gone."""
    moved: bool = False
    """Its contact at the vendor turned out to be another one than the known one."""

    @property
    def contact_id(self) -> str:
        """The contact's id in the source."""
        return self.job.state.contact_id

    @property
    def is_gone(self) -> bool:
        """Return whether the contact is gone at the vendor, and no look-up found it."""
        return self.job.gone and self.known.external_id is None

    def note_unknown(self, pending: Pending | None) -> None:
        """Note what is unknown from now on, in place of what was."""
        self.known = replace(self.known, pending=pending)
