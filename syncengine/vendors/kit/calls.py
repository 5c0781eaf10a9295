"""Check calls, and take them apart for requests.

Each adapter calls ``check_call`` first. The engine plans only what the capabilities
allow; the check makes sure of it at the last moment before something is sent.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, TypeVar, assert_never
from urllib.parse import quote

from syncengine.errors import CannotBeSent
from syncengine.model.calls import Action, Call
from syncengine.model.capabilities import (
    Capabilities,
    Deletion,
    ListCall,
    TagCall,
    Write,
    matches,
)
from syncengine.model.contact import LISTS
from syncengine.model.http import Exchange, Json
from syncengine.vendors.kit.reading import fits_a_path

_T = TypeVar("_T")


class _Room(NamedTuple):
    """Numbers of fields, tags and lists that one call may carry; None: any number.

    The capabilities say it in a class for each kind of call; here it is in one form.
    """

    fields: int | None = 0
    add_tags: int | None = 0
    remove_tags: int | None = 0
    lists: int | None = 0
    clears: tuple[str, ...] = ()
    """Patterns of the fields that the call may clear."""
    must_carry: tuple[str, ...] = ()
    """Fields that the call has to carry, changed or not."""


def check_call(call: Call, capabilities: Capabilities) -> None:
    """Raise ValueError for a call that the capabilities rule out.

    Such a call is a mistake of the engine's, not of the data or the vendor.
    """
    room = _room(call.action, capabilities)
    if room is None:
        raise ValueError(f"this vendor has no {call.action}")
    _check_numbers(call, room)
    for name, value in call.fields.items():
        if value is None and not matches(name, room.clears):
            raise ValueError(f"this vendor cannot clear {name} in {call.action}")
        reason = capabilities.value_problem(name, value)
        if reason:
            raise ValueError(f"{name} {reason}")
        # No call may take back the opt-out of a person by accident. A create makes a
        # contact that has not opted out yet. A field that must be carried is one that
        # the adapter fills in with what the vendor holds.
        may_lower = call.action is Action.CREATE or name in room.must_carry
        if not may_lower and capabilities.lowers_opt_out(name, value):
            raise ValueError(f"{call.action} would take back an opt-out: {name}")


def _check_numbers(call: Call, room: _Room) -> None:
    """Raise ValueError for a call that carries more of something than it may."""
    # Lists are among the fields, under names of their own.
    lists = sum(name.startswith(LISTS) for name in call.fields)
    numbers = (
        ("fields", len(call.fields) - lists, room.fields),
        ("lists", lists, room.lists),
        ("tags to add", len(call.add_tags), room.add_tags),
        ("tags to remove", len(call.remove_tags), room.remove_tags),
    )
    for what, number, limit in numbers:
        if limit is not None and number > limit:
            raise ValueError(
                f"{call.action} carries {number} {what}; this vendor takes {limit}"
            )


def _room(action: Action, capabilities: Capabilities) -> _Room | None:
    """Return the room of a call; None where the vendor has no such action."""
    # ``Capabilities`` has an attribute for each action, under the action's own value.
    offer: Write | TagCall | ListCall | Deletion | None = getattr(capabilities, action)
    match offer:
        case None:
            return None
        case Write():
            return _Room(
                fields=offer.max_fields,
                add_tags=offer.add_tags,
                remove_tags=offer.remove_tags,
                lists=offer.join_lists,
                clears=offer.clears,
                must_carry=offer.must_carry,
            )
        case TagCall() if action is Action.ADD_TAGS:
            return _Room(add_tags=offer.max_tags)
        case TagCall():
            return _Room(remove_tags=offer.max_tags)
        case ListCall():
            # A list to leave is a field with the value None.
            clears: tuple[str, ...] = ()
            if action is Action.LEAVE_LISTS:
                clears = (f"{LISTS}*",)
            return _Room(lists=offer.max_lists, clears=clears)
        case Deletion():
            return _Room()
        case _ as never:
            assert_never(never)


def external_id_of(call: Call) -> str:
    """Return the vendor's id of the contact; raise ValueError if the call has none."""
    if not call.external_id:
        raise ValueError(f"{call.action} needs the contact's external id")
    return call.external_id


def path_segment(external_id: str, *, slashes: bool = False) -> str:
    """Return a vendor's id as one percent-encoded segment of a path.

    ``slashes`` lets ids pass that hold some. Raises CannotBeSent for an id that would
    lead to another address (see ``fits_a_path``).
    """
    if not fits_a_path(external_id, slashes=slashes):
        raise CannotBeSent(
            "the vendor's id that is known of this contact cannot be part of an "
            "address, and nothing was sent; nothing is wrong with the row: ask the "
            "vendor which id the contact has"
        )
    return quote(external_id, safe="")


def sent_values(call: Call) -> Iterator[Json]:
    """Yield the contact's values in a call; the vendor's message is cleaned of them."""
    yield from call.fields.values()
    yield from call.add_tags
    yield from call.remove_tags
    if call.key:
        yield call.key.value


def no_request(result: _T) -> Exchange[_T]:
    """Return an exchange without requests, which has this result."""
    # A function is a generator only if a ``yield`` is somewhere in it.
    yield from ()
    return result
