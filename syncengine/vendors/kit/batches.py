"""Read the answer to a request about many contacts.

Each entry of it is about the contact that it names, whatever its position. What no
entry names, and what cannot be read, is unknown: it may have been carried out.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from typing import TypeVar

from pydantic import ValidationError

from syncengine.model.calls import Call
from syncengine.model.http import Json
from syncengine.vendors.kit.calls import sent_values
from syncengine.vendors.kit.replies import ReplyModel
from syncengine.vendors.kit.values import as_text

_Entry = TypeVar("_Entry", bound=ReplyModel)
_Name = TypeVar("_Name", bound=Hashable)
_Value = TypeVar("_Value")


def readable_entries(model: type[_Entry], entries: Iterable[Json]) -> Iterator[_Entry]:
    """Yield the entries of an answer that have the shape of the model.

    The others are left out, so that one which cannot be read leaves only its own
    contact unknown.
    """
    for entry in entries:
        try:
            yield model.model_validate(entry)
        except ValidationError:
            continue


def one_each(named: Iterable[tuple[_Name, _Value]]) -> dict[_Name, _Value]:
    """Return the values by their names, without each name that several values have.

    Where an answer says two things of one contact, neither is believed.
    """
    found: dict[_Name, _Value] = {}
    repeated: set[_Name] = set()
    for name, value in named:
        if name in found:
            repeated.add(name)
        found[name] = value
    return {name: value for name, value in found.items() if name not in repeated}


def sent_values_in(calls: Iterable[Call]) -> tuple[Json, ...]:
    """Return the contacts' values in calls, each text once.

    The vendor's message about one contact of many is cleaned of the values of all: it
    may name the wrong one.
    """
    values = (value for call in calls for value in sent_values(call))
    return tuple({as_text(value): value for value in values}.values())
