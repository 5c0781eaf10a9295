"""The key each call names its contact by, where it is not the vendor's own id."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from syncengine.model.calls import Unsupported
from syncengine.model.capabilities import Capabilities, TagCall, Write, matches
from syncengine.model.contact import Desired, Fields, Known, MatchKey


@dataclass(frozen=True, slots=True)
class TagAddress:
    """Name of a contact in a tag call."""

    key: MatchKey | None
    early: bool = False
    """True where the key is valid only until the writes change it: the call goes out
    first."""


def identity_key(
    desired: Desired, known: Known, capabilities: Capabilities
) -> tuple[MatchKey | None, tuple[Unsupported, ...]]:
    """Return the key calls go by.

    Where it is the only identity, the one the contact was created under stays.
    """
    wished = desired.keys[0] if desired.keys else None
    taken_in = known.key
    if (
        taken_in is None
        and known.pending
        and known.pending.creates
        and known.pending.keys
    ):
        taken_in = known.pending.keys[
            0
        ]  # it may be there under this one, and could not be told from a second one
    if capabilities.identity is None or taken_in is None:
        return wished, ()
    changed = wished is not None and wished != taken_in
    return taken_in, (
        Unsupported("change_key", capabilities.identity),
    ) if changed else ()


def upsert_key(desired: Desired, write: Write) -> MatchKey | None:
    """Return the key for an upsert, of those the vendor tells contacts apart by."""
    keys = {key.field: key for key in desired.keys}
    return next((keys[name] for name in write.keyed_by if name in keys), None)


def create_key(desired: Desired, write: Write) -> str | None:
    """Return the field for a create, of those the vendor tells contacts apart by."""
    names = (name for name in write.keyed_by if matches(name, write.fields))
    return next(
        (name for name in names if desired.fields.get(name) not in (None, "")), None
    )


def match_fields_to_carry(
    desired: Desired, create: Write, capabilities: Capabilities
) -> Sequence[str]:
    """Return the match fields of which a create needs room for one.

    By that one it could be found again. None where a field it has to carry serves, or
    where there is no room.
    """
    names = [
        key.field
        for key in desired.keys
        if key.field in desired.fields and matches(key.field, capabilities.find_by)
    ]
    if any(name in create.must_carry for name in names):
        return ()
    if create.max_fields is not None and create.max_fields <= len(create.must_carry):
        return ()
    names = [name for name in names if matches(name, create.fields)]
    return names[:1] if create.max_fields is None else names


def naming_fields(
    desired: Desired, write: Write, capabilities: Capabilities
) -> Sequence[str]:
    """Return the fields by which tag calls could name the contact.

    The write that creates it needs room for them.
    """
    if write.max_fields is None:
        return ()
    calls = (capabilities.add_tags, capabilities.remove_tags)
    names = dict.fromkeys(name for call in calls if call for name in call.addressed_by)
    return [
        name
        for name in names
        if desired.fields.get(name) is not None and matches(name, write.fields)
    ]


def other_addresses(
    call: TagCall, key: MatchKey, desired: Desired, known: Known
) -> tuple[MatchKey, ...]:
    """Return the keys to try where the vendor no longer has the contact under ``key``.

    Somebody may have changed it there by hand, to what the row asks for maybe.
    """
    values = [
        MatchKey(name, str(fields[name]))
        for fields in (desired.fields, known.fields)
        for name in call.addressed_by
        if fields.get(name) not in (None, "")
    ]
    return tuple(each for each in dict.fromkeys(values) if each != key)


def tag_address(
    call: TagCall, key: MatchKey | None, known: Known, written: Fields
) -> TagAddress | None:
    """Return how a tag call names the contact while the writes change ``written``.

    None when no key is certain. ``key`` serves where the vendor's own id, or its only
    identity, names the contact.
    """
    if not call.addressed_by:
        return TagAddress(key)
    doubtful = known.pending.fields if known.pending else {}
    sure = {
        name: known.fields.get(name)
        for name in call.addressed_by
        if name not in doubtful
    }
    for name in call.addressed_by:
        if (value := written[name] if name in written else sure.get(name)) not in (
            None,
            "",
        ):
            return TagAddress(MatchKey(name, str(value)))
    for name, value in sure.items():
        if value not in (None, ""):
            return TagAddress(MatchKey(name, str(value)), early=True)
    return None
