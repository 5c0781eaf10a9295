"""What a refusal counts: the way to the dead letter, and rows of refusals that are no news about the contacts."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from syncengine.model.work import ContactState, Status

DEAD_AFTER = 3
"""Refusals of the same source hash that make a dead letter."""
IN_A_ROW = 20
"""When so many contacts are refused and nobody is accepted between them, it is no matter of the contacts."""
_REMOVAL = 0
"""Stands for the version of a row that left the source."""


def version(source_hash: int | None) -> int:
    """What a refusal is counted for: a version of the row, or the removal of a contact that left."""
    return _REMOVAL if source_hash is None else source_hash


def refused(state: ContactState, source_hash: int | None) -> tuple[Status, int]:
    """The status and the number of refusals after one more of this version of the row."""
    again = state.rejections if state.rejected_hash == version(source_hash) else 0
    rejections = min(again + 1, DEAD_AFTER)
    return (Status.DEAD if rejections >= DEAD_AFTER else Status.REJECTED), rejections


def weight(state: ContactState, source_hash: int | None) -> int:
    """What one more refusal of this version of the row weighs in a row of them.

    1 where it is news, 0 where it was held against the contact before. Who was acquitted before (a version refused,
    and nothing held against it) speaks for bad rows that stand next to each other: -1, so that those who are refused
    night after night let twice as many through each time, and never stop an account at the same place for good.
    """
    if state.rejected_hash != version(source_hash):
        return 1
    return 0 if state.rejections else -1


@dataclass(slots=True)
class Rows:
    """The refusals of a run since somebody was last accepted.

    Before anybody was, all kinds are one row: configuration. Later each code is a row of its own: something has
    changed since.
    """

    accepted: bool = False
    """Whether anybody was in this run."""
    tripped: bool = False
    """Whether the account is to be halted; refusals are no longer held against anybody."""
    _weights: Counter[str] = field(default_factory=Counter)
    _untold: int = 0
    """Refused contacts of whom no refusal was ever held against them."""

    def accept(self) -> None:
        """Somebody was accepted: whoever was refused before was so for a reason of its own."""
        self.accepted = True
        self._weights.clear()
        self._untold = 0

    def refuse(self, code: str, weighs: int) -> bool:
        """One more refusal (see ``weight``); whether the account is to be halted."""
        self._weights[code] += weighs
        self._untold += weighs != 0
        row = self._weights[code] if self.accepted else self._weights.total()
        self.tripped = self.tripped or row >= IN_A_ROW
        return self.tripped

    def end(self) -> bool:
        """The run is over; whether all of it was one row."""
        self.tripped = self.tripped or (not self.accepted and self._untold >= IN_A_ROW)
        return self.tripped
