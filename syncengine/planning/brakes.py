"""Brakes: what stops a run before its first request."""

from __future__ import annotations

from syncengine.model.mapping import OnRemoved
from syncengine.model.work import DiffTotals

EMPTY_SOURCE = "empty_source"
REMOVALS = "removals"


def brake(
    totals: DiffTotals, policy: OnRemoved, *, share: float, at_least: int, accepted: frozenset[str]
) -> tuple[str, str] | None:
    """The name of the brake that stops this run and what would have happened, or None.

    Removals stop a run when they are more than ``share`` of the known contacts, and at least ``at_least``.
    """
    known, removed = totals.known_contacts, totals.removed
    if known and not totals.source_rows:
        if EMPTY_SOURCE in accepted:
            return None  # what was accepted is that they all go
        return EMPTY_SOURCE, f"the source is empty, while {known} contacts are known here: {_would(policy, known)}"
    if policy is OnRemoved.IGNORE or REMOVALS in accepted:
        return None
    if removed >= at_least and removed > share * known:
        return REMOVALS, (
            f"{removed} of {known} known contacts ({removed / known:.1%}) left the source: {_would(policy, removed)}. "
            f"The brake allows {share:.0%}"
        )
    return None


def _would(policy: OnRemoved, number: int) -> str:
    match policy:
        case OnRemoved.IGNORE:
            return f"the run would have marked {number} contacts as removed"
        case OnRemoved.UNTAG:
            return f"the run would have removed our tags from {number} contacts"
        case OnRemoved.DELETE:
            return f"the run would have deleted {number} contacts"
