"""Plan of one contact: the calls that bring the vendor's copy in step.

``plan_contact`` is called by ``engine.prepare`` for each contact of a batch, and again
during a contact's attempt when a look-up has shown something new. It goes in steps:

1. ``planning.changes`` subtracts what is known from what is desired.
2. The writes that this contact could use are collected from the vendor's capabilities:
   *first* ones, which create a contact that does not exist (a create or an upsert), and
   *later* ones, which change one that exists (an update, an upsert, the lifecycle).
   Each is a ``WriteKind``: a write with the fields it has to carry filled in.
3. For each possible first write, the changes that no write can carry are dropped as
   unsupported, and ``planning.packing`` divides the others into the fewest requests.
   That is a draft.
4. The draft that drops least wins, then the one with the fewest requests. Its calls get
   the id or key that names the contact (``planning.addresses``).

Tags and lists are *sets*: they change by adding and removing members, inside a write or
in a call of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from syncengine.model.calls import Action, Call, Rejected, Unsupported
from syncengine.model.capabilities import (
    Capabilities,
    OptOut,
    TagCall,
    Write,
    matches,
)
from syncengine.model.contact import LISTS, Desired, Fields, Known, MatchKey
from syncengine.model.http import Json
from syncengine.planning.addresses import (
    TagAddress,
    create_key,
    identity_key,
    match_fields_to_carry,
    naming_fields,
    other_addresses,
    tag_address,
    upsert_key,
)
from syncengine.planning.changes import Changes, changes_between
from syncengine.planning.match_keys import keys_at_vendor
from syncengine.planning.packing import (
    BySetChange,
    CallDraft,
    Names,
    PackableChanges,
    Packing,
    WriteKind,
    pack,
    set_offers,
)

_UNSUPPORTED_CODES = BySetChange("add_tag", "remove_tag", "join_list", "leave_list")
"""Codes of ``Unsupported``, by the way in which a set changes."""
_NO_ROOM = BySetChange[int | None](0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Plan:
    """Calls in the order they have to be sent, and what the vendor cannot express."""

    calls: tuple[Call, ...] = ()
    unsupported: tuple[Unsupported, ...] = ()
    requests: int = 0
    """Number of requests of the calls when nothing goes wrong."""


@dataclass(frozen=True, slots=True)
class _PlanDraft:
    """One way to make the changes, of several to choose from."""

    packing: Packing
    dropped: tuple[Unsupported, ...]
    """Changes that no call of this draft can make."""
    addresses: Mapping[Action, TagAddress]
    """How its tag calls name the contact, by ``ADD_TAGS`` and ``REMOVE_TAGS``."""

    @property
    def rank(self) -> tuple[int, int]:
        """Return the sort key: as much expressed as possible, then fewest requests."""
        return len(self.dropped), self.packing.requests


def plan_contact(
    desired: Desired, known: Known, capabilities: Capabilities
) -> Plan | Rejected:
    """Return the calls that bring the vendor's copy in step, in the fewest requests.

    A contact without external id does not exist at the vendor: it is created or
    upserted first. The result is a plan without calls where the contact is in step, or
    where the vendor cannot express any of its changes, and a rejection where its values
    do not suffice or are not allowed. Raises nothing.
    """
    refusal = _check_values(desired, capabilities)
    if refusal is not None:
        return refusal
    desired = _without_empty_choices(desired, capabilities)
    changes = changes_between(desired, known, capabilities)
    skipped = tuple(Unsupported("invalid_value", name) for name in desired.invalid)
    exists = known.external_id is not None
    key, key_change = identity_key(desired, known, capabilities)
    if exists and not changes:
        return Plan(unsupported=changes.stays + key_change + skipped)
    # A contact that exists needs no first write: there is one draft then.
    firsts: Sequence[WriteKind | None] = [None]
    if not exists:
        usable_firsts = _usable_firsts(desired, known, capabilities)
        if isinstance(usable_firsts, Plan | Rejected):
            return usable_firsts
        firsts = usable_firsts
    later = _usable(_later_kinds(capabilities), desired, known)
    drafts = [
        _draft(changes, first, later, capabilities, key, known) for first in firsts
    ]
    # Of equally good drafts the first one wins, so their order matters.
    best = min(drafts, key=lambda draft: draft.rank)
    return Plan(
        calls=_addressed_calls(best, desired, known, capabilities, key),
        unsupported=changes.stays + best.dropped + key_change + skipped,
        requests=best.packing.requests,
    )


def _usable_firsts(
    desired: Desired, known: Known, capabilities: Capabilities
) -> Sequence[WriteKind] | Plan | Rejected:
    """Return the writes that can create the contact, or the reason for having none.

    The reason is a plan without calls where the vendor has no such write at all, and a
    rejection where the contact lacks a field that each of them needs.
    """
    offered = list(_first_kinds(desired, known, capabilities))
    if not offered:
        return Plan(unsupported=(Unsupported("create", ""),))
    usable = _usable(offered, desired, known)
    if not usable:
        return _missing_field(offered[0].write, desired)
    return usable


def _addressed_calls(
    draft: _PlanDraft,
    desired: Desired,
    known: Known,
    capabilities: Capabilities,
    identity: MatchKey | None,
) -> tuple[Call, ...]:
    """Return the calls of a draft in order, with the keys that name the contact.

    ``identity`` is the key of every action that has no key of its own.
    """
    key_by_action: dict[Action, MatchKey | None] = {
        action: address.key for action, address in draft.addresses.items()
    }
    at_vendor = keys_at_vendor(known, capabilities)
    if at_vendor:
        key_by_action[Action.UPDATE] = at_vendor[0]
    if capabilities.upsert and capabilities.upsert.keyed_by:
        key_by_action[Action.UPSERT] = upsert_key(desired, capabilities.upsert)
    calls: list[Call] = []
    for call in _in_order(draft):
        own_key = key_by_action.get(call.action)
        addressed = Call(
            action=call.action,
            contact_id=desired.contact_id,
            external_id=known.external_id,
            key=key_by_action.get(call.action, identity),
            other_keys=_other_keys(call.action, own_key, desired, known, capabilities),
            fields=call.fields,
            add_tags=call.add_tags,
            remove_tags=call.remove_tags,
        )
        calls.append(addressed)
    return tuple(calls)


def _other_keys(
    action: Action,
    key: MatchKey | None,
    desired: Desired,
    known: Known,
    capabilities: Capabilities,
) -> tuple[MatchKey, ...]:
    """Return the keys under which a tag call may find the contact besides ``key``."""
    offer: TagCall | None = None
    if action is Action.ADD_TAGS:
        offer = capabilities.add_tags
    elif action is Action.REMOVE_TAGS:
        offer = capabilities.remove_tags
    if offer is None or key is None:
        return ()
    return other_addresses(offer, key, desired, known)


def _check_values(desired: Desired, capabilities: Capabilities) -> Rejected | None:
    """Return the rejection of a contact with a value that its field cannot take."""
    for name in _checked_fields(capabilities):
        why = capabilities.value_problem(name, desired.fields.get(name))
        if why:
            return Rejected(
                "invalid_value",
                f'field "{name}" {why}; correct the row or the mapping',
                by_vendor=False,
            )
    return None


def _without_empty_choices(desired: Desired, capabilities: Capabilities) -> Desired:
    """Return the contact with None in place of empty texts that a field does not take.

    These are fields that take one of a few values, or whole numbers. The vendor would
    refuse the empty text there; None clears the field instead.
    """
    empty = [
        name for name in _checked_fields(capabilities) if desired.fields.get(name) == ""
    ]
    if not empty:
        return desired
    fields_without_empty = {**desired.fields, **dict.fromkeys(empty)}
    return replace(desired, fields=fields_without_empty)


def _checked_fields(capabilities: Capabilities) -> tuple[str, ...]:
    """Return the names of the fields that do not take any value."""
    choices = tuple(choice.field for choice in capabilities.choices)
    return (*capabilities.whole_numbers, *choices)


def _in_order(draft: _PlanDraft) -> list[CallDraft]:
    """Return the calls in the order they have to be sent.

    Tag calls come behind the writes that set the key they name the contact by, or
    before those that change it.
    """
    early: list[CallDraft] = []
    late: list[CallDraft] = []
    for call in draft.packing.set_calls:
        address = draft.addresses.get(call.action)
        if address is not None and address.early:
            early.append(call)
        else:
            late.append(call)
    return [*early, *draft.packing.writes, *late]


def _first_kinds(
    desired: Desired, known: Known, capabilities: Capabilities
) -> Iterator[WriteKind]:
    """Yield the writes that can create a contact.

    Each comes as it is, and once more for each field that tag calls could name the
    contact by: with that field in the first write, tags can be sent behind it.
    """
    for kind in _creating_kinds(desired, known, capabilities):
        yield kind
        for name in naming_fields(desired, kind.write, capabilities):
            with_name = {**kind.carried, name: desired.fields[name]}
            yield replace(kind, carried=with_name)


def _creating_kinds(
    desired: Desired, known: Known, capabilities: Capabilities
) -> Iterator[WriteKind]:
    """Yield the vendor's upsert and its creates, the preferred one first."""
    # A contact that opted out before, and is created again, is still opted out.
    opt_outs = capabilities.opt_outs_in(known.fields)
    # An upsert is safe to repeat, so it comes first and wins a draw.
    upsert = capabilities.upsert
    if upsert:
        carried = _fields_it_takes(opt_outs, upsert)
        yield WriteKind(Action.UPSERT, upsert, carried, capabilities.opt_outs)
    create = capabilities.create
    if create:
        carried = _fields_it_takes(opt_outs, create)
        kept_opt_outs = tuple(
            opt_out for opt_out in capabilities.opt_outs if opt_out.field in opt_outs
        )
        # A create without a key that can be looked up would be made twice, should its
        # answer be lost.
        match_fields = match_fields_to_carry(desired, create, capabilities)
        for name in match_fields:
            with_key = {**carried, name: desired.fields[name]}
            yield WriteKind(Action.CREATE, create, with_key, kept_opt_outs)
        if not match_fields:
            yield WriteKind(Action.CREATE, create, carried, kept_opt_outs)


def _fields_it_takes(fields: Fields, write: Write) -> dict[str, Json]:
    """Return those of the fields that a write may set."""
    return {
        name: value for name, value in fields.items() if matches(name, write.fields)
    }


def _later_kinds(capabilities: Capabilities) -> Iterator[WriteKind]:
    """Yield the writes that can change a contact that exists."""
    opt_outs = capabilities.opt_outs
    update, upsert = capabilities.update, capabilities.upsert
    if update:
        yield WriteKind(Action.UPDATE, update, {}, opt_outs)
    # An upsert that goes by a match key may reach another contact. An update goes by
    # the external id and cannot, so the upsert is used only where there is no update.
    if upsert and not (upsert.keyed_by and update):
        yield WriteKind(Action.UPSERT, upsert, {}, opt_outs)
    if capabilities.set_lifecycle:
        yield WriteKind(Action.SET_LIFECYCLE, capabilities.set_lifecycle, {}, opt_outs)


def _usable(
    kinds: Iterator[WriteKind] | Sequence[WriteKind], desired: Desired, known: Known
) -> list[WriteKind]:
    """Return those kinds that the contact has all values for, with these values."""
    filled = (_filled_in(kind, desired, known) for kind in kinds)
    return [kind for kind in filled if kind is not None]


def _filled_in(kind: WriteKind, desired: Desired, known: Known) -> WriteKind | None:
    """Return the kind with its must-carry fields filled in.

    None where it cannot be used: one of them has no value, or there is no room for
    them, or the key is missing by which the vendor tells contacts apart.
    """
    write = kind.write
    if not _can_be_keyed(kind, desired):
        return None
    carried = dict(kind.carried)
    for name in write.must_carry:
        value = _value_to_carry(name, kind.opt_outs, desired, known)
        if value is None:
            return None
        carried[name] = value
    if kind.action is Action.CREATE and not _has_vendor_key(carried, write):
        # Without one of them the vendor could not tell a second contact from the first.
        key = create_key(desired, write)
        if key is None:
            return None
        carried[key] = desired.fields[key]
    if write.max_fields is not None and write.max_fields < len(carried):
        return None
    return replace(kind, carried=carried)


def _can_be_keyed(kind: WriteKind, desired: Desired) -> bool:
    """Return whether an upsert has the key it goes by; true for all other writes."""
    if kind.action is not Action.UPSERT or not kind.write.keyed_by:
        return True
    return upsert_key(desired, kind.write) is not None


def _has_vendor_key(carried: Fields, create: Write) -> bool:
    """Return whether a create carries a field that the vendor tells contacts apart by.

    Also true where the vendor has no such fields.
    """
    if not create.keyed_by:
        return True
    return any(carried.get(name) not in (None, "") for name in create.keyed_by)


def _value_to_carry(
    name: str, opt_outs: Sequence[OptOut], desired: Desired, known: Known
) -> Json:
    """Return the value of a must-carry field: what is desired, else what is known.

    A known opt-out is carried on, whatever is desired.
    """
    known_value = known.fields.get(name)
    for opt_out in opt_outs:
        if opt_out.field == name and opt_out.is_opted_out(known_value):
            return known_value
    desired_value = desired.fields.get(name)
    return known_value if desired_value is None else desired_value


def _missing_field(write: Write, desired: Desired) -> Rejected:
    """Return the rejection of a contact that lacks what its first write needs."""
    absent = [name for name in write.must_carry if desired.fields.get(name) is None]
    if absent:
        needed = " and ".join(absent)
    else:
        # It carries all it must, so it lacks a key: any one of these would do.
        needed = " or ".join(write.keyed_by)
    return Rejected(
        "missing_field",
        f"the vendor needs {needed}, which the source leaves empty: "
        "fill it there or set a default",
        by_vendor=False,
    )


def _draft(
    changes: Changes,
    first: WriteKind | None,
    later: Sequence[WriteKind],
    capabilities: Capabilities,
    key: MatchKey | None,
    known: Known,
) -> _PlanDraft:
    """Pack the changes that fit somewhere; the vendor cannot express the others.

    ``first`` is the write that creates the contact (None: it exists), ``later`` are
    those usable behind it, ``key`` is the contact's identity.
    """
    plain, lists = _without_lists(changes.fields)
    fields, dropped = _expressible_fields(plain, first, later, known, capabilities)
    addresses = _tag_addresses(first, later, fields, key, known, capabilities)
    offers = _addressable_offers(capabilities, addresses)
    desired_sets = BySetChange(
        add_tags=changes.add_tags,
        remove_tags=changes.remove_tags,
        # In one order for all contacts, so that their calls can share requests.
        join_lists=tuple(sorted(name for name in lists if lists[name] is not None)),
        leave_lists=tuple(sorted(name for name in lists if lists[name] is None)),
    )
    sets = _expressible_sets(desired_sets, first, later, offers)
    dropped += _dropped_sets(desired_sets, sets)
    packing = pack(first, later, offers, PackableChanges(fields, sets))
    if packing is None:
        raise AssertionError("expressible changes have a packing")
    return _PlanDraft(packing, tuple(dropped), addresses)


def _without_lists(changed: Fields) -> tuple[Fields, Fields]:
    """Return the changed fields that are no lists, and those that are."""
    lists = {name: value for name, value in changed.items() if name.startswith(LISTS)}
    if not lists:
        return changed, lists
    plain = {name: value for name, value in changed.items() if name not in lists}
    return plain, lists


def _tag_addresses(
    first: WriteKind | None,
    later: Sequence[WriteKind],
    fields: Fields,
    key: MatchKey | None,
    known: Known,
    capabilities: Capabilities,
) -> dict[Action, TagAddress]:
    """Return how tag calls name the contact, for those calls that can name it."""
    written = {**_surely_carried(first, later, fields), **fields}
    offers = {
        Action.ADD_TAGS: capabilities.add_tags,
        Action.REMOVE_TAGS: capabilities.remove_tags,
    }
    addresses: dict[Action, TagAddress] = {}
    for action, offer in offers.items():
        if offer is None:
            continue
        address = tag_address(offer, key, known, written)
        if address is not None:
            addresses[action] = address
    return addresses


def _addressable_offers(
    capabilities: Capabilities, addresses: Mapping[Action, TagAddress]
) -> Capabilities:
    """Return the capabilities without tag calls that cannot name this contact."""
    offers = capabilities
    if offers.add_tags and Action.ADD_TAGS not in addresses:
        offers = replace(offers, add_tags=None)
    if offers.remove_tags and Action.REMOVE_TAGS not in addresses:
        offers = replace(offers, remove_tags=None)
    return offers


def _surely_carried(
    first: WriteKind | None, later: Sequence[WriteKind], fields: Fields
) -> Fields:
    """Return the fields that are sent anyway, whichever writes are chosen.

    They go out changed or not.
    """
    if first:
        return first.carried
    if not fields or not later:
        # No write goes out at all.
        return {}
    # One of the later writes goes out, and which one is not known yet.
    return {
        name: value
        for name, value in later[0].carried.items()
        if all(name in kind.carried for kind in later)
    }


def _expressible_fields(
    changed: Fields,
    first: WriteKind | None,
    later: Sequence[WriteKind],
    known: Known,
    capabilities: Capabilities,
) -> tuple[Fields, list[Unsupported]]:
    """Return the changed fields that some write can carry, and the unsupported.

    A later write can be repeated until all its fields have room. The first one is sent
    once: a field that only it can carry takes room there, and may find none.
    """
    writable_later: set[str] = set()
    for kind in later:
        writable_later |= kind.writable(changed)
    expressible = set(writable_later)
    if first and len(writable_later) < len(changed):
        writable_first = first.writable(changed)
        only_first = [
            name
            for name in changed
            if name in writable_first and name not in writable_later
        ]
        expressible.update(_with_room(only_first, first))
    fields: dict[str, Json] = {}
    dropped: list[Unsupported] = []
    for name, value in changed.items():
        if name in expressible:
            fields[name] = value
        else:
            code = _unsupported_code(name, value, known, capabilities)
            dropped.append(Unsupported(code, name))
    return fields, dropped


def _with_room(names: Sequence[str], first: WriteKind) -> Iterator[str]:
    """Yield the fields that the first write has room for, in the order of ``names``."""
    room = first.room
    for name in names:
        if room is None or name in first.carried:
            yield name
        elif room > 0:
            room -= 1
            yield name


def _unsupported_code(
    name: str, value: Json, known: Known, capabilities: Capabilities
) -> str:
    """Return the code of ``Unsupported`` for a field that no write can carry."""
    if capabilities.lowers_opt_out(name, value):
        return "lower_opt_out"
    if value is None:
        return "clear_field"
    # Of a field that accumulates, the value that stays is reported by itself, in
    # ``Changes.stays``.
    accumulates = matches(name, capabilities.accumulates)
    if name in known.fields and not accumulates:
        return "change_field"
    return "set_field"


def _expressible_sets(
    desired: BySetChange[Names],
    first: WriteKind | None,
    later: Sequence[WriteKind],
    offers: Capabilities,
) -> BySetChange[Names]:
    """Return the tags and lists that some call can carry.

    A call of their own, and a later write, can be repeated until all have room. Where
    only the first write takes them, it is as many as it has room for.
    """
    rooms_at_first = first.set_rooms if first else _NO_ROOM
    rooms_later = [kind.set_rooms for kind in later]
    expressible: list[Names] = []
    # ``index`` is a way in which sets can change: a field of BySetChange.
    for index, (_, offer) in enumerate(set_offers(offers)):
        names = desired[index]
        has_own_call = offer is not None
        if has_own_call or any(rooms[index] != 0 for rooms in rooms_later):
            expressible.append(names)
        else:
            # A room of None (no limit) takes them all.
            expressible.append(names[: rooms_at_first[index]])
    return BySetChange(*expressible)


def _dropped_sets(
    desired: BySetChange[Names], expressible: BySetChange[Names]
) -> Iterator[Unsupported]:
    """Yield the tags and lists that no call can carry: the last ones of each kind."""
    for code, names, kept in zip(_UNSUPPORTED_CODES, desired, expressible, strict=True):
        for name in names[len(kept) :]:
            # Lists go by their field's name here, and by their own in a report.
            is_list = code.endswith("_list")
            subject = name.removeprefix(LISTS) if is_list else name
            yield Unsupported(code, subject)
