"""The key each call names its contact by, where it is not the vendor's own id.

Most vendors take their own id of the contact in every call but the one that creates it.
Three things differ from vendor to vendor, and ``planning.plan`` asks here about them:

- A vendor without ids of its own knows a contact by one field only
  (``Capabilities.identity``): ``identity_key``.
- A create or upsert goes by a field of which the vendor lets no two contacts have the
  same value (``Write.keyed_by``): ``create_key``, ``upsert_key``.
- A tag call may name the contact by the present value of a field, such as its phone
  (``TagCall.addressed_by``). If the same plan changes that field, tag calls have to
  come behind the change, under the new value, or before it: ``tag_address``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from syncengine.model.calls import Unsupported
from syncengine.model.capabilities import Capabilities, TagCall, Write, matches
from syncengine.model.contact import Desired, Fields, Known, MatchKey
from syncengine.model.http import Json


@dataclass(frozen=True, slots=True)
class TagAddress:
    """Name of a contact in a tag call."""

    key: MatchKey | None
    """None: the external id names the contact."""
    early: bool = False
    """True where the key is valid only until the writes change it: the call goes out
    first."""


def identity_key(
    desired: Desired, known: Known, capabilities: Capabilities
) -> tuple[MatchKey | None, tuple[Unsupported, ...]]:
    """Return the key calls go by, and the change of it that the vendor cannot make.

    Where the key is the only identity, the one the contact was created under stays: a
    call under another key would make a second contact. The change of it that the row
    asks for is then reported as unsupported.
    """
    desired_key = desired.keys[0] if desired.keys else None
    if capabilities.identity is None:
        return desired_key, ()
    known_key = known.key or _key_of_unknown_create(known)
    if known_key is None:
        return desired_key, ()
    if desired_key is None or desired_key == known_key:
        return known_key, ()
    return known_key, (Unsupported("change_key", capabilities.identity),)


def _key_of_unknown_create(known: Known) -> MatchKey | None:
    """Return the key of a create without outcome.

    The contact may be there under it. A create under another key could make a second
    contact, which nobody could tell from the first.
    """
    pending = known.pending
    if pending is None or not pending.creates or not pending.keys:
        return None
    return pending.keys[0]


def upsert_key(desired: Desired, upsert: Write) -> MatchKey | None:
    """Return the key for an upsert, of those the vendor tells contacts apart by."""
    keys = {key.field: key for key in desired.keys}
    for name in upsert.keyed_by:
        if name in keys:
            return keys[name]
    return None


def create_key(desired: Desired, create: Write) -> str | None:
    """Return the field for a create, of those the vendor tells contacts apart by.

    Unlike an upsert's it need not be a match field: any with a value will do.
    """
    for name in create.keyed_by:
        if matches(name, create.fields) and not _is_empty(desired.fields.get(name)):
            return name
    return None


def match_fields_to_carry(
    desired: Desired, create: Write, capabilities: Capabilities
) -> Sequence[str]:
    """Return the match fields of which a create needs room for one.

    By that one the contact could be found again, should the answer be lost. Each of
    them is tried in a draft of its own. Empty where a field that the create has to
    carry serves anyway, or where there is no room.
    """
    findable = [
        key.field
        for key in desired.keys
        if key.field in desired.fields and matches(key.field, capabilities.find_by)
    ]
    if any(name in create.must_carry for name in findable):
        return ()
    settable = [name for name in findable if matches(name, create.fields)]
    if create.max_fields is None:
        # With room for all fields it does not matter which one: one draft is enough.
        return settable[:1]
    if create.max_fields <= len(create.must_carry):
        return ()
    return settable


def naming_fields(
    desired: Desired, write: Write, capabilities: Capabilities
) -> Sequence[str]:
    """Return the fields by which tag calls could name the contact.

    The write that creates it needs room for one of them. Empty where it has room for
    any number of fields.
    """
    if write.max_fields is None:
        return ()
    names: list[str] = []
    for call in (capabilities.add_tags, capabilities.remove_tags):
        if call is not None:
            names += call.addressed_by
    return [
        name
        for name in dict.fromkeys(names)
        if desired.fields.get(name) is not None and matches(name, write.fields)
    ]


def other_addresses(
    call: TagCall, key: MatchKey, desired: Desired, known: Known
) -> tuple[MatchKey, ...]:
    """Return the keys to try where the vendor no longer has the contact under ``key``.

    Somebody may have changed it there by hand, to what the row asks for maybe.
    """
    keys: list[MatchKey] = []
    for fields in (desired.fields, known.fields):
        for name in call.addressed_by:
            value = fields.get(name)
            if not _is_empty(value):
                keys.append(MatchKey(name, str(value)))
    return tuple(each for each in dict.fromkeys(keys) if each != key)


def tag_address(
    call: TagCall, key: MatchKey | None, known: Known, written: Fields
) -> TagAddress | None:
    """Return how a tag call names the contact while the writes change ``written``.

    None when no key is certain. ``key`` serves where the vendor's own id, or its only
    identity, names the contact.
    """
    if not call.addressed_by:
        return TagAddress(key)
    unknown_fields = known.unknown_fields
    certain: dict[str, Json] = {}
    for name in call.addressed_by:
        if name not in unknown_fields:
            certain[name] = known.fields.get(name)
    # Behind the writes: the value they set, or one they leave as it is.
    for name in call.addressed_by:
        value = written[name] if name in written else certain.get(name)
        if not _is_empty(value):
            return TagAddress(MatchKey(name, str(value)))
    # Every key is cleared by the writes: until then the present one still names it.
    for name, value in certain.items():
        if not _is_empty(value):
            return TagAddress(MatchKey(name, str(value)), early=True)
    return None


def _is_empty(value: Json) -> bool:
    return value in (None, "")
