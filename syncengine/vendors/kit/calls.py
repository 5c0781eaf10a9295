"""Calls on their way into requests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, TypeVar, assert_never
from urllib.parse import quote

from syncengine.model.calls import Action, Call
from syncengine.model.capabilities import Capabilities, Write, matches
from syncengine.model.http import Exchange, Json

_T = TypeVar("_T")


class _Room(NamedTuple):
    """What one call may carry; None: any number."""

    fields: int | None = 0
    add_tags: int | None = 0
    remove_tags: int | None = 0
    clears: tuple[str, ...] = ()


def check(call: Call, capabilities: Capabilities) -> None:
    """Raise ValueError for a call the capabilities rule out: a mistake of ours, not of the data or the vendor."""
    room = _room(call.action, capabilities)
    if room is None:
        raise ValueError(f"this vendor has no {call.action}")
    for what, number, limit in (
        ("fields", len(call.fields), room.fields),
        ("tags to add", len(call.add_tags), room.add_tags),
        ("tags to remove", len(call.remove_tags), room.remove_tags),
    ):
        if limit is not None and number > limit:
            raise ValueError(f"{call.action} carries {number} {what}; this vendor takes {limit}")
    for name, value in call.fields.items():
        if value is None and not matches(name, room.clears):
            raise ValueError(f"this vendor cannot clear {name} in {call.action}")


def _room(action: Action, capabilities: Capabilities) -> _Room | None:
    match action:
        case Action.CREATE:
            return _in_write(capabilities.create)
        case Action.UPDATE:
            return _in_write(capabilities.update)
        case Action.UPSERT:
            return _in_write(capabilities.upsert)
        case Action.ADD_TAGS:
            tags = capabilities.add_tags
            return _Room(add_tags=tags.max_tags) if tags else None
        case Action.REMOVE_TAGS:
            tags = capabilities.remove_tags
            return _Room(remove_tags=tags.max_tags) if tags else None
        case Action.DELETE:
            return _Room() if capabilities.delete else None
        case _ as never:
            assert_never(never)


def _in_write(write: Write | None) -> _Room | None:
    return _Room(write.max_fields, write.add_tags, write.remove_tags, write.clears) if write else None


def external_id(call: Call) -> str:
    """The vendor's id of the contact; ValueError when the call has none."""
    if not call.external_id:
        raise ValueError(f"{call.action} needs the contact's external id")
    return call.external_id


def segment(value: str) -> str:
    """A value as one segment of a path."""
    return quote(value, safe="")


def sent_values(call: Call) -> Iterator[Json]:
    """Everything of the contact that a call carries, for cleaning the vendor's words."""
    yield from call.fields.values()
    yield from call.add_tags
    yield from call.remove_tags
    if call.key:
        yield call.key.value


def nothing(result: _T) -> Exchange[_T]:
    """An exchange without requests."""
    yield from ()
    return result
