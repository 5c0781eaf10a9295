"""A contact as the source wants it, as the destination is known to hold it, and as the vendor shows it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from syncengine.model.http import Json

Fields: TypeAlias = Mapping[str, Json]
"""Vendor field name (dotted where nested) to value. In a desired contact None means: the source says NULL."""


LISTS = "lists."
"""A list a contact is a member of is a field of this name with the list's id behind it; its value is true."""


@dataclass(frozen=True, slots=True)
class MatchKey:
    """What the vendor recognises a contact by: a mapped field and its normalised value, as text."""

    field: str
    value: str = dataclasses.field(repr=False)


@dataclass(frozen=True, slots=True)
class Desired:
    """What the source asks for."""

    contact_id: str
    fields: Fields = dataclasses.field(repr=False)
    tags: frozenset[str] = frozenset()
    keys: tuple[MatchKey, ...] = ()
    """In the order of ``match_on``; keys whose field is NULL are left out."""
    invalid: Fields = dataclasses.field(default_factory=dict, repr=False)
    """Values, as the source holds them, of the fields that are left alone because they are not in the form asked
    for (``on_invalid: skip``). Nothing of them is sent."""
    manages_lists: bool = False
    """Lists that are not among the fields are to be left."""


@dataclass(frozen=True, slots=True)
class Pending:
    """What was about to be sent and has no outcome yet: the intent. Everything in it may or may not have happened."""

    creates: bool = False
    deletes: bool = False
    keys: tuple[MatchKey, ...] = ()
    """The match keys a create carried."""
    fields: Fields = dataclasses.field(default_factory=dict, repr=False)
    add_tags: frozenset[str] = frozenset()
    remove_tags: frozenset[str] = frozenset()
    age: float | None = None
    """Seconds since the last of it may have been sent, by the database's clock; None: longer than any vendor needs."""


@dataclass(frozen=True, slots=True)
class Known:
    """What the destination is known to hold of a contact."""

    external_id: str | None = None
    key: MatchKey | None = None
    """The key under which the vendor took the contact in."""
    fields: Fields = dataclasses.field(default_factory=dict, repr=False)
    """Last acknowledged values, in our form. For fields that accumulate: the list of all values sent."""
    tags: frozenset[str] = frozenset()
    """Held there, and set by us."""
    found_tags: frozenset[str] = frozenset()
    """Held there when we met the contact, set by somebody else; never removed by us."""
    pending: Pending | None = None


@dataclass(frozen=True, slots=True)
class Remote:
    """A contact as the vendor shows it, in the vendor's form."""

    external_id: str
    fields: Fields = dataclasses.field(default_factory=dict, repr=False)
    tags: frozenset[str] = frozenset()
    shows_tags: bool = True
    """Whether it says which tags there are; if not, ``tags`` is empty."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some of all contacts of an account."""

    contacts: tuple[Remote, ...]
    cursor: str | None
    """Where the next page begins; None: this was the last one."""
