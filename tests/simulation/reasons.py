"""Reasons why a contact may stay out of step for good.

They are judged by the source rows and the vendor's contacts alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from math import inf

from syncengine.model.contact import Remote
from syncengine.model.work import Status
from tests.simulation.pair import Flaw
from tests.simulation.world import World
from tests.support.memory.database import StateRow

_FOR_GOOD = 3
"""Refusals after which a contact is left alone until its row changes."""


def reasons(
    world: World, remotes: Mapping[str, Remote], in_step: AbstractSet[str]
) -> dict[str, str]:
    """Return the contacts that may be out of step, each with the reason in words.

    Each of them is withheld, bad, or has somebody in its way who is in step or has a
    reason of its own: two that only wait for each other have none. ``remotes`` are the
    vendor's contacts by id.
    """
    found: dict[str, str] = {}
    for contact_id in world.desired_rows:
        reason = _own_reason(world, contact_id)
        if reason:
            found[contact_id] = reason
    judge = _Obstacles(world, remotes, in_step)
    while True:
        # Judged by the reasons of the round before: a contact that was excused may be
        # what stands in another one's way.
        more: dict[str, str] = {}
        for contact_id in world.desired_rows:
            if contact_id not in found:
                reason = judge.obstacle(contact_id, found)
                if reason:
                    more[contact_id] = reason
        if not more:
            return found
        found |= more


def _own_reason(world: World, contact_id: str) -> str:
    """Return the reason that lies in the contact itself; empty where there is none."""
    if contact_id in world.withheld:
        return "nothing may be sent about it"
    manual_edit = at_vendor(world, contact_id)
    if manual_edit:
        return manual_edit
    codes = {row.code for row in _states(world, contact_id)}
    external_id = world.external_ids().get(contact_id) or ""
    if "other_id" in codes and world.misdirected[external_id]:
        return (
            "the vendor answered for another contact where it was asked about this one"
        )
    if _is_refused_for_good(world, contact_id, codes):
        return (
            "a contact of the vendor's had its match key when it was refused for good"
        )
    return _undo_reason(world, contact_id, codes) or _flaw_reason(world, contact_id)


def _undo_reason(world: World, contact_id: str, codes: AbstractSet[str | None]) -> str:
    """Return the reason that lies in an undo of a match key."""
    if "duplicate_match_key" in codes and _has_former_key(world, contact_id):
        return "an undo has given another contact its former match key"
    note = world.taken_back(contact_id)
    if world.pair.keeps_apart and "key_held" in codes and world.pair.key in note.fields:
        return "an undo is to put back its former match key, which another one has"
    return ""


def _is_refused_for_good(
    world: World, contact_id: str, codes: AbstractSet[str | None]
) -> bool:
    """Return whether it was refused for a contact that is nobody's, and waits for none.

    Either nobody is looked up, or the vendor refused an update.
    """
    if contact_id in world.possible_duplicates and "http_422" in codes:
        return True
    return world.pair.keeps_apart and any(
        row.code == "ambiguous_match" and row.rejections >= _FOR_GOOD
        for row in _states(world, contact_id)
    )


def _has_former_key(world: World, contact_id: str) -> bool:
    """Return whether another contact has a match key that its row does not ask for.

    It was put back by an undo; or its vendor contact was deleted by one, and its row
    asks for the key still.
    """
    others = (
        world.taken_back(each) for each in world.desired_rows if each != contact_id
    )
    return any(note.whole or world.pair.key in note.fields for note in others)


def _flaw_reason(world: World, contact_id: str) -> str:
    match world.desired_rows[contact_id].flaw:
        case Flaw.VALUE:
            return "its row has a bad value"
        case Flaw.KEY if world.pair.key:
            return "its row has a bad match key"
        case Flaw.REFUSED:
            return "the vendor refuses its value"
    return ""


def at_vendor(world: World, contact_id: str) -> str:
    """Return the reason that lies in what a person did to the contact's copy."""
    edits = world.manual_edits
    if contact_id in edits.merged:
        return "somebody merged its copy with another one"
    states = _states(world, contact_id)
    is_gone = any(row.status is Status.GONE for row in states)
    if is_gone and not world.recreates:
        return "somebody deleted its copy"
    if _was_deleted_unnoticed(world, contact_id, states):
        return "somebody deleted its copy, and nothing was sent about it since"
    waits_for_a_key = any(_waits_for_a_key(row) for row in states)
    if waits_for_a_key and (edits.made or edits.deleted):
        return (
            "somebody made a copy with its match key by hand, "
            "and nobody looks at that one"
        )
    return ""


def _was_deleted_unnoticed(
    world: World, contact_id: str, states: list[StateRow]
) -> bool:
    """Return whether the last write about a contact went out before its deletion."""
    deleted = world.manual_edits.deleted
    last_sent = world.last_sent.get(contact_id, -inf)
    deletions = [
        deleted[row.external_id] for row in states if row.external_id in deleted
    ]
    return any(last_sent <= deleted_at for deleted_at in deletions)


def _waits_for_a_key(row: StateRow) -> bool:
    return row.status is Status.DEAD and row.code in ("key_held", "ambiguous_match")


def _states(world: World, contact_id: str) -> list[StateRow]:
    """Return the contact's state at every destination."""
    states = world.database.states.items()
    return [row for (_, owner), row in states if owner == contact_id]


@dataclass(frozen=True)
class _Obstacles:
    """Judgement of what keeps contacts from their match keys."""

    world: World
    remotes: Mapping[str, Remote]
    in_step: AbstractSet[str]

    def obstacle(self, contact_id: str, found: Mapping[str, str]) -> str:
        """Return who or what keeps a contact from its match key; empty if nobody does.

        ``found`` are the contacts that have a reason already.
        """
        if self.world.pair.key is None:
            return ""
        for other in self._rivals(contact_id):
            if other in found or other in self.in_step:
                return f"{other} asks for the same match key"
            if self.world.pair.keeps_apart and self._lost_its_key(contact_id):
                return f"{other} asks for the same match key, and waits for it"
        owners = self._holders(contact_id)
        if self.world.external_ids().get(contact_id) in self.remotes:
            return self._obstacle_to_update(contact_id, owners, found)
        return self._obstacle_among(owners, found)

    def _obstacle_to_update(
        self, contact_id: str, owners: list[str | None], found: Mapping[str, str]
    ) -> str:
        """Judge the contacts that have the match key which a contact is to get.

        Most vendors let it have the key all the same.
        """
        if not self.world.pair.keeps_apart:
            return ""
        if None in owners:
            return "a contact of the vendor's has its match key"
        for owner in owners:
            if owner in found:
                return f"{owner} keeps its match key at the vendor"
        if not self.world.pair.frees_keys and self._comes_back(contact_id):
            return "several exchange their match keys, and none can be emptied"
        return ""

    def _comes_back(self, contact_id: str) -> bool:
        """Return whether it waits for contacts that wait for it in the end."""
        seen: set[str] = set()
        owner: str | None = contact_id
        while owner is not None and owner not in seen:
            seen.add(owner)
            holders = self._holders(owner)
            owner = next((each for each in holders if each is not None), None)
        return owner is not None

    def _lost_its_key(self, contact_id: str) -> bool:
        """Return whether the engine has left a match key to another row."""
        states = _states(self.world, contact_id)
        return any(row.code == "duplicate_match_key" for row in states)

    def _holders(self, contact_id: str) -> list[str | None]:
        """Return the owners of the other vendor contacts with its match key.

        Or with another value that only one contact may have.
        """
        own = self.world.external_ids().get(contact_id)
        copies = [*self._copies(contact_id), *self._copies_by_unique(contact_id)]
        return [self._owner(each) for each in dict.fromkeys(copies) if each != own]

    def _copies_by_unique(self, contact_id: str) -> list[str]:
        """Return the vendor's contacts with a unique value of it that never changes."""
        row = self.world.rows()[contact_id]
        names = [name for name in self.world.pair.others if self._is_unique(name)]
        return [
            external_id
            for name in names
            for external_id, remote in self.remotes.items()
            if self._has_one_of(remote.fields.get(name), name, [row[name]])
        ]

    def _is_unique(self, name: str) -> bool:
        update = self.world.pair.capabilities.update
        return update is not None and name in update.unique

    def _obstacle_among(
        self, owners: list[str | None], found: Mapping[str, str]
    ) -> str:
        """Judge the vendor's contacts of the match key. Strangers have no owner."""
        for owner in owners:
            if owner in found or (owner and not self.world.pair.rekeys):
                return f"{owner} keeps its match key at the vendor"
        if owners and not self.world.find_first:
            return (
                "nobody is looked up, and a contact of the vendor's has its match key"
            )
        strangers = owners.count(None)
        if strangers > 1:
            return f"{strangers} contacts of the vendor's have its match key"
        return ""

    def _rivals(self, contact_id: str) -> list[str]:
        """Return the other contacts whose rows ask for the same key.

        A bad row asks for nothing.
        """
        rows = self.world.desired_rows
        return [
            other
            for other, row in rows.items()
            if other != contact_id
            and row.key == rows[contact_id].key
            and row.flaw not in (Flaw.VALUE, Flaw.KEY)
        ]

    def _copies(self, contact_id: str) -> list[str]:
        """Return the vendor's contacts that have the contact's match key.

        Or one under which it may have been made, by a create of unknown outcome.
        """
        key = self.world.pair.key or ""
        keys = [self.world.rows()[contact_id][key]]
        for (_, owner), known in self.world.database.known.items():
            if owner == contact_id and known.pending and known.pending.creates:
                keys += [each.value for each in known.pending.keys]
        return [
            external_id
            for external_id, remote in self.remotes.items()
            if self._has_one_of(remote.fields.get(key), key, keys)
        ]

    def _has_one_of(self, theirs: object, key: str, keys: list[object]) -> bool:
        same = self.world.pair.vendor.same
        return any(same(key, ours, theirs) for ours in keys)

    def _owner(self, external_id: str) -> str | None:
        """Return the contact of the source that a vendor's contact belongs to."""
        ids = self.world.external_ids()
        for contact_id in self.world.desired_rows:
            if ids.get(contact_id) == external_id:
                return contact_id
        return None
