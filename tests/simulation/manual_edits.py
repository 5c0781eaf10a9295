"""Edits that a person makes to our contacts at the vendor's own screen."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from syncengine.sandbox.twins.screen import Screen
from syncengine.sandbox.twins.twin import Twin


class Act(StrEnum):
    """Something done to a contact."""

    DELETES = "deletes"
    RECREATES = "deletes and creates again"
    MERGES = "merges into another one of ours"
    ABSORBS = "merges another one of ours into it"
    MERGES_STRANGER = "merges into a contact that is nobody's"


@dataclass(frozen=True)
class AtVendor:
    """An act, and the contact it is done to."""

    act: Act
    contact: int


@dataclass
class ManualEdits:
    """A record of what people did so far."""

    made: set[str] = field(default_factory=set)
    """The external ids of contacts that somebody made there."""
    deleted: dict[str, float] = field(default_factory=dict)
    """The external ids that were deleted, each with the loop's time of that."""
    mixed: dict[str, frozenset[str]] = field(default_factory=dict)
    """The external ids of merged contacts, each with all tags right after the merge."""
    merged: set[str] = field(default_factory=set)
    """Contacts whose copies were merged with others.

    Nobody can tell which of the two people such a copy is.
    """


def delete(
    screen: Screen, manual_edits: ManualEdits, external_id: str, now: float
) -> None:
    """Delete a contact."""
    screen.delete(external_id)
    manual_edits.deleted[external_id] = now


def recreate(
    screen: Screen, manual_edits: ManualEdits, external_id: str, now: float
) -> str:
    """Delete a contact, enter the same one again, and return its new id."""
    made = screen.recreate(external_id)
    manual_edits.deleted[external_id] = now
    manual_edits.made.add(made)
    return made


def merge(
    screen: Screen,
    manual_edits: ManualEdits,
    into: str,
    other: str,
    contacts: set[str],
    now: float,
) -> str:
    """Merge two contacts, and return the id of the one that is left."""
    left = screen.merge(into, other)
    manual_edits.merged |= contacts
    manual_edits.made.add(left)
    manual_edits.deleted |= {each: now for each in (into, other) if each != left}
    return left


def is_there(twin: Twin, external_id: str | None, now: float) -> bool:
    """Return whether the vendor has a contact of this id."""
    if external_id is None:
        return False
    return any(str(each["id"]) == external_id for each in twin.contacts(now))
