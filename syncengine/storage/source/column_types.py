"""The uses of a column by its type.

A column may serve as a plain value, in a normal form (such as a phone number in E.164),
as a flag, as tags, or as the key. A type that could not be right for any contact is
reported before the run; a value that is wrong is rejected with its contact.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeAlias

from syncengine.model.columns import ColumnKind
from syncengine.model.mapping import Form

_OF_TYPES = {
    **dict.fromkeys(
        (
            "text",
            "varchar",
            "bpchar",
            "name",
            "char",
            "citext",
            "uuid",
            "inet",
            "cidr",
            "macaddr",
            "macaddr8",
        ),
        ColumnKind.TEXT,
    ),
    **dict.fromkeys(("int2", "int4", "int8", "oid"), ColumnKind.INTEGER),
    "numeric": ColumnKind.NUMERIC,
    **dict.fromkeys(("float4", "float8"), ColumnKind.FLOAT),
    "bool": ColumnKind.BOOLEAN,
    "date": ColumnKind.DATE,
    **dict.fromkeys(("timestamp", "timestamptz"), ColumnKind.TIMESTAMP),
    **dict.fromkeys(("time", "timetz"), ColumnKind.TIME),
    "interval": ColumnKind.INTERVAL,
    **dict.fromkeys(("json", "jsonb"), ColumnKind.JSON),
    "hstore": ColumnKind.COMPOSITE,
}
_OF_CLASSES = {"e": ColumnKind.TEXT, "c": ColumnKind.COMPOSITE}
"""Kinds by ``pg_type.typtype``: enums and rows."""


@dataclass(frozen=True, slots=True)
class Column:
    """A mapped column and its type, without domains and arrays."""

    name: str
    type_name: str
    """The type as people write it: ``text[]``."""
    kind: ColumnKind
    is_array: bool
    value: str
    """SQL fragment that reads the column."""


class Use(StrEnum):
    """Uses of a column other than a field's value."""

    FLAG = "flag"
    """True or false: a tag that a contact has or not, or its opt-out."""
    MEMBERS = "members"
    """A list of texts, such as tags."""


@dataclass(frozen=True, slots=True)
class Several:
    """The values of a field that may have several: one value, or an array."""

    form: Form


Purpose: TypeAlias = Form | Use | Several | None
"""The use of a column; None: a field's value as it is."""

_SCALARS = frozenset(
    {
        ColumnKind.TEXT,
        ColumnKind.INTEGER,
        ColumnKind.NUMERIC,
        ColumnKind.FLOAT,
        ColumnKind.JSON,
    }
)
_READABLE: dict[Form | Use, frozenset[ColumnKind]] = {
    Form.TEXT: frozenset(ColumnKind) - {ColumnKind.COMPOSITE},
    Form.LOWER: _SCALARS,
    Form.E164: _SCALARS,
    Form.NUMBER: _SCALARS | {ColumnKind.BOOLEAN},
    Form.BOOLEAN: _SCALARS | {ColumnKind.BOOLEAN},
    Form.DATE: frozenset(
        {ColumnKind.TEXT, ColumnKind.DATE, ColumnKind.TIMESTAMP, ColumnKind.JSON}
    ),
    Use.FLAG: frozenset({ColumnKind.BOOLEAN}),
    Use.MEMBERS: frozenset({ColumnKind.TEXT, ColumnKind.INTEGER, ColumnKind.NUMERIC}),
}
"""Kinds that each purpose can be read from, value by value. A kind that is missing here
could not be right for any contact."""
_KEYS = frozenset(
    {
        ColumnKind.TEXT,
        ColumnKind.INTEGER,
        ColumnKind.NUMERIC,
        ColumnKind.BOOLEAN,
        ColumnKind.DATE,
        ColumnKind.TIMESTAMP,
    }
)


def kind_of(name: str, type_class: str) -> ColumnKind:
    """Return the kind of a type by its name and class in ``pg_type``."""
    if name in _OF_TYPES:
        return _OF_TYPES[name]
    return _OF_CLASSES.get(type_class, ColumnKind.OTHER)


def unfit(column: Column, purpose: Purpose) -> str | None:
    """Return why a column can never serve a purpose; None where it can."""
    if purpose is None:
        return None
    if isinstance(purpose, Several):
        # An array of such values, or one of them: what counts is the kind.
        column = replace(column, is_array=False)
        purpose = purpose.form
    if purpose is Use.MEMBERS:
        return _unfit_for_members(column)
    if column.kind in _READABLE[purpose] and not column.is_array:
        return None
    if purpose is Use.FLAG:
        return (
            f"has type {column.type_name}, and has to be boolean; cast it in a view or "
            "query"
        )
    return (
        f"has type {column.type_name}, of which as: {purpose} makes nothing; cast it "
        "in a view or query"
    )


def _unfit_for_members(column: Column) -> str | None:
    # JSON may hold a list. Whether it does is seen only in the rows.
    if column.kind is ColumnKind.JSON and not column.is_array:
        return None
    if column.is_array and column.kind in _READABLE[Use.MEMBERS]:
        return None
    return (
        f"has type {column.type_name}, and has to be an array of texts or whole "
        "numbers, such as text[]; make one of it in a view or query"
    )


def is_key(column: Column) -> bool:
    """Return whether the column's text can tell contacts apart.

    Each value must have one text, the same everywhere.
    """
    return not column.is_array and column.kind in _KEYS
