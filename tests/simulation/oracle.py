"""What must be true of a world once it is in step. Knows nothing of planning: source rows here, twin contacts there."""

from __future__ import annotations

from collections.abc import Iterator

from syncengine.model.capabilities import Capabilities, matches
from syncengine.model.contact import Remote
from syncengine.model.http import Json
from syncengine.model.mapping import OnRemoved
from tests.memory.source import Row
from tests.simulation.world import World


def violations(world: World) -> list[str]:
    """Everything that is wrong, in words."""
    return [*_duplicates(world), *_losses(world), *_differences(world), *_leftovers(world), *safety(world)]


def safety(world: World) -> Iterator[str]:
    """What must hold at any time, in step or not."""
    for limit in world.strict:
        worst = world.twin.limiter.worst(limit).calls
        if worst > limit.calls:
            yield f"{worst} requests in {limit.per:g} seconds, {limit.calls} are allowed"
    yield from world.wrong


def held(world: World) -> list[Remote]:
    """The vendor's contacts, as the twin holds them."""
    contacts = world.twin.contacts(world.clock())
    return [Remote(each["id"], each["fields"], frozenset(each["tags"])) for each in contacts]


def _marked(world: World) -> dict[str, list[Remote]]:
    """Vendor contacts by the contact they were last written for; without strangers that we never wrote to."""
    found: dict[str, list[Remote]] = {}
    can = world.pair.can
    for remote in held(world):
        mark = remote.fields.get(world.pair.mark)
        emptied = can.delete is not None and bool(can.delete.keeps)
        if not (
            (emptied or remote.external_id in world.strangers) and world.pair.vendor.same(world.pair.mark, None, mark)
        ):
            found.setdefault(str(mark), []).append(remote)
    return found


def _duplicates(world: World) -> Iterator[str]:
    for contact_id, remotes in _marked(world).items():
        if len(remotes) > 1:
            yield f"{contact_id} is there {len(remotes)} times"
    owners: dict[str, list[str]] = {}
    for contact_id, external_id in world.external_ids().items():
        owners.setdefault(external_id, []).append(contact_id)
    for external_id, contact_ids in owners.items():
        if len(contact_ids) > 1:
            yield f"{external_id} belongs to {' and '.join(sorted(contact_ids))}"


def _losses(world: World) -> Iterator[str]:
    known = set(world.external_ids().values())
    looks_up = bool(world.pair.can.find_by)
    for contact_id, remotes in _marked(world).items():
        for remote in remotes:
            # Where nobody can be looked up, one whose create is unknown and who left is out of reach until it returns.
            if contact_id in world.suppressed:
                continue  # nobody may ask for it
            if remote.external_id not in known and (looks_up or contact_id in world.rows()):
                yield f"{remote.external_id} of {contact_id} is nowhere written down"


def _differences(world: World) -> Iterator[str]:
    by_id = {remote.external_id: remote for remote in held(world)}
    ours = world.external_ids()
    for contact_id, row in world.rows().items():
        if contact_id in world.suppressed:
            continue
        remote = by_id.get(ours.get(contact_id, ""))
        if remote is None:
            yield f"{contact_id} is not there"
        else:
            yield from (f"{contact_id}: {what}" for what in _differs(world, row, remote))


def _differs(world: World, row: Row, remote: Remote) -> Iterator[str]:
    can = world.pair.can
    clears = [pattern for write in (can.update, can.upsert) if write for pattern in write.clears]
    for name, value in row.items():
        theirs = remote.fields.get(name)
        if name == "tags":
            theirs_before = set(world.strangers.get(remote.external_id, ()))
            yield from _tags_differ(world, set(value), set(remote.tags), theirs_before)
        elif value is None:
            if matches(name, tuple(clears)) and theirs != [] and not world.pair.vendor.same(name, None, theirs):
                yield f"{name} is not cleared"
        elif not _same(world, name, value, theirs) and _may_change(can, name):
            yield f"{name} is {theirs!r}, not {value!r}"


def _may_change(can: Capabilities, name: str) -> bool:
    """Whether a contact that is there can still be given another value."""
    return any(matches(name, write.fields) for write in (can.update, can.upsert, can.set_lifecycle) if write)


def _same(world: World, name: str, ours: Json, theirs: Json) -> bool:
    if world.pair.subject.accumulates(name):
        return any(world.pair.vendor.same(name, ours, each) for each in theirs or ())
    return world.pair.vendor.same(name, ours, theirs)


def _tags_differ(world: World, ours: set[str], theirs: set[str], before: set[str]) -> Iterator[str]:
    if _adds_tags(world) and (missing := ours - theirs):
        yield f"tags {sorted(missing)} are missing"
    # Of a create that died without an outcome nobody can tell its tags from those of somebody else.
    if gone := before - theirs - world.in_doubt:
        yield f"tags {sorted(gone)} were set by somebody else and are gone"
    if _removes_tags(world) and (extra := theirs - ours - before):
        yield f"tags {sorted(extra)} are too many"


def _leftovers(world: World) -> Iterator[str]:
    """Contacts that left the source."""
    can, looks_up = world.pair.can, bool(world.pair.can.find_by)
    ours = set(world.external_ids().values())
    for contact_id, remotes in _marked(world).items():
        for remote in remotes:
            if contact_id in {**world.rows(), **world.suppressed} or not (looks_up or remote.external_id in ours):
                continue
            if world.on_removed is OnRemoved.DELETE and can.delete:
                yield f"{contact_id} left and was not deleted"
            tags = remote.tags - world.strangers.get(remote.external_id, frozenset())
            if world.on_removed is OnRemoved.UNTAG and _removes_tags(world) and tags:
                yield f"{contact_id} left and kept its tags {sorted(tags)}"


def _adds_tags(world: World) -> bool:
    can = world.pair.can
    writes = (can.create, can.update, can.upsert)
    return can.add_tags is not None or any(write.add_tags != 0 for write in writes if write)


def _removes_tags(world: World) -> bool:
    can = world.pair.can
    return can.remove_tags is not None or any(write.remove_tags != 0 for write in (can.update, can.upsert) if write)
