"""The source: its configuration, and what the database knows of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from syncengine.storage.source.column_types import Column, Purpose
from syncengine.storage.statements import statements


class KeyKind(StrEnum):
    """Orders of keys."""

    NUMBER = "number"
    """smallint, integer, bigint: by value, as ``sync_state.contact_number`` is."""
    UUID = "uuid"
    """By bytes, which is also the order of the texts."""
    TEXT = "text"
    """text and varchar under a collation that compares bytes, as
    ``sync_state.contact_id`` is."""
    OTHER = "other"
    """In an order of their own; to be compared with the state they have to be sorted as
    text."""


@dataclass(frozen=True, slots=True)
class SourceSpec:
    """A destination's source as configured: exactly one of ``table`` and ``query``.

    ``query`` and ``where`` are trusted SQL and only ever run in read-only transactions.
    """

    key: str
    columns: tuple[str, ...]
    """The mapped columns (``Mapping.columns``), each once."""
    table: str | None = None
    """The table's name as in SQL: ``crm.contacts``, ``"Crm"."Contacts"``."""
    query: str | None = None
    where: str | None = None
    salt: str = ""
    """Text that is hashed with every row: the mapping, and the versions of normalisers
    and adapter. A new salt makes every contact a candidate."""
    places: Mapping[str, str] = field(default_factory=dict)
    """Column to the place in the configuration that names it, for messages:
    ``{"mobile": "fields.phone.from"}``."""
    purposes: tuple[tuple[str, Purpose, str], ...] = ()
    """The use of each column, with the place in the configuration that asks for it."""
    key_place: str = "source.key"
    where_place: str = "where"
    database: str = ""
    """The database of the source, for messages (``failures.describe``)."""
    place: str = ""
    """Place of the table or query in the configuration; by default ``source.table`` or
    ``source.query``."""

    @property
    def label(self) -> str:
        """Return the source's name in messages, such as ``crm.contacts``."""
        if self.table is None:
            return "the source query"
        return self.table

    @property
    def described(self) -> str:
        """Return the source and its database in messages.

        For example ``crm.contacts in database crm at db:5432``.
        """
        if not self.database:
            return self.label
        return f"{self.label} in {self.database}"

    @property
    def relation_place(self) -> str:
        """Return the place of the table or query in the configuration."""
        if self.place:
            return self.place
        return "source.query" if self.table is None else "source.table"


@dataclass(frozen=True, slots=True)
class Source:
    """A source that was inspected.

    It has ready fragments of SQL, quoted by Postgres, and what is known of the key.
    """

    spec: SourceSpec
    oid: int
    """The relation's oid; 0 for a query."""
    relation: str
    where: str
    key: str
    """The key column, qualified: a bare name in ORDER BY would mean an output
    column."""
    key_type: str
    """The key's type, without domains."""
    contact_id: str
    """The key as canonical text."""
    text_order: str
    """Expression that sorts contact ids in the order of their UTF-8 bytes."""
    hash: str
    columns: tuple[Column, ...]
    """As in ``spec.columns``."""
    kind: KeyKind
    indexed: bool
    """True for a table with a btree that the key leads, in an order the state can
    follow."""
    unique: bool
    """True where such an index admits no key twice."""
    in_key_order: bool
    """True where the rows lie about as the key orders them. Where they do not, every
    range of keys reads the whole table."""
    nullable: bool
    on_replica: bool
    """True where the server replays another one's log, and cancels statements that
    stand in its way."""

    @property
    def equals(self) -> str:
        """The operator that compares keys.

        For a type of Postgres's own it is Postgres's own, never a planted one.
        """
        if self.key_type.startswith("pg_catalog."):
            return "OPERATOR(pg_catalog.=)"
        # A type of an extension, such as citext, has its operator in its own schema.
        return "="

    def sql(
        self,
        file: str,
        name: str,
        *,
        columns: Sequence[Column] | None = None,
        **fragments: str,
    ) -> str:
        """Return a statement of ``sql/FILE.sql`` with this source's fragments in it.

        ``columns`` are those whose values are read; by default all.
        """
        if columns is None:
            columns = self.columns
        values = ", ".join(column.value for column in columns)
        # Fragments come from Postgres, or are the configuration's own SQL. Values of
        # rows never get into a statement's text.
        return statements(file)[name].format(
            relation=self.relation,
            where=self.where,
            key=self.key,
            key_type=self.key_type,
            contact_id=self.contact_id,
            text_order=self.text_order,
            equals=self.equals,
            hash=self.hash,
            values=f"pg_catalog.row_to_json(ROW({values}))::text",
            **fragments,
        )
