"""A row that cannot be computed is named, with its column and the reason."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import urlsplit, urlunsplit

import pytest
import pytest_asyncio

from syncengine.errors import SourceError
from syncengine.storage.connect import connect
from syncengine.storage.source import failing_rows
from syncengine.storage.source.inspection import count
from syncengine.storage.source.spec import Source, SourceSpec
from tests.support.diff_scene import Scene, scene

_ZERO = r"something is divided by zero \(SQLSTATE 22012\)"
_KEYS = {
    "integer": "n",
    "numeric": "n",
    "uuid": "('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid",
    "text": "'key ' || n",
    'text COLLATE "C"': "'key ' || n",
    "citext": "'Key ' || n",
    "date": "DATE '2025-01-01' + n",
}


@pytest_asyncio.fixture
async def together(database: str) -> AsyncIterator[Scene]:
    async with scene(database) as opened:
        yield opened


async def _table(here: Scene, kind: str = "integer", *, rows: int = 300) -> None:
    await here.execute(
        "DROP VIEW IF EXISTS contacts",
        "DROP TABLE IF EXISTS kept",
        "CREATE EXTENSION IF NOT EXISTS citext",
        f"CREATE TABLE kept (id {kind} PRIMARY KEY, a integer, b integer, c text)",
        f"INSERT INTO kept SELECT {_KEYS[kind]}, n, 7, 'yes' "
        f"FROM generate_series(1, {rows}) AS n",
        "ANALYZE kept",
    )


async def _view(here: Scene) -> Source:
    await here.execute(
        "CREATE VIEW contacts AS SELECT id, a / b AS ratio, c::boolean AS flag, a "
        "FROM kept"
    )
    return await here.inspect(_spec("contacts"))


def _spec(table: str, where: str | None = None) -> SourceSpec:
    return SourceSpec(
        table=table,
        key="id",
        columns=("a", "ratio", "flag") if table == "contacts" else ("a",),
        places={"ratio": "fields.score.from"},
        where=where,
    )


async def _said(here: Scene, source: Source) -> str:
    """Return the message of the diff, which ``check`` prints as well."""
    with pytest.raises(SourceError) as told:
        await here.diff(source)
    with pytest.raises(SourceError) as checked:
        async with here.source.acquire() as connection:
            await count(connection, source)
    assert str(checked.value) == str(told.value)
    return str(told.value)


@pytest.mark.parametrize("kind", list(_KEYS))
@pytest.mark.asyncio
async def test_the_contacts_and_their_columns_are_named(
    together: Scene, kind: str
) -> None:
    await _table(together, kind)
    await together.execute(
        "UPDATE kept SET b = 0 WHERE a IN (1, 150, 300)",
        "UPDATE kept SET c = 'a secret' WHERE a IN (150, 151)",
    )
    async with together.source.acquire() as connection:
        found = await connection.fetch(
            'SELECT a, id::text AS key FROM kept ORDER BY id::text COLLATE "C"'
        )
    keys = {row["a"]: row["key"] for row in found}
    source = await _view(together)
    said = await _said(together, source)
    zero, unread = sorted(said.splitlines(), key=lambda line: "flag" in line)
    assert zero.startswith(
        'fields.score.from: column "ratio" of contacts cannot be computed for contacts '
    )
    assert "divided by zero (SQLSTATE 22012). Correct the row" in zero
    assert unread.startswith('columns.flag: column "flag" of contacts')
    assert "a value of a row cannot be read as its type (SQLSTATE 22P02)" in unread
    for line, named in ((zero, (1, 150, 300)), (unread, (150, 151))):
        ids = line.partition(" for contacts ")[2].partition(": ")[0].split(", ")
        assert sorted(ids) == sorted(keys[number] for number in named)
    assert "secret" not in said


@pytest.mark.asyncio
async def test_a_row_that_is_not_selected_disturbs_nobody(together: Scene) -> None:
    await _table(together)
    await together.execute("UPDATE kept SET b = 0 WHERE id = 7")
    await _view(together)
    source = await together.inspect(_spec("contacts", where="id <> 7"))
    assert len((await together.diff(source)).changes) == 299
    async with together.source.acquire() as connection:
        assert (await count(connection, source)).rows == 299


@pytest.mark.asyncio
async def test_only_the_rows_asked_for_have_to_be_computed(together: Scene) -> None:
    await _table(together)
    await together.execute("UPDATE kept SET b = 0 WHERE id = 7")
    source = await _view(together)
    assert (await together.load(source, "6", "8")).keys() == {"6", "8"}
    with pytest.raises(
        SourceError, match=f'column "ratio" of contacts .* contact 7: {_ZERO}'
    ):
        await together.load(source, "6", "7")


@pytest.mark.asyncio
async def test_where_is_named_if_it_fails(together: Scene) -> None:
    """The table has an index, and is compared range by range."""
    await _table(together)
    await together.execute("UPDATE kept SET b = 0 WHERE id IN (7, 9)")
    source = await together.inspect(_spec("kept", where="a / b >= 0 -- all of them"))
    said = await _said(together, source)
    assert said.startswith(
        "where: where of kept cannot be computed for contacts 7, 9: "
        "something is divided by zero"
    )


@pytest.mark.asyncio
async def test_no_more_than_twenty_are_named(together: Scene) -> None:
    await _table(together)
    await together.execute("UPDATE kept SET b = 0 WHERE id % 10 = 0 AND id > 20")
    (line,) = (await _said(together, await _view(together))).splitlines()
    ids = ", ".join(str(number) for number in range(30, 230, 10))
    assert f"for contacts {ids} and others: something" in line


@pytest.mark.parametrize(
    ("computed", "sqlstate"),
    [
        (
            "CASE WHEN a = 7 THEN (SELECT n FROM generate_series(1, 2) AS n) END",
            "21000",
        ),
        ("CASE WHEN a = 7 THEN 2000000000 ELSE 1 END * 2", "22003"),
        ("CASE WHEN a = 7 THEN 'x' ELSE '2025-01-01' END::date", "22007"),
        ("CASE WHEN a = 7 THEN '2025-13-01' ELSE '2025-01-01' END::date", "22008"),
        ("now() AT TIME ZONE CASE WHEN a = 7 THEN 'Nowhere/x' ELSE 'UTC' END", "22023"),
        (
            (
                "convert_from(CASE WHEN a = 7 THEN '\\xff' ELSE '\\x41' END::bytea, "
                "'UTF8')"
            ),
            "22021",
        ),
        ("c ~ CASE WHEN a = 7 THEN '(' ELSE 'a' END", "2201B"),
        ("CASE WHEN a = 7 THEN '{' ELSE '{}' END::json", "22P02"),
        ("CASE WHEN a = 7 THEN -1 ELSE 1 END::positive", "23514"),
        ("repeat('x', CASE WHEN a = 7 THEN 1100000000 ELSE 1 END)", "54000"),
        ("raised(a)", "P0001"),
        ("CASE WHEN a = 7 THEN 'nowhere' ELSE 'kept' END::regclass", "42P01"),
    ],
)
@pytest.mark.asyncio
async def test_every_error_that_a_row_can_bring_about(
    together: Scene, computed: str, sqlstate: str
) -> None:
    await _table(together, rows=20)
    await together.execute(
        "DROP DOMAIN IF EXISTS positive CASCADE",
        "CREATE DOMAIN positive AS integer CHECK (VALUE > 0)",
        "CREATE OR REPLACE FUNCTION raised(a integer) RETURNS integer STABLE "
        "LANGUAGE plpgsql AS $$ BEGIN IF a = 7 THEN RAISE 'a secret'; END IF; "
        "RETURN a; END $$",
        f"CREATE VIEW contacts AS SELECT id, a, {computed} AS ratio, true AS flag "
        "FROM kept",
    )
    said = await _said(together, await together.inspect(_spec("contacts")))
    assert said.startswith(
        'fields.score.from: column "ratio" of contacts cannot be computed for contact '
        "7: "
    )
    assert f"(SQLSTATE {sqlstate})" in said
    assert "secret" not in said


@pytest.mark.parametrize(
    ("kind", "named"), [("integer", "contacts 7, 9: "), ("text", "")]
)
@pytest.mark.asyncio
async def test_a_volatile_function_is_computed_by_whatever_reads(
    together: Scene, kind: str, named: str
) -> None:
    await _table(together, kind)
    await together.execute(
        "CREATE OR REPLACE FUNCTION volatile(a integer) RETURNS integer LANGUAGE "
        "plpgsql AS $$ BEGIN IF a IN (7, 9) THEN RAISE 'a secret'; END IF; RETURN a; "
        "END $$",
        "CREATE VIEW contacts AS SELECT id, a, volatile(a) AS ratio, true AS flag "
        "FROM kept",
    )
    said = await _said(together, await together.inspect(_spec("contacts")))
    assert "a function behind it raised an error (SQLSTATE P0001)" in said
    if named:
        assert said.startswith(
            f"source.table: a column of contacts cannot be computed for {named}"
        )
    else:
        assert "which row it is cannot be told" in said


@pytest.mark.asyncio
async def test_a_view_that_fails_as_a_whole_names_nobody(together: Scene) -> None:
    await _table(together)
    await together.execute(
        "UPDATE kept SET b = 0 WHERE id = 7",
        "CREATE VIEW contacts AS WITH computed AS MATERIALIZED (SELECT id, a, "
        "a / b AS ratio, true AS flag FROM kept) SELECT * FROM computed",
    )
    said = await _said(together, await together.inspect(_spec("contacts")))
    assert (
        "divided by zero (SQLSTATE 22012); which row it is cannot be told: "
        "contacts fails before single rows"
    ) in said


@pytest.mark.asyncio
async def test_a_search_is_given_up(
    together: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _table(together)
    await together.execute("UPDATE kept SET b = 0 WHERE id IN (7, 299)")
    source = await _view(together)
    monkeypatch.setattr(failing_rows, "_STATEMENTS", 30)
    assert "for contact 7 and others: something is divided" in await _said(
        together, source
    )
    await together.execute("UPDATE kept SET b = 0")
    said = await _said(together, source)
    assert " and others: something is divided" in said, (
        "rows were found, and not all could be looked into"
    )
    monkeypatch.setattr(failing_rows, "_STATEMENTS", 3)
    assert "which row it is cannot be told" in await _said(together, source)


@pytest.mark.asyncio
async def test_a_key_that_utf8_cannot_hold_is_reported_as_such(database: str) -> None:
    name = f"{urlsplit(database).path.removeprefix('/')}_win1252"
    admin = await connect(database)
    try:
        # Until version 14 there was no other provider, and no word for it.
        has_providers = admin.get_server_version().major > 14
        provider = "LOCALE_PROVIDER libc" if has_providers else ""
        await admin.execute(
            f"CREATE DATABASE {name} ENCODING WIN1252 TEMPLATE template0 LOCALE 'C' "
            f"{provider}"
        )
        try:
            async with scene(
                database, urlunsplit(urlsplit(database)._replace(path=f"/{name}"))
            ) as apart:
                await apart.execute(
                    "CREATE TABLE kept (id text PRIMARY KEY, a integer)",
                    r"INSERT INTO kept SELECT 'ok', 1 UNION ALL SELECT convert_from('\x6181', 'WIN1252'), 2",
                )
                said = await _said(apart, await apart.inspect(_spec("kept")))
                assert said.startswith(
                    'source.key: the key, column "id" of kept, holds a text that '
                    "cannot be converted to UTF-8: "
                )
                assert "(SQLSTATE 22P05)" in said
                assert "correct the key in that row" in said
                await apart.execute(
                    "CREATE VIEW contacts AS "
                    "SELECT id, a, 1 / (a - 1) AS ratio, true AS flag FROM kept"
                )
                said = await _said(
                    apart, await apart.inspect(_spec("contacts", where="a = 1"))
                )
                assert "something is divided by zero" in said
                assert "UTF-8" not in said, "a row was blamed that is not selected"
        finally:
            await admin.execute(f"DROP DATABASE {name}")
    finally:
        await admin.close()
