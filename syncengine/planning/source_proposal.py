"""Propose which table holds the contacts, and which of its columns is the key.

The proposals rest on names, types, indexes and numbers of values in a sample, never on
a value.
"""

from __future__ import annotations

from collections.abc import Sequence

from syncengine.model.columns import (
    ColumnKind,
    SampledSource,
    SourceColumn,
    SourceTable,
)
from syncengine.model.proposals import KeyProposal
from syncengine.planning.column_roles import CONTACT_ROLES, REACHING_ROLES, role_of

_KEY_KINDS = frozenset({ColumnKind.INTEGER, ColumnKind.TEXT})
"""Types of keys that ranges of rows are read by (uuid counts as text)."""
_KEY_NAMES = ("id", "uuid", "guid", "key", "pk", "email")
"""Names of columns that are taken for the key where no index tells."""


def contact_columns(table: SourceTable) -> tuple[str, ...]:
    """Return the columns of a table whose names look like those of contacts."""
    return tuple(name for name in table.columns if role_of(name) in CONTACT_ROLES)


def rank_tables(tables: Sequence[SourceTable]) -> tuple[SourceTable, ...]:
    """Return the tables that may hold the contacts, the likeliest first."""
    likely = [table for table in tables if _weight(table) > 0]
    return tuple(sorted(likely, key=_rank))


def propose_table(tables: Sequence[SourceTable]) -> SourceTable | None:
    """Return the one table that is surely meant; None where several may be."""
    ranked = [table for table in rank_tables(tables) if table.readable]
    if not ranked:
        return None
    first, *others = ranked
    # Without an e-mail address or a phone a table is hardly one of contacts to reach.
    if not any(role_of(name) in REACHING_ROLES for name in first.columns):
        return None
    if any(_weight(other) >= _weight(first) for other in others):
        return None
    return first


def propose_key(source: SampledSource, usual: str | None = None) -> KeyProposal:
    """Return the column that tells contacts apart.

    ``usual`` is the key of the common table. A view of that table has it, too, and no
    index that tells.
    """
    usable = [column for column in source.columns if _may_be_key(column)]
    indexed = _indexed_key(usable)
    if indexed is not None:
        return indexed
    for column in usable:
        if column.name == usual and _looks_unique(column):
            return KeyProposal(column.name, "the key that syncengine.yaml names")
    if source.has_indexes:
        return KeyProposal(None, _why_no_key(source))
    return _key_by_name(source, usable)


def _indexed_key(usable: Sequence[SourceColumn]) -> KeyProposal | None:
    """Return the primary key, or a column that a unique index keeps unique."""
    for column in usable:
        if column.primary:
            return KeyProposal(column.name, "the primary key")
    unique = [column for column in usable if column.unique and not column.nullable]
    if not unique:
        return None
    best = min(unique, key=lambda column: column.kind is not ColumnKind.INTEGER)
    return KeyProposal(best.name, "a unique index, and never NULL")


def _key_by_name(source: SampledSource, usable: Sequence[SourceColumn]) -> KeyProposal:
    """Return the key of a view or query: its names and the sample alone can tell."""
    named = [
        column for column in usable if _key_name_rank(column.name) < len(_KEY_NAMES)
    ]
    for column in sorted(named, key=lambda column: _key_name_rank(column.name)):
        if _looks_unique(column):
            return KeyProposal(
                column.name,
                f"unique in a sample of {source.label}, which has no index of its own; "
                "`check` reads all rows",
            )
    return KeyProposal(
        None,
        f"no column of {source.label} looks like a key by its name; name the one that "
        "is unique and never NULL",
    )


def _weight(table: SourceTable) -> int:
    """Return how much a table looks like one of contacts."""
    roles = {role_of(name) for name in table.columns} & CONTACT_ROLES
    return len(roles) + len(roles & REACHING_ROLES)


def _rank(table: SourceTable) -> tuple[bool, int, bool, int, str]:
    is_view = table.kind != "table"
    rows = table.rows or 0
    return (not table.readable, -_weight(table), is_view, -rows, table.name)


def _may_be_key(column: SourceColumn) -> bool:
    return column.kind in _KEY_KINDS and not column.is_array and column.readable


def _why_no_key(source: SampledSource) -> str:
    """Return why a table has no column that surely is its key, and what to do."""
    if len(source.key_columns) > 1:
        columns = " and ".join(f'"{name}"' for name in source.key_columns)
        return (
            f"the primary key of {source.label} has {len(source.key_columns)} columns "
            f"({columns}); make a view with one column of both, and name that view"
        )
    for column in source.columns:
        if column.unique and column.nullable:
            return (
                f'"{column.name}" is unique, but may be NULL; make it NOT NULL, or '
                "name it where a view leaves such rows out"
            )
    return (
        f"{source.label} has no primary key and no unique index on a column that is "
        "never NULL; name the column that tells contacts apart, or add such an index"
    )


def _key_name_rank(name: str) -> int:
    """Return the place of a column among the names that keys have."""
    plain = name.casefold()
    for rank, usual in enumerate(_KEY_NAMES):
        if plain == usual or plain.endswith(f"_{usual}"):
            return rank
    return len(_KEY_NAMES)


def _looks_unique(column: SourceColumn) -> bool:
    counts = column.counts
    return counts is None or (counts.values == counts.rows and not counts.repeats)
