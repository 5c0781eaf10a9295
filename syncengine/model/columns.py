"""Columns and tables of a source, as far as a proposal for its mapping needs them.

A sample's values stay in the database: only numbers of them are here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ColumnKind(StrEnum):
    """Groups of types that are treated alike. A domain counts as its base type."""

    TEXT = "text"
    """text, varchar, char(n), name, citext, enums, uuid, network addresses."""
    INTEGER = "integer"
    NUMERIC = "numeric"
    FLOAT = "float"
    BOOLEAN = "boolean"
    DATE = "date"
    TIMESTAMP = "timestamp"
    """With and without time zone."""
    TIME = "time"
    INTERVAL = "interval"
    JSON = "json"
    COMPOSITE = "composite"
    """Rows and hstore: objects in JSON."""
    OTHER = "other"
    """All others, as Postgres writes them: bytea, bit strings, ranges, money, geometry,
    xml and so on."""


@dataclass(frozen=True, slots=True)
class ValueCounts:
    """Numbers of a column's values in a sample of rows."""

    rows: int
    """Rows of the sample."""
    values: int
    """Rows with a value: neither NULL nor blank."""
    distinct: int = 0
    """Different values among them."""
    emails: int = 0
    """Values that look like an e-mail address."""
    phones: int = 0
    """Values that look like a phone number, with or without a country code."""
    international: int = 0
    """Values that look like a phone number with ``+`` or ``00`` in front."""
    north_american: int = 0
    """Values of the form ``202-224-3441``."""
    dates: int = 0
    """Values that begin like ``2026-11-28``."""

    def share(self, number: int) -> float:
        """Return a number as a share of the values; 0 where there are none."""
        return number / self.values if self.values else 0.0

    @property
    def empty_share(self) -> float:
        """The share of the rows without a value; 0 in an empty sample."""
        return 1 - self.values / self.rows if self.rows else 0.0

    @property
    def repeats(self) -> bool:
        """True where some value of the sample is there more than once."""
        return self.distinct < self.values


@dataclass(frozen=True, slots=True)
class SourceColumn:
    """A column that may be mapped."""

    name: str
    type_name: str
    """The type as people write it: ``text[]``."""
    kind: ColumnKind
    is_array: bool = False
    nullable: bool = True
    primary: bool = False
    """True where it is the primary key, alone."""
    unique: bool = False
    """True where an index on it alone admits no value twice."""
    readable: bool = True
    """True where the role may select it."""
    counts: ValueCounts | None = None
    """Numbers of its values; None where they were not looked at."""


@dataclass(frozen=True, slots=True)
class SourceTable:
    """A table or view that may hold the contacts."""

    name: str
    """The name as in SQL, quoted where that is needed: ``crm.contacts``."""
    kind: str
    """Kind of it, in words: ``table``, ``view``."""
    rows: int | None
    """The number of rows by the planner's estimate; None where there is none."""
    size: int
    """Bytes on disk, without indexes."""
    columns: tuple[str, ...]
    readable: bool = True
    """True where the role may select from it."""


@dataclass(frozen=True, slots=True)
class SampledSource:
    """A table, view or query, with what was found out about its columns."""

    label: str
    """Its name in messages."""
    columns: tuple[SourceColumn, ...]
    key_columns: tuple[str, ...] = ()
    """The columns of the primary key; several where it is composite."""
    has_indexes: bool = True
    """False for a view or query, of which no index tells what is unique."""
    is_query: bool = False
    """True for a query of the configuration, which is neither table nor view."""
    unsampled: str | None = None
    """The reason why no values were looked at, where that is so."""

    def column(self, name: str) -> SourceColumn | None:
        """Return the column of this name."""
        for column in self.columns:
            if column.name == name:
                return column
        return None
