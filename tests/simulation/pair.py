"""A vendor's adapter and its twin, with a mapping between them.

The mapping is worked out from the declared capabilities alone, so a new vendor is
simulated without any code of its own here.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from typing import Any

from syncengine.model.calls import Action
from syncengine.model.capabilities import Capabilities, Write, matches
from syncengine.model.http import Json
from syncengine.model.mapping import FieldMapping, Form, Mapping, OnNull, SetMapping
from syncengine.planning.waves import bulk_of, largest_wave
from syncengine.ports import Vendor
from syncengine.sandbox import twins
from syncengine.sandbox.twins.twin import Twin
from syncengine.testing.vendors_under_test import VendorUnderTest
from tests.support.memory.source import Row
from tests.support.vendors.subjects import subjects

VALUES = 2
"""Number of fields that change, besides the match key and the mark."""
CLEARED = -1
"""Stands for NULL in place of a value's number."""
TAGS, LISTS, OPTED_OUT = "tags", "lists", "opted_out"
"""Columns that are not mapped to a field."""


class Flaw(StrEnum):
    """A flaw of a source row."""

    VALUE = "value"
    """A list where a field needs one text."""
    KEY = "key"
    """The same in the match key."""
    REFUSED = "refused"
    """The vendor refuses one of the values."""


@dataclass(frozen=True)
class DesiredRow:
    """One source row, by the numbers of its values."""

    key: int
    values: tuple[int, ...] = (1, 1)
    tags: tuple[str, ...] = ()
    flaw: Flaw | None = None
    opted_out: bool = False
    moved: bool = False
    """True if the other destination selects it, where there are two."""


@dataclass(frozen=True)
class Pair:
    """The parts of a simulated destination."""

    subject: VendorUnderTest
    key: str | None
    """The field that contacts are matched by.

    None where the vendor knows contacts by our contact id alone.
    """
    mark: str
    """A field that holds the contact id; nobody is matched by it.

    It tells whose copy a vendor's contact is, and so what is a duplicate.
    """
    values: tuple[str, ...]
    """Fields that come and go."""
    others: tuple[str, ...]
    """Fields that the vendor insists on; their values never change."""

    @property
    def vendor(self) -> Vendor:
        return self.subject.vendor

    @property
    def capabilities(self) -> Capabilities:
        return self.subject.vendor.capabilities

    @property
    def name(self) -> str:
        return str(self.subject)

    @property
    def rekeys(self) -> bool:
        """Return whether a vendor contact's match key can be changed."""
        writes = (self.capabilities.update, self.capabilities.upsert)
        return self.key is None or any(
            matches(self.key, write.fields) for write in writes if write
        )

    @property
    def one_each(self) -> bool:
        """Return whether the vendor has one contact of each match key at most."""
        writes = (self.capabilities.create, self.capabilities.upsert)
        return any(self.key in write.keyed_by for write in writes if write)

    @property
    def has_waves(self) -> bool:
        """Return whether the vendor takes several contacts in one request."""
        return largest_wave(self.capabilities) > 1

    def with_wave_size(self, size: int) -> Pair:
        """Return the pair where one request is about so many contacts at most."""
        vendor: Any = copy.copy(self.vendor)
        vendor.capabilities = _with_wave_size(self.capabilities, size)
        return replace(self, subject=replace(self.subject, vendor=vendor))

    @property
    def keeps_apart(self) -> bool:
        """Return whether an update is refused a match key that another contact has."""
        update = self.capabilities.update
        return update is not None and self.key in update.unique

    @property
    def frees_keys(self) -> bool:
        """Return whether a contact can be left without its match key for a while."""
        update = self.capabilities.update
        return update is not None and matches(self.key or "", update.clears)

    def twin(self) -> Twin:
        twin = twins.load(self.subject.spec.twin or "")
        if self.subject.switches:
            twin.configure(self.subject.switches)
        return twin

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of fields, named after the fields, and of tags."""
        return tuple(self.row(1, 1, (1, 1), ()))

    @property
    def lists(self) -> bool:
        """Return whether contacts can be put on lists."""
        return self.capabilities.join_lists is not None

    @property
    def mapping(self) -> Mapping:
        names = [self.mark, *self.values, *self.others]
        if self.key:
            names.insert(1, self.key)
        # As text: only these refuse a list (see ``Flaw``).
        spoiled = (self.key, self.values[0])
        return Mapping(
            fields=tuple(
                FieldMapping(name, name, Form.TEXT if name in spoiled else None)
                for name in names
            ),
            tags=SetMapping(column=TAGS),
            lists=SetMapping(column=LISTS) if self.lists else None,
            match_on=(self.key,) if self.key else (),
            on_null=OnNull.CLEAR,
            opted_out=OPTED_OUT,
        )

    def row(
        self, contact: int, key: int, values: tuple[int, ...], tags: tuple[str, ...]
    ) -> dict[str, Json]:
        """Return the fields and tags of a row; numbers choose the sample values."""
        row: dict[str, Json] = {self.mark: contact_id(contact), TAGS: list(tags)}
        if self.key:
            row[self.key] = self.subject.fields(key)[self.key]
        row |= {name: self.subject.fields(contact)[name] for name in self.others}
        for name, number in zip(self.values, values, strict=False):
            if number == CLEARED:
                row[name] = None
            else:
                # No two contacts have a value in common: a vendor may take it for a
                # match key.
                row[name] = self.subject.fields(20 * number + contact)[name]
        return row

    def whole_row(self, contact: int, desired: DesiredRow) -> Row:
        """Return a source row with every column, and its flaw."""
        row = self.row(contact, desired.key, desired.values, desired.tags)
        row[OPTED_OUT] = desired.opted_out
        if self.lists:
            row[LISTS] = [f"list-{tag}" for tag in desired.tags]
        # A list where one text is needed. That the vendor refuses a value does not show
        # in the row.
        if desired.flaw is Flaw.VALUE:
            row[self.values[0]] = [row[self.values[0]]]
        if desired.flaw is Flaw.KEY and self.key:
            row[self.key] = [row[self.key]]
        return row


def _with_wave_size(capabilities: Capabilities, size: int) -> Capabilities:
    """Return capabilities where one request is about so many contacts at most."""
    smaller = {}
    for action in Action:
        bulk = bulk_of(action, capabilities)
        if bulk is not None:
            write = getattr(capabilities, action)
            smaller[action.value] = replace(write, bulk=replace(bulk, size=size))
    return replace(
        capabilities,
        find_many=min(size, capabilities.find_many),
        read_many=min(size, capabilities.read_many),
        **smaller,
    )


def contact_id(contact: int) -> str:
    return f"contact-{contact}"


@cache
def pairs(vendor: str) -> tuple[Pair, ...]:
    """Return the pairs of a vendor: as it is by default, and in its variants."""
    return tuple(_pair(subject) for subject in subjects(vendor))


def pair(name: str) -> Pair:
    """Return the pair of this name."""
    return next(each for each in pairs(name.partition(":")[0]) if each.name == name)


def _pair(subject: VendorUnderTest) -> Pair:
    """Choose the fields of a simulated destination."""
    capabilities = subject.vendor.capabilities
    key = _key(subject)
    later = capabilities.update or capabilities.upsert
    assert later is not None, "a vendor that changes nothing is not simulated"
    texts = [
        name
        for name in _texts(subject, lambda name: _changes(name, later, capabilities))
        if name != capabilities.identity
    ]
    needed = _needed(capabilities)
    free = [name for name in texts if name not in (key, *needed)]
    if len(free) <= VALUES:
        # Too few: those that only an update has to carry may change as well.
        made_with = set(_made_with(capabilities))
        free = [name for name in texts if name not in (key, *made_with)]
    # Phones and addresses last: the first field is the mark, and vendors reformat
    # phones or match by them.
    free.sort(key=lambda name: "phone" in name or "mail" in name)
    chosen = tuple(free[: 1 + VALUES])
    identifying = (key, capabilities.identity, *chosen)
    others = tuple(sorted(name for name in needed if name not in identifying))
    return Pair(subject, key, chosen[0], chosen[1:], others)


def _key(subject: VendorUnderTest) -> str | None:
    """Return the first text field that the vendor finds contacts by."""
    capabilities = subject.vendor.capabilities
    if capabilities.identity:
        return None
    finding = _texts(subject, lambda name: matches(name, capabilities.find_by))
    return next(finding, None)


def _needed(capabilities: Capabilities) -> set[str]:
    """Return the fields that any write has to carry."""
    writes = (capabilities.create, capabilities.update, capabilities.upsert)
    needed: set[str] = set()
    for write in writes:
        if write:
            needed.update(write.must_carry, write.keyed_by)
    return needed


def _made_with(capabilities: Capabilities) -> Iterator[str]:
    """Yield the fields without which no contact is made."""
    for write in (capabilities.create, capabilities.upsert):
        if write:
            yield from (*write.must_carry, *write.keyed_by)


def _texts(subject: VendorUnderTest, fits: Callable[[str], bool]) -> Iterator[str]:
    """Yield the fields whose values are texts that differ from contact to contact."""
    sample, other = subject.fields(1), subject.fields(2)
    for name, value in sample.items():
        if isinstance(value, str) and value != other[name] and fits(name):
            yield name


def _changes(name: str, later: Write, can: Capabilities) -> bool:
    return matches(name, later.fields) and not matches(name, can.accumulates)
