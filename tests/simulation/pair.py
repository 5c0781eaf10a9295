"""A vendor's adapter and its twin with a mapping between them, found out from the capabilities alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from syncengine.model.capabilities import Capabilities, Write, matches
from syncengine.model.http import Json
from syncengine.model.mapping import FieldMapping, Form, Mapping, OnNull, SetMapping
from syncengine.ports import Vendor
from syncengine.sandbox import twins
from syncengine.sandbox.twins.twin import Twin
from syncengine.testing.subjects import Subject
from tests.support.memory.source import Row
from tests.support.vendors.subjects import subjects

VALUES = 2
"""Fields that change, besides the match key and the mark."""
CLEARED = -1
"""In place of a value's number: NULL."""
TAGS, LISTS, OPTED_OUT = "tags", "lists", "opted_out"
"""Columns that are no field."""


class Flaw(StrEnum):
    """What is wrong with a source row."""

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
    """Whether it is the other destination's, where there are two."""


@dataclass(frozen=True)
class Pair:
    """What a simulated destination is made of."""

    subject: Subject
    key: str | None
    """The field contacts are matched by; None where the vendor's only identity is the contact id."""
    mark: str
    """A field that holds the contact id, by which nobody is matched: it tells duplicates."""
    values: tuple[str, ...]
    """Fields that come and go."""
    others: tuple[str, ...]
    """Fields the vendor insists on; they stay what they are."""

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
        """Whether a vendor contact's match key can be changed."""
        writes = (self.capabilities.update, self.capabilities.upsert)
        return self.key is None or any(
            matches(self.key, write.fields) for write in writes if write
        )

    @property
    def one_each(self) -> bool:
        """Whether the vendor holds one contact of each match key."""
        writes = (self.capabilities.create, self.capabilities.upsert)
        return any(self.key in write.keyed_by for write in writes if write)

    def twin(self) -> Twin:
        twin = twins.load(self.subject.module.twin or "")
        if self.subject.switches:
            twin.configure(self.subject.switches)
        return twin

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of fields, named as the fields they go to, and of tags."""
        return tuple(self.row(1, 1, (1, 1), ()))

    @property
    def lists(self) -> bool:
        """Whether contacts can be put on lists."""
        return self.capabilities.join_lists is not None

    @property
    def mapping(self) -> Mapping:
        names = [
            self.mark,
            *([self.key] if self.key else []),
            *self.values,
            *self.others,
        ]
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
        """The fields and the tags of a source row; numbers say which sample each value is."""
        row: dict[str, Json] = {self.mark: contact_id(contact), TAGS: list(tags)}
        if self.key:
            row[self.key] = self.subject.fields(key)[self.key]
        row |= {name: self.subject.fields(contact)[name] for name in self.others}
        for name, number in zip(self.values, values, strict=False):
            # No two contacts have a value in common: a vendor may take it for a match key.
            row[name] = (
                None
                if number == CLEARED
                else self.subject.fields(20 * number + contact)[name]
            )
        return row

    def whole_row(self, contact: int, desired: DesiredRow) -> Row:
        """A source row with every column, and what is wrong with it."""
        row = self.row(contact, desired.key, desired.values, desired.tags) | {
            OPTED_OUT: desired.opted_out
        }
        if self.lists:
            row[LISTS] = [f"list-{tag}" for tag in desired.tags]
        spoiled = {Flaw.VALUE: self.values[0], Flaw.KEY: self.key}.get(
            desired.flaw or Flaw.REFUSED
        )
        if spoiled:
            row[spoiled] = [row[spoiled]]
        return row


def contact_id(contact: int) -> str:
    return f"contact-{contact}"


@cache
def pairs(vendor: str) -> tuple[Pair, ...]:
    """A vendor as it comes, and in its variants."""
    return tuple(_pair(subject) for subject in subjects(vendor))


def pair(name: str) -> Pair:
    """The pair of this name."""
    return next(each for each in pairs(name.partition(":")[0]) if each.name == name)


def _pair(subject: Subject) -> Pair:
    can = subject.vendor.capabilities
    sample, other = subject.fields(1), subject.fields(2)
    key = (
        None
        if can.identity
        else next(_texts(sample, other, lambda name: matches(name, can.find_by)), None)
    )
    writes = [write for write in (can.create, can.update, can.upsert) if write]
    needed = {name for write in writes for name in (*write.must_carry, *write.keyed_by)}
    later = can.update or can.upsert
    assert later is not None, "a vendor that changes nothing is not simulated"
    texts = [
        name
        for name in _texts(sample, other, lambda name: _changes(name, later, can))
        if name != can.identity
    ]
    free = [name for name in texts if name not in (key, *needed)]
    if len(free) <= VALUES:  # what an update has to carry may change as well
        free = [name for name in texts if name not in (key, *_made_with(can))]
    free.sort(
        key=lambda name: "phone" in name or "mail" in name
    )  # the mark is no phone
    chosen = tuple(free[: 1 + VALUES])
    others = tuple(sorted(needed - {key, can.identity, *chosen}))
    return Pair(subject, key, chosen[0], chosen[1:], others)


def _made_with(can: Capabilities) -> Iterator[str]:
    """The fields without which no contact is made."""
    for write in filter(None, (can.create, can.upsert)):
        yield from (*write.must_carry, *write.keyed_by)


def _texts(
    sample: dict[str, Json], other: dict[str, Json], fits: Callable[[str], bool]
) -> Iterator[str]:
    """The fields whose values are texts that differ from contact to contact."""
    for name, value in sample.items():
        if isinstance(value, str) and value != other[name] and fits(name):
            yield name


def _changes(name: str, later: Write, can: Capabilities) -> bool:
    return matches(name, later.fields) and not matches(name, can.accumulates)
