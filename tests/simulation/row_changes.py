"""Changes of source rows, between two runs or while one works."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from tests.simulation.pair import DesiredRow, Flaw
from tests.simulation.scenes import Source, is_in_second_destination


class RowChange(StrEnum):
    """A kind of change of one source row."""

    REVERTS = "reverts"
    """The row is as it was last night."""
    CHANGES_KEY = "changes key"
    CHANGES = "changes"
    TAGS = "changes tags"
    LEAVES = "leaves"
    COMES = "comes"
    """A removed contact is back as it was, or a new one appears."""
    INHERITS = "inherits"
    """A contact that is not there appears with the match key given up last."""
    WANTS = "wants"
    """The row asks for the match key that the contact before it had last night."""
    SHARES = "shares"
    """The row asks for the match key that another row asks for now."""
    SPOILS = "has a bad value"
    SPOILS_KEY = "has a bad match key"
    REFUSED = "has a value that the vendor refuses"
    CORRECTED = "is corrected"
    OPTS_OUT = "opts out"
    OPTS_IN = "opts in"
    MOVES = "moves"
    """Another destination of the account selects it."""


MILD = (
    RowChange.REVERTS,
    RowChange.CHANGES_KEY,
    RowChange.CHANGES,
    RowChange.TAGS,
    RowChange.LEAVES,
    RowChange.COMES,
    RowChange.INHERITS,
)
"""Changes after which every contact can be brought in step, unless suppressed."""


@dataclass(frozen=True)
class SourceEdit:
    """A change of one contact's row."""

    change: RowChange
    contact: int


class Sources:
    """The contents of the sources, night by night."""

    def __init__(self, before: Source, after: Source) -> None:
        self._before = dict(before)
        self.now = dict(after)
        self._freed = {False: 0, True: 0}
        """The match key given up last, by whether it was at the second destination."""
        self._fresh = 20

    def apply(self, edit: SourceEdit) -> None:
        """Change one contact's row."""
        contact = edit.contact
        self._fresh += 1
        was = self.now.get(contact)
        desired = self._desired(edit)
        if was is not None and (desired is None or desired.key != was.key):
            self._freed[is_in_second_destination(contact)] = was.key
        if desired is None:
            self.now.pop(contact, None)
        else:
            self.now[contact] = desired

    def _desired(self, edit: SourceEdit) -> DesiredRow | None:
        """Return the contact's row after an edit; None where there is none."""
        contact, change = edit.contact, edit.change
        last_night, now = self._before.get(contact), self.now.get(contact)
        if change is RowChange.REVERTS:
            return last_night
        if change is RowChange.LEAVES:
            return None
        if now is not None:
            return self._changed(change, contact, now)
        freed_key = self._freed[is_in_second_destination(contact)]
        if change is RowChange.INHERITS and freed_key:
            return DesiredRow(freed_key, (1, 2), ("a", "b"))
        if change is RowChange.COMES:
            return last_night or DesiredRow(self._fresh, (1, 2), ("a",))
        return None

    def _changed(
        self, change: RowChange, contact: int, desired: DesiredRow
    ) -> DesiredRow:
        """Return a changed row. ``fresh`` is a number that no value had before."""
        fresh = self._fresh
        values = (fresh, fresh)
        tags = ("c",) if "a" in desired.tags else ("a",)
        wanted = self._others(contact, self._before) or [desired]
        shared = self._others(contact, self.now) or [desired]
        changes: dict[RowChange, dict[str, Any]] = {
            RowChange.CHANGES_KEY: {"key": fresh},
            RowChange.CHANGES: {
                "values": values,
                "tags": ("b", f"t{fresh}"),
                "flaw": None,
            },
            RowChange.TAGS: {"tags": tags},
            RowChange.WANTS: {"key": wanted[0].key},
            RowChange.SHARES: {"key": shared[-1].key},
            RowChange.SPOILS: {"flaw": Flaw.VALUE},
            # A flaw that is there stays: where the vendor has no match key the new
            # one would hide it.
            RowChange.SPOILS_KEY: {"flaw": desired.flaw or Flaw.KEY},
            RowChange.REFUSED: {"values": values, "flaw": Flaw.REFUSED},
            RowChange.CORRECTED: {"values": values, "flaw": None},
            RowChange.OPTS_OUT: {"opted_out": True},
            RowChange.OPTS_IN: {"opted_out": False},
            RowChange.MOVES: {"moved": not desired.moved},
        }
        return replace(desired, **changes.get(change, {}))

    def _others(self, contact: int, source: Source) -> list[DesiredRow]:
        """Return the other rows of a contact's destination.

        The contact right before it comes first, then those further before, then those
        behind it.
        """
        second = is_in_second_destination(contact)
        others = [
            each
            for each in source
            if each != contact and is_in_second_destination(each) is second
        ]
        others.sort(key=lambda each: (each > contact, -each))
        return [source[each] for each in others]
