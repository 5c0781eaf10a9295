"""The fewest requests that bring one contact in step, found by trying request sequences on a model of a vendor.

Everything the vendor holds of a contact is a *fact*: a name and a value. Fields are named as they are, tags begin with
``#`` and lists with ``lists.``, and both have the value True. A fact nobody can be sure of has the value DOUBT.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations, count

Facts = frozenset[tuple[str, object]]
DOUBT = "?"
TAG, LIST = "#", "lists."
WRITES = ("create", "update", "upsert", "set_lifecycle")
MEMBERS = {
    "add_tags": (TAG, True),
    "remove_tags": (TAG, None),
    "join_lists": (LIST, True),
    "leave_lists": (LIST, None),
}
"""The requests that only add, or only take away, and what they are about."""


@dataclass(frozen=True)
class Write:
    """What one create, update, upsert or change of lifecycle may carry; None: any number."""

    fields: frozenset[str]
    clears: frozenset[str]
    must_carry: tuple[str, ...]
    max_fields: int | None
    room: Mapping[str, int | None]
    """By the names of ``MEMBERS``: how many may ride inside."""
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
    """The rules of a vendor; what is missing does not exist there."""

    writes: Mapping[str, Write]
    members: Mapping[str, MemberCall]
    keeps: frozenset[str] = frozenset()
    """Fields of which it keeps every value it was ever sent: their value is a set."""
    finds: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Held:
    """What the vendor holds of the contact."""

    exists: bool
    facts: Facts = frozenset()

    def get(self, name: str) -> object:
        return dict(self.facts).get(name)


@dataclass(frozen=True)
class Wanted:
    """What is asked for: the facts that matter, None for those that must not be; the match keys, in order."""

    facts: Mapping[str, object]
    keys: tuple[str, ...] = ()
    """Names of the fields the contact is recognised by, in order."""
    old: Mapping[str, object] = field(default_factory=dict)
    """What was last known of every field: what a write has to carry, it may carry with that value."""

    def missing(self, held: Held, vendor: Vendor) -> frozenset[str]:
        """What is not as it should be. A field that keeps every value may fall short twice: ``name`` and ``name+``."""
        facts, short = dict(held.facts), set()
        for name, value in self.facts.items():
            found = facts.get(name)
            if name in vendor.keeps:
                values = found if isinstance(found, frozenset) else frozenset()
                short |= {name} if value is not None and value not in values else set()
                short |= {name + "+"} if values - {value} else set()
            elif found != value:
                short.add(name)
        return frozenset(short)


@dataclass(frozen=True)
class Request:
    """One request: what it sets, and takes away where the value is None."""

    kind: str
    facts: tuple[tuple[str, object], ...] = ()
    address: tuple[str, object] | None = None
    """The field that names the contact, and its value, where the vendor does not go by its own id."""


class IllegalRequest(Exception):
    """The vendor would refuse it, or it must not be sent."""


def answer(vendor: Vendor, wanted: Wanted, held: Held, request: Request) -> Held:
    """What the vendor holds after the request. Raises IllegalRequest."""
    if request.kind in MEMBERS:
        _check_members(vendor, held, request)
    else:
        _check_write(vendor, wanted, held, request)
    facts = dict(held.facts)
    for name, value in request.facts:
        if name in vendor.keeps:
            before = facts.get(name)
            facts[name] = (before if isinstance(before, frozenset) else frozenset()) | {
                value
            }
        elif value is None:
            facts.pop(name, None)
        else:
            facts[name] = value
    return Held(exists=True, facts=frozenset(facts.items()))


def _check_members(vendor: Vendor, held: Held, request: Request) -> None:
    prefix, value = MEMBERS[request.kind]
    offer = vendor.members.get(request.kind)
    _require(
        offer is not None and held.exists,
        "there is no such request, or no such contact",
    )
    assert offer is not None
    _require(0 < len(request.facts) <= _limit(offer.most), "too many members, or none")
    _require(
        all(
            name.startswith(prefix) and given == value for name, given in request.facts
        ),
        "it is about else",
    )
    if offer.addressed_by:
        _require(request.address is not None, "the contact is not named")
        assert request.address is not None
        name, named = request.address
        _require(
            name in offer.addressed_by and held.get(name) == named,
            "it names a contact that is not there",
        )


def _check_write(vendor: Vendor, wanted: Wanted, held: Held, request: Request) -> None:
    offer = vendor.writes.get(request.kind)
    _require(offer is not None, "there is no such request")
    assert offer is not None
    _require(
        request.kind == "upsert" or held.exists == (request.kind != "create"),
        "the contact is there, or is not",
    )
    if offer.keyed_by and request.kind == "upsert":
        key = next((name for name in offer.keyed_by if name in wanted.keys), None)
        _require(key is not None, "an upsert needs its key")
        by_id = held.exists and "update" in vendor.writes
        _require(not by_id, "it might hit another contact, and the update cannot")
    fields = {
        name: value for name, value in request.facts if not name.startswith((TAG, LIST))
    }
    for name in offer.must_carry:
        _require(fields.get(name) is not None, "it does not carry what it has to")
    _require(len(fields) <= _limit(offer.max_fields), "it carries too many fields")
    for name, value in fields.items():
        _require(
            name
            in (offer.clears if value is None else offer.fields | {*offer.must_carry}),
            "it cannot write this",
        )
    for kind, (prefix, value) in MEMBERS.items():
        riding = [
            name
            for name, given in request.facts
            if name.startswith(prefix) and given == value
        ]
        _require(
            len(riding) <= _limit(offer.room.get(kind, 0)), "too many members inside"
        )
    if request.kind == "create":
        findable = _findable(vendor, wanted, offer)
        _require(
            not findable or not findable.isdisjoint(fields),
            "if its answer is lost, it could not be found again",
        )


def _findable(vendor: Vendor, wanted: Wanted, create: Write) -> frozenset[str]:
    """The keys a create can carry by which the contact can be looked up."""
    names = frozenset(
        name for name in wanted.keys if wanted.facts.get(name) is not None
    )
    free = _limit(create.max_fields) > len(create.must_carry)
    return (
        names
        & vendor.finds
        & (create.fields | {*create.must_carry} if free else {*create.must_carry})
    )


def _require(fine: bool, why: str) -> None:  # noqa: FBT001
    if not fine:
        raise IllegalRequest(why)


def _limit(number: int | None) -> int:
    return 1_000_000 if number is None else number


def cost(vendor: Vendor, request: Request) -> int:
    """How many requests it counts for."""
    offer = (
        vendor.members[request.kind]
        if request.kind in MEMBERS
        else vendor.writes[request.kind]
    )
    return offer.cost


@dataclass(frozen=True)
class Least:
    """The fewest wishes that stay open, and the fewest requests that get there."""

    open_wishes: int
    requests: int


def search(vendor: Vendor, wanted: Wanted, held: Held) -> Least | None:
    """Try request sequences, cheapest first; None when the contact cannot be made to exist."""
    best: Least | None = None
    order = count()
    waiting = [(0, next(order), held)]
    seen: set[Held] = set()
    while waiting:
        spent, _, at = heapq.heappop(waiting)
        if at in seen:
            continue
        seen.add(at)
        short = len(wanted.missing(at, vendor))
        if at.exists and (best is None or short < best.open_wishes):
            best = Least(short, spent)
            if not short:
                break
        for request in _requests(vendor, wanted, at):
            try:
                after = answer(vendor, wanted, at, request)
            except IllegalRequest:
                continue
            if after not in seen:
                heapq.heappush(
                    waiting, (spent + cost(vendor, request), next(order), after)
                )
    return best


def _requests(vendor: Vendor, wanted: Wanted, held: Held) -> Iterator[Request]:
    """The requests worth a try.

    Full ones suffice: what a request leaves out that it could have carried, a later one would have to carry. Only a
    field that requests name the contact by, or have to carry, may be better changed later. Tags are all alike to a
    vendor, as are lists, so the first ones that fit stand for all.
    """
    short = wanted.missing(held, vendor)
    later = {name for offer in vendor.members.values() for name in offer.addressed_by}
    later |= {name for offer in vendor.writes.values() for name in offer.must_carry}
    for kind, (prefix, value) in MEMBERS.items():
        offer = vendor.members.get(kind)
        members = _members(wanted, short, prefix, value)
        if offer is not None and members:
            facts = tuple((name, value) for name in members[: _limit(offer.most)])
            yield from (
                Request(kind, facts, address) for address in _addresses(offer, held)
            )
    for kind in WRITES:
        write = vendor.writes.get(kind)
        if write is None:
            continue
        riding = [
            (name, value)
            for member, (prefix, value) in MEMBERS.items()
            for name in _members(wanted, short, prefix, value)[
                : _limit(write.room.get(member, 0))
            ]
        ]
        carried = _carried(write, wanted)
        if carried is None:
            continue
        fields = {
            name: value
            for name, value in wanted.facts.items()
            if name in short
            and name not in carried
            and not name.startswith((TAG, LIST))
            if name in (write.clears if value is None else write.fields)
        }
        for names in _selections(
            sorted(fields), later, _limit(write.max_fields) - len(carried)
        ):
            chosen = {**carried, **{name: fields[name] for name in names}}
            yield Request(kind, (*chosen.items(), *riding))


def _members(
    wanted: Wanted, short: frozenset[str], prefix: str, value: object
) -> list[str]:
    return sorted(
        name
        for name in short
        if name.startswith(prefix) and wanted.facts[name] == value
    )


def _addresses(offer: MemberCall, held: Held) -> Iterator[tuple[str, object] | None]:
    if not offer.addressed_by:
        yield None
    for name in offer.addressed_by:
        value = held.get(name)
        if value not in (None, DOUBT):
            yield name, value


def _carried(write: Write, wanted: Wanted) -> dict[str, object] | None:
    """The values of what the write has to carry: the wanted ones, else those that were there; None without a value."""
    carried: dict[str, object] = {}
    for name in write.must_carry:
        value = wanted.facts.get(name)
        if value is None:
            value = wanted.old.get(name)
        if value is None:
            return None
        carried[name] = value
    return carried


def _selections(
    names: list[str], later: set[str], room: int
) -> Iterator[tuple[str, ...]]:
    """Every choice of as many names as there is room for, with and without those that may be better changed later."""
    optional = [name for name in names if name in later]
    plain = [name for name in names if name not in later]
    for number in range(len(optional) + 1):
        for some in combinations(optional, number):
            if number <= room:
                yield from (
                    (*some, *rest)
                    for rest in combinations(plain, min(len(plain), room - number))
                )
