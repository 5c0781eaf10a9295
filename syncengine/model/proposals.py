"""Proposals for a new destination, and the answers of a person about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from syncengine.model.mapping import Form

ANY_FIELD = "FIELD"
"""Stands in a question's option for a field that the person has to choose."""


@dataclass(frozen=True, slots=True)
class OpenQuestion:
    """Something that only a person knows, with the option that answers it."""

    option: str
    """The option with its value's name: ``--region CC``."""
    words: str
    default: str | None = None
    """An answer to offer; it is a guess that nobody should act on unasked."""
    setting: str | None = None
    """The vendor's setting that answers it for all contacts, if there is one."""
    instead: tuple[str, ...] = ()
    """Other fields that would do, each with a column of its own."""


@dataclass(frozen=True, slots=True)
class KeyProposal:
    """The key to use; or the reason why none is proposed."""

    column: str | None
    reason: str
    """Reason for this one, or for none, and what to do."""


@dataclass(frozen=True, slots=True)
class VendorFields:
    """Facts of a vendor that a mapping depends on."""

    name: str
    usual: tuple[str, ...]
    """The fields that a mapping usually has, in the order in which it has them."""
    written: tuple[str, ...]
    """Patterns of all fields that may be mapped."""
    required: tuple[str, ...] = ()
    """Fields without which no contact is created."""
    instead: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Required field to the fields that a setting takes in its place."""
    settings: tuple[str, ...] = ()
    """Settings of the vendor; one named like a required field gives it to all."""
    match_keys: tuple[str, ...] = ()
    """Patterns of the fields by which contacts are recognised."""
    upsert_keys: tuple[str, ...] = ()
    """Fields one of which has to be a match key, if there are any."""
    identity: str | None = None
    """The field that is the only identity; the contact id where it is not mapped."""
    shows_one: tuple[str, ...] = ()
    """Patterns of fields of which a look-up shows one of several contacts."""
    several: tuple[str, ...] = ()
    """Patterns of the fields that take a list of values."""
    has_tags: bool = False
    more_keys: str | None = None
    """The setting that names further fields to find contacts by; None: there is none."""


@dataclass(frozen=True, slots=True)
class ProposedField:
    """One vendor field and the column that it is read from."""

    field: str
    column: str
    form: Form | None = None
    region: str | None = None


@dataclass(frozen=True, slots=True)
class ProposedCondition:
    """A column that looks like a consent or a deletion."""

    column: str
    sql: str | None
    """Condition that leaves out who is not to be written to; None where the column's
    type does not tell how it would read."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """Answers of a person so far; a proposal keeps to them."""

    fields: tuple[ProposedField, ...] = ()
    left_out: frozenset[str] = frozenset()
    """Fields that are not to be mapped."""
    match_on: tuple[str, ...] = ()
    tags: str | None = None
    """The tags' column; the empty text for none."""
    opted_out: str | None = None
    """The opt-out's column; the empty text for none."""
    region: str | None = None
    where: str | None = None
    """The condition that rows have to meet."""


@dataclass(frozen=True, slots=True)
class SelectionProposal:
    """Choice of the contacts that are sent, with what it leaves open."""

    opted_out: str | None
    conditions: tuple[ProposedCondition, ...] = ()
    questions: tuple[OpenQuestion, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MappingProposal:
    """A mapping, with what it leaves open."""

    fields: tuple[ProposedField, ...]
    match_on: tuple[str, ...]
    tags: str | None = None
    opted_out: str | None = None
    where: str | None = None
    further: tuple[ProposedField, ...] = ()
    """More columns, under a name that the vendor may not have: for a comment."""
    conditions: tuple[ProposedCondition, ...] = ()
    """Columns that look like a consent or a deletion, which ``where`` may name."""
    questions: tuple[OpenQuestion, ...] = ()
    notes: tuple[str, ...] = ()
