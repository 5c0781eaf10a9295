"""Judgement of an undo, from the changes of the two runs and the vendor's contacts.

Nothing here knows how an undo decides, and nobody asks its notes: what counts as taken
back is what the vendor had again when the undo was over.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from syncengine.model.change import ContactChange, Effect
from syncengine.model.contact import LISTS, Remote
from syncengine.model.http import Json
from syncengine.model.undo import UndoScope
from syncengine.model.work import Status
from tests.simulation.pair import LISTS as LIST_COLUMN
from tests.simulation.pair import TAGS
from tests.simulation.world import World, contacts_of
from tests.support.memory.source import Row

_UNSURE_TAG = "tags."


@dataclass(frozen=True)
class PutBack:
    """A contact as an undo left it, and the row that would have it otherwise."""

    contact_id: str
    external_id: str
    row: Row
    fields: Mapping[str, Json]
    """The old values that the vendor has again, where the row asks for other ones."""
    tags_off: frozenset[str]
    """The tags that it lost again, and that the row asks for."""


def wrongly_taken_back(world: World) -> Iterator[str]:
    """Yield what an undo changed although the run had not, or to another value."""
    changes = world.database.changes
    for (run_id, contact_id), undo in sorted(changes.items()):
        undone_id = world.database.undone_by.get(run_id)
        if undone_id is None or undo.effect is not Effect.UPDATED:
            continue
        undone = changes.get((undone_id, contact_id))
        for mistake in _mistakes(world, undone, undo):
            yield f"{contact_id}: the undo of run {undone_id} {mistake}"


def _mistakes(
    world: World, undone: ContactChange | None, undo: ContactChange
) -> Iterator[str]:
    if undone is None:
        yield "changed a contact that the run did not"
        return
    for name, each in undo.fields.items():
        if name.startswith(_UNSURE_TAG):
            continue
        before = undone.fields.get(name)
        if before is None:
            yield f"changed {name}, which the run did not"
        elif not before.is_old_known:
            yield f"changed {name}, of which nobody knows what was there"
        elif not _is_same(world, name, before.old, each.new):
            yield f"made {name} {each.new!r}, and it was {before.old!r}"
    added = undo.tags_added - undone.tags_removed
    removed = undo.tags_removed - undone.tags_added
    if added or removed:
        yield f"added tags {sorted(added)} and removed {sorted(removed)} of its own"


def put_back(world: World, scope: UndoScope) -> list[PutBack]:
    """Return what an undo that is over has put back, against the contacts' rows."""
    rows = world.rows()
    ids = world.external_ids()
    remotes = _by_id(world)
    found: list[PutBack] = []
    for (run_id, contact_id), change in sorted(world.database.changes.items()):
        remote = remotes.get(ids.get(contact_id, ""))
        if run_id != scope.run_id or contact_id not in rows or remote is None:
            continue
        if change.external_id != remote.external_id or not _is_plain(world, contact_id):
            continue
        row = rows[contact_id]
        each = PutBack(
            contact_id,
            remote.external_id,
            row,
            _fields_put_back(world, change, row, remote),
            (change.tags_added & frozenset(row[TAGS])) - remote.tags,
        )
        if each.fields or each.tags_off:
            found.append(each)
    return found


def _is_plain(world: World, contact_id: str) -> bool:
    """Return whether a contact is in step, and nobody keeps us from writing to it."""
    edits, state = world.manual_edits, world.states().get(contact_id)
    if state is None or state.status is not Status.SYNCED:
        return False
    is_edited = state.external_id in {*edits.made, *edits.deleted, *edits.mixed}
    known = [
        each.pending
        for (_, each_id), each in world.database.known.items()
        if each_id == contact_id
    ]
    is_settled = not any(known)
    return is_settled and not is_edited and contact_id not in world.withheld


def _fields_put_back(
    world: World, change: ContactChange, row: Row, remote: Remote
) -> dict[str, Json]:
    found: dict[str, Json] = {}
    for name, each in change.fields.items():
        if name.startswith((LISTS, _UNSURE_TAG)) or name not in row:
            continue
        if name == LIST_COLUMN or world.pair.subject.accumulates(name):
            continue
        wanted, theirs = row[name], remote.fields.get(name)
        is_back = each.is_old_known and _is_same(world, name, each.old, theirs)
        was_asked_for = _is_same(world, name, each.new, wanted)
        if is_back and was_asked_for and not _is_same(world, name, wanted, theirs):
            found[name] = each.old
    return found


def sent_again(world: World, kept: list[PutBack]) -> Iterator[str]:
    """Yield what is not as the undo left it, although the row is what it was."""
    rows, remotes, ids = world.rows(), _by_id(world), world.external_ids()
    for each in kept:
        remote = remotes.get(each.external_id)
        is_its = ids.get(each.contact_id) == each.external_id
        if remote is None or not is_its or rows.get(each.contact_id) != each.row:
            continue
        if not _is_plain(world, each.contact_id):
            continue
        for name, old in each.fields.items():
            theirs = remote.fields.get(name)
            if not _is_same(world, name, old, theirs):
                yield (
                    f"{each.contact_id}: {name} was taken back to {old!r}, "
                    f"and is {theirs!r} again"
                )
        again = each.tags_off & remote.tags
        if again:
            yield f"{each.contact_id}: tags {sorted(again)} were taken back, and set again"


def distrust_rows(world: World) -> None:
    """Let the next run look at every contact in step, as a backfill does."""
    for row in world.database.states.values():
        if row.status is Status.SYNCED:
            row.source_hash = None


def _by_id(world: World) -> dict[str, Remote]:
    remotes = contacts_of(world.twin, world.clock())
    return {remote.external_id: remote for remote in remotes}


def _is_same(world: World, name: str, ours: Json, theirs: Json) -> bool:
    empty: tuple[Json, ...] = (None, "", [])
    if ours in empty and theirs in empty:
        return True
    if name.startswith(LISTS):
        return bool(ours) == bool(theirs)
    return world.pair.vendor.same(name, None if ours == "" else ours, theirs)
