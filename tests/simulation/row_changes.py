"""What happens to source rows: between two runs, or while one works."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from tests.simulation.pair import DesiredRow, Flaw
from tests.simulation.scenes import Source, is_in_second_destination


class RowChange(StrEnum):
    """What happens to a source row."""

    REVERTS = "reverts"
    """It is as it was last night."""
    CHANGES_KEY = "changes key"
    CHANGES = "changes"
    TAGS = "changes tags"
    LEAVES = "leaves"
    COMES = "comes"
    """A contact that left is back as it was, or one that never was is new."""
    INHERITS = "inherits"
    """One that is not there comes, or is back, with the match key that was given up last."""
    WANTS = "wants"
    """It asks for the match key that the contact before it had last night."""
    SHARES = "shares"
    """It asks for the match key that another one asks for now."""
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
"""After these everybody can be brought in step, unless somebody is suppressed."""


@dataclass(frozen=True)
class SourceEdit:
    """A change of one contact's row."""

    change: RowChange
    contact: int


class Sources:
    """The sources through the nights."""

    def __init__(self, before: Source, after: Source) -> None:
        self._before = dict(before)
        self.now = dict(after)
        self._freed = {False: 0, True: 0}
        """The match key somebody gave up last at either destination."""
        self._fresh = 20

    def apply(self, edit: SourceEdit) -> None:
        """Let it happen."""
        contact = edit.contact
        self._fresh += 1
        was, desired = self.now.get(contact), self._desired(edit)
        if was is not None and (desired is None or desired.key != was.key):
            self._freed[is_in_second_destination(contact)] = was.key
        if desired is None:
            self.now.pop(contact, None)
        else:
            self.now[contact] = desired

    def _desired(self, edit: SourceEdit) -> DesiredRow | None:
        """What the contact's row holds afterwards; None: there is none."""
        contact, change = edit.contact, edit.change
        was, desired = self._before.get(contact), self.now.get(contact)
        match change:
            case RowChange.REVERTS:
                return was
            case RowChange.LEAVES:
                return None
            case RowChange.INHERITS if desired is None and (
                key := self._freed[is_in_second_destination(contact)]
            ):
                return DesiredRow(key, (1, 2), ("a", "b"))
            case RowChange.COMES if desired is None:
                return was or DesiredRow(self._fresh, (1, 2), ("a",))
        return desired and self._changed(change, contact, desired)

    def _changed(
        self, change: RowChange, contact: int, desired: DesiredRow
    ) -> DesiredRow:
        fresh = self._fresh
        values = (fresh, fresh)
        tags = {True: ("c",), False: ("a",)}["a" in desired.tags]
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
            # Where the vendor has no match key the row stays as it is, and what was wrong with it too.
            RowChange.SPOILS_KEY: {"flaw": desired.flaw or Flaw.KEY},
            RowChange.REFUSED: {"values": values, "flaw": Flaw.REFUSED},
            RowChange.CORRECTED: {"values": values, "flaw": None},
            RowChange.OPTS_OUT: {"opted_out": True},
            RowChange.OPTS_IN: {"opted_out": False},
            RowChange.MOVES: {"moved": not desired.moved},
        }
        return replace(desired, **changes.get(change, {}))

    def _others(self, contact: int, source: Source) -> list[DesiredRow]:
        """What the others of its destination ask for, the one before it first."""
        beside = [
            each
            for each in source
            if each != contact
            and is_in_second_destination(each) is is_in_second_destination(contact)
        ]
        return [
            source[each]
            for each in sorted(beside, key=lambda each: (each > contact, -each))
        ]
