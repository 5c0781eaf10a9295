"""Plan one contact: desired minus known gives calls, or the reason why there are none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from syncengine.model.calls import Action, Call, Rejected, Unsupported
from syncengine.model.capabilities import Capabilities, TagCall, Write
from syncengine.model.contact import LISTS, Desired, Known, MatchKey
from syncengine.model.http import Json
from syncengine.planning.packing import Kind, Load, Packed, pack
from syncengine.planning.wishes import Wishes, wishes


@dataclass(frozen=True, slots=True)
class Plan:
    """Calls in the order they have to be sent, and what the vendor cannot express."""

    calls: tuple[Call, ...] = ()
    unsupported: tuple[Unsupported, ...] = ()
    requests: int = 0
    """What the calls cost when nothing goes wrong."""


def plan_contact(desired: Desired, known: Known, capabilities: Capabilities) -> Plan | Rejected:
    """The calls that make the vendor hold what is desired, in the fewest requests.

    First as much is expressed as the capabilities permit, then requests are saved. A contact without external id does
    not exist at the vendor: it is created or upserted first. Raises nothing.
    """
    wanted = wishes(desired, known, capabilities)
    exists = known.external_id is not None
    key, key_change = _identity(desired, known, capabilities)
    if exists and not wanted:
        return Plan(unsupported=wanted.stays + key_change)
    later = [kind for kind in (_usable(offer, desired, known) for offer in _later(capabilities)) if kind]
    firsts: list[Kind | None] = [None]
    if not exists:
        offered = [Kind(action, write, {}) for action, write in _firsts(capabilities)]
        if not offered:
            return Plan(unsupported=(Unsupported("create", ""),))
        firsts = [kind for kind in (_usable(first, desired, known) for first in offered) if kind]
        if not firsts:
            return _missing(offered[0].write, desired)
    best: tuple[Packed, tuple[Unsupported, ...]] | None = None
    for first in firsts:
        load, dropped = _expressible(wanted, first, later, capabilities, desired, known)
        packed = pack(first, later, capabilities, load)
        if packed is not None and (best is None or (len(dropped), packed.requests) < (len(best[1]), best[0].requests)):
            best = packed, dropped
    if best is None:
        raise AssertionError("an expressible load has a packing")
    packed, dropped = best
    calls = tuple(
        Call(
            action=parcel.action,
            contact_id=desired.contact_id,
            external_id=known.external_id,
            key=_address(parcel.action, key, desired, known, capabilities),
            fields=parcel.fields,
            add_tags=tuple(parcel.add_tags),
            remove_tags=tuple(parcel.remove_tags),
        )
        for parcel in packed.parcels
    )
    return Plan(calls, wanted.stays + dropped + key_change, packed.requests)


def _identity(
    desired: Desired, known: Known, capabilities: Capabilities
) -> tuple[MatchKey | None, tuple[Unsupported, ...]]:
    """The key calls go by. Where it is the only identity, the one the contact was taken in under stays."""
    wished = desired.keys[0] if desired.keys else None
    if capabilities.identity is None or known.key is None:
        return wished, ()
    changed = wished is not None and wished != known.key
    return known.key, (Unsupported("change_key", capabilities.identity),) if changed else ()


def _address(
    action: Action, key: MatchKey | None, desired: Desired, known: Known, capabilities: Capabilities
) -> MatchKey | None:
    """The key a call names its contact by."""
    match action:
        case Action.UPSERT if capabilities.upsert and capabilities.upsert.keyed_by:
            return _keyed(desired, capabilities.upsert)
        case Action.ADD_TAGS if capabilities.add_tags and capabilities.add_tags.addressed_by:
            return _held(capabilities.add_tags, desired, known)
        case Action.REMOVE_TAGS if capabilities.remove_tags and capabilities.remove_tags.addressed_by:
            return _held(capabilities.remove_tags, desired, known)
        case _:
            return key


def _keyed(desired: Desired, write: Write) -> MatchKey | None:
    """The key an upsert goes by."""
    keys = {key.field: key for key in desired.keys}
    return next((keys[name] for name in write.keyed_by if name in keys), None)


def _held(call: TagCall, desired: Desired, known: Known) -> MatchKey | None:
    """What the vendor holds in a field that a tag call names the contact by."""
    for name in call.addressed_by:
        value = known.fields.get(name)
        if value is None and known.external_id is None:
            value = desired.fields.get(name)
        if value not in (None, ""):
            return MatchKey(name, str(value))
    return None


def _can_tag(call: TagCall | None, desired: Desired, known: Known) -> bool:
    return call is not None and (not call.addressed_by or _held(call, desired, known) is not None)


def _firsts(capabilities: Capabilities) -> Iterator[tuple[Action, Write]]:
    # An upsert is safe to repeat, so it wins a draw.
    if capabilities.upsert:
        yield Action.UPSERT, capabilities.upsert
    if capabilities.create:
        yield Action.CREATE, capabilities.create


def _later(capabilities: Capabilities) -> Iterator[Kind]:
    if capabilities.update:
        yield Kind(Action.UPDATE, capabilities.update, {})
    # An upsert that goes by a match key may hit another contact; the external id cannot.
    if capabilities.upsert and not (capabilities.upsert.keyed_by and capabilities.update):
        yield Kind(Action.UPSERT, capabilities.upsert, {})
    if capabilities.set_lifecycle:
        yield Kind(Action.SET_LIFECYCLE, capabilities.set_lifecycle, {})


def _usable(kind: Kind, desired: Desired, known: Known) -> Kind | None:
    """The kind with its must-carry fields filled in; None when one has no value or there is no room for them."""
    if kind.action is Action.UPSERT and kind.write.keyed_by and _keyed(desired, kind.write) is None:
        return None
    carried: dict[str, Json] = {}
    for name in kind.write.must_carry:
        value = desired.fields.get(name)
        if value is None:
            value = known.fields.get(name)
        if value is None:
            return None
        carried[name] = value
    if kind.write.max_fields is not None and kind.write.max_fields < len(carried):
        return None
    return Kind(kind.action, kind.write, carried)


def _missing(write: Write, desired: Desired) -> Rejected:
    absent = [name for name in write.must_carry if desired.fields.get(name) is None]
    needs = " and ".join(absent) or " or ".join(write.keyed_by)
    return Rejected(
        "missing_field",
        f"the vendor needs {needs}, which the source leaves empty: fill it there or set a default",
        by_vendor=False,
    )


def _expressible(
    wanted: Wishes,
    first: Kind | None,
    later: Sequence[Kind],
    capabilities: Capabilities,
    desired: Desired,
    known: Known,
) -> tuple[Load, tuple[Unsupported, ...]]:
    """Split the wishes into what fits somewhere and what the vendor cannot express."""
    fields: dict[str, Json] = {}
    dropped: list[Unsupported] = []
    room = first.room if first else 0
    joins = tuple(name for name, value in wanted.fields.items() if name.startswith(LISTS) and value is not None)
    leaves = tuple(name for name, value in wanted.fields.items() if name.startswith(LISTS) and value is None)
    for name, value in wanted.fields.items():
        if name.startswith(LISTS):
            continue
        if any(kind.can(name, value) for kind in later):
            fields[name] = value
        elif first and first.can(name, value) and (name in first.carried or room is None or room > 0):
            fields[name] = value
            if room is not None and name not in first.carried:
                room -= 1
        else:
            dropped.append(Unsupported(_field_code(name, value, known), name))
    adds = _members_that_fit(
        wanted.add_tags,
        _can_tag(capabilities.add_tags, desired, known) or any(kind.write.add_tags != 0 for kind in later),
        first.write.add_tags if first else 0,
    )
    removes = _members_that_fit(
        wanted.remove_tags,
        _can_tag(capabilities.remove_tags, desired, known) or any(kind.write.remove_tags != 0 for kind in later),
        first.write.remove_tags if first else 0,
    )
    joined = _members_that_fit(
        joins,
        bool(capabilities.join_lists) or any(kind.write.join_lists != 0 for kind in later),
        first.write.join_lists if first else 0,
    )
    left = leaves if capabilities.leave_lists else ()
    dropped += [Unsupported("add_tag", tag) for tag in wanted.add_tags[len(adds) :]]
    dropped += [Unsupported("remove_tag", tag) for tag in wanted.remove_tags[len(removes) :]]
    dropped += [Unsupported("join_list", name.removeprefix(LISTS)) for name in joins[len(joined) :]]
    dropped += [Unsupported("leave_list", name.removeprefix(LISTS)) for name in leaves[len(left) :]]
    return Load(fields, adds, removes, joined, left), tuple(dropped)


def _members_that_fit(members: tuple[str, ...], anytime: bool, first_room: int | None) -> tuple[str, ...]:  # noqa: FBT001
    return members if anytime or first_room is None else members[:first_room]


def _field_code(name: str, value: Json, known: Known) -> str:
    if value is None:
        return "clear_field"
    return "change_field" if name in known.fields else "set_field"
