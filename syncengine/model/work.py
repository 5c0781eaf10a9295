"""What a run handles: source rows, states, batches, intents, records."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from syncengine.model.calls import Action, OutcomeKind, Unsupported
from syncengine.model.contact import Known, Pending
from syncengine.model.http import Json


class RunKind(StrEnum):
    """Why a run was started."""

    SYNC = "sync"
    BACKFILL = "backfill"
    RETRY = "retry"
    VERIFY = "verify"
    ADOPT = "adopt"
    FORGET = "forget"


class BatchKind(StrEnum):
    """What the diff said about a batch's contacts."""

    REMOVALS = "removals"
    """Known, but no longer in the source. Handled first: a newcomer may take over the match key of one who left."""
    CHANGES = "changes"


class Status(StrEnum):
    """Where a contact stands at a destination (``sync_state.status``)."""

    PENDING = "pending"
    """Planned again by the next run: an intent without outcome, or deferred."""
    SYNCED = "synced"
    REJECTED = "rejected"
    DEAD = "dead"
    """A dead letter: refused three times with the same source hash, or waiting for a contact that cannot move."""
    SUPPRESSED = "suppressed"
    """Nothing is sent about it; planned again once that is lifted, or its row changes."""
    REMOVED = "removed"
    """Left the source, and that was dealt with."""


class Standing(StrEnum):
    """Why a contact is not in step and is not tried any more (``sync_state.standing``)."""

    DEAD_LETTER = "dead_letter"
    """Refused until it became a dead letter, or until its removal was let be."""
    GONE = "gone"
    """Deleted at the vendor by somebody else."""
    UNSUPPORTED = "unsupported"
    """In step but for what the vendor cannot express."""
    SUPPRESSED = "suppressed"
    """A suppression or a tombstone names it."""
    OPTED_OUT = "opted_out"
    """The source's own column says that nothing may be sent about it."""


@dataclass(frozen=True, slots=True)
class Unusable:
    """Stands in a row for a value that nobody can be sent."""

    why: str
    """Completes ``column "..." for field "..."``. Never repeats the value."""


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One contact's mapped columns, freshly read."""

    contact_id: str
    source_hash: int
    values: tuple[Json, ...] = field(repr=False)
    """In the order of ``Mapping.columns``, as JSON values (a number as int or float, or as str where a float would
    lose digits), or ``Unusable``."""
    refusal: str = ""
    """Why the whole row cannot be used: its key is too long."""


@dataclass(frozen=True, slots=True)
class ContactState:
    """``sync_state`` and ``sync_known`` of one contact."""

    contact_id: str
    known: Known = field(default_factory=Known)
    status: Status = Status.PENDING
    source_hash: int | None = None
    rejections: int = 0
    rejected_hash: int | None = None
    given_up: str | None = None
    """The vendor contact that a newcomer took over while this one was gone, if the newcomer never wrote to it and is
    not about to (it left, was refused or suppressed): it still holds what was written about this one."""
    taken_by: str | None = None
    """The newcomer, while it is about to write there: only then is it known whose vendor contact that is."""


@dataclass(frozen=True, slots=True)
class Batch:
    """A slice of a run's contacts."""

    number: int
    kind: BatchKind
    contact_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Intent:
    """What is about to be sent for one contact. Writing it clears the contact's acknowledged source hash."""

    contact_id: str
    pending: Pending


@dataclass(frozen=True, slots=True)
class ContactOutcome:
    """How one contact ended in a run (``sync_outcome``)."""

    kind: OutcomeKind
    actions: tuple[Action, ...] = ()
    """The calls that were applied."""
    requests: int = 0
    code: str = ""
    message: str = ""
    http_status: int | None = None
    unsupported: tuple[Unsupported, ...] = ()


@dataclass(frozen=True, slots=True)
class Record:
    """A contact's new state, and its outcome once it is finished.

    ``outcome`` is None for a step on the way: a call succeeded and more are to come; ``known.pending`` then holds
    what is still open.
    """

    contact_id: str
    known: Known
    status: Status
    source_hash: int | None
    rejections: int = 0
    rejected_hash: int | None = None
    outcome: ContactOutcome | None = None
    removal: bool = False
    """The contact left the source: what was sent took something away."""

    @property
    def standing(self) -> Standing | None:
        """Why the contact is not tried any more; None where it is in step, or planned again."""
        if self.outcome is None or self.status in (Status.PENDING, Status.REJECTED):
            return None
        match self.outcome.kind:
            case OutcomeKind.REJECTED:
                return Standing.DEAD_LETTER
            case OutcomeKind.UNSUPPORTED:
                return Standing.UNSUPPORTED
            case OutcomeKind.SUPPRESSED:
                opted_out = self.outcome.code == Standing.OPTED_OUT
                return Standing.OPTED_OUT if opted_out else Standing.SUPPRESSED
            case _:
                return None

    @property
    def has_written(self) -> bool:
        """Whether the vendor contact holds something that was sent about this one, or is just as it should be."""
        if self.removal:
            return False
        if self.outcome is not None and self.outcome.actions:
            return True
        is_step = self.outcome is None and self.status is Status.PENDING
        return is_step or self.status is Status.SYNCED


@dataclass(frozen=True, slots=True)
class DiffSlice:
    """Some of what a diff found."""

    kind: BatchKind
    contact_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DiffTotals:
    """What a diff counted."""

    source_rows: int = 0
    known_contacts: int = 0
    """Contacts with a state that is not ``removed``, whether anything of them ever reached the vendor or not."""
    changed: int = 0
    removed: int = 0


@dataclass(frozen=True, slots=True)
class Scope:
    """What a run is about as a whole: the numbers that brakes compare with each other."""

    source_rows: int = 0
    known: int = 0
    """Contacts that the vendor is known to hold, those about to be removed among them."""
    removed: int = 0
    """Of these, the ones that the source does not select any more."""
    tagged: int = 0
    """Of the removed, the ones that hold tags or lists of ours, or may."""
    unseen: int | None = None
    """Rows that nothing was ever sent about; None where the run is about all of them anyway."""
    compared_rows: int | None = None
    """Rows of the source when a run last compared all of it and passed its brakes; None: no run did yet."""


@dataclass(frozen=True, slots=True)
class LeaseGrant:
    """The right to be the only writer for an account, as it was granted."""

    account: str
    epoch: int
    ttl: float
    """Seconds the lease lasts from its last renewal."""
    wait: float
    """Seconds to wait before the first request: until then something the former holder sent may still arrive. 0 after
    a clean release."""
    ledger: Json
    """What the former holder left in the ledger at its clean release; None after a crash: every limit counts as
    used up. Empty where nobody held the lease before."""
    elapsed: float = 0.0
    """Seconds since that release."""


@dataclass(frozen=True, slots=True)
class Link:
    """Whether a contact could become the owner of a vendor contact that was found."""

    owner: str | None = None
    """The contact (``destination/contact_id``) that owns it already; None: it is ours now."""
    tags: frozenset[str] = frozenset()
    """Tags that are ours if they are there: set, or maybe set, for one that left the source and gave it up, or in doubt
    anyway."""
    fields: frozenset[str] = frozenset()
    """The names of fields, lists among them, that it may have by our doing, in the same way."""


@dataclass(frozen=True, slots=True)
class Wait:
    """What a contact waits for: another one owns the vendor contact with its match key."""

    owner: str
    """``destination/contact_id``."""
    fields: tuple[str, ...]
    """The names of its match keys: once the owner holds another value in one of them, or another vendor contact, it
    has moved."""
    source_hash: int | None
    """The version of the row that waits."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Where a contact stands that another one waits for, or that keeps such a one from moving."""

    contact: str
    """``destination/contact_id``."""
    status: Status
    code: str
    """Why it is not in step; empty where that is not known or it is."""
    waits_for: str | None = None
    """The contact (``destination/contact_id``) that keeps it from moving, where it is another one's match key."""
