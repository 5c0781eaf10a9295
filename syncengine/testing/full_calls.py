"""Calls that carry as much as a vendor's capabilities allow.

A declared limit that is too high shows only in a call that goes up to it. Each limit is
tried alone first, so that a failure can name it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import NamedTuple

from syncengine.model.calls import Action, Call
from syncengine.model.capabilities import TagCall, Write
from syncengine.model.http import Json
from syncengine.testing.vendors_under_test import VendorUnderTest

MANY_FIELDS, MANY_TAGS = 65, 40
"""Numbers to try where a vendor declares no limit."""


class FullCall(NamedTuple):
    """A call that goes up to a limit."""

    call: Call
    because: str
    """The capability that allows so much, its value, and the number that is sent."""


def full_call(subject: VendorUnderTest, call: Call) -> Call:
    """Return a call with all it may carry; a lot, where there is no limit."""
    match getattr(subject.vendor.capabilities, call.action):
        case Write() as write:
            return replace(
                call,
                fields=_many_fields(subject, call, write),
                add_tags=_many_tags(write.add_tags),
                remove_tags=_many_tags(write.remove_tags),
            )
        case TagCall() as tagging:
            tags = _many_tags(tagging.max_tags)
            if call.action is Action.ADD_TAGS:
                return replace(call, add_tags=tags)
            return replace(call, remove_tags=tags)
        case _:
            return call


def full_calls(subject: VendorUnderTest, call: Call) -> Iterator[FullCall]:
    """Yield a call up to each of its limits alone, and then up to all of them."""
    full = full_call(subject, call)
    place = f"{subject}: Capabilities.{call.action}"
    match getattr(subject.vendor.capabilities, call.action):
        case Write() as write:
            yield from _full_writes(call, full, write, place)
        case TagCall() as tagging:
            number = len(full.add_tags) + len(full.remove_tags)
            because = _because(f"{place}.max_tags", tagging.max_tags, number, "tags")
            yield FullCall(full, because)
        case _:
            yield FullCall(call, f"{place} is declared")


def _full_writes(
    call: Call, full: Call, write: Write, place: str
) -> Iterator[FullCall]:
    bare = replace(call, add_tags=(), remove_tags=())
    reasons = [
        _because(f"{place}.max_fields", write.max_fields, len(full.fields), "fields")
    ]
    yield FullCall(replace(bare, fields=full.fields), reasons[-1])
    if full.add_tags:
        number = len(full.add_tags)
        reasons.append(_because(f"{place}.add_tags", write.add_tags, number, "tags"))
        yield FullCall(replace(bare, add_tags=full.add_tags), reasons[-1])
    if full.remove_tags:
        number = len(full.remove_tags)
        reasons.append(
            _because(f"{place}.remove_tags", write.remove_tags, number, "tags")
        )
        yield FullCall(replace(bare, remove_tags=full.remove_tags), reasons[-1])
    yield FullCall(full, "; ".join(reasons))


@contextmanager
def blamed_on(because: str) -> Iterator[None]:
    """Name the capability that allows a call in the failures of its assertions."""
    try:
        yield
    except AssertionError as error:
        raise AssertionError(
            f"{because}. The twin did not take all of it: either the capability "
            "declares more than the vendor takes, or the twin takes less. The vendor's "
            f"documentation says which to correct.\n{error}"
        ) from None


def _because(capability: str, limit: int | None, number: int, what: str) -> str:
    value = "None (any number)" if limit is None else str(limit)
    return f"{capability} is {value}, and so a call with {number} {what} was sent"


def _many_fields(subject: VendorUnderTest, call: Call, write: Write) -> dict[str, Json]:
    """Return the call's fields, and of one's own up to the limit."""
    further = subject.hints.further_fields
    fields = {**call.fields, **dict.fromkeys(further, "value")}
    if not further:
        fields |= dict(_padding(write))
    most = write.max_fields or MANY_FIELDS
    return dict(list(fields.items())[:most])


def _padding(write: Write) -> Iterator[tuple[str, Json]]:
    """Yield fields of one's own, where the vendor takes any name (``custom.*``)."""
    open_ended = [pattern for pattern in write.fields if pattern.endswith("*")]
    if open_ended:
        for number in range(write.max_fields or MANY_FIELDS):
            yield open_ended[0].replace("*", f"sample_{number}"), f"value {number}"


def _many_tags(most: int | None) -> tuple[str, ...]:
    count = MANY_TAGS if most is None else most
    return tuple(f"tag {number}" for number in range(count))
