"""Plan of one contact: desired minus known gives calls, or the reason for none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from syncengine.model.calls import Action, Call, Rejected, Unsupported
from syncengine.model.capabilities import Capabilities, OptOut, Write, matches
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

_CODES = BySetChange("add_tag", "remove_tag", "join_list", "leave_list")


@dataclass(frozen=True, slots=True)
class Plan:
    """Calls in the order they have to be sent, and what the vendor cannot express."""

    calls: tuple[Call, ...] = ()
    unsupported: tuple[Unsupported, ...] = ()
    requests: int = 0
    """Number of requests of the calls when nothing goes wrong."""


@dataclass(frozen=True, slots=True)
class _Draft:
    """A way to do it."""

    packed: Packing
    dropped: tuple[Unsupported, ...]
    addresses: Mapping[Action, TagAddress]

    @property
    def rank(self) -> tuple[int, int]:
        """Return the sort key: as much expressed as possible, then fewest requests."""
        return len(self.dropped), self.packed.requests


def plan_contact(
    desired: Desired, known: Known, capabilities: Capabilities
) -> Plan | Rejected:
    """Return the calls that bring the vendor's copy in step, in the fewest requests.

    A contact without external id does not exist at the vendor: it is created or
    upserted first. Raises nothing.
    """
    refusal = _untakeable(desired, capabilities)
    if refusal is not None:
        return refusal
    desired = _without_empty_choices(desired, capabilities)
    wanted = changes_between(desired, known, capabilities)
    skipped = tuple(Unsupported("invalid_value", name) for name in desired.invalid)
    exists = known.external_id is not None
    key, key_change = identity_key(desired, known, capabilities)
    if exists and not wanted:
        return Plan(unsupported=wanted.stays + key_change + skipped)
    later = [
        kind
        for kind in (_usable(offer, desired, known) for offer in _later(capabilities))
        if kind
    ]
    firsts: list[WriteKind | None] = [None]
    if not exists:
        offered = list(_firsts(desired, known, capabilities))
        if not offered:
            return Plan(unsupported=(Unsupported("create", ""),))
        firsts = [
            kind
            for kind in (_usable(first, desired, known) for first in offered)
            if kind
        ]
        if not firsts:
            return _missing(offered[0].write, desired)
    drafts = [
        _draft(wanted, first, later, capabilities, key, known) for first in firsts
    ]
    best = min(drafts, key=lambda draft: draft.rank)
    keys = {action: address.key for action, address in best.addresses.items()}
    if held := keys_at_vendor(known, capabilities):
        keys[Action.UPDATE] = held[0]
    if capabilities.upsert and capabilities.upsert.keyed_by:
        keys[Action.UPSERT] = upsert_key(desired, capabilities.upsert)
    calls = tuple(
        Call(
            action=parcel.action,
            contact_id=desired.contact_id,
            external_id=known.external_id,
            key=keys.get(parcel.action, key),
            other_keys=_others(
                parcel.action, keys.get(parcel.action), desired, known, capabilities
            ),
            fields=parcel.fields,
            add_tags=parcel.add_tags,
            remove_tags=parcel.remove_tags,
        )
        for parcel in _in_order(best)
    )
    return Plan(
        calls, wanted.stays + best.dropped + key_change + skipped, best.packed.requests
    )


def _others(
    action: Action,
    key: MatchKey | None,
    desired: Desired,
    known: Known,
    capabilities: Capabilities,
) -> tuple[MatchKey, ...]:
    tagging = {
        Action.ADD_TAGS: capabilities.add_tags,
        Action.REMOVE_TAGS: capabilities.remove_tags,
    }.get(action)
    return other_addresses(tagging, key, desired, known) if tagging and key else ()


def _untakeable(desired: Desired, capabilities: Capabilities) -> Rejected | None:
    """Return the refusal of a contact with a value that its field cannot take."""
    for name in _checked(capabilities):
        if why := capabilities.takes(name, desired.fields.get(name)):
            return Rejected(
                "invalid_value",
                f'field "{name}" {why}; correct the row or the mapping',
                by_vendor=False,
            )
    return None


def _without_empty_choices(desired: Desired, capabilities: Capabilities) -> Desired:
    """Return the contact without empty texts that its fields do not allow.

    A field with choices has no value then where the empty text is none of them.
    """
    names = [each for each in _checked(capabilities) if desired.fields.get(each) == ""]
    if not names:
        return desired
    return replace(desired, fields={**desired.fields, **dict.fromkeys(names)})


def _checked(capabilities: Capabilities) -> tuple[str, ...]:
    choices = tuple(each.field for each in capabilities.choices)
    return (*capabilities.whole_numbers, *choices)


def _in_order(draft: _Draft) -> list[CallDraft]:
    """Return the calls in order.

    Tag calls come behind the writes that set the key they name the contact by, or
    before those that end it.
    """
    early = [
        call
        for call in draft.packed.calls
        if call.action in draft.addresses and draft.addresses[call.action].early
    ]
    return [
        *early,
        *draft.packed.writes,
        *(call for call in draft.packed.calls if call not in early),
    ]


def _firsts(
    desired: Desired, known: Known, capabilities: Capabilities
) -> Iterator[WriteKind]:
    """Return the writes that can create a contact.

    Each comes as it is, and with a field that tag calls could name the contact by.
    """
    for kind in _makers(desired, known, capabilities):
        yield kind
        for name in naming_fields(desired, kind.write, capabilities):
            yield replace(kind, carried={**kind.carried, name: desired.fields[name]})


def _makers(
    desired: Desired, known: Known, capabilities: Capabilities
) -> Iterator[WriteKind]:
    # Who said no before, and is made again, says no again.
    noes = capabilities.opt_outs_in(known.fields)
    # An upsert is safe to repeat, so it wins a draw.
    if upsert := capabilities.upsert:
        carried = _that_it_takes(noes, upsert)
        yield WriteKind(Action.UPSERT, upsert, carried, capabilities.opt_outs)
    if create := capabilities.create:
        kept = tuple(each for each in capabilities.opt_outs if each.field in noes)
        carried = _that_it_takes(noes, create)
        # A create without a key that can be looked up would be made twice, should its answer be lost.
        for name in match_fields_to_carry(desired, create, capabilities) or (None,):
            key = {} if name is None else {name: desired.fields[name]}
            yield WriteKind(Action.CREATE, create, {**carried, **key}, kept)


def _that_it_takes(fields: Fields, write: Write) -> dict[str, Json]:
    return {
        name: value for name, value in fields.items() if matches(name, write.fields)
    }


def _later(capabilities: Capabilities) -> Iterator[WriteKind]:
    opt_outs = capabilities.opt_outs
    if capabilities.update:
        yield WriteKind(Action.UPDATE, capabilities.update, {}, opt_outs)
    # An upsert that goes by a match key may hit another contact; the external id cannot.
    if capabilities.upsert and not (
        capabilities.upsert.keyed_by and capabilities.update
    ):
        yield WriteKind(Action.UPSERT, capabilities.upsert, {}, opt_outs)
    if capabilities.set_lifecycle:
        yield WriteKind(Action.SET_LIFECYCLE, capabilities.set_lifecycle, {}, opt_outs)


def _usable(kind: WriteKind, desired: Desired, known: Known) -> WriteKind | None:
    """Return the kind with its must-carry fields filled in.

    None when one has no value or there is no room for them.
    """
    if (
        kind.action is Action.UPSERT
        and kind.write.keyed_by
        and upsert_key(desired, kind.write) is None
    ):
        return None
    carried = dict(kind.carried)
    for name in kind.write.must_carry:
        value = _to_carry(name, kind.opt_outs, desired, known)
        if value is None:
            return None
        carried[name] = value
    keyed_by = kind.write.keyed_by if kind.action is Action.CREATE else ()
    if keyed_by and not any(carried.get(name) not in (None, "") for name in keyed_by):
        # Without one of them the vendor could not tell a second contact from the first.
        key = create_key(desired, kind.write)
        if key is None:
            return None
        carried[key] = desired.fields[key]
    if kind.write.max_fields is not None and kind.write.max_fields < len(carried):
        return None
    return replace(kind, carried=carried)


def _to_carry(
    name: str, opt_outs: Sequence[OptOut], desired: Desired, known: Known
) -> Json:
    """Return the value of a must-carry field: what is desired, else what is known."""
    wished, held = desired.fields.get(name), known.fields.get(name)
    for opt_out in opt_outs:
        if opt_out.field == name and opt_out.is_opted_out(held):
            return held
    return held if wished is None else wished


def _missing(write: Write, desired: Desired) -> Rejected:
    absent = [name for name in write.must_carry if desired.fields.get(name) is None]
    needs = " and ".join(absent) or " or ".join(write.keyed_by)
    return Rejected(
        "missing_field",
        f"the vendor needs {needs}, which the source leaves empty: fill it there or set a default",
        by_vendor=False,
    )


def _draft(
    wanted: Changes,
    first: WriteKind | None,
    later: Sequence[WriteKind],
    capabilities: Capabilities,
    key: MatchKey | None,
    known: Known,
) -> _Draft:
    """Pack the changes that fit somewhere; the vendor cannot express the others."""
    lists = {
        name: value for name, value in wanted.fields.items() if name.startswith(LISTS)
    }
    plain = (
        {name: value for name, value in wanted.fields.items() if name not in lists}
        if lists
        else wanted.fields
    )
    fields, dropped = _expressible(plain, first, later, known, capabilities)
    add, remove = capabilities.add_tags, capabilities.remove_tags
    written = {**_surely_carried(first, later, fields), **fields}
    adding = tag_address(add, key, known, written) if add else None
    removing = tag_address(remove, key, known, written) if remove else None
    offers = capabilities
    if (add and not adding) or (remove and not removing):
        offers = replace(
            capabilities,
            add_tags=add if adding else None,
            remove_tags=remove if removing else None,
        )
    wished = BySetChange(
        wanted.add_tags,
        wanted.remove_tags,
        tuple(name for name, value in lists.items() if value is not None),
        tuple(name for name, value in lists.items() if value is None),
    )
    members = _that_fit(wished, first, later, offers)
    for code, names, fit in zip(_CODES, wished, members, strict=True):
        dropped += [
            Unsupported(code, name if code in _CODES[:2] else name.removeprefix(LISTS))
            for name in names[len(fit) :]
        ]
    packed = pack(first, later, offers, PackableChanges(fields, members))
    if packed is None:
        raise AssertionError("an expressible load has a packing")
    addresses = ((Action.ADD_TAGS, adding), (Action.REMOVE_TAGS, removing))
    return _Draft(
        packed,
        tuple(dropped),
        {action: address for action, address in addresses if address},
    )


def _surely_carried(
    first: WriteKind | None, later: Sequence[WriteKind], fields: Fields
) -> Fields:
    """Return the fields that are sent anyway, whichever writes are chosen.

    They go out changed or not.
    """
    if first:
        return first.carried
    kinds = later if fields else ()
    carried = kinds[0].carried if kinds else {}
    return {
        name: value
        for name, value in carried.items()
        if all(name in kind.carried for kind in kinds)
    }


def _expressible(
    wanted: Fields,
    first: WriteKind | None,
    later: Sequence[WriteKind],
    known: Known,
    capabilities: Capabilities,
) -> tuple[Fields, list[Unsupported]]:
    """Return the changed fields that some write can carry, and the unsupported."""
    fields: dict[str, Json] = {}
    dropped: list[Unsupported] = []
    room = first.room if first else 0
    anytime = frozenset[str]().union(*(kind.able(wanted) for kind in later))
    at_first = (
        first.able(wanted) if first and len(anytime) < len(wanted) else frozenset[str]()
    )
    for name, value in wanted.items():
        if name in anytime:
            fields[name] = value
        elif (
            first
            and name in at_first
            and (name in first.carried or room is None or room > 0)
        ):
            fields[name] = value
            if room is not None and name not in first.carried:
                room -= 1
        else:
            dropped.append(
                Unsupported(_field_code(name, value, known, capabilities), name)
            )
    return fields, dropped


def _field_code(
    name: str, value: Json, known: Known, capabilities: Capabilities
) -> str:
    if capabilities.lowers_opt_out(name, value):
        return "lower_opt_out"
    if value is None:
        return "clear_field"
    # Of a field that accumulates, the value that stays is told of apart (``Changes.stays``).
    changes = name in known.fields and not matches(name, capabilities.accumulates)
    return "change_field" if changes else "set_field"


def _that_fit(
    wished: BySetChange[Names],
    first: WriteKind | None,
    later: Sequence[WriteKind],
    offers: Capabilities,
) -> BySetChange[Names]:
    """Return the tags and lists that some call can carry.

    Where only the first write can, it is as many as it has room for.
    """
    once = first.rooms if first else BySetChange(0, 0, 0, 0)
    anytime = [
        offer is not None or any(kind.rooms[place] != 0 for kind in later)
        for place, (_, offer) in enumerate(set_offers(offers))
    ]
    return BySetChange(
        *(
            names if always else names[:room]
            for names, always, room in zip(wished, anytime, once, strict=True)
        )
    )
