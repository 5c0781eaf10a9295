"""Changes between a known contact and the desired one, for a plan to carry out.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from syncengine.model.calls import Unsupported
from syncengine.model.capabilities import Capabilities, matches
from syncengine.model.contact import LISTS, Desired, Fields, Known, Pending
from syncengine.model.http import Json

EMPTY: tuple[Json, ...] = (None, "", [])
"""Empty values: there is nothing to send for one where the vendor has no value."""


def equal_as_json(ours: Json, theirs: Json) -> bool:
    """Return whether values are equal as JSON.

    ``true`` is not 1 there, as ``True`` is in Python.
    """
    return bool(ours == theirs) and isinstance(ours, bool) == isinstance(theirs, bool)


def distinct_values(value: Json) -> list[Json]:
    """Return the values of a field that may have several, each once.

    A value that is no list is the only one.
    """
    values = value if isinstance(value, list) else [value]
    distinct: list[Json] = []
    for each in values:
        if each not in EMPTY and not _is_among(each, distinct):
            distinct.append(each)
    return distinct


def _is_among(value: Json, values: Iterable[Json]) -> bool:
    return any(equal_as_json(value, each) for each in values)


@dataclass(frozen=True, slots=True)
class Changes:
    """The changes, before it is checked what the vendor can express."""

    fields: Fields
    """Values to set; None: to clear (a list: to leave). Match keys come first: a create
    split over several calls has to carry them."""
    add_tags: tuple[str, ...]
    remove_tags: tuple[str, ...]
    stays: tuple[Unsupported, ...]
    """Values the vendor keeps beside the desired one, or instead of none."""

    def __bool__(self) -> bool:
        return bool(self.fields or self.add_tags or self.remove_tags)


def changes_between(
    desired: Desired, known: Known, capabilities: Capabilities
) -> Changes:
    """Return the changes from the known contact to the desired one.

    What is pending may or may not have happened, so it differs from every desired
    value.
    """
    pending = known.pending or Pending()
    unknown_tags = (pending.add_tags | pending.remove_tags) - known.found_tags
    fields: dict[str, Json] = {}
    stays: list[Unsupported] = []
    for name in _match_fields_first(desired):
        value = desired.fields[name]
        if matches(name, capabilities.accumulates):
            added = _values_to_add(name, value, known)
            if added:
                fields[name] = added if isinstance(value, list) else value
            stays += _values_that_stay(name, value, known)
        elif _is_changed(name, value, known):
            fields[name] = value
    for name in _lists_to_leave(desired, known):
        if name not in desired.fields:
            fields[name] = None
    for name in _unmapped_fields(desired, known, capabilities):
        fields[name] = None
    add_tags = desired.tags - (known.tags - unknown_tags) - known.found_tags
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
    """Return whether a field of a single value has to be sent."""
    is_unknown = known.pending is not None and name in known.pending.fields
    if is_unknown:
        return True
    if value in EMPTY:
        return known.fields.get(name) not in EMPTY
    if name not in known.fields:
        return True
    return not equal_as_json(value, known.fields[name])


def _values_to_add(name: str, value: Json, known: Known) -> list[Json]:
    """Return the desired values that a field which accumulates does not have yet."""
    desired_values = distinct_values(value)
    pending = known.pending
    if pending is not None and pending.distrusted and name in pending.fields:
        return desired_values
    # What it was known to have it still has, whatever else may have been sent.
    known_values = known.fields.get(name) or []
    return [each for each in desired_values if not _is_among(each, known_values)]


def _values_that_stay(name: str, value: Json, known: Known) -> Iterator[Unsupported]:
    """Yield the change that a field which accumulates cannot make: losing a value."""
    desired_values = distinct_values(value)
    known_values = known.fields.get(name) or []
    if all(_is_among(each, desired_values) for each in known_values):
        return
    yield Unsupported("change_field" if desired_values else "clear_field", name)


def _lists_to_leave(desired: Desired, known: Known) -> Iterator[str]:
    """Yield the lists that the contact is on, or may be on, and is to leave."""
    unknown_fields = known.pending.fields if known.pending else {}
    for name, value in {**known.fields, **unknown_fields}.items():
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
        return
    kept = desired.mapped | _never_cleared(capabilities)
    unknown_fields = known.pending.fields if known.pending else {}
    for name in {**known.fields, **unknown_fields}:
        if name in kept or name.startswith(LISTS):
            continue
        # A field that is only pending may have a value: it is cleared as well.
        may_have_value = name not in known.fields or known.fields[name] not in EMPTY
        if may_have_value:
            yield name


def _never_cleared(capabilities: Capabilities) -> frozenset[str]:
    """Return the fields that stay as they are, mapped or not."""
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
    if desired.manages_tags:
        return (known.tags | unknown_tags) - desired.tags
    # A tag that was to be removed is removed in any case.
    begun = known.pending.remove_tags if known.pending else frozenset[str]()
    return (begun & unknown_tags) - desired.tags
