"""Parts of what is unknown about a contact, by name, and who sent each of them.

A field goes by its own name, a tag as ``tags.NAME``, and two parts are the create and
the deletion themselves. ``planning.senders`` says which run a part belongs to.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from syncengine.model.change import TAGS
from syncengine.model.contact import Fields, Pending, SendingRun
from syncengine.model.http import Json

CREATE = "call:create"
"""Name of the create itself among the parts of a note."""
DELETE = "call:delete"
"""Name of the deletion itself."""
NOBODY = SendingRun(None)
ADDED = "added"
"""Value of a tag that was to be added."""
REMOVED = "removed"
"""Value of a tag that was to be removed."""
_ADDED_OR_REMOVED = "added or removed"


def parts_of(note: Pending) -> dict[str, Json]:
    """Return the parts of a note by name, each with the value that it would set."""
    parts: dict[str, Json] = dict(note.fields)
    for tag in note.add_tags:
        parts[TAGS + tag] = ADDED
    for tag in note.remove_tags:
        is_both = tag in note.add_tags
        parts[TAGS + tag] = _ADDED_OR_REMOVED if is_both else REMOVED
    if note.creates:
        parts[CREATE] = True
    if note.deletes:
        parts[DELETE] = True
    return parts


def sender_of(note: Pending, part: str) -> SendingRun:
    """Return the sender of a part of the note."""
    return note.senders.get(part) or SendingRun(note.run_id)


def with_nobodys(
    note: Pending,
    *,
    fields: Fields | None = None,
    add_tags: Iterable[str] = (),
    remove_tags: Iterable[str] = (),
    creates: bool = False,
) -> Pending:
    """Return the note with further parts that are unknown, and that no run sent.

    Where the note has a field already, the value given here takes its place.
    """
    more = Pending(
        creates=creates,
        fields=fields or {},
        add_tags=frozenset(add_tags),
        remove_tags=frozenset(remove_tags),
    )
    senders = {**note.senders, **dict.fromkeys(parts_of(more), NOBODY)}
    added = replace(
        note,
        creates=note.creates or creates,
        fields={**note.fields, **more.fields},
        add_tags=note.add_tags | more.add_tags,
        remove_tags=note.remove_tags | more.remove_tags,
    )
    return with_needed_senders(added, senders)


def part_of(
    note: Pending,
    *,
    fields: Fields | None = None,
    add_tags: frozenset[str] = frozenset(),
    remove_tags: frozenset[str] = frozenset(),
    deletes: bool = False,
) -> Pending:
    """Return these parts of a note alone, with their senders."""
    part = Pending(
        deletes=deletes,
        fields=fields or {},
        add_tags=add_tags,
        remove_tags=remove_tags,
        run_id=note.run_id,
    )
    return with_needed_senders(part, note.senders)


def with_needed_senders(note: Pending, senders: Mapping[str, SendingRun]) -> Pending:
    """Return the note with those of the senders that it needs."""
    if not senders:
        return replace(note, senders={})
    parts = parts_of(note)
    usual = SendingRun(note.run_id)
    needed = {
        part: sender
        for part, sender in senders.items()
        if part in parts and sender != usual
    }
    return replace(note, senders=needed)
