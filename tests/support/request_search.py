"""A search for the fewest requests that bring one contact in step.

It tries request sequences, cheapest first, on a model of a vendor. Everything that the
vendor holds of a contact is a *fact*: a name and a value. Fields are named as they are,
tags begin with ``#`` and lists with ``lists.``, and both have the value True. A fact nobody
can be sure of has the value UNKNOWN.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations, count

Facts = frozenset[tuple[str, object]]
UNKNOWN = "?"
TAG, LIST = "#", "lists."
WRITES = ("create", "update", "upsert", "set_lifecycle")
MEMBERS = {
    "add_tags": (TAG, True),
    "remove_tags": (TAG, None),
    "join_lists": (LIST, True),
    "leave_lists": (LIST, None),
}
"""Requests that only add, or only take away: prefix and value of their facts."""


@dataclass(frozen=True)
class Write:
    """The contents that a create, update, upsert or change of lifecycle may carry.

    A number of None: any number.
    """

    fields: frozenset[str]
    clears: frozenset[str]
    must_carry: tuple[str, ...]
    max_fields: int | None
    room: Mapping[str, int | None]
    """The most members that may ride inside, by the names of ``MEMBERS``."""
    cost: int
    keyed_by: tuple[str, ...] = ()


@dataclass(frozen=True)
class MemberCall:
    """A request about tags or lists alone."""

    most: int | None
    cost: int
    addressed_by: tuple[str, ...] = ()


@dataclass(frozen=True)
class Vendor:
    """The rules of a vendor. A request that is not listed does not exist there."""

    writes: Mapping[str, Write]
    members: Mapping[str, MemberCall]
    keeps: frozenset[str] = frozenset()
    """Fields of which the vendor keeps every value it was ever sent, as a set."""
    finds: frozenset[str] = frozenset()


@dataclass(frozen=True)
class RemoteFacts:
    """The facts that the vendor holds of the contact."""

    exists: bool
    facts: Facts = frozenset()

    def get(self, name: str) -> object:
        return dict(self.facts).get(name)


@dataclass(frozen=True)
class Target:
    """The facts to bring about; a value of None: the fact must not be."""

    facts: Mapping[str, object]
    keys: tuple[str, ...] = ()
    """Names of the fields that the contact is recognised by, in order."""
    old: Mapping[str, object] = field(default_factory=dict)
    """The value last known of every field.

    What a write has to carry, it may carry with that value.
    """

    def missing(self, remote: RemoteFacts, vendor: Vendor) -> frozenset[str]:
        """Return the names of facts that are not as they should be.

        A field that keeps every value may be wrong in two ways: ``name`` lacks its
        value, ``name+`` has values besides.
        """
        facts = dict(remote.facts)
        missing: set[str] = set()
        for name, value in self.facts.items():
            found = facts.get(name)
            if name in vendor.keeps:
                values = found if isinstance(found, frozenset) else frozenset()
                if value is not None and value not in values:
                    missing.add(name)
                if values - {value}:
                    missing.add(name + "+")
            elif found != value:
                missing.add(name)
        return frozenset(missing)


@dataclass(frozen=True)
class Request:
    """One request: the facts it sets, or takes away where the value is None."""

    kind: str
    facts: tuple[tuple[str, object], ...] = ()
    address: tuple[str, object] | None = None
    """The field and value that name the contact.

    None where the vendor goes by its own id.
    """


class IllegalRequest(Exception):
    """The vendor would refuse a request, or it must not be sent."""


def answer(
    vendor: Vendor, target: Target, remote: RemoteFacts, request: Request
) -> RemoteFacts:
    """Return the facts after a request. Raises IllegalRequest."""
    if request.kind in MEMBERS:
        _check_members(vendor, remote, request)
    else:
        _check_write(vendor, target, remote, request)
    facts = dict(remote.facts)
    for name, value in request.facts:
        if name in vendor.keeps:
            before = facts.get(name)
            values = before if isinstance(before, frozenset) else frozenset()
            facts[name] = values | {value}
        elif value is None:
            facts.pop(name, None)
        else:
            facts[name] = value
    return RemoteFacts(exists=True, facts=frozenset(facts.items()))


def _check_members(vendor: Vendor, remote: RemoteFacts, request: Request) -> None:
    prefix, value = MEMBERS[request.kind]
    offer = vendor.members.get(request.kind)
    if offer is None or not remote.exists:
        raise IllegalRequest("there is no such request, or no such contact")
    _require(0 < len(request.facts) <= _limit(offer.most), "too many members, or none")
    for name, given in request.facts:
        is_member = name.startswith(prefix) and given == value
        _require(is_member, "it is about something else")
    if offer.addressed_by:
        if request.address is None:
            raise IllegalRequest("the contact is not named")
        name, named = request.address
        names_it = name in offer.addressed_by and remote.get(name) == named
        _require(names_it, "it names a contact that is not there")


def _check_write(
    vendor: Vendor, target: Target, remote: RemoteFacts, request: Request
) -> None:
    offer = vendor.writes.get(request.kind)
    if offer is None:
        raise IllegalRequest("there is no such request")
    if request.kind == "create":
        _require(not remote.exists, "the contact is there already")
    elif request.kind != "upsert":
        _require(remote.exists, "the contact is not there")
    elif offer.keyed_by:
        _check_keyed_upsert(vendor, target, remote, offer)
    fields = _check_fields(offer, request)
    _check_riding(offer, request)
    if request.kind == "create":
        findable = _findable(vendor, target, offer)
        _require(
            not findable or not findable.isdisjoint(fields),
            "if its answer is lost, it could not be found again",
        )


def _check_keyed_upsert(
    vendor: Vendor, target: Target, remote: RemoteFacts, offer: Write
) -> None:
    """Refuse an upsert whose key the contact lacks, or that may hit another one."""
    has_key = any(name in target.keys for name in offer.keyed_by)
    _require(has_key, "an upsert needs its key")
    could_go_by_id = remote.exists and "update" in vendor.writes
    _require(not could_go_by_id, "it might hit another contact, and the update cannot")


def _check_fields(offer: Write, request: Request) -> dict[str, object]:
    """Check the fields of a write, and return them."""
    fields = {
        name: value for name, value in request.facts if not name.startswith((TAG, LIST))
    }
    for name in offer.must_carry:
        _require(fields.get(name) is not None, "it does not carry what it has to")
    _require(len(fields) <= _limit(offer.max_fields), "it carries too many fields")
    for name, value in fields.items():
        if value is None:
            writable: frozenset[str] = offer.clears
        else:
            writable = offer.fields | {*offer.must_carry}
        _require(name in writable, "it cannot write this")
    return fields


def _check_riding(offer: Write, request: Request) -> None:
    """Check the tags and lists that ride inside a write."""
    for kind, (prefix, value) in MEMBERS.items():
        riding = [
            name
            for name, given in request.facts
            if name.startswith(prefix) and given == value
        ]
        room = _limit(offer.room.get(kind, 0))
        _require(len(riding) <= room, "too many members inside")


def _findable(vendor: Vendor, target: Target, create: Write) -> frozenset[str]:
    """Return the match keys a create can carry by which a look-up finds the contact."""
    names = frozenset(
        name for name in target.keys if target.facts.get(name) is not None
    )
    carried = frozenset(create.must_carry)
    if _limit(create.max_fields) > len(create.must_carry):
        carried |= create.fields
    return names & vendor.finds & carried


def _require(fine: bool, why: str) -> None:  # noqa: FBT001
    if not fine:
        raise IllegalRequest(why)


def _limit(number: int | None) -> int:
    return 1_000_000 if number is None else number


def cost(vendor: Vendor, request: Request) -> int:
    """Return how many HTTP requests a request counts as."""
    if request.kind in MEMBERS:
        return vendor.members[request.kind].cost
    return vendor.writes[request.kind].cost


@dataclass(frozen=True)
class Least:
    """The fewest changes that stay open, and the fewest requests that get there."""

    open_changes: int
    requests: int


def search(vendor: Vendor, target: Target, remote: RemoteFacts) -> Least | None:
    """Try request sequences, cheapest first.

    Returns None when the contact cannot be made to exist.
    """
    best: Least | None = None
    # The number breaks ties in the heap: facts cannot be compared.
    order = count()
    waiting = [(0, next(order), remote)]
    seen: set[RemoteFacts] = set()
    while waiting:
        spent, _, at = heapq.heappop(waiting)
        if at in seen:
            continue
        seen.add(at)
        still_open = len(target.missing(at, vendor))
        if at.exists and (best is None or still_open < best.open_changes):
            # Cheapest first: no later sequence gets as far for less.
            best = Least(still_open, spent)
            if not still_open:
                break
        for request in _requests(vendor, target, at):
            try:
                after = answer(vendor, target, at, request)
            except IllegalRequest:
                continue
            if after not in seen:
                heapq.heappush(
                    waiting, (spent + cost(vendor, request), next(order), after)
                )
    return best


def _requests(vendor: Vendor, target: Target, remote: RemoteFacts) -> Iterator[Request]:
    """Yield the requests worth a try.

    Full ones suffice: what a request leaves out that it could have carried, a later one
    would have to carry. Only a field that requests name the contact by, or have to
    carry, may be better changed later. Tags are all alike to a vendor, as are lists, so
    the first ones that fit stand for all.
    """
    missing = target.missing(remote, vendor)
    yield from _member_requests(vendor, target, remote, missing)
    later: set[str] = set()
    for offer in vendor.members.values():
        later.update(offer.addressed_by)
    for write in vendor.writes.values():
        later.update(write.must_carry)
    for kind in WRITES:
        if kind in vendor.writes:
            for contents in _contents(vendor.writes[kind], target, missing, later):
                yield Request(kind, contents)


def _member_requests(
    vendor: Vendor, target: Target, remote: RemoteFacts, missing: frozenset[str]
) -> Iterator[Request]:
    """Yield the requests about tags or lists alone, as full as they can be."""
    for kind, (prefix, value) in MEMBERS.items():
        offer = vendor.members.get(kind)
        members = _members(target, missing, prefix, value)
        if offer is not None and members:
            facts = tuple((name, value) for name in members[: _limit(offer.most)])
            for address in _addresses(offer, remote):
                yield Request(kind, facts, address)


def _contents(
    write: Write, target: Target, missing: frozenset[str], later: set[str]
) -> Iterator[tuple[tuple[str, object], ...]]:
    """Yield the contents worth a try in a write. ``later``: see ``_selections``."""
    carried = _carried(write, target)
    if carried is None:
        return
    riding = _riding(write, target, missing)
    fields: dict[str, object] = {}
    for name, goal in target.facts.items():
        if name not in missing or name in carried or name.startswith((TAG, LIST)):
            continue
        if name in (write.clears if goal is None else write.fields):
            fields[name] = goal
    room = _limit(write.max_fields) - len(carried)
    for selection in _selections(sorted(fields), later, room):
        chosen = {**carried, **{name: fields[name] for name in selection}}
        yield (*chosen.items(), *riding)


def _riding(
    write: Write, target: Target, missing: frozenset[str]
) -> list[tuple[str, object]]:
    """Return the tags and lists that ride inside a write, as many as fit."""
    riding: list[tuple[str, object]] = []
    for member, (prefix, value) in MEMBERS.items():
        room = _limit(write.room.get(member, 0))
        names = _members(target, missing, prefix, value)[:room]
        riding += [(name, value) for name in names]
    return riding


def _members(
    target: Target, missing: frozenset[str], prefix: str, value: object
) -> list[str]:
    return sorted(
        name
        for name in missing
        if name.startswith(prefix) and target.facts[name] == value
    )


def _addresses(
    offer: MemberCall, remote: RemoteFacts
) -> Iterator[tuple[str, object] | None]:
    if not offer.addressed_by:
        yield None
    for name in offer.addressed_by:
        value = remote.get(name)
        if value not in (None, UNKNOWN):
            yield name, value


def _carried(write: Write, target: Target) -> dict[str, object] | None:
    """Return the fields that a write has to carry, with their values.

    The value asked for, else the one last known; None where a field has neither.
    """
    carried: dict[str, object] = {}
    for name in write.must_carry:
        value = target.facts.get(name)
        if value is None:
            value = target.old.get(name)
        if value is None:
            return None
        carried[name] = value
    return carried


def _selections(
    names: list[str], later: set[str], room: int
) -> Iterator[tuple[str, ...]]:
    """Yield every choice of as many names as there is room for.

    With and without each of those that may be better changed ``later``.
    """
    optional = [name for name in names if name in later]
    plain = [name for name in names if name not in later]
    for number in range(len(optional) + 1):
        for some in combinations(optional, number):
            if number > room:
                continue
            for rest in combinations(plain, min(len(plain), room - number)):
                yield (*some, *rest)
