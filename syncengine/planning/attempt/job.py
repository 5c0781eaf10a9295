"""Job of a run: its work on one contact. The ``Preparer`` makes the jobs."""

from __future__ import annotations

from dataclasses import dataclass, field

from syncengine.model.calls import Rejected
from syncengine.model.consent import Subject
from syncengine.model.contact import Desired, MatchKey
from syncengine.model.mapping import OnRemoved
from syncengine.model.work import ContactState
from syncengine.planning.plan import Plan
from syncengine.planning.plan_file import ApprovedContact
from syncengine.planning.sharing import WantedByOthers
from syncengine.planning.undo import ContactUndo, UndoTarget


@dataclass(frozen=True, slots=True)
class Job:
    """One contact's work."""

    batch: int
    """Number of its batch."""
    state: ContactState
    """State when its batch was prepared; an ``Attempt`` holds what is learned since."""
    desired: Desired | None
    """None: the contact left the source."""
    source_hash: int | None
    """Hash of the row that ``desired`` was made of; None: there is no row."""
    plan: Plan
    """Plan as far as it is known before a look-up."""
    refusal: Rejected | None = None
    """Refusal by our own check; something sent before has to be settled first."""
    met: bool = False
    """True where the vendor has, or may have, the contact from another destination of
    the account: it is looked up, whatever ``find_first`` says."""
    wanted: WantedByOthers | None = None
    """What other destinations want of a removed contact's copy; None: none wants it."""
    attempt: int = 1
    """Number of the attempt: a contact waits once for another one to let go, and once
    for the vendor that has just created it."""
    gone: bool = False
    """True where the contact was deleted at the vendor and is not created again: it is
    looked up, and left alone if it is not found."""
    recreates: bool = False
    """True where it was deleted at the vendor and is created again, once a look-up has
    found none."""
    released: frozenset[str] = frozenset()
    """Parts that an undo held back until now (``planning.causes.released_parts``)."""
    approved: ApprovedContact | None = None
    """Calls that may be sent about it, in the run of a plan file; None: any."""

    undo: ContactUndo | None = None
    """Parts of the contact to take back; None where the run is no undo."""
    target: UndoTarget | None = None
    """Of an undo: the copy to bring about, as far as it is known by now. Its contact is
    ``desired``, too."""
    on_removed: OnRemoved | None = None
    """Rule for this contact, in place of the task's; None: the task's counts."""
    subjects: tuple[Subject, ...] | None = field(
        default=None, repr=False, compare=False
    )
    """Subjects by which a suppression may name it; None: nobody has looked for them."""

    @property
    def takes_over(self) -> bool:
        """Return whether the contact may take over a vendor contact from a removed one.

        Not when all that is done is to settle what was sent before: nothing would be
        written there, and its owner, once back, would be created a second time.
        """
        return self.desired is not None and self.refusal is None

    @property
    def keys(self) -> tuple[MatchKey, ...]:
        """Return the match keys the source asks for."""
        return self.desired.keys if self.desired else ()
