"""Judgement of a world after clean runs, without any knowledge of planning.

It compares source rows on one side with the twin's contacts on the other. What the
state says is consulted only where a claim of the state itself is judged.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping

from syncengine.model.capabilities import Capabilities, Write, matches
from syncengine.model.contact import LISTS as LIST_FIELDS
from syncengine.model.contact import Remote
from syncengine.model.http import Json
from syncengine.model.mapping import OnRemoved
from syncengine.model.undo import TakenBack
from syncengine.model.work import Status
from tests.simulation.pair import LISTS, OPTED_OUT, TAGS
from tests.simulation.reasons import at_vendor, reasons
from tests.simulation.world import World, contacts_of
from tests.support.memory.database import StateRow
from tests.support.memory.source import Row

_STANDING = (Status.SYNCED, Status.DEAD, Status.SUPPRESSED)
"""The statuses that a contact of the source may keep once nothing moves."""


def violations(world: World) -> list[str]:
    """Return everything that is wrong with a world, one sentence each."""
    remotes = {remote.external_id: remote for remote in vendor_contacts(world)}
    differences: dict[str, list[str]] = {}
    for contact_id in world.rows():
        differences[contact_id] = list(_differences(world, contact_id, remotes))
    in_step = {contact_id for contact_id, found in differences.items() if not found}
    excused = reasons(world, remotes, in_step)
    return [
        *_duplicates(world, excused),
        *_deleted(world, remotes),
        *_unrecorded(world, excused, remotes),
        *_unexcused(differences, excused),
        *_wrong_statuses(world, excused),
        *_shared_keys(world),
        *_leftovers(world, remotes),
        *safety(world),
    ]


def safety(world: World) -> Iterator[str]:
    """Yield violations of what must hold at any time, in step or not."""
    for limit in world.strict:
        worst = world.twin.limiter.worst(limit).calls
        if worst > limit.calls:
            yield (
                f"{worst} requests in {limit.per:g} seconds, {limit.calls} are allowed"
            )
    yield from world.violations


def vendor_contacts(world: World) -> list[Remote]:
    """Return the vendor's contacts, as the twin holds them."""
    return contacts_of(world.twin, world.clock())


def _unexcused(
    differences: Mapping[str, Iterable[str]], excused: Container[str]
) -> Iterator[str]:
    for contact_id, found in differences.items():
        if contact_id not in excused:
            for difference in found:
                yield f"{contact_id}: {difference}"


def _marked(world: World) -> dict[str, list[Remote]]:
    """Group the vendor's contacts by the contact they were last written for.

    Left out are those without a mark that we never wrote to: strangers, and what a
    deletion leaves behind where the vendor empties contacts instead of removing them.
    """
    delete = world.pair.capabilities.delete
    empties = delete is not None and bool(delete.keeps)
    owners = {external_id: each for each, external_id in world.external_ids().items()}
    found: dict[str, list[Remote]] = {}
    for remote in vendor_contacts(world):
        mark = remote.fields.get(world.pair.mark)
        owner = owners.get(remote.external_id, "")
        if world.pair.mark in world.taken_back(owner).fields:
            # An undo has put back what another contact had written there.
            mark = owner
        may_be_unmarked = empties or remote.external_id in world.strangers
        if may_be_unmarked and world.pair.vendor.same(world.pair.mark, None, mark):
            continue
        found.setdefault(str(mark), []).append(remote)
    return found


def _duplicates(world: World, excused: Container[str]) -> Iterator[str]:
    """Yield contacts with several copies, and copies with several contacts."""
    for contact_id, remotes in _marked(world).items():
        copies = [
            remote
            for remote in remotes
            if not _is_unfindable(world, contact_id, remote, excused)
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
    """Yield contacts whose first copy was deleted although they were always selected.

    Only those that kept one match key: a changed key may lead to another copy.
    """
    still_there = {*remotes, *world.manual_edits.deleted}
    for contact_id, external_id in world.initial_external_ids.items():
        keys = {key for _, key in world.places[contact_id]}
        is_selected = contact_id in world.desired_rows
        always_selected = is_selected and contact_id not in world.ever_removed
        if always_selected and len(keys) == 1 and external_id not in still_there:
            yield (
                f"{contact_id} was selected all the time, "
                f"and {external_id} is not there any more"
            )


def _is_unfindable(
    world: World, contact_id: str, remote: Remote, excused: Container[str]
) -> bool:
    """Return whether a copy was made by hand and no look-up for its contact finds it.

    Nobody looks for a removed or excused contact, and a look-up does not find a copy
    with another match key than the row's.
    """
    key = world.pair.key
    if key is None or remote.external_id not in world.manual_edits.made:
        return False
    row = world.rows().get(contact_id)
    if row is None or contact_id in excused:
        return True
    return not world.pair.vendor.same(key, row[key], remote.fields.get(key))


def _unrecorded(
    world: World, excused: Container[str], all_remotes: Mapping[str, Remote]
) -> Iterator[str]:
    """Yield copies whose external id the state has lost."""
    recorded = world.written_down()
    for contact_id, remotes in _marked(world).items():
        # Suppressed contacts are not asked for. Of possible duplicates nobody can
        # tell which copy is the recorded one.
        if contact_id in excused or contact_id in world.suppressed:
            continue
        if contact_id in world.possible_duplicates:
            continue
        for remote in remotes:
            if remote.external_id in recorded:
                continue
            # Made by a person, and nothing was sent about it since.
            if remote.external_id in world.manual_edits.made:
                continue
            if _should_be_recorded(world, contact_id, remote, all_remotes):
                yield f"{remote.external_id} of {contact_id} is nowhere written down"


def _should_be_recorded(
    world: World, contact_id: str, remote: Remote, all_remotes: Mapping[str, Remote]
) -> bool:
    """Return whether the engine could have learned the id of a contact's copy.

    Without look-ups a removed contact whose create is unknown is out of reach until it
    returns; with them, another contact of the same match key hides which one it was.
    """
    if contact_id in world.rows():
        return True
    can_look_up = bool(world.pair.capabilities.find_by)
    return can_look_up and not _has_a_double(world, remote, all_remotes)


def _wrong_statuses(world: World, excused: Mapping[str, str]) -> Iterator[str]:
    """Yield contacts of the source whose status is not true, or that no report counts.

    A contact is in step as far as the state says, or standing where it is counted.
    """
    for contact_id in world.desired_rows:
        wrong = _wrong_status(world, contact_id, excused)
        if wrong is not None:
            yield f"{contact_id} {wrong}"


def _wrong_status(
    world: World, contact_id: str, excused: Mapping[str, str]
) -> str | None:
    state = world.states().get(contact_id, StateRow())
    match state.status:
        case Status.REJECTED | Status.DEAD if contact_id not in excused:
            return f"is {state.status} ({state.code}), and nothing is in its way"
        case Status.SUPPRESSED if contact_id not in world.withheld:
            return "is suppressed, and nobody wants it to be"
        case Status.GONE if contact_id in excused:
            return None
        case Status.SYNCED if _hides_a_flaw(world, contact_id, excused):
            return f"counts as in step, but {excused[contact_id]}"
    if state.status not in _STANDING:
        return f"is {state.status}: it is neither in step nor counted as standing"
    return None


def _hides_a_flaw(world: World, contact_id: str, excused: Container[str]) -> bool:
    """Return whether a row with a flaw must not count as in step.

    Withheld contacts may: their rows are not read before they are passed over. So may
    those whose copy a person touched, where the flaw need not be the reason.
    """
    if not world.desired_rows[contact_id].flaw or contact_id not in excused:
        return False
    return contact_id not in world.withheld and not at_vendor(world, contact_id)


def _shared_keys(world: World) -> Iterator[str]:
    """Yield rows that ask for one match key and all count as in step."""
    if world.pair.key is None:
        return
    in_step: dict[int, list[str]] = {}
    for contact_id, state in sorted(world.states().items()):
        note = world.taken_back(contact_id)
        if note.whole or world.pair.key in note.fields:
            # It has its former match key, or none.
            continue
        if contact_id in world.desired_rows and state.status is Status.SYNCED:
            key = world.desired_rows[contact_id].key
            in_step.setdefault(key, []).append(contact_id)
    for contacts in in_step.values():
        if len(contacts) > 1:
            yield (
                f"{' and '.join(contacts)} have one match key, "
                "and both count as in step"
            )


def _differences(
    world: World, contact_id: str, remotes: Mapping[str, Remote]
) -> Iterator[str]:
    """Yield how a contact's copy differs from its row."""
    remote = remotes.get(world.external_ids().get(contact_id, ""))
    if remote is None:
        if not world.taken_back(contact_id).whole:
            yield "is not there"
        return
    row = world.rows()[contact_id]
    note = world.taken_back(contact_id)
    tags = (set(row[TAGS]) - note.tags_off) | note.tags_on
    yield from _tag_differences(world, tags, remote)
    if world.pair.lists:
        made_by_hand = remote.external_id in world.manual_edits.made
        lists = _lists_beside(set(row[LISTS]), note, remote)
        yield from _list_differences(lists, remote, may_have_more=made_by_hand)
    for name, value in row.items():
        if name in (TAGS, LISTS, OPTED_OUT) or name in note.fields:
            continue
        if value is None:
            if _was_not_cleared(world, name, remote):
                yield f"{name} is not cleared"
        else:
            theirs = remote.fields.get(name)
            is_same = _is_same(world, name, value, theirs)
            if not is_same and _may_change(world.pair.capabilities, name, row):
                yield f"{name} is {theirs!r}, not {value!r}"


def _lists_beside(lists: set[str], note: TakenBack, remote: Remote) -> set[str]:
    """Return the lists of a contact; those that were taken back are as they are."""
    for name in note.fields:
        if name.startswith(LIST_FIELDS):
            is_there = name in remote.fields
            (lists.add if is_there else lists.discard)(name.removeprefix(LIST_FIELDS))
    return lists


def _was_not_cleared(world: World, name: str, remote: Remote) -> bool:
    """Return whether a copy has a value that the engine could see and clear."""
    capabilities = world.pair.capabilities
    made_by_hand = remote.external_id in world.manual_edits.made
    if made_by_hand and matches(name, capabilities.hidden):
        # Reads do not show the field: what a person wrote there is seen by nobody.
        return False
    if not any(matches(name, write.clears) for write in _later_writes(capabilities)):
        return False
    theirs = remote.fields.get(name)
    return theirs != [] and not world.pair.vendor.same(name, None, theirs)


def _may_change(capabilities: Capabilities, name: str, row: Row) -> bool:
    """Return whether an existing contact can still be given another value.

    Not by a write that must carry a field for which the row has no value, and which
    cannot be cleared.
    """
    writes = _later_writes(capabilities)
    if capabilities.set_lifecycle:
        writes.append(capabilities.set_lifecycle)
    return any(
        matches(name, write.fields) and not _lacks_a_needed_value(write, row)
        for write in writes
    )


def _lacks_a_needed_value(write: Write, row: Row) -> bool:
    missing = [name for name in write.must_carry if name in row and row[name] is None]
    return any(not matches(name, write.clears) for name in missing)


def _later_writes(capabilities: Capabilities) -> list[Write]:
    """Return the writes that change a contact which exists already."""
    return [write for write in (capabilities.update, capabilities.upsert) if write]


def _is_same(world: World, name: str, ours: Json, theirs: Json) -> bool:
    same = world.pair.vendor.same
    if world.pair.subject.accumulates(name):
        return any(same(name, ours, each) for each in theirs or ())
    return same(name, ours, theirs)


def _tag_differences(world: World, ours: set[str], remote: Remote) -> Iterator[str]:
    theirs = set(remote.tags)
    before = set(world.strangers.get(remote.external_id, ()))
    mixed = world.manual_edits.mixed.get(remote.external_id, frozenset())
    missing = ours - theirs
    if missing and _adds_tags(world):
        yield f"tags {sorted(missing)} are missing"
    # The tags of a create that died without an outcome cannot be told from those of
    # somebody else.
    gone = before - theirs - world.unknown_tags
    if gone:
        yield f"tags {sorted(gone)} were set by somebody else and are gone"
    extra = theirs - ours - before - mixed
    if extra and _removes_tags(world):
        yield f"tags {sorted(extra)} are too many"


def _list_differences(
    ours: set[str], remote: Remote, *, may_have_more: bool
) -> Iterator[str]:
    """Yield how a copy's lists differ.

    A copy that a person made by hand may be on more lists than we ask for.
    """
    theirs = {
        name.removeprefix(LIST_FIELDS)
        for name in remote.fields
        if name.startswith(LIST_FIELDS)
    }
    if may_have_more and theirs > ours:
        return
    if theirs != ours:
        yield f"is on the lists {sorted(theirs)}, not {sorted(ours)}"


def _leftovers(world: World, all_remotes: Mapping[str, Remote]) -> Iterator[str]:
    """Yield what is wrong with the copies of removed contacts."""
    stays = {*world.rows(), *world.suppressed, *world.possible_duplicates}
    stays |= world.manual_edits.merged
    # What a removal took away may have been put back.
    stays |= {
        contact_id
        for run_id, contact_id in world.database.changes
        if run_id in world.database.undone_by
    }
    for contact_id, remotes in _marked(world).items():
        if contact_id in stays:
            continue
        for remote in remotes:
            if _should_be_cleaned_up(world, contact_id, remote, all_remotes):
                for what in _removal_differences(world, remote):
                    yield f"{contact_id} left and {what}"


def _should_be_cleaned_up(
    world: World, contact_id: str, remote: Remote, all_remotes: Mapping[str, Remote]
) -> bool:
    """Return whether the engine can know that a copy is a removed contact's."""
    if remote.external_id in world.manual_edits.made:
        return False
    if remote.external_id not in world.written_down():
        # Only a look-up leads to it, and only where its match key is its own.
        can_look_up = bool(world.pair.capabilities.find_by)
        if not can_look_up or _has_a_double(world, remote, all_remotes):
            return False
    return not _is_asked_for_elsewhere(world, contact_id, remote)


def _is_asked_for_elsewhere(world: World, contact_id: str, remote: Remote) -> bool:
    """Return whether another destination's contact asks for the copy's match key.

    It does even if it cannot have the key now.
    """
    key = world.pair.key
    if key is None:
        return False
    removed_from = {
        destination
        for destination, contact in world.database.states
        if contact == contact_id
    }
    for destination, table in world.tables.items():
        if destination in removed_from:
            continue
        for row in table.rows.values():
            if world.pair.vendor.same(key, row[key], remote.fields.get(key)):
                return True
    return False


def _removal_differences(world: World, remote: Remote) -> Iterator[str]:
    """Yield what is wrong with the copy of one removed contact."""
    capabilities = world.pair.capabilities
    if world.on_removed is OnRemoved.DELETE and capabilities.delete:
        yield "was not deleted"
    if world.on_removed is not OnRemoved.UNTAG:
        return
    tags = remote.tags - world.strangers.get(remote.external_id, frozenset())
    if tags and _removes_tags(world):
        yield f"kept its tags {sorted(tags)}"
    lists = sorted(name for name in remote.fields if name.startswith(LIST_FIELDS))
    if lists and capabilities.leave_lists:
        yield f"is still on {lists}"


def _has_a_double(world: World, remote: Remote, remotes: Mapping[str, Remote]) -> bool:
    """Return whether another contact at the vendor has the same match key.

    Then nobody can tell which of the two was meant.
    """
    key = world.pair.key
    if key is None:
        return False
    mine = remote.fields.get(key)
    others = [each for each in remotes.values() if each is not remote]
    return any(
        world.pair.vendor.same(key, mine, each.fields.get(key)) for each in others
    )


def _adds_tags(world: World) -> bool:
    capabilities = world.pair.capabilities
    if capabilities.add_tags is not None:
        return True
    writes = (capabilities.create, capabilities.update, capabilities.upsert)
    return any(write.add_tags != 0 for write in writes if write)


def _removes_tags(world: World) -> bool:
    capabilities = world.pair.capabilities
    if capabilities.remove_tags is not None:
        return True
    return any(write.remove_tags != 0 for write in _later_writes(capabilities))
