"""Inspects a configured source: existence, rights, columns and the order of its key.

It reports every problem at once.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg

from syncengine.errors import Problem, SourceError
from syncengine.model.columns import ColumnKind
from syncengine.model.contact_ids import LONGEST_KEY
from syncengine.model.texts import printable
from syncengine.storage.connect import Connection, Pool, attempt, reading
from syncengine.storage.failures import explain, is_of_rows, storage_errors
from syncengine.storage.source.column_types import (
    Column,
    Use,
    is_key,
    kind_of,
    unfit,
)
from syncengine.storage.source.failing_rows import with_rows
from syncengine.storage.source.side_effects import side_effect_of
from syncengine.storage.source.spec import KeyKind, Source, SourceSpec
from syncengine.storage.statements import statements

KINDS = {
    "r": "table",
    "p": "table",
    "v": "view",
    "m": "materialized view",
    "f": "foreign table",
}
_SHOWN = 30
"""Number of columns listed in a message."""


async def inspect(connection: Connection, spec: SourceSpec) -> Source:
    """Inspect the source. Reads no row.

    Raises SourceError with every problem found: a relation or column that is not there,
    a ``where`` or ``query`` that does not parse, a key that cannot be compared, missing
    rights.
    """
    with storage_errors(spec.described, failure=SourceError):
        async with reading(connection):
            return await _Inspection(connection, spec).run()


async def database_name(pool: Pool) -> str:
    """Return the name of the database that the pool's connections reach."""
    with storage_errors():
        async with pool.acquire() as connection, reading(connection):
            return str(await connection.fetchval(statements("source")["database_name"]))


@dataclass(frozen=True, slots=True)
class Counts:
    """Numbers of the rows that a source selects, once all of them were read."""

    rows: int
    nulls: int
    """Rows without a key."""
    long_keys: int
    """Rows whose key is too long to be stored."""
    repeated: int
    """Keys that occur more than once."""
    role: str
    """The role that reads."""
    is_restricted: bool
    """True where row level security decides what the role sees."""


async def count(connection: Connection, source: Source) -> Counts:
    """Read the source once, and count.

    Raises SourceError, with the rows and columns that cannot be computed.
    """
    try:
        return await _count(connection, source)
    except SourceError as error:
        if not error.of_rows:
            raise
        # The failed transaction was left by now: the search opens its own ones.
        named = await with_rows(connection, source, error)
    raise named from None


async def _count(connection: Connection, source: Source) -> Counts:
    statement = source.sql("source", "counts")
    if source.unique:
        statement = source.sql("source", "counts_of_unique")
    with storage_errors(source.spec.described, failure=SourceError):
        async with reading(connection):
            # Foreign code runs in it, and may set what the next statements depend on.
            async with attempt(connection):
                found = await connection.fetchrow(statement, LONGEST_KEY)
            is_restricted = await _is_restricted(connection, source)
            role = await connection.fetchval("SELECT current_user")
    assert found is not None
    return Counts(
        rows=found["rows"],
        nulls=found["nulls"],
        long_keys=found["long_keys"],
        repeated=found["repeated"],
        role=role,
        is_restricted=is_restricted,
    )


async def code_of_others(
    connection: Connection, source: Source
) -> tuple[str, str] | None:
    """Return owner and reader where the source runs another role's code.

    That code runs with the reader's rights. None where there is no such code, or where
    these rights do not reach the state.
    """
    with storage_errors(source.spec.described, failure=SourceError):
        async with reading(connection), attempt(connection, pinned=True):
            found = await connection.fetchrow(
                statements("source")["code_of_others"], source.oid
            )
    if found is None:
        return None
    return found["owner"], found["reader"]


async def _is_restricted(connection: Connection, source: Source) -> bool:
    """Return whether row level security decides what this role sees.

    The table with the policy may be behind a view or query.
    """
    try:
        # With row_security off, Postgres refuses a statement instead of filtering its
        # rows. It does so before it reads any: LIMIT 0 suffices.
        async with attempt(connection):
            await connection.fetchval(statements("source")["row_security_off"])
            await connection.fetch(source.sql("source", "nothing"))
    except asyncpg.InsufficientPrivilegeError:
        return True
    return False


class _Inspection:
    """One inspection of a source, inside a transaction; it collects problems."""

    def __init__(self, connection: Connection, spec: SourceSpec) -> None:
        self._connection = connection
        self._spec = spec
        self._problems: list[Problem] = []

    async def run(self) -> Source:
        """Return the inspected source. Raises SourceError with the problems found.

        Problems are raised where the next steps would only repeat them in other words.
        """
        await self._check_encoding()
        oid, relation, alias = await self._relation()
        # Before anything of the user's is executed.
        await self._check_side_effects(oid)
        types = await self._columns(relation)
        where = "TRUE"
        if self._spec.where:
            # The line break ends a comment at the end of what was configured.
            where = f"({self._spec.where}\n)"
            selected = statements("source")["selected"].format(
                relation=relation, where=where
            )
            await self._try(self._spec.where_place, selected, execute=True)
        self._raise_problems()
        await self._check_key_type(alias, types)
        source = await self._source(oid, relation, alias, where, types)
        self._check_purposes(source)
        self._raise_problems()
        probe = source.sql("source", "probe")
        if await self._try(self._spec.relation_place, probe, execute=True):
            await self._check_members(source)
            await self._check_row_security(source)
        self._raise_problems()
        return source

    async def _check_side_effects(self, oid: int) -> None:
        """Note calls that do more than read, where they can be seen.

        The body of a function behind a view cannot be seen.
        """
        spec = self._spec
        async with attempt(self._connection, pinned=True):
            views = await self._connection.fetch(
                statements("source")["definitions"], oid
            )
        pieces = [
            (spec.where_place, "", spec.where or ""),
            (spec.relation_place, "", spec.query or ""),
        ]
        pieces += [
            (spec.relation_place, f"the view {row['name']} ", row["sql"])
            for row in views
        ]
        for place, subject, sql in pieces:
            name = side_effect_of(sql)
            if name is not None:
                what = (
                    f"{subject}calls {name}(), which does more than read; a source is "
                    "only read, so leave it out"
                )
                self._problem(place, what)
        self._raise_problems()

    async def _check_encoding(self) -> None:
        """Raise SourceError for a database whose encoding is unknown (SQL_ASCII)."""
        if await self._connection.fetchval("SHOW server_encoding") == "SQL_ASCII":
            what = (
                "its database has the encoding SQL_ASCII, so nobody knows what its "
                "text means; move it to a database with the encoding UTF8"
            )
            self._problem(self._spec.relation_place, what)
            self._raise_problems()

    async def _check_key_type(self, alias: str, types: dict[str, int]) -> None:
        """Note a key of a type in which equal keys may have different texts."""
        key = self._spec.key
        described = await self._row("columns", [key], [types[key]], alias, "")
        assert described is not None
        (column,) = described_columns([key], described)
        if not is_key(column):
            what = (
                f'the key column "{key}" has type {column.type_name}, whose text '
                "cannot tell contacts apart for sure; choose a column of whole "
                "numbers, text or uuid, or cast it to text in a view or query"
            )
            self._problem(self._spec.key_place, what)

    def _check_purposes(self, source: Source) -> None:
        """Note columns whose type could not be right for any contact."""
        columns = {column.name: column for column in source.columns}
        for name, purpose, place in self._spec.purposes:
            why = unfit(columns[name], purpose)
            if why is not None:
                self._problem(place, f'column "{name}" {why}')

    async def _check_members(self, source: Source) -> None:
        """Note JSON columns without any list: each row would be rejected."""
        columns = {column.name: column for column in source.columns}
        for name, purpose, place in self._spec.purposes:
            column = columns[name]
            if purpose is not Use.MEMBERS or column.kind is not ColumnKind.JSON:
                continue
            row = await self._members_of(source, column)
            if row is None:
                continue
            # One list among others is enough: then the column is meant for lists, and
            # the rows without one are rejected by themselves.
            if row["looked_at"] and not row["lists"]:
                what = (
                    f'column "{name}" has type {column.type_name}, and holds no list '
                    f"of texts in the first {row['looked_at']} rows that have a value; "
                    "make a text[] of it in a view or query"
                )
                self._problem(place, what)

    async def _members_of(
        self, source: Source, column: Column
    ) -> asyncpg.Record | None:
        """Return the number of first rows with lists.

        None where one of them fails: the code that reads all rows reports that.
        """
        try:
            async with attempt(self._connection):
                return await self._connection.fetchrow(
                    source.sql("source", "json_members", column=column.value)
                )
        except asyncpg.PostgresError as error:
            if not is_of_rows(error):
                raise
            return None

    async def _check_row_security(self, source: Source) -> None:
        """Note a table that shows this role no row although it may have some."""
        if not await _is_restricted(self._connection, source):
            return
        # A policy that shows nothing looks like a source that lost all of its rows.
        async with attempt(self._connection):
            any_row = await self._connection.fetchval(source.sql("source", "any_row"))
        if not any_row:
            role = await self._connection.fetchval("SELECT current_user")
            what = (
                f"row level security of {self._spec.label} applies to the role {role}, "
                "which sees no row of it; give the role a policy, or another role"
            )
            self._problem(self._spec.relation_place, what)

    async def _relation(self) -> tuple[int, str, str]:
        """Return the relation's oid, its fragment for FROM, and its alias.

        The oid of a query is 0. The alias qualifies its columns.
        """
        spec = self._spec
        if spec.table is None:
            # The line break ends a comment at the end of the query.
            query = (spec.query or "").strip().removesuffix(";")
            return 0, f"({query}\n) AS source", "source"
        oid = await self._oid_of(spec.table)
        row = await self._row("relation", oid)
        if row is None:
            near = similar_name(spec.table, await self._relation_names())
            what = f"there is no table or view {spec.described}{near}"
            self._problem(spec.relation_place, what)
        elif row["kind"] not in KINDS:
            self._problem(spec.relation_place, f"{spec.table} is not a table or view")
        self._raise_problems()
        assert row is not None
        assert oid is not None
        return oid, row["relation"], row["alias"]

    async def _oid_of(self, table: str) -> int | None:
        """Return the oid of a table that the user's search path leads to, or None."""
        try:
            async with attempt(self._connection):
                oid: int | None = await self._connection.fetchval(
                    statements("source")["named"], table
                )
        except (
            # What Postgres raises for a name that could not be any table's, such as
            # one with four dots.
            asyncpg.InvalidNameError,
            asyncpg.PostgresSyntaxError,
            asyncpg.FeatureNotSupportedError,
        ):
            return None
        return oid

    async def _relation_names(self) -> list[str]:
        async with attempt(self._connection, pinned=True):
            rows = await self._connection.fetch(statements("source")["relations"])
        return [row["name"] for row in rows]

    async def _row(self, name: str, *arguments: Any) -> asyncpg.Record | None:
        """Return the row that a statement about the catalogs finds."""
        async with attempt(self._connection, pinned=True):
            return await self._connection.fetchrow(
                statements("source")[name], *arguments
            )

    async def _columns(self, relation: str) -> dict[str, int]:
        """Return the types by column name; note what is missing."""
        spec = self._spec
        # Prepared and not executed: that shows the columns of any query, and reads no
        # row of it.
        statement = statements("source")["every_column"].format(relation=relation)
        prepared = await self._try(spec.relation_place, statement)
        self._raise_problems()
        assert prepared is not None
        attributes = prepared.get_attributes()
        types = {attribute.name: attribute.type.oid for attribute in attributes}
        counts = Counter(attribute.name for attribute in attributes)
        configured = [(spec.key_place, spec.key)]
        for column in spec.columns:
            place = spec.places.get(column, f"columns.{column}")
            configured.append((place, column))
        for place, column in configured:
            if column not in types:
                has = _having(column, list(types))
                self._problem(place, f'column "{column}" is not in {spec.label}{has}')
            elif counts[column] > 1:
                what = (
                    f'column "{column}" comes {counts[column]} times in {spec.label}; '
                    "name it once"
                )
                self._problem(place, what)
        return types

    async def _source(
        self, oid: int, relation: str, alias: str, where: str, types: dict[str, int]
    ) -> Source:
        """Return the source with its fragments, all of them quoted by Postgres."""
        spec = self._spec
        columns = await self._row(
            "columns",
            list(spec.columns),
            [types[column] for column in spec.columns],
            alias,
            spec.salt,
        )
        key = await self._row("key", spec.key, types[spec.key], alias, oid)
        assert columns is not None
        assert key is not None
        return Source(
            spec=spec,
            oid=oid,
            relation=relation,
            where=where,
            key=key["key"],
            key_type=key["type_name"],
            contact_id=key["contact_id"],
            text_order=key["text_order"],
            hash=columns["hash"],
            columns=described_columns(spec.columns, columns),
            kind=KeyKind(key["kind"]),
            indexed=key["is_indexed"],
            unique=key["is_unique"],
            in_key_order=key["in_key_order"],
            nullable=key["is_nullable"],
            on_replica=key["on_replica"],
        )

    async def _try(
        self, place: str, statement: str, *, execute: bool = False
    ) -> asyncpg.prepared_stmt.PreparedStatement[asyncpg.Record] | None:
        """Prepare a statement, and run it if asked to.

        An error becomes a problem of ``place``.
        """
        try:
            async with attempt(self._connection):
                prepared = await self._connection.prepare(statement)
                if execute:
                    await prepared.fetch()
        except asyncpg.PostgresConnectionError:
            # A lost connection is no problem of the configuration.
            raise
        except asyncpg.PostgresError as error:
            self._problem(place, explain(error))
            return None
        return prepared

    def _problem(self, where: str, what: str) -> None:
        self._problems.append(Problem(where, printable(what)))

    def _raise_problems(self) -> None:
        if self._problems:
            raise SourceError(
                "\n".join(str(problem) for problem in self._problems), self._problems
            )


def described_columns(
    names: Sequence[str], found: asyncpg.Record
) -> tuple[Column, ...]:
    """Return the columns as the database describes them."""
    parts = zip(
        names,
        found["type_names"],
        found["core_names"],
        found["core_classes"],
        found["arrays"],
        found["values"],
        strict=True,
    )
    return tuple(
        Column(name, type_name, kind_of(core_name, core_class), is_array, value)
        for name, type_name, core_name, core_class, is_array, value in parts
    )


def _having(column: str, names: Sequence[str]) -> str:
    """Return a description of the columns that a relation has instead."""
    shown = ", ".join(names[:_SHOWN])
    if len(names) > _SHOWN:
        shown += f" and {len(names) - _SHOWN} more"
    return f" (it has: {shown}){similar_name(column, names)}"


def similar_name(name: str, names: Sequence[str]) -> str:
    """Return a question about the name that was probably meant, or nothing."""
    # Of several names that differ in their case only, the first one counts.
    by_folded_name = {candidate.casefold(): candidate for candidate in reversed(names)}
    close = difflib.get_close_matches(name.casefold(), list(by_folded_name), n=1)
    if not close:
        return ""
    return f'; did you mean "{by_folded_name[close[0]]}"?'
