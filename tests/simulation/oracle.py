"""What must be true of a world after clean runs. Knows nothing of planning: source rows here, twin contacts there."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping

from syncengine.model.capabilities import Capabilities, matches
from syncengine.model.contact import LISTS as LIST_FIELDS
from syncengine.model.contact import Remote
from syncengine.model.http import Json
from syncengine.model.mapping import OnRemoved
from syncengine.model.work import Status
from tests.simulation.pair import LISTS, OPTED_OUT, TAGS
from tests.simulation.reasons import at_vendor, reasons
from tests.simulation.world import World
from tests.support.memory.database import StateRow
from tests.support.memory.source import Row

_STANDING = (Status.SYNCED, Status.DEAD, Status.SUPPRESSED)
"""How a contact of the source may stand once nothing moves any more."""


def violations(world: World) -> list[str]:
    """Everything that is wrong, in words."""
    remotes = {remote.external_id: remote for remote in vendor_contacts(world)}
    differs = {
        contact_id: list(_differs(world, contact_id, remotes))
        for contact_id in world.rows()
    }
    in_step = {
        contact_id for contact_id, differences in differs.items() if not differences
    }
    excused = reasons(world, remotes, in_step)
    return [
        *_duplicates(world, excused),
        *_deleted(world, remotes),
        *_losses(world, excused, remotes),
        *(
            f"{each}: {what}"
            for each, differences in differs.items()
            if each not in excused
            for what in differences
        ),
        *_standing(world, excused),
        *_shared_keys(world),
        *_leftovers(world, remotes),
        *safety(world),
    ]


def safety(world: World) -> Iterator[str]:
    """What must hold at any time, in step or not."""
    for limit in world.strict:
        worst = world.twin.limiter.worst(limit).calls
        if worst > limit.calls:
            yield f"{worst} requests in {limit.per:g} seconds, {limit.calls} are allowed"
    yield from world.violations


def vendor_contacts(world: World) -> list[Remote]:
    """The vendor's contacts, as the twin holds them."""
    contacts = world.twin.contacts(world.clock())
    return [
        Remote(each["id"], each["fields"], frozenset(each["tags"])) for each in contacts
    ]


def _marked(world: World) -> dict[str, list[Remote]]:
    """Vendor contacts by the contact they were last written for; without strangers that we never wrote to."""
    found: dict[str, list[Remote]] = {}
    can = world.pair.capabilities
    for remote in vendor_contacts(world):
        mark = remote.fields.get(world.pair.mark)
        emptied = can.delete is not None and bool(can.delete.keeps)
        if not (
            (emptied or remote.external_id in world.strangers)
            and world.pair.vendor.same(world.pair.mark, None, mark)
        ):
            found.setdefault(str(mark), []).append(remote)
    return found


def _duplicates(world: World, excused: Container[str]) -> Iterator[str]:
    for contact_id, remotes in _marked(world).items():
        copies = [
            remote
            for remote in remotes
            if not _is_elsewhere(world, contact_id, remote, excused)
        ]
        if len(copies) > 1 and contact_id not in world.possible_duplicates:
            yield f"{contact_id} is there {len(copies)} times"
    owners: dict[str, list[str]] = {}
    for contact_id, external_id in world.external_ids().items():
        owners.setdefault(external_id, []).append(contact_id)
    for external_id, contact_ids in owners.items():
        if len(contact_ids) > 1:
            yield f"{external_id} belongs to {' and '.join(sorted(contact_ids))}"


def _deleted(world: World, remotes: Mapping[str, Remote]) -> Iterator[str]:
    """Who was always selected, under one match key, still has the same vendor contact."""
    for contact_id, external_id in world.initial_external_ids.items():
        keys = {key for _, key in world.places[contact_id]}
        stayed = (
            contact_id in world.desired_rows and contact_id not in world.ever_removed
        )
        if (
            stayed
            and len(keys) == 1
            and external_id not in {*remotes, *world.manual_edits.deleted}
        ):
            yield f"{contact_id} was selected all the time, and {external_id} is not there any more"


def _is_elsewhere(
    world: World, contact_id: str, remote: Remote, excused: Container[str]
) -> bool:
    """Whether somebody made a copy by hand that nobody looks for, or that has another match key than is asked for."""
    key, row = world.pair.key, world.rows().get(contact_id)
    if key is None or remote.external_id not in world.manual_edits.made:
        return False
    return (
        row is None
        or contact_id in excused
        or not world.pair.vendor.same(key, row[key], remote.fields.get(key))
    )


def _losses(
    world: World, excused: Container[str], all_remotes: Mapping[str, Remote]
) -> Iterator[str]:
    known = world.written_down()
    looks_up = bool(world.pair.capabilities.find_by)
    for contact_id, remotes in _marked(world).items():
        for remote in remotes:
            # Where nobody can be looked up, one whose create is unknown and who left is out of reach until it returns.
            if remote.external_id in world.manual_edits.made:
                continue  # somebody made it there, and nothing was sent about it since
            if contact_id in excused or contact_id in {
                *world.suppressed,
                *world.possible_duplicates,
            }:
                continue  # nobody may ask for it, or nobody can tell which one it is
            if contact_id not in world.rows() and _has_a_double(
                world, remote, all_remotes
            ):
                continue
            if remote.external_id not in known and (
                looks_up or contact_id in world.rows()
            ):
                yield f"{remote.external_id} of {contact_id} is nowhere written down"


def _standing(world: World, excused: Mapping[str, str]) -> Iterator[str]:
    """Every row's contact is in step as far as the state says, or stands where a report counts it."""
    states = world.states()
    silent = {
        *world.withheld,
        *(each for each in world.desired_rows if at_vendor(world, each)),
    }
    for contact_id, desired in world.desired_rows.items():
        state = states.get(contact_id, StateRow())
        if state.status in (Status.REJECTED, Status.DEAD) and contact_id not in excused:
            yield f"{contact_id} is {state.status} ({state.code}), and nothing is in its way"
        elif state.status is Status.SUPPRESSED and contact_id not in world.withheld:
            yield f"{contact_id} is suppressed, and nobody wants it to be"
        elif state.status is Status.GONE and contact_id in excused:
            continue
        elif state.status not in _STANDING:
            yield f"{contact_id} is {state.status}: it is neither in step nor counted as standing"
        elif (
            state.status is Status.SYNCED
            and desired.flaw
            and contact_id in excused.keys() - silent
        ):
            yield f"{contact_id} counts as in step, but {excused[contact_id]}"


def _shared_keys(world: World) -> Iterator[str]:
    """Of several rows that ask for one match key, one at most is in step."""
    in_step: dict[int, list[str]] = {}
    for contact_id, state in sorted(world.states().items()):
        if contact_id in world.desired_rows and state.status is Status.SYNCED:
            in_step.setdefault(world.desired_rows[contact_id].key, []).append(
                contact_id
            )
    for contacts in in_step.values():
        if world.pair.key is not None and len(contacts) > 1:
            yield f"{' and '.join(contacts)} have one match key, and both count as in step"


def _differs(
    world: World, contact_id: str, remotes: Mapping[str, Remote]
) -> Iterator[str]:
    """How a contact's copy differs from its row."""
    remote = remotes.get(world.external_ids().get(contact_id, ""))
    if remote is None:
        yield "is not there"
    else:
        yield from _fields_differ(world, world.rows()[contact_id], remote)


def _fields_differ(world: World, row: Row, remote: Remote) -> Iterator[str]:
    yield from _tags_differ(world, set(row[TAGS]), remote)
    if world.pair.lists:
        manual_edits = remote.external_id in world.manual_edits.made
        yield from _lists_differ(set(row[LISTS]), remote, others=manual_edits)
    can = world.pair.capabilities
    clears = [
        pattern
        for write in (can.update, can.upsert)
        if write
        for pattern in write.clears
    ]
    for name, value in row.items():
        theirs = remote.fields.get(name)
        if name in (TAGS, LISTS, OPTED_OUT):
            continue
        unseen = remote.external_id in world.manual_edits.made and matches(
            name, can.hidden
        )
        if value is None and unseen:
            continue  # nobody sees what somebody wrote there by hand
        if value is None:
            if (
                matches(name, tuple(clears))
                and theirs != []
                and not world.pair.vendor.same(name, None, theirs)
            ):
                yield f"{name} is not cleared"
        elif not _same(world, name, value, theirs) and _may_change(can, name, row):
            yield f"{name} is {theirs!r}, not {value!r}"


def _may_change(can: Capabilities, name: str, row: Row) -> bool:
    """Whether a contact that is there can still be given another value.

    Not by a write that must carry a field for which the row has no value, and which cannot be cleared.
    """
    writes = [write for write in (can.update, can.upsert, can.set_lifecycle) if write]
    return any(
        matches(name, write.fields)
        and not any(
            each in row and row[each] is None and not matches(each, write.clears)
            for each in write.must_carry
        )
        for write in writes
    )


def _same(world: World, name: str, ours: Json, theirs: Json) -> bool:
    if world.pair.subject.accumulates(name):
        return any(world.pair.vendor.same(name, ours, each) for each in theirs or ())
    return world.pair.vendor.same(name, ours, theirs)


def _tags_differ(world: World, ours: set[str], remote: Remote) -> Iterator[str]:
    theirs, before = set(remote.tags), set(world.strangers.get(remote.external_id, ()))
    mixed = world.manual_edits.mixed.get(remote.external_id, frozenset())
    if _adds_tags(world) and (missing := ours - theirs):
        yield f"tags {sorted(missing)} are missing"
    # Of a create that died without an outcome nobody can tell its tags from those of somebody else.
    if gone := before - theirs - world.unknown_tags:
        yield f"tags {sorted(gone)} were set by somebody else and are gone"
    if _removes_tags(world) and (extra := theirs - ours - before - mixed):
        yield f"tags {sorted(extra)} are too many"


def _lists_differ(ours: set[str], remote: Remote, *, others: bool) -> Iterator[str]:
    """How its lists differ; those of a copy that somebody made by hand are ``others``'."""
    theirs = {
        name.removeprefix(LIST_FIELDS)
        for name in remote.fields
        if name.startswith(LIST_FIELDS)
    }
    if theirs != ours and not (others and theirs > ours):
        yield f"is on the lists {sorted(theirs)}, not {sorted(ours)}"


def _leftovers(world: World, all_remotes: Mapping[str, Remote]) -> Iterator[str]:
    """Contacts that left the source."""
    looks_up = bool(world.pair.capabilities.find_by)
    ours = world.written_down()
    for contact_id, remotes in _marked(world).items():
        for remote in remotes:
            if (
                remote.external_id in world.manual_edits.made
                or contact_id in world.manual_edits.merged
            ):
                continue
            if contact_id in {
                *world.rows(),
                *world.suppressed,
                *world.possible_duplicates,
            } or not (looks_up or remote.external_id in ours):
                continue
            if remote.external_id not in ours and _has_a_double(
                world, remote, all_remotes
            ):
                continue
            if _is_asked_for_elsewhere(world, contact_id, remote):
                continue
            yield from (
                f"{contact_id} left and {what}" for what in _left(world, remote)
            )


def _is_asked_for_elsewhere(world: World, contact_id: str, remote: Remote) -> bool:
    """Whether a contact of another destination asks for the copy's match key, even if it cannot have it now."""
    key, same = world.pair.key, world.pair.vendor.same
    left = {
        destination
        for (destination, contact), _ in world.database.states.items()
        if contact == contact_id
    }
    return key is not None and any(
        same(key, row[key], remote.fields.get(key))
        for destination, table in world.tables.items()
        if destination not in left
        for row in table.rows.values()
    )


def _left(world: World, remote: Remote) -> Iterator[str]:
    """What is wrong with the copy of a contact that left the source."""
    can = world.pair.capabilities
    if world.on_removed is OnRemoved.DELETE and can.delete:
        yield "was not deleted"
    if world.on_removed is not OnRemoved.UNTAG:
        return
    tags = remote.tags - world.strangers.get(remote.external_id, frozenset())
    if _removes_tags(world) and tags:
        yield f"kept its tags {sorted(tags)}"
    if can.leave_lists and (
        lists := sorted(name for name in remote.fields if name.startswith(LIST_FIELDS))
    ):
        yield f"is still on {lists}"


def _has_a_double(world: World, remote: Remote, remotes: Mapping[str, Remote]) -> bool:
    """Whether another contact at the vendor has the same match key: nobody can tell which of the two it was."""
    key, same = world.pair.key, world.pair.vendor.same
    if key is None:
        return False
    mine = remote.fields.get(key)
    return any(
        each is not remote and same(key, mine, each.fields.get(key))
        for each in remotes.values()
    )


def _adds_tags(world: World) -> bool:
    can = world.pair.capabilities
    writes = (can.create, can.update, can.upsert)
    return can.add_tags is not None or any(
        write.add_tags != 0 for write in writes if write
    )


def _removes_tags(world: World) -> bool:
    can = world.pair.capabilities
    return can.remove_tags is not None or any(
        write.remove_tags != 0 for write in (can.update, can.upsert) if write
    )
