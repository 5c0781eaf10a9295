"""Change of one contact by a run: a row of ``sync_change``."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from syncengine.model.http import Json


class Effect(StrEnum):
    """Effects of a run on a contact, in one word."""

    CREATED = "created"
    """The vendor's answer to the create proves that the contact is new."""
    LINKED = "linked"
    """A vendor contact was taken that existed, or that may have existed."""
    UPDATED = "updated"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class ChangedField:
    """The values of a field before and after a run. None: the field was, or is, empty.

    For fields that accumulate they are lists of all values sent.
    """

    new: Json = field(repr=False)
    old: Json = field(default=None, repr=False)
    is_old_known: bool = False
    """False where it is not known what the field had before. ``old`` says nothing
    then."""


@dataclass(frozen=True, slots=True)
class ContactChange:
    """Change of one contact by one run, in all its steps and attempts."""

    effect: Effect
    fields: Mapping[str, ChangedField] = field(default_factory=dict, repr=False)
    """By field. Lists are fields named ``lists.ID``; a tag of which it is not known
    whether it was there before is one named ``tags.NAME`` (``TAGS``)."""
    tags_added: frozenset[str] = frozenset()
    tags_removed: frozenset[str] = frozenset()
    external_id: str | None = None


TAGS = "tags."
"""Prefix of the names that stand for tags where a name is all there is."""


@dataclass(frozen=True, slots=True)
class NamedParts:
    """The parts of a recorded change, as a person is shown them.

    A tag is a tag, whether or not it was known to be there before.
    """

    fields: Mapping[str, Mapping[str, Json]] = field(repr=False)
    tags_added: tuple[str, ...]
    tags_removed: tuple[str, ...]


def named_parts(
    fields: Mapping[str, Mapping[str, Json]],
    tags_added: Collection[str],
    tags_removed: Collection[str],
) -> NamedParts:
    """Return the parts of a change as ``sync_change`` has it, tags among the tags."""
    others: dict[str, Mapping[str, Json]] = {}
    added = set(tags_added)
    removed = set(tags_removed)
    for name, pair in fields.items():
        tag = name.removeprefix(TAGS)
        if not name.startswith(TAGS):
            others[name] = pair
        elif pair.get("new") is True:
            added.add(tag)
        else:
            removed.add(tag)
    return NamedParts(others, tuple(sorted(added)), tuple(sorted(removed)))
