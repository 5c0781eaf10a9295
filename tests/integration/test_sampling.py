"""What a database says of tables that nobody has configured yet."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from typing import TypeAlias

import asyncpg
import pytest
import pytest_asyncio

from syncengine.errors import SourceError
from syncengine.model.columns import SampledSource, ValueCounts
from syncengine.planning.source_proposal import propose_key
from syncengine.storage.connect import connect
from syncengine.storage.source import sampling

Plain: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

_LARGE = """
CREATE TABLE crm.large AS SELECT n AS id, n || '@example.org' AS email
FROM generate_series(1, 101000) AS n;
ANALYZE crm.large;
"""
_TABLES = """
CREATE SCHEMA crm;
CREATE TYPE crm.size AS ENUM ('s', 'm');
CREATE TABLE crm.people (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), mail text, phone text, "Größe" crm.size,
    born date, prefs jsonb, tags text[], secret bytea,
    shout text GENERATED ALWAYS AS (upper(mail)) STORED
);
INSERT INTO crm.people (mail, phone, "Größe", born, tags)
SELECT CASE WHEN n <= 5 THEN 'somebody' || n || '@example.org' WHEN n = 6 THEN ' ' END,
       CASE n % 3 WHEN 0 THEN '+49 30 1234567' WHEN 1 THEN '(202) 224-3441' ELSE '2026-11-28' END,
       's', '1990-01-01', '{a}'
FROM generate_series(1, 9) AS n;
CREATE TABLE crm."Odd ""N"" x" (a integer, b integer, "e-mail" text, PRIMARY KEY (a, b));
CREATE TABLE crm.parted (id bigint PRIMARY KEY, email text) PARTITION BY RANGE (id);
CREATE TABLE crm.parted_1 PARTITION OF crm.parted FOR VALUES FROM (0) TO (100);
INSERT INTO crm.parted SELECT n, 'x' || n || '@example.org' FROM generate_series(0, 49) AS n;
CREATE VIEW crm.seen AS SELECT id, mail FROM crm.people;
CREATE VIEW crm.slow AS SELECT id, mail || pg_sleep(60)::text AS mail FROM crm.people;
CREATE VIEW crm.broken AS SELECT id, 1 / (id - 1) AS share, email FROM crm.parted;
ANALYZE;
"""


@pytest_asyncio.fixture
async def connection(empty_database: str) -> AsyncIterator[Plain]:
    owner = await asyncpg.connect(empty_database)
    await owner.execute(_TABLES)
    await owner.close()
    connection = await connect(empty_database, read_only=True)
    yield connection
    await connection.close()


async def _sampled(connection: Plain, table: str) -> SampledSource:
    return await sampling.sample_source(
        connection, table=table, query=None, place="--table"
    )


@pytest.mark.asyncio
async def test_a_database_of_ugly_tables(
    connection: Plain, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = {table.name: table for table in await sampling.tables_of(connection)}
    assert "crm.parted_1" not in tables
    assert tables['crm."Odd ""N"" x"'].columns == ("a", "b", "e-mail")
    assert (tables["crm.parted"].kind, tables["crm.parted"].rows) == ("table", 50)
    assert (tables["crm.seen"].kind, tables["crm.seen"].rows) == ("view", None)

    people = await _sampled(connection, "crm.people")
    counts = {column.name: column.counts for column in people.columns}
    assert counts["mail"] == ValueCounts(9, 5, 5, emails=5)
    assert counts["phone"] == ValueCounts(
        9, 9, 3, phones=6, international=3, north_american=3, dates=3
    )
    assert counts["born"] == ValueCounts(9, 9, 1, dates=9)
    assert counts["prefs"] == ValueCounts(9, 0)
    assert counts["secret"] is None
    assert propose_key(people).column == "id"

    odd = await _sampled(connection, 'crm."Odd ""N"" x"')
    assert odd.key_columns == ("a", "b")
    assert propose_key(odd).column is None
    parted = await _sampled(connection, "crm.parted")
    assert propose_key(parted).column == "id"
    seen = await _sampled(connection, "crm.seen")
    assert not seen.has_indexes
    assert propose_key(seen).column == "id"
    query = await sampling.sample_source(
        connection, table=None, query="SELECT 1 AS id, 'a@b.c' AS m;", place="query"
    )
    assert query.columns[1].counts == ValueCounts(1, 1, 1, emails=1)

    broken = await _sampled(connection, "crm.broken")
    assert "divided by zero" in str(broken.unsampled)
    monkeypatch.setattr(sampling, "_PATIENCE", 0.1)
    slow = await _sampled(connection, "crm.slow")
    assert "longer than" in str(slow.unsampled)
    with pytest.raises(SourceError, match=r"no table or view crm.poeple; did you mean"):
        await _sampled(connection, "crm.poeple")


@pytest.mark.asyncio
async def test_of_a_large_table_a_thousand_rows_are_looked_at(
    connection: Plain, empty_database: str
) -> None:
    owner = await asyncpg.connect(empty_database)
    await owner.execute(_LARGE)
    await owner.close()
    large = await _sampled(connection, "crm.large")
    counts = large.columns[1].counts
    assert counts is not None
    assert 0 < counts.rows <= 1000
    assert counts.emails == counts.rows
    assert propose_key(large).column is None


@pytest.mark.asyncio
async def test_what_a_role_may_not_read_is_not_looked_at(
    connection: Plain, empty_database: str
) -> None:
    role = f"syncengine_reader_{os.getpid()}"
    owner = await asyncpg.connect(empty_database)
    try:
        await owner.execute(
            f"CREATE ROLE {role}; GRANT USAGE ON SCHEMA crm TO {role}; "
            f"GRANT SELECT (id, phone) ON crm.people TO {role}"
        )
        await connection.execute(f"SET ROLE {role}")
        tables = {table.name: table for table in await sampling.tables_of(connection)}
        assert tables["crm.people"].readable
        assert not tables["crm.parted"].readable
        people = await _sampled(connection, "crm.people")
        readable = [column.name for column in people.columns if column.readable]
        assert readable == ["id", "phone"]
        assert people.unsampled is None
        parted = await _sampled(connection, "crm.parted")
        assert "none of its columns" in str(parted.unsampled)
    finally:
        await connection.execute("RESET ROLE")
        await owner.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")
        await owner.close()
