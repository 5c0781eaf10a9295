"""Changes that the calls of contacts make: field by field, and tag by tag.

``syncengine plan`` shows them for single contacts and counts them for a whole run. A
write often carries more than it changes, because the vendor wants certain fields in
every write: what is sent as it is known to be is no change.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias, TypeVar

from syncengine.model.calls import Call
from syncengine.model.contact import LISTS, Known
from syncengine.model.http import Json
from syncengine.planning.changes import EMPTY, equal_as_json

_Effect = TypeVar("_Effect", bound=StrEnum)
Counts: TypeAlias = Mapping[str, Mapping[str, int]]
"""Numbers of contacts by name, and by what happens to the field or tag of that name."""


class FieldEffect(StrEnum):
    """Ways in which a field changes."""

    SET = "set"
    """It gets a value, and is empty or not known until now."""
    CHANGED = "changed"
    """Its value is replaced by another one, or maybe by the same: what is known of it
    is uncertain."""
    CLEARED = "cleared"
    """It becomes empty. For a list: the contact leaves it."""


class TagEffect(StrEnum):
    """Ways in which a tag of a contact changes."""

    ADDED = "added"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class FieldChange:
    """Change of one field."""

    is_known: bool
    """True where it is known what the vendor has there until now."""
    old: Json = field(repr=False)
    """That value, None for none; also None where it is not known."""
    new: Json = field(repr=False)

    @property
    def effect(self) -> FieldEffect:
        if self.new in EMPTY:
            return FieldEffect.CLEARED
        if self.old in EMPTY:
            return FieldEffect.SET
        return FieldEffect.CHANGED


def field_changes(calls: Sequence[Call], known: Known) -> dict[str, FieldChange]:
    """Return the changes of the fields that the calls send, by name."""
    uncertain = known.unknown_fields
    changes: dict[str, FieldChange] = {}
    for call in calls:
        for name, new in call.fields.items():
            is_known = name in known.fields and name not in uncertain
            old = known.fields.get(name)
            # A write may have to carry fields that stay as they are.
            if is_known and equal_as_json(new, old):
                continue
            changes[name] = FieldChange(is_known, old, new)
    return changes


def tag_changes(calls: Sequence[Call]) -> dict[str, TagEffect]:
    """Return the tags that the calls add and remove."""
    changes: dict[str, TagEffect] = {}
    for call in calls:
        changes.update(dict.fromkeys(call.add_tags, TagEffect.ADDED))
        changes.update(dict.fromkeys(call.remove_tags, TagEffect.REMOVED))
    return changes


class ChangeCounter:
    """Numbers of contacts by what changes at them.

    It keeps names of fields and tags and no values, so its memory does not grow with
    the number of contacts.
    """

    def __init__(self) -> None:
        self._fields: Counter[tuple[str, FieldEffect]] = Counter()
        self._tags: Counter[tuple[str, TagEffect]] = Counter()

    def add(self, calls: Sequence[Call], known: Known) -> None:
        """Count the changes of one contact."""
        self.add_changes(field_changes(calls, known), tag_changes(calls))

    def add_changes(
        self, fields: Mapping[str, FieldChange], tags: Mapping[str, TagEffect]
    ) -> None:
        """Count changes of one contact."""
        for name, change in fields.items():
            self._fields[name, change.effect] += 1
        self._tags.update(tags.items())

    def fields(self) -> Counts:
        """Return for each mapped field its contacts by ``FieldEffect``, by name."""
        # A list is named by the data, not by the mapping: there may be thousands.
        names = {name for name, _ in self._fields if not _is_list(name)}
        return self._counts_of_fields(sorted(names))

    def lists(self) -> Counts:
        """Return the same for each list, the most frequent ones first."""
        ranked = _ranked(self._fields)
        return self._counts_of_fields([each for each in ranked if _is_list(each)])

    def tags(self) -> Counts:
        """Return for each tag its contacts by ``TagEffect``, most frequent first."""
        return {
            name: {each.value: self._tags[name, each] for each in TagEffect}
            for name in _ranked(self._tags)
        }

    def _counts_of_fields(self, names: Sequence[str]) -> Counts:
        return {
            name: {each.value: self._fields[name, each] for each in FieldEffect}
            for name in names
        }


def _is_list(name: str) -> bool:
    return name.startswith(LISTS)


def _ranked(counts: Mapping[tuple[str, _Effect], int]) -> list[str]:
    """Return the names by their numbers of contacts, the most frequent first."""
    totals: Counter[str] = Counter()
    for (name, _), number in counts.items():
        totals[name] += number
    return sorted(totals, key=lambda name: (-totals[name], name))
