"""Rules for waves: which steps of different contacts may share a request, and when it goes.

The engine plays many contacts side by side. Where the vendor takes several contacts in
one request (``ports.BulkVendor``), their equal steps wait for each other for a moment.
``Wave`` says which of them may share a request, and ``is_due`` when that goes out.

The fewest requests come about by stages: a wave whose members may still grow in number
goes out after those that come earlier in a contact's attempt. Look-ups come before
creates, and creates before lists. So each kind of step takes no more requests than its
number divided by what one request carries, rounded up.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from syncengine.model.calls import Action, Call
from syncengine.model.capabilities import (
    Bulk,
    Capabilities,
    Deletion,
    ListCall,
    TagCall,
    Write,
)
from syncengine.model.contact import LISTS
from syncengine.model.http import Json
from syncengine.planning.attempt.steps import Find, Read, Send

VendorStep: TypeAlias = Find | Read | Send
"""The steps that the vendor is asked for."""

LONGEST_WAIT = 5.0
"""Seconds that a wave waits for newcomers at most. As long as answers are on their way
that may bring some, a wait costs less than a request."""

MOST_CONTACTS = 1000
"""Contacts that are worked on at once, at most: each takes memory."""

_STAGES = (
    Action.CREATE,
    Action.UPSERT,
    Action.UPDATE,
    Action.SET_LIFECYCLE,
    Action.ADD_TAGS,
    Action.REMOVE_TAGS,
    Action.JOIN_LISTS,
    Action.LEAVE_LISTS,
    Action.DELETE,
)
"""Actions in the order in which a contact's calls follow each other."""


Stage: TypeAlias = tuple[int, int, str]
"""Place of a step in a contact's attempt; stages that come later are greater."""
_READ: Stage = (0, 0, "")
_FIND = 1
_SEND = 2


@dataclass(frozen=True, slots=True)
class Kind:
    """What the steps of one wave have in common."""

    name: str
    """``find``, ``read``, an action, or the group that several actions are in."""
    key_field: str | None = None
    """The field of the match keys that are looked up, or by which calls name their
    contacts."""
    lists: frozenset[str] = frozenset()
    """The lists that are joined or left."""
    is_repeatable: bool = True
    """False for calls that must not be sent twice."""


@dataclass(frozen=True, slots=True)
class Sharing:
    """Whether and how a step may share its request with steps of other contacts."""

    kind: Kind
    size: int
    """Number of contacts of one request; 1: it goes alone."""
    stage: Stage
    marks: frozenset[Hashable] = field(default_factory=frozenset)
    """What no two steps of one request may have in common: the vendor might take them
    for one contact."""


def is_due(*, waited: float, may_grow: bool, is_first: bool) -> bool:
    """Return whether a wave that is not full goes out.

    Args:
        waited: the seconds for which it has waited for newcomers.
        may_grow: whether some contact may still join this wave or an earlier one: one
            that is worked on, waits for an answer, or has not begun.
        is_first: whether no wave of an earlier stage waits as well.
    """
    if waited >= LONGEST_WAIT:
        return True
    return is_first and not may_grow


def sharing_of(
    step: VendorStep, capabilities: Capabilities, match_on: Sequence[str]
) -> Sharing:
    """Return how a step may share its request.

    ``match_on`` are the fields that contacts are looked up by, in their order.
    """
    match step:
        case Find(key):
            place = len(match_on)
            if key.field in match_on:
                place = match_on.index(key.field)
            kind = Kind("find", key.field)
            return Sharing(kind, capabilities.find_many, (_FIND, place, ""))
        case Read():
            return Sharing(Kind("read"), capabilities.read_many, _READ)
        case Send(call, repeatable):
            return _sharing_of_call(call, capabilities, is_repeatable=repeatable)


def bulk_of(action: Action, capabilities: Capabilities) -> Bulk | None:
    """Return how many calls of an action one request may carry; None: one."""
    offers: Mapping[Action, Write | TagCall | ListCall | Deletion | None] = {
        Action.CREATE: capabilities.create,
        Action.UPDATE: capabilities.update,
        Action.UPSERT: capabilities.upsert,
        Action.SET_LIFECYCLE: capabilities.set_lifecycle,
        Action.ADD_TAGS: capabilities.add_tags,
        Action.REMOVE_TAGS: capabilities.remove_tags,
        Action.DELETE: capabilities.delete,
        Action.JOIN_LISTS: capabilities.join_lists,
        Action.LEAVE_LISTS: capabilities.leave_lists,
    }
    offer = offers[action]
    return None if offer is None else offer.bulk


def largest_wave(capabilities: Capabilities) -> int:
    """Return the number of contacts that one request may carry, at most."""
    sizes = [capabilities.find_many, capabilities.read_many]
    for action in Action:
        bulk = bulk_of(action, capabilities)
        if bulk is not None:
            sizes.append(bulk.size)
    return max(sizes)


def contacts_at_once(in_flight: int, capabilities: Capabilities) -> int:
    """Return the number of contacts to work on at once.

    It fills all requests that may be under way at once (``in_flight``).
    """
    in_waves = in_flight * largest_wave(capabilities)
    return max(in_flight, min(in_waves, MOST_CONTACTS))


def _sharing_of_call(
    call: Call, capabilities: Capabilities, *, is_repeatable: bool
) -> Sharing:
    lists = _lists_of(call)
    stage = (_SEND, _STAGES.index(call.action), min(lists, default=""))
    bulk = bulk_of(call.action, capabilities)
    if bulk is None:
        return Sharing(Kind(call.action), 1, stage)
    goes_by_key = call.key is not None and call.action is not Action.CREATE
    kind = Kind(
        bulk.group or call.action,
        call.key.field if call.key is not None and goes_by_key else None,
        lists,
        is_repeatable,
    )
    return Sharing(kind, bulk.size, stage, _marks(call, capabilities))


def _lists_of(call: Call) -> frozenset[str]:
    """Return the lists of a call that is about lists alone."""
    if call.action not in (Action.JOIN_LISTS, Action.LEAVE_LISTS):
        return frozenset()
    return frozenset(name for name in call.fields if name.startswith(LISTS))


def _marks(call: Call, capabilities: Capabilities) -> frozenset[Hashable]:
    """Return what no other call of the same request may have."""
    marks: set[Hashable] = {("contact", call.contact_id)}
    if call.external_id is not None:
        marks.add(("id", call.external_id))
    keys: list[tuple[str, Json]] = []
    if call.key is not None:
        keys.append((call.key.field, call.key.value))
    if capabilities.create is not None:
        unique = capabilities.create.keyed_by
        keys += [(name, call.fields.get(name)) for name in unique]
    for name, value in keys:
        if value not in (None, ""):
            # Without regard to case: a vendor may compare addresses so.
            marks.add((name, str(value).casefold()))
    return frozenset(marks)
