"""Packing of changes into the fewest requests a vendor's capabilities permit.

``planning.plan`` calls ``pack`` for each draft. A vendor takes, say, five fields and
two tags in an update of one request, and ten tags in a tag call of one request: how
many of each are the fewest requests for seven fields and four tags?

A packing is a number of writes of each kind, plus calls about tags and lists alone.
There are few kinds of writes (a first one for a new contact, then updates or upserts),
so:

1. All selections of writes are tried, the cheapest first (``_selections``).
2. Tags and lists fill the room in these writes in order, and what is left goes out in
   calls of their own (``_distribute``, ``_set_calls``).
3. Whether the fields fit into the writes is a bipartite matching (``_Matching``), since
   a field may go into one kind of write and not into another.
4. Every further write costs at least one request, so the search ends where the writes
   alone cost as much as the best packing found.

Most contacts are done after one or two selections.
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
    """One value for each way in which tags and lists can change.

    Lists go by their names as fields.
    """

    add_tags: _T
    remove_tags: _T
    join_lists: _T
    leave_lists: _T


@dataclass(frozen=True, slots=True, eq=False)
class WriteKind:
    """A kind of write as it can be used for one contact.

    It is compared and hashed by identity: the same kind may be selected many times.
    """

    action: Action
    write: Write
    carried: Mapping[str, Json]
    """The fields that every call of it carries, changed or not, with their values."""
    opt_outs: tuple[OptOut, ...] = ()
    """Fields in which the contact that is written to may have opted out. Empty for a
    create: there is no contact yet that could have."""

    @property
    def room(self) -> int | None:
        """Number of further fields one call has room for; None: no limit."""
        if self.write.max_fields is None:
            return None
        return self.write.max_fields - len(self.carried)

    @property
    def set_rooms(self) -> BySetChange[int | None]:
        """Numbers of tags and lists one call has room for; None: no limit."""
        write = self.write
        # No vendor's write takes a contact off a list.
        return BySetChange(write.add_tags, write.remove_tags, write.join_lists, 0)

    def writable(self, fields: Fields) -> frozenset[str]:
        """Return the names of those fields that one call of it can set, or clear."""
        has_room = self.room != 0
        names = {
            name
            for name, value in fields.items()
            if self._can_write(name, value, has_room=has_room)
        }
        for opt_out in self.opt_outs:
            name = opt_out.field
            # The vendor may hold an opt-out that we do not know: it is never lowered.
            if name in names and not opt_out.is_opted_out(fields[name]):
                names.remove(name)
        return frozenset(names)

    def _can_write(self, name: str, value: Json, *, has_room: bool) -> bool:
        """Return whether a call can set the field, or clear it where value is None."""
        if name in self.carried:
            # A field that each call has to carry with a value cannot be cleared by it.
            return value is not None
        if not has_room:
            return False
        patterns = self.write.clears if value is None else self.write.fields
        return matches(name, patterns)


@dataclass(frozen=True, slots=True)
class CallDraft:
    """The content of one call, before it is addressed to a contact."""

    action: Action
    fields: Fields = field(default_factory=dict)
    add_tags: tuple[str, ...] = ()
    remove_tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PackableChanges:
    """Fields, tags and lists to pack; all of them fit somewhere."""

    fields: Fields
    """Without lists."""
    set_changes: BySetChange[Names]


@dataclass(frozen=True, slots=True)
class Packing:
    """A division of the changes into calls."""

    writes: tuple[CallDraft, ...]
    """In the order they have to be sent."""
    set_calls: tuple[CallDraft, ...]
    """Calls about tags and lists alone."""
    requests: int


def pack(
    first: WriteKind | None,
    later: Sequence[WriteKind],
    capabilities: Capabilities,
    changes: PackableChanges,
) -> Packing | None:
    """Return the packing with the fewest requests, or None without any that fits.

    ``first`` is the write that creates a new contact (None: it exists); ``later`` are
    the kinds usable behind it.
    """
    best: Packing | None = None
    most_requests = _most_write_requests(first, later, changes)
    for writes in _selections(first, later):
        write_requests = sum(kind.write.requests for kind in writes)
        # Selections come cheapest first: none behind this one can be cheaper.
        if write_requests > most_requests:
            break
        if best is not None and write_requests >= best.requests:
            break
        candidate = _pack_into(writes, capabilities, changes, best)
        if candidate is not None:
            best = candidate
    return best


def _pack_into(
    writes: list[WriteKind],
    capabilities: Capabilities,
    changes: PackableChanges,
    best: Packing | None,
) -> Packing | None:
    """Return the packing with exactly these writes, if it fits and beats ``best``."""
    in_writes, rest = _distribute(writes, changes.set_changes)
    set_calls = _set_calls(rest, capabilities)
    if set_calls is None:
        return None
    requests = sum(kind.write.requests for kind in writes)
    requests += sum(call_requests for _, call_requests in set_calls)
    # The matching of fields is the dear part: it is left out where it cannot help.
    if best is not None and requests >= best.requests:
        return None
    placed = _place_fields(writes, changes.fields)
    if placed is None:
        return None
    return Packing(
        writes=_write_drafts(writes, placed, in_writes),
        set_calls=tuple(draft for draft, _ in set_calls),
        requests=requests,
    )


def _most_write_requests(
    first: WriteKind | None, later: Sequence[WriteKind], changes: PackableChanges
) -> int:
    """Return an upper bound for the cost of writes: one write for each change.

    It ends the search where no packing fits: selections are endless.
    """
    number_of_changes = len(changes.fields)
    for names in changes.set_changes:
        number_of_changes += len(names)
    first_requests = first.write.requests if first else 0
    dearest_later = max((kind.write.requests for kind in later), default=0)
    return first_requests + number_of_changes * dearest_later


def _selections(
    first: WriteKind | None, later: Sequence[WriteKind]
) -> Iterator[list[WriteKind]]:
    """Yield all lists of writes, cheapest first; endless where later kinds exist."""
    start = [first] if first else []
    yield start
    if not later:
        return
    requests = 1
    while True:
        for chosen in _selections_costing(requests, later):
            yield start + chosen
        requests += 1


def _selections_costing(
    requests: int, kinds: Sequence[WriteKind]
) -> Iterator[list[WriteKind]]:
    """Yield all selections of these kinds that cost exactly so many requests.

    A kind may be repeated. Of updates at 1 request and upserts at 2, three requests are
    ``[update, update, update]`` or ``[update, upsert]``.
    """
    if requests == 0:
        yield []
        return
    if not kinds:
        return
    head, tail = kinds[0], kinds[1:]
    most_of_head = requests // head.write.requests
    for number in range(most_of_head, -1, -1):
        requests_left = requests - number * head.write.requests
        for rest in _selections_costing(requests_left, tail):
            yield [head] * number + rest


def _distribute(
    writes: Sequence[WriteKind], changes: BySetChange[Names]
) -> tuple[list[BySetChange[Names]], BySetChange[Names]]:
    """Return the tags and lists inside each write, and those without room."""
    in_writes: list[BySetChange[Names]] = []
    rest = changes
    for kind in writes:
        taken_by_change: list[Names] = []
        left_by_change: list[Names] = []
        for names, room in zip(rest, kind.set_rooms, strict=True):
            # A room of None takes them all.
            taken = names[:room]
            taken_by_change.append(taken)
            left_by_change.append(names[len(taken) :])
        in_writes.append(BySetChange(*taken_by_change))
        rest = BySetChange(*left_by_change)
    return in_writes, rest


def set_offers(
    capabilities: Capabilities,
) -> BySetChange[tuple[Action, TagCall | ListCall | None]]:
    """Return the calls about tags and lists alone; None where the vendor lacks one."""
    return BySetChange(
        (Action.ADD_TAGS, capabilities.add_tags),
        (Action.REMOVE_TAGS, capabilities.remove_tags),
        (Action.JOIN_LISTS, capabilities.join_lists),
        (Action.LEAVE_LISTS, capabilities.leave_lists),
    )


def _set_calls(
    rest: BySetChange[Names], capabilities: Capabilities
) -> list[tuple[CallDraft, int]] | None:
    """Return the calls for tags and lists that are in no write, with their requests.

    None where the vendor has no such call for some of them.
    """
    calls: list[tuple[CallDraft, int]] = []
    for names, (action, offer) in zip(rest, set_offers(capabilities), strict=True):
        if not names:
            continue
        if offer is None:
            return None
        most = offer.max_tags if isinstance(offer, TagCall) else offer.max_lists
        # Without a limit all go into one call.
        size = most or len(names)
        for start in range(0, len(names), size):
            draft = _set_call(action, names[start : start + size])
            calls.append((draft, offer.requests))
    return calls


def _set_call(action: Action, names: Names) -> CallDraft:
    """Return a call about these tags or lists alone.

    A list is a field: true joins it, None leaves it (see ``contact.LISTS``).
    """
    match action:
        case Action.ADD_TAGS:
            return CallDraft(action, add_tags=names)
        case Action.REMOVE_TAGS:
            return CallDraft(action, remove_tags=names)
        case Action.JOIN_LISTS:
            return CallDraft(action, fields=dict.fromkeys(names, True))
        case _:
            return CallDraft(action, fields=dict.fromkeys(names))


def _write_drafts(
    writes: Sequence[WriteKind],
    placed: Sequence[Fields],
    in_writes: Sequence[BySetChange[Names]],
) -> tuple[CallDraft, ...]:
    """Return the writes in the order they have to be sent.

    A field that one write clears and another has to carry is cleared last, or the other
    write would set it again.
    """
    drafts: list[CallDraft] = []
    carried: set[str] = set()
    for kind, fields, changes in zip(writes, placed, in_writes, strict=True):
        joined = dict.fromkeys(changes.join_lists, True)
        draft = CallDraft(
            action=kind.action,
            fields={**kind.carried, **fields, **joined},
            add_tags=changes.add_tags,
            remove_tags=changes.remove_tags,
        )
        drafts.append(draft)
        carried.update(kind.carried)

    def clears_carried(draft: CallDraft) -> bool:
        return any(
            name in draft.fields and draft.fields[name] is None for name in carried
        )

    # Sorting is stable: all else stays in its order.
    return tuple(sorted(drafts, key=clears_carried))


def _place_fields(
    writes: list[WriteKind], fields: Fields
) -> list[dict[str, Json]] | None:
    """Match each field to a write that can carry it and has room.

    Returns the fields of each write, or None when some find no place.
    """
    carried_anyway: set[str] = set()
    for kind in writes:
        carried_anyway.update(kind.carried)
    # A field that is to be cleared is not among those that are carried with a value.
    names = [
        name
        for name, value in fields.items()
        if value is None or name not in carried_anyway
    ]
    rooms = [kind.room for kind in writes]
    if rooms == [None]:
        # The usual case: one write with room for all. There is nothing to match.
        if not writes[0].writable(fields).issuperset(names):
            return None
        return [{name: fields[name] for name in names}]
    # Counting is cheap: most selections that are too small end here.
    if _total_room(rooms, unlimited=len(fields)) < len(names):
        return None
    matching = _Matching(writes, rooms, fields)
    for name in names:
        if not matching.place(name, set()):
            return None
    return [{name: fields[name] for name in placed} for placed in matching.placed]


def _total_room(rooms: Sequence[int | None], unlimited: int) -> int:
    """Return the sum of the rooms; one without a limit counts as ``unlimited``."""
    return sum(unlimited if room is None else room for room in rooms)


class _Matching:
    """A bipartite matching of fields to writes, found by augmenting paths.

    Kuhn's algorithm: each field in turn is put into a write with room. Where all that
    could carry it are full, a field in one of them is moved elsewhere, if it can be.
    """

    def __init__(
        self, writes: Sequence[WriteKind], rooms: Sequence[int | None], fields: Fields
    ) -> None:
        self._writes = writes
        self._rooms = rooms
        # One write may be listed many times: what it can carry is found out once.
        self._writable = {kind: kind.writable(fields) for kind in dict.fromkeys(writes)}
        self.placed: list[list[str]] = [[] for _ in writes]
        """Names of the fields in each write."""

    def place(self, name: str, tried: set[int]) -> bool:
        """Find a place for a field, moving others where that makes room.

        ``tried`` are the indexes of writes that were tried on this path. Returns
        whether a place was found.
        """
        for index, kind in enumerate(self._writes):
            if index in tried or name not in self._writable[kind]:
                continue
            tried.add(index)
            placed = self.placed[index]
            room = self._rooms[index]
            if room is None or len(placed) < room:
                placed.append(name)
                return True
            for position, other in enumerate(placed):
                if self.place(other, tried):
                    placed[position] = name
                    return True
        return False
