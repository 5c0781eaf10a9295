"""Why a contact may be out of step for good, judged by the source rows and the vendor's contacts alone."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from math import inf

from syncengine.model.contact import Remote
from syncengine.model.work import Status
from tests.simulation.pair import Flaw
from tests.simulation.world import World


def reasons(
    world: World, remotes: Mapping[str, Remote], in_step: AbstractSet[str]
) -> dict[str, str]:
    """Contact to the reason, in words.

    Each one is silent, bad, or has somebody in its way who is in step or has a reason of its own: two that only wait
    for each other have none. ``remotes`` are the vendor's contacts by id.
    """
    found = {
        contact_id: reason
        for contact_id in world.desired_rows
        if (reason := _own(world, contact_id))
    }
    judged = _Judged(world, remotes, in_step)
    while more := {
        contact_id: reason
        for contact_id in world.desired_rows
        if contact_id not in found and (reason := judged.in_the_way(contact_id, found))
    }:
        found |= more
    return found


def _own(world: World, contact_id: str) -> str:
    """The reason that lies in the contact itself."""
    if contact_id in world.withheld:
        return "nothing may be sent about it"
    if manual_edits := at_vendor(world, contact_id):
        return manual_edits
    codes = {
        row.code
        for (_, owner), row in world.database.states.items()
        if owner == contact_id
    }
    if (
        "other_id" in codes
        and world.misdirected[world.external_ids().get(contact_id) or ""]
    ):
        return (
            "the vendor answered for another contact where it was asked about this one"
        )
    if contact_id in world.possible_duplicates and "http_422" in codes:
        return "nobody is looked up, and a contact of the vendor's had its match key when it was refused for good"
    return {
        None: "",
        Flaw.VALUE: "its row has a bad value",
        Flaw.KEY: "its row has a bad match key" if world.pair.key else "",
        Flaw.REFUSED: "the vendor refuses its value",
    }[world.desired_rows[contact_id].flaw]


def at_vendor(world: World, contact_id: str) -> str:
    """The reason that lies in what somebody did to its copy."""
    if contact_id in world.manual_edits.merged:
        return "somebody merged its copy with another one"
    states = [
        row for (_, owner), row in world.database.states.items() if owner == contact_id
    ]
    if any(row.status is Status.GONE for row in states) and not world.recreates:
        return "somebody deleted its copy"
    deleted = world.manual_edits.deleted
    copies = [row.external_id for row in states if row.external_id in deleted]
    last = world.last_sent.get(contact_id, -inf)
    if any(last <= deleted[each or ""] for each in copies):
        return "somebody deleted its copy, and nothing was sent about it since"
    waits = any(
        row.status is Status.DEAD and row.code in ("key_held", "ambiguous_match")
        for row in states
    )
    if waits and (world.manual_edits.made or deleted):
        return "somebody made a copy with its match key by hand, and nobody looks at that one"
    return ""


@dataclass(frozen=True)
class _Judged:
    world: World
    remotes: Mapping[str, Remote]
    in_step: AbstractSet[str]

    def in_the_way(self, contact_id: str, found: Mapping[str, str]) -> str:
        """Who or what keeps a contact from its match key; empty where nobody does."""
        if self.world.pair.key is None:
            return ""
        for other in self._rivals(contact_id):
            if other in found or other in self.in_step:
                return f"{other} asks for the same match key"
        own = self.world.external_ids().get(contact_id)
        if own in self.remotes:
            return ""
        copies = [self._owner(external_id) for external_id in self._copies(contact_id)]
        for owner in copies:
            if owner in found or (owner and not self.world.pair.rekeys):
                return f"{owner} keeps its match key at the vendor"
        if copies and not self.world.find_first:
            return (
                "nobody is looked up, and a contact of the vendor's has its match key"
            )
        strangers = sum(owner is None for owner in copies)
        return (
            f"{strangers} contacts of the vendor's have its match key"
            if strangers > 1
            else ""
        )

    def _rivals(self, contact_id: str) -> list[str]:
        """The other contacts whose rows ask for the same key; a bad row asks for nothing."""
        desired_rows = self.world.desired_rows
        return [
            other
            for other, desired in desired_rows.items()
            if other != contact_id
            and desired.key == desired_rows[contact_id].key
            and desired.flaw not in (Flaw.VALUE, Flaw.KEY)
        ]

    def _copies(self, contact_id: str) -> list[str]:
        """The vendor's contacts that have the contact's match key, or one under which it may have been made."""
        key, same = self.world.pair.key or "", self.world.pair.vendor.same
        sent = [
            each.value
            for (_, owner), known in self.world.database.known.items()
            if owner == contact_id and known.pending and known.pending.creates
            for each in known.pending.keys
        ]
        wanted = (self.world.rows()[contact_id][key], *sent)
        return [
            each
            for each, remote in self.remotes.items()
            if any(same(key, one, remote.fields.get(key)) for one in wanted)
        ]

    def _owner(self, external_id: str) -> str | None:
        """The contact of the source that a vendor's contact belongs to."""
        ids = self.world.external_ids()
        return next(
            (each for each in self.world.desired_rows if ids.get(each) == external_id),
            None,
        )
