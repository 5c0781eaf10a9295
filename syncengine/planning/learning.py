"""What is known of a contact once a call was applied."""

from __future__ import annotations

import dataclasses
from dataclasses import replace

from syncengine.model.calls import Action, Applied, Call
from syncengine.model.capabilities import Capabilities, matches
from syncengine.model.contact import Known, MatchKey, Pending
from syncengine.model.http import Json
from syncengine.planning.changes import distinct_values
from syncengine.planning.normalise import text


def learn(
    known: Known, call: Call, applied: Applied, capabilities: Capabilities
) -> Known:
    """Return what is known after a call was applied.

    An answer gives an id only to a contact that was not known by one.
    """
    if call.action is Action.DELETE:
        return Known()
    dropped = {
        item.subject
        for item in applied.dropped
        if item.code.startswith(("field", "clear"))
    }
    lost_tags = {
        item.subject for item in applied.dropped if item.code == "tag_not_shown"
    }
    removed = set(call.remove_tags) - {
        item.subject for item in applied.dropped if item.code == "remove_tag"
    }
    fields = dict(known.fields)
    for name, value in call.fields.items():
        if name in dropped:
            continue
        if matches(name, capabilities.accumulates):
            held = list(fields.get(name) or [])
            fields[name] = [
                *held,
                *(each for each in distinct_values(value) if each not in held),
            ]
        elif value is None:
            fields.pop(name, None)
        else:
            fields[name] = value
    return dataclasses.replace(
        known,
        external_id=call.external_id or applied.external_id or known.external_id,
        key=known.key or call.key,
        fields=fields,
        tags=(known.tags | set(call.add_tags)) - removed - lost_tags,
        found_tags=known.found_tags - removed,
    )


def learn_from_other_contact(
    known: Known, call: Call, applied: Applied, capabilities: Capabilities
) -> Known:
    """Return what is known after an upsert reached another vendor contact.

    It is what the upsert carried, and no more.
    """
    pending = known.pending or Pending()
    fields = {
        name: value for name, value in pending.fields.items() if name not in call.fields
    }
    rest = replace(
        pending, fields=fields, add_tags=pending.add_tags - set(call.add_tags)
    )
    blank = Known(key=known.key, seen_opt_outs=known.seen_opt_outs, pending=rest)
    return learn(blank, replace(call, external_id=None), applied, capabilities)


def with_key_of_create(known: Known, capabilities: Capabilities) -> Known:
    """Return what is known of a contact whose create reached a vendor contact.

    It adds the key to a contact of which no more was noted. The vendor tells contacts
    apart by the key it was sent under: that value is there, unless a later write could
    set another one. Of several keys it is the one that was noted when the contact was
    linked.
    """
    create, pending = capabilities.create, known.pending
    if (
        known.external_id is None
        or pending is None
        or not pending.creates
        or create is None
    ):
        return known
    sure = pending.keys[0] if len(pending.keys) == 1 else known.key
    if sure is None or sure.field not in create.keyed_by:
        return known
    fields = {sure.field: _held(sure, pending)}
    writes = [write for write in (capabilities.update, capabilities.upsert) if write]
    changed = pending.fields.get(sure.field, sure.value) != fields[sure.field]
    if changed and any(matches(sure.field, write.fields) for write in writes):
        return known  # a later write may have been sent, and may have arrived
    left = {name: value for name, value in pending.fields.items() if name not in fields}
    return replace(
        known, fields={**known.fields, **fields}, pending=replace(pending, fields=left)
    )


def _held(key: MatchKey, pending: Pending) -> Json:
    """Return the value that the vendor has for the key's field.

    A later intent may only repeat the key, or have another value.
    """
    value = pending.fields.get(key.field)
    return value if value is not None and text(value) == key.value else key.value
