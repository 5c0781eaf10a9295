"""How a source row becomes a desired contact, as data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from syncengine.model.http import Json


class Form(StrEnum):
    """Normal forms a value can be brought into (``as:`` in the configuration)."""

    E164 = "e164"
    TEXT = "text"
    LOWER = "lower"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DATE = "date"


class OnNull(StrEnum):
    """What a NULL in the source means."""

    SKIP = "skip"
    CLEAR = "clear"


class OnInvalid(StrEnum):
    """What a value that is not in the form its field asks for means."""

    REJECT = "reject"
    """The contact is rejected."""
    SKIP = "skip"
    """The field is left alone, and that is reported."""


class OnRemoved(StrEnum):
    """What happens to the copy of a contact that left the source."""

    IGNORE = "ignore"
    UNTAG = "untag"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class FieldMapping:
    """One vendor field and the column it comes from."""

    field: str
    column: str
    form: Form | None = None
    region: str | None = None
    """ISO 3166-1 alpha-2, for national phone numbers (``e164``)."""
    default: Json = None
    """Used where the column is NULL or the empty string."""
    on_invalid: OnInvalid = OnInvalid.REJECT
    zone: str | None = None
    """The time zone whose calendar a moment's date is taken from (``date``); None: UTC."""


@dataclass(frozen=True, slots=True)
class SetMapping:
    """Where a managed set (tags, lists) comes from: one array column, or a boolean column for each member."""

    column: str | None = None
    columns: tuple[tuple[str, str], ...] = ()
    """(member, boolean column)"""
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class Mapping:
    """A destination's whole mapping."""

    fields: tuple[FieldMapping, ...] = ()
    tags: SetMapping | None = None
    lists: SetMapping | None = None
    match_on: tuple[str, ...] = ()
    """Mapped fields, tried in order; empty where the vendor's identity is the contact id."""
    on_null: OnNull = OnNull.SKIP
    opted_out: str | None = None
    """A boolean column: where it is true, nothing is sent about the contact."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The source columns it reads, each once, in a stable order."""
        names = [mapping.column for mapping in self.fields]
        for members in (self.tags, self.lists):
            if members is not None:
                names += [members.column] if members.column else []
                names += [column for _, column in members.columns]
        names += [self.opted_out] if self.opted_out else []
        return tuple(dict.fromkeys(names))
