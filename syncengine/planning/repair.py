"""Choice of what a repair mends at the vendor, and counts for the brakes.

``syncengine verify --repair`` first compares all contacts (``planning.drift``) and
keeps a ``PlannedRepair`` of each that is to be mended. The brakes then judge their
counts, the ``RepairScope``. Only after that is the drift taken over, for the next run
to mend.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from enum import StrEnum

from syncengine.model.contact import Remote
from syncengine.planning.drift import Drift

TAGS = "tags"
"""Name of the tags among the fields that a repair may be restricted to."""


class NotRepaired(StrEnum):
    """Reasons why a drifted contact is not mended."""

    OPTED_OUT = "opted_out"
    """It only opted out at the vendor, which stays."""
    DEAD_LETTER = "dead_letter"
    """It is left alone until its row changes, whatever its copy looks like."""
    GONE = "gone"
    """It was deleted at the vendor: the next run looks it up by its match keys, links
    what it finds, and creates nothing."""
    NOT_ASKED = "not_asked"
    """It drifted only where nobody asked for a repair."""
    BRAKE = "brake"
    """A brake stopped the whole repair."""
    UNFINISHED = "unfinished"
    """The comparison was stopped or halted before the brakes could judge it."""


@dataclass(frozen=True, slots=True)
class RepairRequest:
    """Repairs that somebody asked for."""

    fields: frozenset[str] = frozenset()
    """Only these fields, and ``tags``; empty: everything."""
    recreate: bool = False
    """Contacts that were deleted at the vendor are to be created again."""
    by_name: bool = False
    """True where contacts were named one by one: no brake judges them."""


@dataclass(frozen=True, slots=True)
class PlannedRepair:
    """One contact to be mended, with no more of the vendor's values than that takes."""

    contact_id: str
    found: Drift
    remote: Remote | None


@dataclass(slots=True)
class RepairScope:
    """The counts of a repair that brakes judge."""

    compared: int = 0
    mended: int = 0
    """Number of contacts that would be written to."""
    gone: int = 0
    """Number of contacts that would lose their vendor id, or be created again."""
    nulls: Counter[str] = field(default_factory=Counter)
    """Number of contacts at which a field would be emptied, by field."""
    swings: Counter[str] = field(default_factory=Counter)
    """Number of contacts that a tag would be added to or removed from, by tag."""

    def add(self, mend: PlannedRepair) -> None:
        """Count a contact that would be mended."""
        if mend.found.gone:
            self.gone += 1
            return
        self.mended += 1
        self.nulls.update(mend.found.extra)
        self.swings.update((*mend.found.missing_tags, *mend.found.extra_tags))


def requested_part(found: Drift, asked: RepairRequest) -> Drift:
    """Return the part of a drift that is to be mended.

    Opt-outs never are: an opt-out at the vendor stays.
    """
    whole = replace(found, opted_out=())
    if not asked.fields:
        return whole

    def requested(names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(name for name in names if name in asked.fields)

    fields = Drift(
        changed=requested(found.changed),
        missing=requested(found.missing),
        extra=requested(found.extra),
    )
    if TAGS not in asked.fields:
        return fields
    return replace(fields, missing_tags=found.missing_tags, extra_tags=found.extra_tags)


def planned_repair(
    contact_id: str, found: Drift, remote: Remote | None, asked: RepairRequest
) -> PlannedRepair:
    """Return a contact to be mended.

    Thousands of these are kept until the brakes have judged them, so each has no more
    of the vendor's values than it needs.
    """
    if remote is None:
        return PlannedRepair(contact_id, found, None)
    drifted = {name: remote.fields[name] for name in (*found.changed, *found.extra)}
    are_tags_asked = not asked.fields or TAGS in asked.fields
    with_tags = remote.shows_tags and are_tags_asked
    needed = replace(remote, fields=drifted, shows_tags=with_tags)
    return PlannedRepair(contact_id, found, needed)
