"""Calls on their way into requests."""

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
    """Numbers of fields, tags and lists that one call may carry; None: any number."""

    fields: int | None = 0
    add_tags: int | None = 0
    remove_tags: int | None = 0
    lists: int | None = 0
    clears: tuple[str, ...] = ()
    must_carry: tuple[str, ...] = ()


def check(call: Call, capabilities: Capabilities) -> None:
    """Raise ValueError for a call that the capabilities rule out.

    Such a call is a mistake of ours, not of the data or the vendor.
    """
    room = _room(call.action, capabilities)
    if room is None:
        raise ValueError(f"this vendor has no {call.action}")
    lists = sum(name.startswith(LISTS) for name in call.fields)
    for what, number, limit in (
        ("fields", len(call.fields) - lists, room.fields),
        ("lists", lists, room.lists),
        ("tags to add", len(call.add_tags), room.add_tags),
        ("tags to remove", len(call.remove_tags), room.remove_tags),
    ):
        if limit is not None and number > limit:
            raise ValueError(
                f"{call.action} carries {number} {what}; this vendor takes {limit}"
            )
    for name, value in call.fields.items():
        if value is None and not matches(name, room.clears):
            raise ValueError(f"this vendor cannot clear {name} in {call.action}")
        if why := capabilities.takes(name, value):
            raise ValueError(f"{name} {why}")
        if call.action is Action.CREATE or name in room.must_carry:
            continue
        if capabilities.lowers_opt_out(name, value):
            raise ValueError(f"{call.action} would take back an opt-out: {name}")


def _room(action: Action, capabilities: Capabilities) -> _Room | None:
    """Return the room of a call; None where the vendor has no such action."""
    offer: Write | TagCall | ListCall | Deletion | None = getattr(capabilities, action)
    match offer:
        case None:
            return None
        case Write():
            return _Room(
                offer.max_fields,
                offer.add_tags,
                offer.remove_tags,
                offer.join_lists,
                offer.clears,
                offer.must_carry,
            )
        case TagCall(max_tags=most):
            return (
                _Room(add_tags=most)
                if action is Action.ADD_TAGS
                else _Room(remove_tags=most)
            )
        case ListCall(max_lists=most):
            return _Room(
                lists=most,
                clears=(f"{LISTS}*",) if action is Action.LEAVE_LISTS else (),
            )
        case Deletion():
            return _Room()
        case _ as never:
            assert_never(never)


def external_id(call: Call) -> str:
    """Return the vendor's id of the contact; raise ValueError if there is none."""
    if not call.external_id:
        raise ValueError(f"{call.action} needs the contact's external id")
    return call.external_id


def segment(contact: str, *, slashes: bool = False) -> str:
    """Return a vendor's id as one segment of a path.

    Raises CannotBeSent for one that does not fit there (see ``fits_a_path``).
    """
    if not fits_a_path(contact, slashes=slashes):
        raise CannotBeSent(
            "the id that is known of the vendor's contact cannot stand in an address, and nothing was sent; nothing is "
            "wrong with the row: ask the vendor which id the contact has"
        )
    return quote(contact, safe="")


def sent_values(call: Call) -> Iterator[Json]:
    """Yield the contact's values in a call, to clean the vendor's words of them."""
    yield from call.fields.values()
    yield from call.add_tags
    yield from call.remove_tags
    if call.key:
        yield call.key.value


def nothing(result: _T) -> Exchange[_T]:
    """An exchange without requests."""
    yield from ()
    return result
