"""A plan that was written to a file, so that a person can approve what a run sends.

``syncengine plan --out`` writes one, and ``syncengine run --plan`` sends what it says.
For each contact it states *alternatives*: which calls go out if the contact is as it is
known, if a look-up finds nothing, or if one finds it. Values are there as *digests*
only: short keyed hashes, by which a value is recognised and not read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from syncengine.model.calls import Action
from syncengine.model.http import Json
from syncengine.model.mapping import OnRemoved


class Case(StrEnum):
    """Cases of what the vendor may turn out to hold of a contact."""

    AS_KNOWN = "as_known"
    """The copy is the known one; nothing is asked first."""
    NOT_FOUND = "not_found"
    """Nothing: the look-up found no contact."""
    FOUND = "found"
    """A contact that a look-up found, or a create met: only what differs is sent."""


@dataclass(frozen=True, slots=True)
class PlannedCall:
    """One call as a plan states it."""

    action: Action
    at: str | None = None
    """Digest of the vendor contact that it is about; None: one that is made first."""
    fields: Mapping[str, str] = field(default_factory=dict)
    """Name to the value's digest."""
    add_tags: tuple[str, ...] = ()
    """Digests of the tags, in order."""
    remove_tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Alternative:
    """Calls about a contact in one case."""

    case: Case
    calls: tuple[PlannedCall, ...] = ()
    """The calls, in order; empty in the case ``FOUND``."""
    differing: tuple[str, ...] = ()
    """In the case ``FOUND``: the fields that are set where they differ there. The
    contact's tags and lists are brought in step as well."""
    removal: OnRemoved | None = None
    """In the case ``FOUND`` of a contact that left the source: what is done there."""


@dataclass(frozen=True, slots=True)
class PlannedContact:
    """One contact of a plan, and what the plan rests on."""

    destination: str
    contact_id: str
    row: str | None
    """Digest of the row's version that was read; None: it left the source."""
    known: str
    """Digest of what is known of the contact."""
    pending: str | None
    """Digest of what was sent without an outcome; None: nothing was."""
    recreates: bool
    """True where it was deleted at the vendor, and is created again."""
    causes: tuple[str, ...]
    alternatives: tuple[Alternative, ...]
    """Empty where nothing is sent, and a create without an answer is looked up."""
    values: Mapping[str, Json] = field(default_factory=dict, repr=False, compare=False)
    """Old and new values, for the person who approves; empty unless asked for."""


class Moved(StrEnum):
    """Reasons why a contact is not sent as its plan says."""

    ROW_CHANGED = "row_changed"
    ROW_VANISHED = "row_vanished"
    ROW_BACK = "row_back"
    IN_STEP = "in_step"
    KNOWN_CHANGED = "known_changed"
    UNFINISHED = "unfinished"
    REJECTED = "rejected"
    OTHER_CALLS = "other_calls"
    UNREADABLE = "unreadable"

    @property
    def in_words(self) -> str:
        """Return what happened to the contact, to be read behind its id."""
        return _IN_WORDS[self]


_IN_WORDS = {
    Moved.ROW_CHANGED: "its row changed",
    Moved.ROW_VANISHED: "the source does not select its row any more",
    Moved.ROW_BACK: "its row is back in the source",
    Moved.IN_STEP: "it is in step already",
    Moved.KNOWN_CHANGED: "what is known of it changed",
    Moved.UNFINISHED: "something was sent about it that has no outcome yet",
    Moved.REJECTED: "nothing can be sent about it now",
    Moved.OTHER_CALLS: "other calls would be sent now",
    Moved.UNREADABLE: "its part of the plan file was changed during the run",
}


@dataclass(frozen=True, slots=True)
class PlanBasis:
    """The facts about one destination that its plan rests on."""

    destination: str
    account: str
    vendor: str
    base_url: str
    identity: Mapping[str, str]
    """Digests of account, vendor, address, settings and source, by name."""
    meaning: Mapping[str, str]
    """Digests of the parts of the configuration, by name."""
    last_run: int
    """Newest run of the destination when it was planned; 0: there was none."""
    limit: int | None = None
    """The plan's ``--limit``."""
    named: bool = False
    """True where the plan is about contacts that were named (``--contact``)."""
    removed: bool = False
    """True where it is about contacts that left the source earlier."""
    contacts: int = 0
    actions: Mapping[str, int] = field(default_factory=dict)
    """Calls by action, where look-ups find nothing; for people."""
