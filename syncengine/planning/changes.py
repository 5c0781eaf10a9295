"""Changes between a known contact and the desired one, for a plan to carry out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from syncengine.model.calls import Unsupported
from syncengine.model.capabilities import Capabilities, matches
from syncengine.model.contact import LISTS, Desired, Fields, Known
from syncengine.model.http import Json

EMPTY: tuple[Json, ...] = (None, "", [])
"""Empty values: there is nothing to send for one of them where the vendor has no value.
"""


def equal_as_json(ours: Json, theirs: Json) -> bool:
    """Return whether values are equal as JSON: ``true`` is not 1."""
    return bool(ours == theirs) and isinstance(ours, bool) == isinstance(theirs, bool)


def distinct_values(value: Json) -> list[Json]:
    """Return the values that a field is to have beside each other, each once."""
    found: list[Json] = []
    for each in value if isinstance(value, list) else [value]:
        if each not in EMPTY and not _among(each, found):
            found.append(each)
    return found


def _among(value: Json, values: Iterable[Json]) -> bool:
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
    pending = known.pending
    doubtful_fields = pending.fields if pending else {}
    doubtful_tags = (
        (pending.add_tags | pending.remove_tags) - known.found_tags
        if pending
        else frozenset[str]()
    )
    fields: dict[str, Json] = {}
    stays: list[Unsupported] = []
    key_fields = [key.field for key in desired.keys if key.field in desired.fields]
    for name in dict.fromkeys([*key_fields, *desired.fields]):
        value = desired.fields[name]
        doubtful = name in doubtful_fields
        if matches(name, capabilities.accumulates):
            held = known.fields.get(name) or []
            asked = distinct_values(value)
            # What it was known to hold it still holds, whatever else may have been sent,
            # unless even that is distrusted.
            distrusts = doubtful and pending is not None and pending.distrusted
            new = [each for each in asked if distrusts or not _among(each, held)]
            if new:
                fields[name] = new if isinstance(value, list) else value
            if not all(_among(old, asked) for old in held):
                code = "change_field" if asked else "clear_field"
                stays.append(Unsupported(code, name))
        elif value in EMPTY:
            if known.fields.get(name) not in EMPTY or doubtful:
                fields[name] = value
        elif (
            doubtful
            or name not in known.fields
            or not equal_as_json(value, known.fields[name])
        ):
            fields[name] = value
    fields |= {
        name: None
        for name in _lists_to_leave(desired, known)
        if name not in desired.fields
    }
    fields |= dict.fromkeys(_unmapped(desired, known, capabilities))
    return Changes(
        fields=fields,
        add_tags=tuple(
            sorted(desired.tags - (known.tags - doubtful_tags) - known.found_tags)
        ),
        remove_tags=tuple(sorted(_tags_to_remove(desired, known, doubtful_tags))),
        stays=tuple(stays),
    )


def _lists_to_leave(desired: Desired, known: Known) -> Iterator[str]:
    doubtful = known.pending.fields if known.pending else {}
    for name, value in {**known.fields, **doubtful}.items():
        # A list that was to be left is left in any case.
        if name.startswith(LISTS) and (desired.manages_lists or value is None):
            yield name


def _unmapped(
    desired: Desired, known: Known, capabilities: Capabilities
) -> Iterator[str]:
    """Return the fields to clear since they are not mapped any more.

    Values that say how a contact is recognised, or that it opted out, are none of them.
    """
    if desired.mapped is None:
        return
    doubtful = known.pending.fields if known.pending else {}
    writes = (capabilities.create, capabilities.update, capabilities.upsert)
    kept = {name for write in writes if write for name in write.must_carry}
    kept |= {each.field for each in capabilities.opt_outs}
    for name in {**known.fields, **doubtful}:
        is_mapped = (
            name in desired.mapped or name in kept or name == capabilities.identity
        )
        if (
            not is_mapped
            and not name.startswith(LISTS)
            and known.fields.get(name, "?") not in EMPTY
        ):
            yield name


def _tags_to_remove(
    desired: Desired, known: Known, doubtful: frozenset[str]
) -> frozenset[str]:
    if desired.manages_tags:
        return (known.tags | doubtful) - desired.tags
    # A tag that was to be removed is removed in any case.
    begun = known.pending.remove_tags if known.pending else frozenset[str]()
    return (begun & doubtful) - desired.tags
