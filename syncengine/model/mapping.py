"""The mapping of a source row to a desired contact, as data.

``config.mapping`` makes a ``Mapping`` of a destination's file, ``planning.mapping``
applies it to rows. The enums are the values of the settings of the same names
(``on_null``, ``on_removed``, ...).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from syncengine.model.http import Json


class Form(StrEnum):
    """Normal forms that a value can be brought into (``as:`` in the configuration)."""

    E164 = "e164"
    TEXT = "text"
    LOWER = "lower"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DATE = "date"


class OnNull(StrEnum):
    """Meanings of a NULL in the source."""

    SKIP = "skip"
    CLEAR = "clear"


class OnInvalid(StrEnum):
    """Consequences of a value that is not in the form its field asks for."""

    REJECT = "reject"
    """The contact is rejected."""
    SKIP = "skip"
    """The field stays as it is, and that is reported."""


class OnRemoved(StrEnum):
    """Consequences for the copy of a removed contact."""

    IGNORE = "ignore"
    UNTAG = "untag"
    DELETE = "delete"


class OnGone(StrEnum):
    """Consequences of a contact that somebody deleted at the vendor."""

    REPORT = "report"
    """It is left alone and reported: a person deleted it on purpose."""
    RECREATE = "recreate"
    """It is created again, whole, at the end of the run."""


class OnUnmap(StrEnum):
    """Consequences of what is taken out of a mapping: tags, lists, or a field."""

    LEAVE = "leave"
    REMOVE = "remove"
    """What is known to be ours there is removed, as far as the vendor can."""


@dataclass(frozen=True, slots=True)
class FieldMapping:
    """One vendor field and the column it comes from."""

    field: str
    column: str
    form: Form | None = None
    region: str | None = None
    """ISO 3166-1 alpha-2 code, for national phone numbers (``e164``)."""
    default: Json = None
    """Used where the column is NULL or the empty string."""
    on_invalid: OnInvalid = OnInvalid.REJECT
    zone: str | None = None
    """Time zone in whose calendar the date of a moment is taken (``date``); None:
    UTC."""


@dataclass(frozen=True, slots=True)
class MappingProblem:
    """A mismatch of a destination's file and its account at the vendor."""

    key: str
    """The key path in the destination's file, such as ``fields.city``."""
    what: str
    """Description of the mismatch and its cure, free of secrets and contacts' values."""


@dataclass(frozen=True, slots=True)
class SetMapping:
    """The columns of a managed set (tags, lists).

    One array column, or a boolean column for each member.
    """

    column: str | None = None
    columns: tuple[tuple[str, str], ...] = ()
    """Pairs of member and boolean column."""
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class Mapping:
    """A destination's whole mapping."""

    fields: tuple[FieldMapping, ...] = ()
    tags: SetMapping | None = None
    lists: SetMapping | None = None
    match_on: tuple[str, ...] = ()
    """Mapped fields, tried in order; empty where the vendor's identity is the contact
    id."""
    on_null: OnNull = OnNull.SKIP
    on_unmap: OnUnmap = OnUnmap.LEAVE
    opted_out: str | None = None
    """A boolean column: where it is true, nothing is sent about the contact."""

    @property
    def tag_prefix(self) -> str:
        """Return the prefix of all tags that are set, empty where there is none."""
        return self.tags.prefix if self.tags else ""

    @property
    def list_prefix(self) -> str:
        """Return the prefix of all lists, empty where there is none."""
        return self.lists.prefix if self.lists else ""

    @property
    def regions(self) -> dict[str, str]:
        """Return the region of each field that has one."""
        return {each.field: each.region for each in self.fields if each.region}

    @property
    def columns(self) -> tuple[str, ...]:
        """The source columns that the mapping reads, each once, in a stable order."""
        names = [mapping.column for mapping in self.fields]
        for members in (self.tags, self.lists):
            if members is None:
                continue
            if members.column:
                names.append(members.column)
            names += [column for _, column in members.columns]
        if self.opted_out:
            names.append(self.opted_out)
        return tuple(dict.fromkeys(names))
