"""Scope of an undo, and the notes that it leaves behind.

``TakenBack`` is the note that a contact keeps of an undo, so that no later run sends
again what was taken back, for as long as its row and the meaning of the mapping are
what they were. What a run altered is a ``model.change.ContactChange``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

TAGS = "tags"
"""Name that stands for all tags where fields are named."""
NO_ROW = 0
"""Fingerprint of a row that is not there."""


@dataclass(frozen=True, slots=True)
class LaterChange:
    """The names of what a run after that one altered at the contact."""

    run_id: int
    undone: int | None = None
    """The run that this one took back, where it is an undo."""
    fields: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class UndoScope:
    """Parts of a run that somebody wants to be taken back."""

    run_id: int
    fields: frozenset[str] = frozenset()
    """Only these fields, or ``tags``; empty: everything."""
    contacts: tuple[str, ...] = ()
    """Only these contacts; empty: all of them."""
    deletes_created: bool = False
    """True where the contacts that the run created are to be deleted."""

    def includes(self, name: str) -> bool:
        """Return whether a field, or ``tags``, is to be taken back."""
        return not self.fields or name in self.fields


@dataclass(frozen=True, slots=True)
class TakenBack:
    """Parts of a contact that were taken back, and are not sent again.

    Names of fields and tags only: their values are what is known of the contact.
    """

    undone: int
    """The run that was taken back."""
    version: int = NO_ROW
    """Fingerprint of the row and of the mapping's meaning at that time. Versions of
    adapters and normalisers are no part of it."""
    fields: frozenset[str] = frozenset()
    tags_off: frozenset[str] = frozenset()
    """Tags that the contact lost again."""
    tags_on: frozenset[str] = frozenset()
    """Tags that the contact was given back."""
    whole: bool = False
    """True where the contact was created, and is deleted again."""
    basis: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)
    """Fingerprints of the row's columns, and of the own mapping of each field and tag,
    at that time (``planning.taken_back``)."""

    def __bool__(self) -> bool:
        return bool(self.fields or self.tags_off or self.tags_on or self.whole)

    @property
    def names(self) -> tuple[str, ...]:
        """Return the fields and tags, in order, as people are told of them."""
        tags = (f"tag {name}" for name in sorted(self.tags_off | self.tags_on))
        return (*sorted(self.fields), *tags)
