"""Pack wishes into the fewest requests a vendor's capabilities permit.

A plan is a number of writes of each kind plus pure tag calls. Writes are few kinds (a first one for a new contact, then
updates or upserts), so their numbers are searched outright, cheapest first; whether the fields fit is a bipartite
matching, and the tags that found no room in the writes go out in tag calls. Every further write costs at least one
request, which bounds the search by the best plan found.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from syncengine.model.calls import Action
from syncengine.model.capabilities import Capabilities, ListCall, TagCall, Write, matches
from syncengine.model.contact import Fields
from syncengine.model.http import Json


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of write as it can be used for one contact."""

    action: Action
    write: Write
    carried: Mapping[str, Json]
    """What every call of it carries anyway: the must-carry fields with their values."""

    @property
    def room(self) -> int | None:
        """Further fields one call has room for."""
        return None if self.write.max_fields is None else self.write.max_fields - len(self.carried)

    def can(self, name: str, value: Json) -> bool:
        """Whether a call of it can set, or clear, this field."""
        if name in self.carried:
            return value is not None
        return self.room != 0 and matches(name, self.write.clears if value is None else self.write.fields)


@dataclass(slots=True)
class Parcel:
    """One call in the making."""

    action: Action
    fields: dict[str, Json] = field(default_factory=dict)
    add_tags: list[str] = field(default_factory=list)
    remove_tags: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Load:
    """What is to be packed: everything in it fits somewhere."""

    fields: Fields
    """Without lists."""
    add_tags: tuple[str, ...] = ()
    remove_tags: tuple[str, ...] = ()
    join_lists: tuple[str, ...] = ()
    """By their names as fields."""
    leave_lists: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Packed:
    """The cheapest packing found."""

    parcels: tuple[Parcel, ...]
    requests: int


def pack(first: Kind | None, later: Sequence[Kind], capabilities: Capabilities, load: Load) -> Packed | None:
    """The packing with the fewest requests, or None when the load does not fit.

    ``first`` is the write that makes a new contact exist (None: it exists); ``later`` are the kinds usable behind it.
    """
    best: Packed | None = None
    for writes in _numbers(first, later):
        cost = sum(kind.write.requests for kind in writes)
        if best is not None and cost >= best.requests:
            break
        if cost > _dearest(first, later, load):
            break
        packed = _fill(writes, cost, capabilities, load)
        if packed is not None and (best is None or packed.requests < best.requests):
            best = packed
    return best


def _dearest(first: Kind | None, later: Sequence[Kind], load: Load) -> int:
    """No sensible packing has writes that cost more: one for each single wish."""
    wishes = len(load.fields) + len(load.add_tags) + len(load.remove_tags)
    return (first.write.requests if first else 0) + wishes * max((kind.write.requests for kind in later), default=0)


def _numbers(first: Kind | None, later: Sequence[Kind]) -> Iterator[list[Kind]]:
    """All lists of writes, cheapest first; without end where there are later kinds."""
    start = [first] if first else []
    yield start
    extra = 1
    while later:
        yield from (start + chosen for chosen in _chosen(later, extra))
        extra += 1


def _chosen(kinds: Sequence[Kind], cost: int) -> Iterator[list[Kind]]:
    """All selections of these kinds, repeated as wished, that cost exactly so many requests."""
    if cost == 0:
        yield []
        return
    if not kinds:
        return
    head, tail = kinds[0], kinds[1:]
    for number in range(cost // head.write.requests, -1, -1):
        for rest in _chosen(tail, cost - number * head.write.requests):
            yield [head] * number + rest


def _fill(writes: list[Kind], cost: int, capabilities: Capabilities, load: Load) -> Packed | None:
    """Put the load into these writes and as few tag calls as possible; None when it does not fit."""
    placed = _place(writes, load.fields)
    if placed is None:
        return None
    parcels = [Parcel(kind.action, {**kind.carried, **fields}) for kind, fields in zip(writes, placed, strict=True)]
    add_rest, remove_rest, join_rest = list(load.add_tags), list(load.remove_tags), list(load.join_lists)
    for kind, parcel in zip(writes, parcels, strict=True):
        parcel.add_tags, add_rest = _split(add_rest, kind.write.add_tags)
        parcel.remove_tags, remove_rest = _split(remove_rest, kind.write.remove_tags)
        joined, join_rest = _split(join_rest, kind.write.join_lists)
        parcel.fields |= dict.fromkeys(joined, True)
    for action, rest, call in (
        (Action.REMOVE_TAGS, remove_rest, capabilities.remove_tags),
        (Action.ADD_TAGS, add_rest, capabilities.add_tags),
        (Action.LEAVE_LISTS, list(load.leave_lists), capabilities.leave_lists),
        (Action.JOIN_LISTS, join_rest, capabilities.join_lists),
    ):
        if not rest:
            continue
        if call is None:
            return None
        calls = [_set_call(action, members) for members in _chunks(rest, call)]
        parcels += calls
        cost += len(calls) * call.requests
    return Packed(tuple(parcels), cost)


def _set_call(action: Action, members: list[str]) -> Parcel:
    match action:
        case Action.ADD_TAGS:
            return Parcel(action, add_tags=members)
        case Action.REMOVE_TAGS:
            return Parcel(action, remove_tags=members)
        case _:
            return Parcel(action, dict.fromkeys(members, True if action is Action.JOIN_LISTS else None))


def _split(tags: list[str], room: int | None) -> tuple[list[str], list[str]]:
    return (tags, []) if room is None else (tags[:room], tags[room:])


def _chunks(members: list[str], call: TagCall | ListCall) -> list[list[str]]:
    """As many a call as it takes."""
    size = (call.max_tags if isinstance(call, TagCall) else call.max_lists) or len(members)
    return [members[start : start + size] for start in range(0, len(members), size)]


def _place(writes: list[Kind], fields: Fields) -> list[dict[str, Json]] | None:
    """Match each field to a write that can carry it and has room (augmenting paths); None when some find no place."""
    free = {name for kind in writes for name in kind.carried if fields.get(name) is not None}
    rooms = [kind.room for kind in writes]
    if sum(len(fields) if room is None else room for room in rooms) < len(fields) - len(free):
        return None
    places: list[list[str]] = [[] for _ in writes]

    def settle(name: str, tried: set[int]) -> bool:
        for index, kind in enumerate(writes):
            if index in tried or not kind.can(name, fields[name]):
                continue
            tried.add(index)
            room = rooms[index]
            if room is None or len(places[index]) < room:
                places[index].append(name)
                return True
            for position, other in enumerate(places[index]):
                if settle(other, tried):
                    places[index][position] = name
                    return True
        return False

    for name in fields:
        if name not in free and not settle(name, set()):
            return None
    return [{name: fields[name] for name in names} for names in places]
