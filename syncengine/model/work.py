"""The data of a run: source rows, states, batches, intents, records.

A run goes like this: the diff finds ``DiffSlice``s of contacts, which are stored as a
``Batch`` each. For a batch, ``SourceRow``s and ``ContactState``s are loaded. Before
calls of a contact go out its ``Intent`` is written, and afterwards a ``Record``: its
new state, and the ``ContactOutcome`` once it is finished.

*Status* is what a contact's state is, in one word, for the next run. *Standing* is why
it is not in step and not tried any more, for the person who reads the report.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from syncengine.model.calls import Action, OutcomeKind, Unsupported
from syncengine.model.change import ContactChange
from syncengine.model.contact import Known, MatchKey, Pending
from syncengine.model.http import Json
from syncengine.model.open_words import OpenWords
from syncengine.model.undo import TakenBack

RunChanges: TypeAlias = Mapping[int, ContactChange | None]
"""Changes of one contact by run (``contact.THIS_RUN``). None: that run has changed
nothing in the end, although it had in between."""


class RunKind(OpenWords):
    """Kinds of runs."""

    SYNC = "sync"
    BACKFILL = "backfill"
    RETRY = "retry"
    RESYNC = "resync"
    VERIFY = "verify"
    ADOPT = "adopt"
    FORGET = "forget"
    UNDO = "undo"


class BatchKind(StrEnum):
    """Kinds of batches."""

    REMOVALS = "removals"
    """Contacts that are known but no longer in the source. They come first: a new
    contact may take over the match key of a removed one."""
    CHANGES = "changes"


class Status(StrEnum):
    """State of a contact at a destination (``sync_state.status``)."""

    PENDING = "pending"
    """Planned again by the next run: an intent without outcome, or deferred."""
    SYNCED = "synced"
    REJECTED = "rejected"
    DEAD = "dead"
    """A dead letter: refused three times with the same source hash, or waiting for a
    contact that cannot move."""
    SUPPRESSED = "suppressed"
    """Nothing is sent about the contact; it is planned again once that is lifted, or
    its row changes."""
    GONE = "gone"
    """Deleted at the vendor by another party. It is left alone until its row changes,
    or until somebody has it created again."""
    REMOVED = "removed"
    """Removed from the source, and its removal is finished."""


class Standing(OpenWords):
    """Reasons why a contact is not in step and is not tried any more.

    They are stored in ``sync_state.standing``.
    """

    DEAD_LETTER = "dead_letter"
    """Refused until it became a dead letter, or until its removal was given up."""
    GONE = "gone"
    """Deleted at the vendor by another party."""
    UNSUPPORTED = "unsupported"
    """In step except for what the vendor cannot express."""
    SUPPRESSED = "suppressed"
    """Named by a suppression or a tombstone."""
    OPTED_OUT = "opted_out"
    """Opted out by the source's own column."""


@dataclass(frozen=True, slots=True)
class Unusable:
    """Placeholder in a row for a value that cannot be sent."""

    why: str
    """Reason, which completes ``column "..." for field "..."``. Never repeats the
    value."""


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One contact's mapped columns, freshly read."""

    contact_id: str
    source_hash: int
    values: tuple[Json, ...] = field(repr=False)
    """Values in the order of ``Mapping.columns``, as JSON values (a number as int or
    float, or as str where a float would lose digits), or ``Unusable``."""
    refusal: str = ""
    """Reason why the whole row cannot be used: its key is too long."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Common features of the vendor's refusals for one cause."""

    fingerprint: int
    """Hash of the code, the HTTP status and the vendor's words without values; or of
    the names of the fields and tags that the vendor did not take."""
    code: str


@dataclass(frozen=True, slots=True)
class RefusalGroup:
    """Contacts that are left alone because the vendor refused them for one cause."""

    refusal: Refusal
    contacts: int
    """Number of them."""


@dataclass(frozen=True, slots=True)
class GroupMember:
    """One contact of a refusal group."""

    contact_id: str
    kind: BatchKind
    """REMOVALS where what was refused is its removal."""


@dataclass(frozen=True, slots=True)
class ContactState:
    """``sync_state`` and ``sync_known`` of one contact."""

    contact_id: str
    known: Known = field(default_factory=Known)
    status: Status = Status.PENDING
    source_hash: int | None = None
    """Hash of the row's version that the vendor has acknowledged in full; None from the
    intent until every call of the contact is settled."""
    rejections: int = 0
    """Number of refusals counted for ``rejected_hash``."""
    rejected_hash: int | None = None
    """Hash of the row's version that was refused last; 0 for a removal."""
    gone: bool = False
    """Another party deleted the contact at the vendor, and it has not been found there
    since. It stays so whatever else happens to the contact: a row that opts out, is
    refused or leaves the source for a while is no reason to create it again."""
    given_up: str | None = None
    """The vendor contact that a newcomer took over while this one was removed. Set only
    while the newcomer never wrote to it and is not about to (it was removed, refused or
    suppressed): so the vendor contact still holds what was written about this one."""
    taken_by: str | None = None
    """The newcomer, while it is about to write to that vendor contact: whose it
    will be is not known until it has."""
    refusal: Refusal | None = None
    """What the vendor refused it with; None where it did not, or in words that are
    about this contact alone."""
    changes: RunChanges = field(default_factory=dict)
    """Changes so far of this run and of the runs that sent what is pending."""
    standing: Standing | None = None
    """Why it is not tried any more; None where it is in step, or planned again."""
    was_in_step: bool = False
    """It was in step with its row at least once. Nothing takes that away again, neither
    a later change that is unfinished nor a re-sync."""


@dataclass(frozen=True, slots=True)
class LinkedContact:
    """A contact that the vendor had when it was last written."""

    contact_id: str
    external_id: str
    key: MatchKey | None


@dataclass(frozen=True, slots=True)
class Batch:
    """A slice of a run's contacts."""

    number: int
    kind: BatchKind
    contact_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Intent:
    """Changes that are about to be sent for one contact.

    Writing it clears the contact's acknowledged source hash.
    """

    contact_id: str
    pending: Pending
    taken_back: TakenBack | None = None
    """Parts that are about to be taken back; None where the run is no undo."""


@dataclass(frozen=True, slots=True)
class ContactOutcome:
    """Result of one contact in a run (``sync_outcome``)."""

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

    ``outcome`` is None for an intermediate step: a call succeeded and more follow;
    ``known.pending`` then has what is still open.
    """

    contact_id: str
    known: Known
    status: Status
    source_hash: int | None
    rejections: int = 0
    rejected_hash: int | None = None
    outcome: ContactOutcome | None = None
    removal: bool = False
    """True where the contact was removed from the source, and what was sent took
    something away."""
    moved: bool = False
    """True where another destination of the account selects the removed contact, and
    has not taken its vendor contact over yet."""
    refusal: Refusal | None = None
    """What the vendor refused it with, as in ``ContactState``."""
    changes: RunChanges = field(default_factory=dict)
    """Changes to write, each in place of what that run's change was before."""
    taken_back: TakenBack | None = None
    """Note of what an undo took back, maybe nothing; None where the run is no undo."""
    stood: Standing | None = None
    """Reason why the contact was not tried any more before an undo. That stays so."""
    keeps_state: bool = False
    """True where nothing is written but the outcome: an undo leaves the contact as it
    is."""

    @property
    def standing(self) -> Standing | None:
        """The reason why the contact is not tried any more.

        None where it is in step, or planned again.
        """
        if self.taken_back is not None:
            return self.stood
        if self.status is Status.GONE:
            return Standing.GONE
        if self.outcome is None or self.status in (Status.PENDING, Status.REJECTED):
            return None
        return self._standing_after(self.outcome)

    def _standing_after(self, outcome: ContactOutcome) -> Standing | None:
        """Return the standing of a contact that ended a run with this outcome."""
        match outcome.kind:
            case OutcomeKind.UNSUPPORTED:
                return Standing.UNSUPPORTED
            case OutcomeKind.PROBED if self.status is Status.SYNCED:
                # The probe was about what the vendor did not take of a contact that is
                # in step otherwise.
                return Standing.UNSUPPORTED
            case OutcomeKind.REJECTED | OutcomeKind.PROBED:
                # A suppressed contact was rejected by our own check.
                is_suppressed = self.status is Status.SUPPRESSED
                return Standing.SUPPRESSED if is_suppressed else Standing.DEAD_LETTER
            case OutcomeKind.SUPPRESSED:
                is_opted_out = outcome.code == Standing.OPTED_OUT
                return Standing.OPTED_OUT if is_opted_out else Standing.SUPPRESSED
            case _:
                return None

    @property
    def has_written(self) -> bool:
        """Return whether the vendor contact has what was sent about this contact.

        That includes a vendor contact that is in step without a call.
        """
        if self.removal or self.keeps_state:
            return False
        if self.outcome is not None and self.outcome.actions:
            return True
        is_intermediate_step = self.outcome is None and self.status is Status.PENDING
        return is_intermediate_step or self.status is Status.SYNCED


@dataclass(frozen=True, slots=True)
class DiffSlice:
    """A part of what a diff found."""

    kind: BatchKind
    contact_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DiffTotals:
    """Numbers that a diff counted."""

    source_rows: int = 0
    known_contacts: int = 0
    """Contacts with a state that is not ``removed``, including those of which nothing
    ever reached the vendor."""
    changed: int = 0
    removed: int = 0


@dataclass(frozen=True, slots=True)
class Scope:
    """The numbers about a whole run that brakes compare with each other."""

    source_rows: int = 0
    known: int = 0
    """Contacts that the vendor is known to hold, including those about to be
    removed."""
    removed: int = 0
    """Known contacts that the source does not select any more."""
    tagged: int = 0
    """Removed contacts with tags or lists of ours, or possibly with such."""
    touched: int | None = None
    """Removed contacts from which something would really be taken away: the vendor can,
    and no other destination wants it. None: not counted, all of them may be."""
    moved: int = 0
    """Removed contacts that another destination of the account selects now, as far as
    they were counted."""
    unseen: int | None = None
    """Rows about which nothing was ever sent; None where the run is about all of them
    anyway."""
    compared_rows: int | None = None
    """Rows of the source when a run last compared all of it and passed its brakes;
    None: no run did yet."""
    unfinished: int = 0
    """Known contacts that were never in step: their first sync has only begun."""

    @property
    def settled(self) -> int:
        """Return the number of known contacts that were in step at least once."""
        return self.known - self.unfinished


@dataclass(frozen=True, slots=True)
class LeaseGrant:
    """The right to be the only writer for an account, as it was granted."""

    account: str
    epoch: int
    ttl: float
    """Seconds the lease lasts from its last renewal."""
    wait: float
    """Seconds to wait before the first request: until then a request of the former
    holder may still arrive. 0 after a clean release."""
    ledger: Json
    """The former holder's ledger at its clean release. None after a crash: every limit
    counts as used up. Empty where the lease had no holder before."""
    elapsed: float = 0.0
    """Seconds since that release."""


@dataclass(frozen=True, slots=True)
class SharedContact:
    """A vendor contact that another destination of the account has, or may have."""

    owner: str | None = None
    """Destination that owns it now; None: nobody does any more, or not for certain."""
    key: MatchKey | None = None
    """The match key under which the vendor accepted it."""


@dataclass(frozen=True, slots=True)
class LinkResult:
    """The result of trying to become the owner of a vendor contact that was found."""

    owner: str | None = None
    """The contact (``destination/contact_id``) that already owns it; None: this contact
    owns it now."""
    tags: frozenset[str] = frozenset()
    """Tags that are ours if they are there: set, or possibly set, for a removed contact
    that gave it up, or unknown for another reason."""
    fields: frozenset[str] = frozenset()
    """Names of fields, lists among them, that it may have from us in the same way."""


@dataclass(frozen=True, slots=True)
class KeyWait:
    """The wait of a contact for the owner of its match key.

    That other contact owns the vendor contact that has the key.
    """

    owner: str
    """The owner, as ``destination/contact_id``."""
    fields: tuple[str, ...]
    """Names of its match keys. Once the owner has another value in one of them, or
    another vendor contact, the owner has moved."""
    source_hash: int | None
    """The version of the row that waits."""


@dataclass(frozen=True, slots=True)
class Blocker:
    """State of a contact that another one waits for.

    It may also keep such a contact from moving.
    """

    contact: str
    """The contact, as ``destination/contact_id``."""
    status: Status
    code: str
    """Code of the reason why it is not in step; empty where it is, or where that is
    unknown."""
    waits_for: str | None = None
    """The contact (``destination/contact_id``) that keeps it from moving, where it is
    another one's match key."""
