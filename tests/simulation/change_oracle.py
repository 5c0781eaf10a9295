"""Judgement of the changes that runs wrote down, against the vendor's contacts.

The changes of all runs, replayed in the order of the runs over the contacts as they
were before the first night, have to give the contacts as they are now. Every old value
has to be what was there. Nothing here knows how changes are found.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from syncengine.model.change import ContactChange, Effect
from syncengine.model.contact import LISTS, Pending, Remote
from syncengine.model.http import Json
from tests.simulation.world import World

_TAGS = "tags."


@dataclass
class _Copy:
    """A vendor contact, as it is after the changes replayed so far."""

    fields: dict[str, Json]
    tags: set[str]
    is_there: bool
    mistakes: list[str] = field(default_factory=list)
    unknown: list[Pending] = field(default_factory=list)
    """What may have been sent, and nobody found out before something else was sent."""


def unexplained(world: World, remotes: Collection[Remote]) -> Iterator[str]:
    """Yield what the changes do not explain, one sentence each."""
    now = {remote.external_id: remote for remote in remotes}
    touched = _touched(world, remotes)
    histories = _histories(world)
    for external_id in sorted({*now, *world.beginning.contacts, *histories}):
        if external_id in touched:
            continue
        changes = histories.get(external_id, ())
        before = world.beginning.contacts.get(external_id)
        unknown = _unknown_values(world, external_id)
        copy = _replayed(world, before, changes, unknown)
        yield from (f"{external_id}: {mistake}" for mistake in copy.mistakes)
        remote = now.get(external_id)
        if remote is not None and not changes and before is None:
            # Nothing here knows of it: whether that may be is judged elsewhere.
            continue
        for difference in _differences(world, copy, remote):
            yield f"{external_id}: {difference}, after {_in_words(changes)}"


def not_sent(world: World) -> Iterator[str]:
    """Yield changes of runs that cannot have sent a write about the contact.

    A link alone is found by a look-up. A field whose old value nobody knows may have
    had the new one before: an update that reads first then has nothing to write.
    """
    for (run_id, contact_id), change in sorted(world.database.changes.items()):
        if run_id <= world.beginning.last_run or not _is_certain(change):
            continue
        if world.written.get(run_id, set()).isdisjoint({contact_id, ""}):
            yield f"{contact_id}: run {run_id} has sent nothing, and changed something"


def _is_certain(change: ContactChange) -> bool:
    """Return whether a change says that the vendor contact was otherwise before."""
    if change.effect in (Effect.CREATED, Effect.DELETED):
        return True
    if change.tags_added or change.tags_removed:
        return True
    return any(each.is_old_known for each in change.fields.values())


def _unknown_values(world: World, external_id: str) -> list[Pending]:
    """Return what was unknown, after some run, of the contacts that had the copy."""
    return [
        pending
        for contact_id, had in world.beginning.had_by.items()
        if external_id in had
        for pending in world.beginning.unknown.get(contact_id, ())
    ]


def _in_words(changes: Sequence[tuple[int, str, ContactChange]]) -> str:
    told = [f"run {run} {change.effect.value} {who}" for run, who, change in changes]
    return ", ".join(told) or "no change"


def _touched(world: World, remotes: Collection[Remote]) -> set[str]:
    """Return vendor contacts that people changed, or of which something is unknown."""
    marked: dict[str, set[str]] = {}
    for remote in remotes:
        mark = str(remote.fields.get(world.pair.mark))
        marked.setdefault(mark, set()).add(remote.external_id)
    edits = world.manual_edits
    touched = {*edits.made, *edits.deleted, *edits.mixed}
    for (destination, contact_id), known in world.database.known.items():
        state = world.database.states.get((destination, contact_id))
        if known.pending is not None or contact_id in edits.merged:
            # Nobody can tell yet which run changed what.
            touched |= world.beginning.had_by.get(contact_id, set())
            touched |= marked.get(contact_id, set())
            if state is not None and state.external_id is not None:
                touched.add(state.external_id)
    return touched


def _histories(world: World) -> dict[str, list[tuple[int, str, ContactChange]]]:
    """Return the changes of each vendor contact: run, contact, and what it changed."""
    found: dict[str, list[tuple[int, str, ContactChange]]] = {}
    # Of one run, two contacts may have changed a vendor contact one after the other:
    # the table is in the order in which they were written.
    by_run = sorted(world.database.changes.items(), key=lambda item: item[0][0])
    for (run_id, contact_id), change in by_run:
        if run_id > world.beginning.last_run and change.external_id is not None:
            found.setdefault(change.external_id, []).append(
                (run_id, contact_id, change)
            )
    return found


def _replayed(
    world: World,
    before: Remote | None,
    changes: Sequence[tuple[int, str, ContactChange]],
    unknown: list[Pending],
) -> _Copy:
    """Replay changes over a contact, and note what cannot be true of it."""
    copy = _Copy({}, set(), is_there=False)
    if before is not None:
        copy = _Copy(dict(before.fields), set(before.tags), is_there=True)
    copy.unknown = unknown
    for run_id, _, change in changes:
        for mistake in _replay(world, copy, change):
            copy.mistakes.append(f"run {run_id}: {mistake}")
    return copy


def _replay(world: World, copy: _Copy, change: ContactChange) -> Iterator[str]:
    if change.effect is Effect.CREATED and copy.is_there:
        yield "says that it created a contact that was there"
    copy.is_there = change.effect is not Effect.DELETED
    for name, each in change.fields.items():
        if name.startswith(_TAGS):
            tag = name.removeprefix(_TAGS)
            (copy.tags.add if each.new else copy.tags.discard)(tag)
            continue
        was = copy.fields.get(name)
        if each.is_old_known and not _may_be(world, copy, name, each.old, was):
            yield f"{name} was {copy.fields.get(name)!r}, not {each.old!r}"
        copy.fields[name] = each.new
    # As for fields: a tag may have come or gone by a call whose answer was lost.
    wrongly_added = (change.tags_added & copy.tags) - _maybe_removed(copy)
    wrongly_removed = change.tags_removed - copy.tags - _maybe_added(copy)
    yield from (f"tag {tag} was there" for tag in sorted(wrongly_added))
    yield from (f"tag {tag} was not there" for tag in sorted(wrongly_removed))
    copy.tags |= change.tags_added
    copy.tags -= change.tags_removed


def _differences(world: World, copy: _Copy, now: Remote | None) -> Iterator[str]:
    """Yield how a replayed contact differs from the real one."""
    if now is None:
        # A deletion without an answer, of a contact that was created again meanwhile.
        may_be_deleted = any(each.deletes for each in copy.unknown)
        if copy.is_there and not may_be_deleted:
            yield "it is gone"
        return
    if not copy.is_there:
        deletion = world.pair.capabilities.delete
        if deletion is None or not (deletion.keeps or deletion.within):
            yield "it is there"
        return
    names = {*world.pair.columns} - {"tags", "lists", "opted_out"}
    names |= {each for each in now.fields if each.startswith(LISTS)}
    names |= {each for each in copy.fields if each.startswith(LISTS)}
    for name in sorted(names):
        explained, real = copy.fields.get(name), now.fields.get(name)
        if not _may_be(world, copy, name, real, explained):
            yield f"{name} is {real!r}, not {explained!r}"
    maybe = _maybe_added(copy) | _maybe_removed(copy)
    if copy.tags - maybe != set(now.tags) - maybe:
        yield f"tags are {sorted(now.tags)}, not {sorted(copy.tags)}"


def _maybe_added(copy: _Copy) -> set[str]:
    """Return tags that were sent, and of which nobody found out what became of them."""
    added: set[str] = set()
    for each in copy.unknown:
        added |= each.add_tags
    return added


def _maybe_removed(copy: _Copy) -> set[str]:
    """Return tags whose removal was sent, and of which nobody found out likewise."""
    removed: set[str] = set()
    for each in copy.unknown:
        removed |= each.remove_tags
    return removed


def _may_be(world: World, copy: _Copy, name: str, real: Json, explained: Json) -> bool:
    """Return whether a field may have a value, as far as the changes told it.

    It may also be one that was sent without an answer, and over which another contact,
    or another value, came before anybody asked.
    """
    sent = [each.fields[name] for each in copy.unknown if name in each.fields]
    return any(_is_same(world, name, each, real) for each in (explained, *sent))


def _is_same(world: World, name: str, ours: Json, theirs: Json) -> bool:
    if name.startswith(LISTS):
        return bool(ours) == bool(theirs)
    if not world.pair.subject.accumulates(name):
        return world.pair.vendor.same(name, ours, theirs)
    mine = ours if isinstance(ours, list) else [ours]
    real = theirs if isinstance(theirs, list) else [theirs]
    mine, real = [x for x in mine if x is not None], [x for x in real if x is not None]
    return len(mine) == len(real) and all(
        any(world.pair.vendor.same(name, one, other) for other in real) for one in mine
    )
