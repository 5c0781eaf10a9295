"""Packing of changes into the fewest requests a vendor's capabilities permit.

A plan is a number of writes of each kind plus pure tag calls. Writes are few kinds (a
first one for a new contact, then updates or upserts), so their numbers are searched
outright, cheapest first; whether the fields fit is a bipartite matching, and the tags
that found no room in the writes go out in tag calls. Every further write costs at least
one request, which bounds the search by the best plan found.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeAlias, TypeVar

from syncengine.model.calls import Action
from syncengine.model.capabilities import (
    Capabilities,
    ListCall,
    OptOut,
    TagCall,
    Write,
    matches,
)
from syncengine.model.contact import Fields
from syncengine.model.http import Json

_T = TypeVar("_T")
Names: TypeAlias = tuple[str, ...]


class BySetChange(NamedTuple, Generic[_T]):
    """Values for each way in which tags and lists can change.

    Lists go by their names as fields.
    """

    add_tags: _T
    remove_tags: _T
    join_lists: _T
    leave_lists: _T


@dataclass(frozen=True, slots=True, eq=False)
class WriteKind:
    """A kind of write as it can be used for one contact."""

    action: Action
    write: Write
    carried: Mapping[str, Json]
    """The must-carry fields of every call, with their values."""
    opt_outs: tuple[OptOut, ...] = ()
    """Fields in which the contact that is written to may have opted out. Empty for a
    create: there is no contact yet that could have."""

    @property
    def room(self) -> int | None:
        """Return the number of further fields one call has room for."""
        return (
            None
            if self.write.max_fields is None
            else self.write.max_fields - len(self.carried)
        )

    @property
    def rooms(self) -> BySetChange[int | None]:
        """Return the numbers of tags and lists one call has room for."""
        return BySetChange(
            self.write.add_tags, self.write.remove_tags, self.write.join_lists, 0
        )

    def able(self, fields: Fields) -> frozenset[str]:
        """Return those of the fields that a call of it can set, or clear."""
        carried, write, roomy = self.carried, self.write, self.room != 0
        names = frozenset(
            name
            for name, value in fields.items()
            if (
                value is not None
                if name in carried
                else roomy
                and matches(name, write.clears if value is None else write.fields)
            )
        )
        withheld = {
            opt_out.field
            for opt_out in self.opt_outs
            if opt_out.field in names
            and not opt_out.is_opted_out(fields[opt_out.field])
        }
        return names - withheld


@dataclass(frozen=True, slots=True)
class CallDraft:
    """One call in the making."""

    action: Action
    fields: Fields = field(default_factory=dict)
    add_tags: tuple[str, ...] = ()
    remove_tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PackableChanges:
    """Fields and members to pack; all of them fit somewhere."""

    fields: Fields
    """Without lists."""
    members: BySetChange[Names]


@dataclass(frozen=True, slots=True)
class Packing:
    """The cheapest packing found."""

    writes: tuple[CallDraft, ...]
    """In the order they have to be sent."""
    calls: tuple[CallDraft, ...]
    """About tags and lists alone."""
    requests: int


def pack(
    first: WriteKind | None,
    later: Sequence[WriteKind],
    capabilities: Capabilities,
    load: PackableChanges,
) -> Packing | None:
    """Return the packing with the fewest requests, or None without any that fits.

    ``first`` is the write that creates a new contact (None: it exists); ``later`` are
    the kinds usable behind it.
    """
    best: Packing | None = None
    dearest = _dearest(first, later, load)
    for writes in _numbers(first, later):
        cost = sum(kind.write.requests for kind in writes)
        # Selections come cheapest first: none behind this one can be cheaper.
        if cost > dearest or (best is not None and cost >= best.requests):
            break
        members = _ride(writes, load)
        calls = _set_calls(members[-1], capabilities)
        if calls is None:
            continue
        cost += sum(requests for _, requests in calls)
        if best is not None and cost >= best.requests:
            continue
        placed = _place(writes, load.fields)
        if placed is not None:
            best = Packing(
                _written(writes, placed, members),
                tuple(parcel for parcel, _ in calls),
                cost,
            )
    return best


def _dearest(
    first: WriteKind | None, later: Sequence[WriteKind], load: PackableChanges
) -> int:
    """Return an upper bound for the cost of writes: one write for each change."""
    wishes = len(load.fields) + sum(map(len, load.members))
    return (first.write.requests if first else 0) + wishes * max(
        (kind.write.requests for kind in later), default=0
    )


def _numbers(
    first: WriteKind | None, later: Sequence[WriteKind]
) -> Iterator[list[WriteKind]]:
    """Yield all lists of writes, cheapest first; endless where later kinds exist."""
    start = [first] if first else []
    yield start
    extra = 1
    while later:
        yield from (start + chosen for chosen in _chosen(later, extra))
        extra += 1


def _chosen(kinds: Sequence[WriteKind], cost: int) -> Iterator[list[WriteKind]]:
    """Yield all selections of these kinds that cost exactly so many requests.

    A kind may be repeated.
    """
    if cost == 0:
        yield []
        return
    if not kinds:
        return
    head, tail = kinds[0], kinds[1:]
    for number in range(cost // head.write.requests, -1, -1):
        for rest in _chosen(tail, cost - number * head.write.requests):
            yield [head] * number + rest


def _ride(
    writes: Sequence[WriteKind], load: PackableChanges
) -> list[BySetChange[Names]]:
    """Return the tags and lists inside each write; last, those without room."""
    riding, rest = [], load.members
    for kind in writes:
        riding.append(
            BySetChange(
                *(
                    members[:room]
                    for members, room in zip(rest, kind.rooms, strict=True)
                )
            )
        )
        rest = BySetChange(
            *(
                members[len(taken) :]
                for members, taken in zip(rest, riding[-1], strict=True)
            )
        )
    return [*riding, rest]


def set_offers(
    capabilities: Capabilities,
) -> BySetChange[tuple[Action, TagCall | ListCall | None]]:
    """Return the calls about tags and lists alone."""
    return BySetChange(
        (Action.ADD_TAGS, capabilities.add_tags),
        (Action.REMOVE_TAGS, capabilities.remove_tags),
        (Action.JOIN_LISTS, capabilities.join_lists),
        (Action.LEAVE_LISTS, capabilities.leave_lists),
    )


def _set_calls(
    rest: BySetChange[Names], capabilities: Capabilities
) -> list[tuple[CallDraft, int]] | None:
    """Return the calls for tags and lists that ride in no write, with their requests.

    None where the vendor has no such calls.
    """
    calls: list[tuple[CallDraft, int]] = []
    for names, (action, offer) in zip(rest, set_offers(capabilities), strict=True):
        if not names:
            continue
        if offer is None:
            return None
        most = (
            offer.max_tags if isinstance(offer, TagCall) else offer.max_lists
        ) or len(names)
        calls += (
            (_set_call(action, names[at : at + most]), offer.requests)
            for at in range(0, len(names), most)
        )
    return calls


def _set_call(action: Action, members: Names) -> CallDraft:
    match action:
        case Action.ADD_TAGS:
            return CallDraft(action, add_tags=members)
        case Action.REMOVE_TAGS:
            return CallDraft(action, remove_tags=members)
        case _:
            return CallDraft(
                action,
                dict.fromkeys(members, True if action is Action.JOIN_LISTS else None),
            )


def _written(
    writes: Sequence[WriteKind],
    placed: Sequence[Fields],
    members: Sequence[BySetChange[Names]],
) -> tuple[CallDraft, ...]:
    """Return the writes.

    What one clears and another has to carry is cleared last.
    """
    parcels = [
        CallDraft(
            kind.action,
            {**kind.carried, **fields, **dict.fromkeys(riding.join_lists, True)},
            riding.add_tags,
            riding.remove_tags,
        )
        for kind, fields, riding in zip(writes, placed, members, strict=False)
    ]
    carried = {name for kind in writes for name in kind.carried}
    return tuple(
        sorted(
            parcels,
            key=lambda parcel: any(
                parcel.fields.get(name, True) is None for name in carried
            ),
        )
    )


def _place(writes: list[WriteKind], fields: Fields) -> list[dict[str, Json]] | None:
    """Match each field to a write that can carry it and has room (augmenting paths).

    Returns None when some find no place.
    """
    free = {
        name for kind in writes for name in kind.carried if fields.get(name) is not None
    }
    rooms = [kind.room for kind in writes]
    if sum(len(fields) if room is None else room for room in rooms) < len(fields) - len(
        free
    ):
        return None
    places: list[list[str]] = [[] for _ in writes]
    able = {kind: kind.able(fields) for kind in dict.fromkeys(writes)}

    def settle(name: str, tried: set[int]) -> bool:
        for index, kind in enumerate(writes):
            if index in tried or name not in able[kind]:
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
