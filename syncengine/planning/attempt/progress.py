"""An attempt of a contact: its progress, its next step, and its end.

An attempt is one try of a contact within a run: it is looked up, planned, sent, and
recorded. ``contact_attempt`` decides it; ``settling``, ``finding`` and ``sending`` add
to the ``Attempt`` what they learn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, auto

from syncengine.errors import VendorUnavailable
from syncengine.model.calls import Action, Unsupported
from syncengine.model.contact import Known, Pending
from syncengine.model.work import KeyWait, Record, RunChanges
from syncengine.planning.attempt.job import Job
from syncengine.planning.attempt.rules import Rules
from syncengine.planning.change_log import Piece, with_pieces
from syncengine.planning.senders import with_earlier_senders

LAST_ATTEMPT = 3
"""Number of the last attempt of a contact in a run: the first may be followed by a wait
for another contact, and by one for the vendor. Only contacts that wait in a chain for
one another get further ones."""


class Next(Enum):
    """Next step of an attempt that has not come to its end."""

    SETTLE = auto()
    """Something is unknown that a look-up can settle. It counts as one of the tries
    that the retry policy grants."""
    PLAN = auto()
    """More is known of the contact than before: plan against it, and send the rest."""


@dataclass(frozen=True, slots=True)
class Overwritten:
    """A vendor contact that the values of another contact than its owner reached."""

    owner: str
    """Its owner, as ``destination/contact_id``."""
    external_id: str
    written: Pending
    """What was written."""


@dataclass(frozen=True, slots=True)
class AttemptEnding:
    """End of a contact's attempt."""

    record: Record
    refused: bool = False
    """The vendor refused this contact, or the rest of what was to be sent for it."""
    weight: int = 0
    """Weight of the refusal in a streak: 1, 0 or -1 (``planning.refusals.weight``)."""
    unreachable: bool = False
    """The vendor judged nothing for as long as it was asked."""
    postponed: bool = False
    """True where another attempt follows in this run: the contact that has its match
    key at the vendor may let go, or the vendor is not ready (``ready_in``)."""
    waits_for: KeyWait | None = None
    """Contact to wait for, where another one has its match key at the vendor."""
    waits_for_value: bool = False
    """True where the vendor refused it a value of that contact, so that two of them may
    wait for each other."""
    lets_go: bool = False
    """True where it has let go of its own value, for which others wait."""
    ready_in: float = 0.0
    """Seconds until the vendor can be expected to take a write of this contact."""
    answered: int = 0
    """Place of the last answer about the contact among all answers of the run, counted
    from 1; 0: there was none."""
    gives_keys_back: bool = False
    """True where an undo puts nothing back after all: the former match keys, which were
    claimed for it, are free for others again."""
    overwritten: Overwritten | None = None
    """Vendor contact of another contact that a write of this one reached."""


@dataclass(slots=True)
class Attempt:
    """State of a contact's attempt so far."""

    job: Job
    known: Known
    """What is known of the contact now. It is the plan's when the attempt begins, and
    each look-up and each answer adds to it."""
    rules: Rules
    actions: tuple[Action, ...] = ()
    """Actions of the calls that were applied."""
    dropped: tuple[Unsupported, ...] = ()
    """Changes that were sent and that the vendor did not take."""
    receipt: str = ""
    """The vendor's name for a job that it will carry out later."""
    is_counted: bool = False
    """True where a request about it was not answered, and counts already as a failure
    of the vendor's with another contact."""
    has_failure: bool = False
    """True where one was not answered that counts with this contact alone."""
    was_gone: bool = False
    """True where a removal found nothing to remove at the vendor."""
    answered: int = 0
    """See ``AttemptEnding.answered``."""
    overwritten: Overwritten | None = None
    """See ``AttemptEnding.overwritten``."""
    missing: str | None = None
    """External id of its known contact at the vendor, once that turned out to be gone.
    It is looked for only once in an attempt."""
    has_other_plan: bool = False
    """True where the vendor showed something that changed the plan of an undo: its
    intent is not written down yet."""
    moved: bool = False
    """True where its contact at the vendor turned out to be another one than the known
    one. It is followed only once in an attempt."""

    changes: RunChanges = field(default_factory=dict)
    """Changes of this run at the contact so far, and what is settled of others."""
    is_new: bool = False
    """True where the attempt has created the contact, for certain."""
    lets_go: bool = False
    """True where it lets go of a value, or has, for which another contact waits."""
    may_arrive_late: bool = False
    """True where a try of one of its calls was given up before another was answered:
    the vendor may carry it out behind later calls."""

    @property
    def contact_id(self) -> str:
        """The contact's id in the source."""
        return self.job.state.contact_id

    @property
    def is_gone(self) -> bool:
        """Return whether the contact is gone at the vendor, and no look-up found it."""
        return self.job.gone and self.known.external_id is None

    def note_unknown(self, pending: Pending | None) -> None:
        """Note what is unknown from now on, in place of what was; None: nothing."""
        self.known = replace(self.known, pending=self.with_senders(pending))

    def with_senders(self, pending: Pending | None) -> Pending | None:
        """Return a note of this attempt, with the runs that sent parts of it before."""
        if pending is None or self.is_new:
            return pending
        return with_earlier_senders(pending, self.known.pending)

    def note_failure(self, error: VendorUnavailable) -> None:
        """Note that a request about the contact was not answered."""
        if error.is_counted:
            self.is_counted = True
        else:
            self.has_failure = True

    def note_changes(self, pieces: Sequence[Piece]) -> None:
        """Note what was changed at the vendor, or is settled to have been."""
        self.changes = with_pieces(self.changes, pieces)
