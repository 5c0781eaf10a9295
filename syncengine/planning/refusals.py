"""What a refusal counts: the way to the dead letter, and the run whose first twenty contacts are all refused."""

from __future__ import annotations

from dataclasses import dataclass, field

from syncengine.model.work import ContactState, Status

DEAD_AFTER = 3
"""Refusals of the same source hash that make a dead letter."""
FIRST = 20
"""When the first so many contacts a vendor judges are all refused, it is configuration, not data."""


def refused(state: ContactState, source_hash: int | None) -> tuple[Status, int]:
    """The status and the number of refusals after one more of this version of the row."""
    again = state.rejections if state.rejected_hash == source_hash else 0
    rejections = min(again + 1, DEAD_AFTER)
    return (Status.DEAD if rejections >= DEAD_AFTER else Status.REJECTED), rejections


@dataclass(slots=True)
class FirstJudgements:
    """Watches a run's first judgements; refusals are believed once anybody was accepted."""

    refused: int = 0
    believed: bool = field(default=False)

    def judge(self, *, accepted: bool) -> bool:
        """Note one contact's judgement by the vendor; True when this makes everybody refused: halt."""
        if accepted:
            self.believed = True
        else:
            self.refused += 1
        return self.hopeless

    @property
    def hopeless(self) -> bool:
        """Whether everybody was refused so far, and they were enough to tell."""
        return not self.believed and self.refused >= FIRST
