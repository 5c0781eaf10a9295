"""Changes between a known contact and the desired one.

``planning.plan`` calls ``changes_between`` and packs its result into calls. Nothing is
asked of the vendor here, and what the vendor can express is checked later, in the plan.

In short, a change is desired minus known::

    desired  fields={"name": "Ann", "city": ""}   tags={"vip"}
    known    fields={"name": "Ann", "city": "X"}  tags={"old"}
    changes  fields={"city": ""}  add_tags=("vip",)  remove_tags=("old",)

Three things make it longer than a subtraction:

- What is *pending* was sent and has no outcome. Whether the vendor has it is unknown,
  so it counts as different from whatever is desired, and is sent again.
- Some fields *accumulate*: the vendor adds each value that is sent to those it has, and
  never drops one (``Capabilities.accumulates``).
- Tags and list memberships that somebody else set are never taken away.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from syncengine.model.calls import Unsupported
from syncengine.model.capabilities import Capabilities, matches
from syncengine.model.contact import LISTS, Desired, Fields, Known, Pending
from syncengine.model.http import Json

EMPTY: tuple[Json, ...] = (None, "", [])
"""Values that mean "no value". An empty desired value is sent only to replace a value
that the vendor has."""


def equal_as_json(ours: Json, theirs: Json) -> bool:
    """Return whether two values are equal as JSON.

    In JSON ``true`` and 1 are different values; in Python ``True == 1`` holds.
    """
    if isinstance(ours, bool) != isinstance(theirs, bool):
        return False
    return bool(ours == theirs)


def distinct_values(value: Json) -> list[Json]:
    """Return the values of a field that accumulates, without empty ones, each once.

    A single value is treated as a list of one.
    """
    values = value if isinstance(value, list) else [value]
    distinct: list[Json] = []
    for each in values:
        if each not in EMPTY and not _is_among(each, distinct):
            distinct.append(each)
    return distinct


def _is_among(value: Json, values: Iterable[Json]) -> bool:
    """Return whether a value is in a list. JSON objects cannot be put in a set."""
    return any(equal_as_json(value, each) for each in values)


@dataclass(frozen=True, slots=True)
class Changes:
    """Changes to make at the vendor, whether or not it can express them.

    False in a condition when there is nothing to send.
    """

    fields: Fields
    """Field name to the value to set. None clears a field; for a list (see
    ``contact.LISTS``) true joins and None leaves.

    Fields of match keys come first. A create that is split over several calls has to
    carry them in its first one, or the contact could not be found again."""
    add_tags: tuple[str, ...]
    """Sorted, so that the same contact always gets the same calls."""
    remove_tags: tuple[str, ...]
    """Sorted likewise."""
    stays: tuple[Unsupported, ...]
    """Fields that accumulate and hold a value which is not desired any more. The vendor
    keeps it, so it is reported and not sent."""

    def __bool__(self) -> bool:
        return bool(self.fields or self.add_tags or self.remove_tags)


def changes_between(
    desired: Desired, known: Known, capabilities: Capabilities
) -> Changes:
    """Return the changes from the known contact to the desired one.

    What is pending may or may not have happened, so it differs from every desired
    value.
    """
    fields: dict[str, Json] = {}
    stays: list[Unsupported] = []
    for name in _match_fields_first(desired):
        value = desired.fields[name]
        if matches(name, capabilities.accumulates):
            added = _values_to_add(name, value, known)
            if added:
                # A field that is mapped from a single value is sent as one again.
                fields[name] = added if isinstance(value, list) else value
            if _has_value_that_stays(value, known.fields.get(name)):
                stays.append(_value_that_stays(name, value))
        elif _is_changed(name, value, known):
            fields[name] = value
    for name in _lists_to_leave(desired, known):
        if name not in desired.fields:
            fields[name] = None
    fields.update(dict.fromkeys(_unmapped_fields(desired, known, capabilities)))

    # Tags that somebody else set are there, whatever became of our own calls.
    pending = known.pending or Pending()
    unknown_tags = (pending.add_tags | pending.remove_tags) - known.found_tags
    certain_tags = (known.tags - unknown_tags) | known.found_tags
    add_tags = desired.tags - certain_tags
    remove_tags = _tags_to_remove(desired, known, unknown_tags)
    return Changes(
        fields=fields,
        add_tags=tuple(sorted(add_tags)),
        remove_tags=tuple(sorted(remove_tags)),
        stays=tuple(stays),
    )


def _match_fields_first(desired: Desired) -> Iterable[str]:
    """Return the names of the desired fields, those of match keys first, each once."""
    match_fields = [key.field for key in desired.keys if key.field in desired.fields]
    return dict.fromkeys([*match_fields, *desired.fields])


def _is_changed(name: str, value: Json, known: Known) -> bool:
    """Return whether a field that does not accumulate has to be sent."""
    is_unknown = known.pending is not None and name in known.pending.fields
    if is_unknown:
        return True
    if value in EMPTY:
        # None, "" and [] are one to us: replacing one by another is no change.
        return known.fields.get(name) not in EMPTY
    if name not in known.fields:
        return True
    return not equal_as_json(value, known.fields[name])


def _values_to_add(name: str, value: Json, known: Known) -> list[Json]:
    """Return the desired values that a field which accumulates does not have yet."""
    desired_values = distinct_values(value)
    pending = known.pending
    if pending is not None and pending.distrusted and name in pending.fields:
        # What we knew may be out of date: every value is sent again.
        return desired_values
    # An unknown call can only have added values. Those known before it are there still.
    known_values = known.fields.get(name) or []
    return [each for each in desired_values if not _is_among(each, known_values)]


def _has_value_that_stays(desired_value: Json, known_values: Json) -> bool:
    """Return whether a field that accumulates has a value that is not desired.

    ``known_values`` is a list of all values sent so far, or None.
    """
    desired_values = distinct_values(desired_value)
    known_list = known_values or []
    return not all(_is_among(each, desired_values) for each in known_list)


def _value_that_stays(name: str, desired_value: Json) -> Unsupported:
    """Return the change that a field which accumulates cannot make."""
    if distinct_values(desired_value):
        return Unsupported("change_field", name)
    return Unsupported("clear_field", name)


def _lists_to_leave(desired: Desired, known: Known) -> Iterator[str]:
    """Yield the lists that the contact is on, or may be on, and is to leave.

    Some of them may be desired: the caller leaves these out.
    """
    for name, value in {**known.fields, **known.unknown_fields}.items():
        if not name.startswith(LISTS):
            continue
        # A list that was to be left is left in any case, also where lists are not
        # managed any more: else it would stay unknown for good.
        was_to_be_left = value is None
        if desired.manages_lists or was_to_be_left:
            yield name


def _unmapped_fields(
    desired: Desired, known: Known, capabilities: Capabilities
) -> Iterator[str]:
    """Yield the fields to clear since they are not mapped any more.

    Fields by which a contact is recognised, that every write has to carry, or in which
    it opted out stay as they are.
    """
    if desired.mapped is None:
        # The usual case: fields that are not mapped any more are left alone.
        return
    kept = desired.mapped | _never_cleared(capabilities)
    for name in {**known.fields, **known.unknown_fields}:
        if name in kept or name.startswith(LISTS):
            continue
        # A field that is only pending may have a value: it is cleared as well.
        may_have_value = name not in known.fields or known.fields[name] not in EMPTY
        if may_have_value:
            yield name


def _never_cleared(capabilities: Capabilities) -> frozenset[str]:
    """Return the fields that are not cleared even when they are not mapped any more."""
    names = [opt_out.field for opt_out in capabilities.opt_outs]
    if capabilities.identity is not None:
        names.append(capabilities.identity)
    for write in (capabilities.create, capabilities.update, capabilities.upsert):
        if write is not None:
            names += write.must_carry
    return frozenset(names)


def _tags_to_remove(
    desired: Desired, known: Known, unknown_tags: frozenset[str]
) -> frozenset[str]:
    """Return the tags of ours that the contact has, or may have, and should not."""
    if desired.manages_tags:
        return (known.tags | unknown_tags) - desired.tags
    # Tags are left alone, except where their removal has begun already: it is finished,
    # or these tags would stay unknown for good.
    if known.pending is None:
        return frozenset()
    begun = known.pending.remove_tags & unknown_tags
    return begun - desired.tags
