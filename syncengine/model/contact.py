"""A contact in the source, in the state, and at the vendor.

Four views of the same person, which planning compares:

- ``Desired``: what the source row asks for, mapped to the vendor's fields.
- ``Known``: what the destination is known to hold, by our own acknowledged calls.
- ``Pending``, a part of ``Known``: what was sent and has no outcome, so that the
  destination may hold it or not. Also called *unknown*.
- ``Remote``: what the vendor shows when it is asked, in its own form.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from syncengine.model.http import Json

Fields: TypeAlias = Mapping[str, Json]
"""Vendor field name (dotted where nested) to value. In a desired contact None means
that the source has NULL."""


LISTS = "lists."
"""Prefix of the fields that stand for list memberships. The list's id follows it, and
the value is true."""


@dataclass(frozen=True, slots=True)
class MatchKey:
    """A key by which the vendor recognises a contact.

    It is a mapped field and its normalised value, as text.
    """

    field: str
    value: str = dataclasses.field(repr=False)
    region: str | None = dataclasses.field(default=None, compare=False)
    """For a phone: the country of numbers that are written without a country code, as
    far as the configuration names it."""


@dataclass(frozen=True, slots=True)
class Desired:
    """The contact that the source asks for."""

    contact_id: str
    fields: Fields = dataclasses.field(repr=False)
    tags: frozenset[str] = frozenset()
    keys: tuple[MatchKey, ...] = ()
    """In the order of ``match_on``; keys whose field is NULL are left out."""
    invalid: Fields = dataclasses.field(default_factory=dict, repr=False)
    """Values from the source of the fields that stay as they are because their values
    are not in the form asked for (``on_invalid: skip``). Nothing of them is sent."""
    manages_lists: bool = False
    """True where lists that are not among the fields are to be left."""
    manages_tags: bool = True
    """True where our tags that are not among ``tags`` are to be removed."""
    mapped: frozenset[str] | None = None
    """The fields of the mapping, where our values of all others are to be cleared;
    None: they are left alone."""
    regions: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """For fields with phones: the country of numbers that are written without a country
    code."""

    def key(self, name: str) -> MatchKey:
        """Return the key that a field with a value would be."""
        return MatchKey(name, str(self.fields[name]), self.regions.get(name))


THIS_RUN = 0
"""Stands for the run that is under way, wherever a run is named. The stores put its
number in its place."""


@dataclass(frozen=True, slots=True)
class SendingRun:
    """The run that sent a part of what is unknown."""

    run_id: int | None
    """None: no run did, or which one is not known."""
    over_unknown: bool = False
    """True where something else was unknown already when it was sent: so the value
    before it is not known."""


@dataclass(frozen=True, slots=True)
class Pending:
    """The intent: changes that were about to be sent and have no outcome yet.

    Each of them may or may not have happened. A note remembers the run that sent it
    (``planning.senders``), which takes no part in comparisons.
    """

    creates: bool = False
    deletes: bool = False
    keys: tuple[MatchKey, ...] = ()
    """The match keys that a create carried."""
    fields: Fields = dataclasses.field(default_factory=dict, repr=False)
    add_tags: frozenset[str] = frozenset()
    remove_tags: frozenset[str] = frozenset()
    merged_with: str | None = None
    """The vendor contact with which the known one was to be merged: the known id or
    this one is left, or both are there still."""
    age: float | None = None
    """Seconds since the last of it may have been sent, by the database's clock; None:
    longer than any vendor needs."""
    distrusted: bool = False
    """True where known values were moved here because they may be out of date: the
    contact is read back before anything is sent, where the vendor shows it."""
    run_id: int | None = dataclasses.field(default=None, compare=False)
    """The run that sent all of this but what ``senders`` names; None: no run did, or a
    version noted it that did not tell."""
    senders: Mapping[str, SendingRun] = dataclasses.field(
        default_factory=dict, compare=False
    )
    """Senders of the parts that another run sent, by name (``planning.senders``)."""


@dataclass(frozen=True, slots=True)
class Known:
    """The contact that the destination is known to hold."""

    external_id: str | None = None
    key: MatchKey | None = None
    """The key under which the vendor accepted the contact."""
    fields: Fields = dataclasses.field(default_factory=dict, repr=False)
    """Last acknowledged values, in our form. For fields that accumulate: the list of
    all values sent."""
    tags: frozenset[str] = frozenset()
    """Tags at the vendor that were set by us."""
    found_tags: frozenset[str] = frozenset()
    """Tags at the vendor that were there when the contact was linked; never removed by
    us."""
    pending: Pending | None = None
    seen_opt_outs: Fields = dataclasses.field(default_factory=dict, repr=False)
    """Opt-outs that the vendor showed when it was last looked at, whoever set them.
    They count where the contact is created again."""
    empty: tuple[str, ...] = dataclasses.field(default=(), compare=False)
    """Patterns of the fields that are empty at the vendor for certain, unless
    ``fields`` has a value: all of them where we made the contact. A tag that is not
    there for certain is ``tags.NAME``, all other tags are ``tags.*``. Of anything else
    without a value nothing is known. It takes no part in comparisons, since no plan
    depends on it."""

    @property
    def keys(self) -> tuple[MatchKey, ...]:
        """Return ``key`` alone; nothing where there is none."""
        return () if self.key is None else (self.key,)

    @property
    def unknown_fields(self) -> Fields:
        """Return the fields that were sent and have no outcome, with what was sent."""
        return {} if self.pending is None else self.pending.fields


@dataclass(frozen=True, slots=True)
class Remote:
    """A contact as the vendor shows it, in the vendor's form."""

    external_id: str
    fields: Fields = dataclasses.field(default_factory=dict, repr=False)
    tags: frozenset[str] = frozenset()
    shows_tags: bool = True
    """True where the vendor shows the contact's tags; else ``tags`` is empty."""
    former_ids: tuple[str, ...] = ()
    """Ids of the contacts that were merged into it, as far as the vendor tells them."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some of all contacts of an account."""

    contacts: tuple[Remote, ...]
    cursor: str | None
    """Start of the next page; None on the last one."""
