"""Knowledge of a contact after a call was applied.

Nothing is read back after a write: what was sent, and not reported as dropped by the
answer, is what the vendor now holds. ``learn`` adds it to what was known.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import NamedTuple

from syncengine.model.calls import Action, Applied, Call
from syncengine.model.capabilities import Capabilities, Write, matches
from syncengine.model.change import TAGS
from syncengine.model.contact import Fields, Known, MatchKey, Pending
from syncengine.model.http import Json
from syncengine.planning.changes import distinct_values
from syncengine.planning.normalise import text


class Taken(NamedTuple):
    """Names of what the vendor took of a call, as far as its answer shows it."""

    fields: tuple[str, ...]
    added_tags: frozenset[str]
    removed_tags: frozenset[str]


def taken_from(call: Call, applied: Applied) -> Taken:
    """Return what the vendor took of a call."""
    # Codes of ``Unsupported`` for what an answer does not show: field_not_shown,
    # field_shown_otherwise, clear_field, tag_not_shown, remove_tag.
    fields_not_taken: set[str] = set()
    tags_not_added: set[str] = set()
    tags_not_removed: set[str] = set()
    for item in applied.dropped:
        if item.code.startswith(("field", "clear")):
            fields_not_taken.add(item.subject)
        elif item.code == "tag_not_shown":
            tags_not_added.add(item.subject)
        elif item.code == "remove_tag":
            tags_not_removed.add(item.subject)
    return Taken(
        fields=tuple(name for name in call.fields if name not in fields_not_taken),
        added_tags=frozenset(call.add_tags) - tags_not_added,
        removed_tags=frozenset(call.remove_tags) - tags_not_removed,
    )


def is_proved_new(
    call: Call, applied: Applied, known: Known, capabilities: Capabilities
) -> bool:
    """Return whether an answer proves that its call has made the contact.

    ``known`` is what was known before the call. Where the vendor has only accepted the
    create (``Applied.receipt``), or answers alike for a contact that existed, nothing
    is proved.
    """
    create = capabilities.create
    if call.action is not Action.CREATE or create is None or applied.receipt:
        return False
    gives_id = known.external_id is None and bool(applied.external_id)
    return gives_id and create.tells_existing


def learn(
    known: Known, call: Call, applied: Applied, capabilities: Capabilities
) -> Known:
    """Return what is known after a call was applied.

    Changes that the answer does not show are left out. An answer gives an id only to a
    contact that was not known by one.
    """
    if call.action is Action.DELETE:
        return Known()
    taken = taken_from(call, applied)
    tags_not_added = set(call.add_tags) - taken.added_tags
    return replace(
        known,
        external_id=call.external_id or applied.external_id or known.external_id,
        key=known.key or call.key,
        fields=_written_fields(known, call, taken.fields, capabilities),
        tags=(known.tags | taken.added_tags) - taken.removed_tags - tags_not_added,
        found_tags=known.found_tags - taken.removed_tags,
        empty=_empty_after(known, call, applied, taken, capabilities),
    )


def _empty_after(
    known: Known,
    call: Call,
    applied: Applied,
    taken: Taken,
    capabilities: Capabilities,
) -> tuple[str, ...]:
    """Return the fields that are certainly empty after the call, as patterns."""
    if is_proved_new(call, applied, known, capabilities):
        # We made it: what we did not set is empty.
        return ("*",)
    if known.external_id is None:
        # It may be a contact that existed, with values that nobody has seen.
        return ()
    cleared = [name for name in taken.fields if call.fields[name] is None]
    cleared += [TAGS + tag for tag in sorted(taken.removed_tags)]
    new = [name for name in cleared if not matches(name, known.empty)]
    return (*known.empty, *new)


def _written_fields(
    known: Known,
    call: Call,
    taken: Collection[str],
    capabilities: Capabilities,
) -> Fields:
    """Return the known fields with those that the call has set or cleared."""
    fields = dict(known.fields)
    for name in taken:
        value = call.fields[name]
        if matches(name, capabilities.accumulates):
            # The vendor keeps every value it was ever sent: the new ones are added.
            before = list(fields.get(name) or [])
            added = [each for each in distinct_values(value) if each not in before]
            fields[name] = before + added
        elif value is None:
            fields.pop(name, None)
        else:
            fields[name] = value
    return fields


def learn_from_other_contact(
    known: Known, call: Call, applied: Applied, capabilities: Capabilities
) -> Known:
    """Return what is known after an upsert reached another vendor contact.

    An upsert by key may do so when the key has changed hands at the vendor. What it
    carried is known of the contact it reached, and no more: the rest was true of the
    former one.
    """
    pending = known.pending or Pending()
    unsent_fields = {
        name: value for name, value in pending.fields.items() if name not in call.fields
    }
    rest = replace(
        pending, fields=unsent_fields, add_tags=pending.add_tags - set(call.add_tags)
    )
    blank = Known(key=known.key, seen_opt_outs=known.seen_opt_outs, pending=rest)
    without_id = replace(call, external_id=None)
    return learn(blank, without_id, applied, capabilities)


def with_key_of_create(known: Known, capabilities: Capabilities) -> Known:
    """Return what is known of a contact whose create reached a vendor contact.

    The process died behind a create: the vendor contact was noted, and nothing of what
    it holds. But the vendor tells contacts apart by the key that the create was sent
    under, so that value is there, unless a later write could set another one. It is
    added to the known fields. In any other case what is known is returned unchanged.
    """
    create = capabilities.create
    pending = known.pending
    if create is None or pending is None or not pending.creates:
        return known
    if known.external_id is None:
        return known
    key = known.key
    if len(pending.keys) == 1:
        # Of several keys, the one noted when the contact was linked is the sent one.
        key = pending.keys[0]
    if key is None or key.field not in create.keyed_by:
        return known
    if _names_by_other_fields(pending, key, create):
        # It may be a contact that had another value of the create, and not this one.
        return known
    value = _value_at_vendor(key, pending)
    intended = pending.fields.get(key.field, key.value)
    if intended != value and _can_be_written_later(key.field, capabilities):
        # A later write may have been sent with another value, and may have arrived.
        return known
    unsettled = {
        name: other for name, other in pending.fields.items() if name != key.field
    }
    return replace(
        known,
        fields={**known.fields, key.field: value},
        pending=replace(pending, fields=unsettled),
    )


def _names_by_other_fields(pending: Pending, key: MatchKey, create: Write) -> bool:
    """Return whether a create carried further values that the vendor goes by."""
    others = [name for name in create.keyed_by if name != key.field]
    return any(pending.fields.get(name) not in (None, "") for name in others)


def _can_be_written_later(name: str, capabilities: Capabilities) -> bool:
    """Return whether a write that may follow a create can set the field."""
    for write in (capabilities.update, capabilities.upsert):
        if write is not None and matches(name, write.fields):
            return True
    return False


def _value_at_vendor(key: MatchKey, pending: Pending) -> Json:
    """Return the value that the vendor has for the key's field, in our own form.

    A later intent may repeat the key (as a number, say), or have another value.
    """
    value = pending.fields.get(key.field)
    if value is not None and text(value) == key.value:
        return value
    return key.value
