"""Find out what a database holds before there is a configuration for it.

Values of rows are counted in the database and stay there. All of it happens in
read-only transactions, on a bounded sample, and within seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import asyncpg

from syncengine.errors import Problem, SourceError
from syncengine.model.columns import (
    ColumnKind,
    SampledSource,
    SourceColumn,
    SourceTable,
    ValueCounts,
)
from syncengine.storage.connect import Connection, attempt, reading
from syncengine.storage.failures import explain, storage_errors
from syncengine.storage.source.column_types import Column
from syncengine.storage.source.inspection import (
    KINDS,
    described_columns,
    similar_name,
)
from syncengine.storage.statements import statements

_PATIENCE = 10.0
"""Seconds after which a statement is given up: a view may take hours."""
_COUNTED = frozenset(ColumnKind) - {
    ColumnKind.COMPOSITE,
    ColumnKind.FLOAT,
    ColumnKind.INTERVAL,
    ColumnKind.OTHER,
    ColumnKind.TIME,
}
"""Kinds of columns whose values are looked at."""


async def tables_of(connection: Connection) -> tuple[SourceTable, ...]:
    """Return the tables and views of a database, and what is in them by its catalog."""
    with storage_errors(failure=SourceError):
        async with (
            reading(connection, statement_timeout=_PATIENCE),
            attempt(connection, pinned=True),
        ):
            rows = await connection.fetch(statements("sampling")["tables"])
    return tuple(
        SourceTable(
            name=row["name"],
            kind=KINDS[row["kind"]],
            rows=row["rows"],
            size=row["size"],
            columns=tuple(row["columns"]),
            readable=row["readable"],
        )
        for row in rows
    )


async def sample_source(
    connection: Connection, *, table: str | None, query: str | None, place: str
) -> SampledSource:
    """Return what is known of a table, view or query, with numbers of a sample.

    ``place`` is what names it, for messages. Raises SourceError where it is not there
    or cannot be read.
    """
    label = table or "the source query"
    with storage_errors(label, failure=SourceError):
        async with reading(connection, statement_timeout=_PATIENCE):
            sampling = _Sampling(connection, label, place)
            if table is None:
                relation = f"({(query or '').strip().removesuffix(';')}\n) AS source"
                return await sampling.run(0, relation, "source")
            oid = await sampling.oid_of(table)
            async with attempt(connection, pinned=True):
                row = await connection.fetchrow(statements("source")["relation"], oid)
            if row is None or row["kind"] not in KINDS:
                raise sampling.problem("is not a table or view")
            return await sampling.run(oid, row["relation"], row["alias"])


class _Sampling:
    """One look at a source, inside a transaction."""

    def __init__(self, connection: Connection, label: str, place: str) -> None:
        self._connection = connection
        self._label = label
        self._place = place

    async def oid_of(self, table: str) -> int:
        """Return the oid of a table. Raises SourceError where there is none."""
        oid = None
        try:
            async with attempt(self._connection):
                oid = await self._connection.fetchval(
                    statements("source")["named"], table
                )
        except (
            asyncpg.InvalidNameError,
            asyncpg.PostgresSyntaxError,
            asyncpg.FeatureNotSupportedError,
        ):
            # No table could have such a name.
            pass
        if oid is None:
            async with attempt(self._connection, pinned=True):
                rows = await self._connection.fetch(statements("source")["relations"])
            near = similar_name(table, [row["name"] for row in rows])
            raise self.problem(f"there is no table or view {table}{near}")
        return int(oid)

    async def run(self, oid: int, relation: str, alias: str) -> SampledSource:
        """Return the columns of a relation (0 for a query), with numbers of a sample."""
        columns = await self._columns(relation, alias)
        keys = await self._keys(oid)
        found = [_with_keys(column, keys.get(column.name)) for column in columns]
        drawing = ""
        if oid:
            async with attempt(self._connection, pinned=True):
                drawing = await self._connection.fetchval(
                    statements("sampling")["drawing"], oid
                )
        key_columns = [name for name, row in keys.items() if row["in_primary_key"]]
        has_indexes = any(row["is_unique"] for row in keys.values())
        if not has_indexes:
            has_indexes = await self._may_have_indexes(oid)
        source = SampledSource(
            label=self._label,
            columns=tuple(found),
            key_columns=tuple(key_columns),
            has_indexes=has_indexes,
            is_query=not oid,
        )
        return await self._with_sample(source, relation, alias, drawing)

    def problem(self, what: str) -> SourceError:
        """Return the error that names the source's place."""
        problem = Problem(self._place, what)
        return SourceError(str(problem), [problem])

    async def _may_have_indexes(self, oid: int) -> bool:
        if not oid:
            return False
        async with attempt(self._connection, pinned=True):
            row = await self._connection.fetchrow(statements("source")["relation"], oid)
        return row is not None and row["kind"] in ("r", "p")

    async def _columns(self, relation: str, alias: str) -> list[Column]:
        """Return the columns in their order. Raises SourceError."""
        every = statements("source")["every_column"].format(relation=relation)
        try:
            async with attempt(self._connection):
                # Prepared and not executed: that reads no row.
                prepared = await self._connection.prepare(every)
        except asyncpg.PostgresConnectionError:
            raise
        except asyncpg.PostgresError as error:
            raise self.problem(explain(error)) from None
        types: dict[str, int] = {}
        for attribute in prepared.get_attributes():
            # Of two columns with one name, none can be mapped.
            types.setdefault(attribute.name, attribute.type.oid)
        names = list(types)
        async with attempt(self._connection, pinned=True):
            row = await self._connection.fetchrow(
                statements("source")["columns"], names, list(types.values()), alias, ""
            )
        assert row is not None
        return list(described_columns(names, row))

    async def _keys(self, oid: int) -> dict[str, asyncpg.Record]:
        if not oid:
            return {}
        async with attempt(self._connection, pinned=True):
            rows = await self._connection.fetch(statements("sampling")["keys"], oid)
        return {row["name"]: row for row in rows}

    async def _with_sample(
        self, source: SampledSource, relation: str, alias: str, drawing: str
    ) -> SampledSource:
        """Return the source with numbers of its values; or with why there are none."""
        counted = [
            column.name
            for column in source.columns
            if column.readable and column.kind in _COUNTED
        ]
        if not counted:
            return replace(source, unsampled="this role may select none of its columns")
        try:
            counts = await self._counts(counted, relation, alias, drawing)
        except asyncpg.QueryCanceledError:
            return replace(source, unsampled=f"it took longer than {_PATIENCE:.0f} s")
        except asyncpg.PostgresConnectionError:
            raise
        except asyncpg.PostgresError as error:
            return replace(source, unsampled=explain(error))
        columns = tuple(
            replace(column, counts=counts.get(column.name)) for column in source.columns
        )
        return replace(source, columns=columns)

    async def _counts(
        self, names: Sequence[str], relation: str, alias: str, drawing: str
    ) -> dict[str, ValueCounts]:
        """Return the numbers of each column's values, by its name."""
        async with attempt(self._connection, pinned=True):
            pieces = await self._connection.fetchrow(
                statements("sampling")["pieces"], list(names), alias
            )
        assert pieces is not None
        statement = statements("sampling")["sample"].format(
            relation=relation,
            drawing=drawing,
            columns=pieces["columns"],
            texts=pieces["texts"],
        )
        # A query finds its names by the user's search path.
        async with attempt(self._connection):
            rows = await self._connection.fetch(statement)
        found = {
            names[row["number"] - 1]: ValueCounts(
                rows=row["rows"],
                values=row["values"],
                distinct=row["distinct_values"],
                emails=row["emails"],
                phones=row["phones"],
                international=row["international"],
                north_american=row["north_american"],
                dates=row["dates"],
            )
            for row in rows
        }
        # Nothing is grouped where there are no rows.
        return {name: found.get(name, ValueCounts(0, 0)) for name in names}


def _with_keys(column: Column, key: asyncpg.Record | None) -> SourceColumn:
    """Return a column with what the catalog says of its indexes."""
    found = SourceColumn(column.name, column.type_name, column.kind, column.is_array)
    if key is None:
        return found
    return replace(
        found,
        nullable=key["nullable"],
        primary=key["is_primary"],
        unique=key["is_unique"],
        readable=key["readable"],
    )
