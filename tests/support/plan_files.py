"""Plan files, read as a person would, beside the calls that were really sent."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

from syncengine.config.project import Config
from syncengine.ports import BulkVendor

Line: TypeAlias = Mapping[str, Any]
Name: TypeAlias = tuple[str, str]
"""A vendor, or a destination named after it, and a contact."""
Sent: TypeAlias = Mapping[Name, Sequence[Any]]
"""Calls that went to a vendor, by contact, in order."""


def contacts_of(file: Path) -> dict[Name, Line]:
    """Return the contacts of a plan file whose destinations are named after vendors."""
    lines = json.loads(file.read_bytes())["contacts"]
    return {(line["destination"], line["contact_id"]): line for line in lines}


@contextmanager
def sent_calls(config: Config) -> Iterator[Sent]:
    """Collect the calls that the vendors of a configuration are handed meanwhile."""
    sent: dict[Name, list[Any]] = defaultdict(list)
    restored: list[tuple[Any, str, Any]] = []
    for destination in config.destinations:
        kind: Any = type(destination.vendor)
        name = destination.vendor.name
        restored.append((kind, "send", kind.send))
        kind.send = _noting(name, kind.send, sent)
        if isinstance(destination.vendor, BulkVendor):
            restored.append((kind, "send_many", kind.send_many))
            kind.send_many = _noting_many(name, kind.send_many, sent)
    try:
        yield sent
    finally:
        # The last one first, where two destinations have the same vendor.
        for kind, method, original in reversed(restored):
            setattr(kind, method, original)


def _noting(
    vendor: str, send: Callable[[Any, Any], Any], sent: dict[Name, list[Any]]
) -> Callable[[Any, Any], Any]:
    def noting(adapter: Any, call: Any) -> Any:
        sent[vendor, call.contact_id].append(call)
        return send(adapter, call)

    return noting


def _noting_many(
    vendor: str, send_many: Callable[[Any, Any], Any], sent: dict[Name, list[Any]]
) -> Callable[[Any, Any], Any]:
    def noting(adapter: Any, calls: Any) -> Any:
        for call in calls:
            sent[vendor, call.contact_id].append(call)
        return send_many(adapter, calls)

    return noting


def not_as_planned(planned: Mapping[Name, Line], sent: Sent) -> Iterator[str]:
    """Yield each contact whose calls are none of the plan's alternatives.

    The plan shows values.
    """
    for name, calls in sent.items():
        if name not in planned:
            yield f"{name}: nothing was planned"
        elif not any(
            _is_stated(each, planned[name]["values"], calls)
            for each in planned[name]["alternatives"]
        ):
            yield f"{name}: {calls} for {planned[name]}"


def not_sent(planned: Mapping[Name, Line], sent: Sent) -> list[Name]:
    """Return the contacts with planned calls that got none."""
    return sorted(
        name
        for name, line in planned.items()
        if name not in sent and any(each.get("calls") for each in line["alternatives"])
    )


def _is_stated(alternative: Line, values: Line, calls: Sequence[Any]) -> bool:
    """Return whether these are the calls of an alternative, with its values."""
    stated = alternative.get("calls")
    if stated is not None and len(stated) != len(calls):
        return False
    if stated is None:
        return all(
            call.action not in ("create", "delete")
            and set(call.fields) <= set(alternative["differing"])
            and _has_values(call, values)
            for call in calls
        )
    return all(
        call.action == told["action"]
        and sorted(call.fields) == sorted(told.get("fields", {}))
        and len(call.add_tags) == len(told.get("add_tags", ()))
        and len(call.remove_tags) == len(told.get("remove_tags", ()))
        and _has_values(call, values)
        for call, told in zip(calls, stated, strict=True)
    )


def _has_values(call: Any, values: Line) -> bool:
    new = {name: change["new"] for name, change in values["fields"].items()}
    return (
        all(_is_part(value, new[name]) for name, value in call.fields.items())
        and set(call.add_tags) <= set(values["tags"]["add"])
        and not _both(call.remove_tags, values["tags"]["add"])
    )


def _is_part(value: Any, planned: Any) -> bool:
    """Return whether a value is the planned one, or a part of a planned list."""
    if isinstance(value, list) and isinstance(planned, list):
        return all(each in planned for each in value)
    return bool(value == planned)


def _both(some: Iterable[str], others: Iterable[str]) -> bool:
    return bool(set(some) & set(others))
