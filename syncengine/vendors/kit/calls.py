"""Calls on their way into requests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar
from urllib.parse import quote

from syncengine.model.calls import Action, Call
from syncengine.model.capabilities import Capabilities, matches
from syncengine.model.http import Exchange, Json

_T = TypeVar("_T")


def check(call: Call, capabilities: Capabilities) -> None:
    """Raise ValueError for a call the capabilities rule out: a mistake of ours, not of the data or the vendor."""
    offered = getattr(capabilities, call.action)
    if offered is None:
        raise ValueError(f"this vendor has no {call.action}")
    fields = adds = removes = None
    match call.action:
        case Action.CREATE | Action.UPDATE | Action.UPSERT:
            fields, adds, removes = offered.max_fields, offered.add_tags, offered.remove_tags
            for name, value in call.fields.items():
                if value is None and not matches(name, offered.clears):
                    raise ValueError(f"this vendor cannot clear {name} in {call.action}")
        case Action.ADD_TAGS:
            fields, adds, removes = 0, offered.max_tags, 0
        case Action.REMOVE_TAGS:
            fields, adds, removes = 0, 0, offered.max_tags
        case Action.DELETE:
            fields = adds = removes = 0
    for what, number, limit in (
        ("fields", len(call.fields), fields),
        ("tags to add", len(call.add_tags), adds),
        ("tags to remove", len(call.remove_tags), removes),
    ):
        if limit is not None and number > limit:
            raise ValueError(f"{call.action} carries {number} {what}; this vendor takes {limit}")


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
