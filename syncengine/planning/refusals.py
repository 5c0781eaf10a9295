"""Counts of refusals: towards the dead letter, and in rows that halt the account.

A row of refusals without an acceptance is no news about the contacts.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from syncengine.model.work import ContactState, Status

DEAD_AFTER = 3
"""Refusals of the same source hash that make a dead letter."""
IN_A_ROW = 20
"""Number of refused contacts, none accepted between them, from which on the cause is
not the contacts."""
_REMOVAL = 0
"""Version of a row that left the source."""


def version(source_hash: int | None) -> int:
    """Return the version a refusal is counted for.

    It stands for a version of the row, or for the removal of the contact.
    """
    return _REMOVAL if source_hash is None else source_hash


def refused(state: ContactState, source_hash: int | None) -> tuple[Status, int]:
    """Return status and number of refusals after one more of this version."""
    again = state.rejections if state.rejected_hash == version(source_hash) else 0
    rejections = min(again + 1, DEAD_AFTER)
    return (Status.DEAD if rejections >= DEAD_AFTER else Status.REJECTED), rejections


def weight(state: ContactState, source_hash: int | None) -> int:
    """Return the weight of one more refusal of this version in a row of them.

    1 where it is news, 0 where it was counted for the contact before. A version that
    was refused before without being counted suggests bad rows that stand next to each
    other: -1, so that contacts refused night after night let twice as many through each
    time, and never stop an account at the same place for good.
    """
    if state.rejected_hash != version(source_hash):
        return 1
    return 0 if state.rejections else -1


@dataclass(slots=True)
class Rows:
    """The refusals of a run since a contact was last accepted.

    Before any was, all kinds are one row: configuration. Later each code is a row of
    its own: something has changed since.
    """

    accepted: bool = False
    """True where any contact was accepted in this run."""
    tripped: bool = False
    """True where the account is to be halted; refusals do not count for contacts any
    more."""
    _weights: Counter[str] = field(default_factory=Counter)
    _untold: int = 0
    """Number of refused contacts for which no refusal was counted before."""

    def accept(self) -> None:
        """End the row: a contact was accepted.

        The contacts refused before it were so for reasons of their own.
        """
        self.accepted = True
        self._weights.clear()
        self._untold = 0

    def refuse(self, code: str, weighs: int) -> bool:
        """Count a refusal (see ``weight``); return whether to halt the account."""
        self._weights[code] += weighs
        self._untold += weighs != 0
        row = self._weights[code] if self.accepted else self._weights.total()
        self.tripped = self.tripped or row >= IN_A_ROW
        return self.tripped

    def end(self) -> bool:
        """End the run; return whether all of it was one row."""
        self.tripped = self.tripped or (not self.accepted and self._untold >= IN_A_ROW)
        return self.tripped
