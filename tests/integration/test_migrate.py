"""The migrations' runner, on a real Postgres.

Each file runs once and in order, however many start it, and is never edited.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TypeAlias, cast
from unittest.mock import Mock

import asyncpg
import pytest
import pytest_asyncio

from syncengine.errors import SchemaOutdated, StorageError
from syncengine.storage.state import migrate as runner
from syncengine.storage.state.migrate import migrate, pending, require_current

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Writer: TypeAlias = Callable[[str, str], Path]


@pytest_asyncio.fixture
async def connection(empty_database: str) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(empty_database)
    yield connection
    await connection.close()


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Writer:
    """Return a function that writes a migration into a folder of this test."""
    monkeypatch.setattr(runner, "shipped", lambda _: tmp_path)

    def write(name: str, sql: str) -> Path:
        (tmp_path / name).write_text(sql, encoding="utf-8")
        return tmp_path / name

    return write


async def _exists(connection: Connection, relation: str) -> bool:
    return bool(
        await connection.fetchval("SELECT to_regclass($1) IS NOT NULL", relation)
    )


@pytest.mark.asyncio
async def test_an_empty_database_gets_every_shipped_migration_once(
    connection: Connection,
) -> None:
    names = [file.name for file in runner.migrations()]
    assert names
    assert await pending(connection) == names
    assert await migrate(connection) == names
    assert await pending(connection) == []
    assert await migrate(connection) == []
    await require_current(connection)
    assert await _exists(connection, "syncengine.external_ids")
    rows = await connection.fetch(
        "SELECT number, name FROM syncengine.sync_migration ORDER BY number"
    )
    assert [(row["number"], row["name"]) for row in rows] == list(enumerate(names, 1))


@pytest.mark.asyncio
async def test_asking_changes_nothing(connection: Connection) -> None:
    with pytest.raises(
        SchemaOutdated, match=r"0001_state\.sql.*run `syncengine migrate`"
    ):
        await require_current(connection)
    assert await connection.fetchval("SELECT to_regnamespace('syncengine')") is None


@pytest.mark.asyncio
async def test_a_new_file_is_all_that_is_applied(
    connection: Connection, write: Writer
) -> None:
    write("0001_one.sql", "CREATE TABLE syncengine.one ()")
    await migrate(connection)
    write(
        "0002_two.sql",
        "CREATE TABLE syncengine.two (); CREATE TABLE syncengine.three ()",
    )
    assert await migrate(connection) == ["0002_two.sql"]
    assert await _exists(connection, "syncengine.three")


@pytest.mark.asyncio
async def test_an_edited_file_is_refused_by_its_name(
    connection: Connection, write: Writer
) -> None:
    write("0001_one.sql", "CREATE TABLE syncengine.one ()")
    await migrate(connection)
    write("0001_one.sql", "CREATE TABLE syncengine.one (more text)")
    write("0002_two.sql", "CREATE TABLE syncengine.two ()")
    for ask in (migrate, pending, require_current):
        with pytest.raises(
            SchemaOutdated,
            match=r"migrations/0001_one\.sql is not the file that was applied",
        ):
            await ask(connection)
    assert not await _exists(connection, "syncengine.two")


@pytest.mark.asyncio
async def test_line_ends_of_a_checkout_are_no_edit(
    connection: Connection, write: Writer
) -> None:
    file = write("0001_one.sql", "CREATE TABLE syncengine.one (\n)\n")
    await migrate(connection)
    file.write_bytes(b"CREATE TABLE syncengine.one (\r\n)\r\n")
    await require_current(connection)


@pytest.mark.asyncio
async def test_a_database_of_a_newer_version_is_refused(
    connection: Connection, write: Writer
) -> None:
    write("0001_one.sql", "CREATE TABLE syncengine.one ()")
    newer = write("0002_two.sql", "CREATE TABLE syncengine.two ()")
    await migrate(connection)
    newer.unlink()
    for ask in (migrate, pending, require_current):
        with pytest.raises(
            SchemaOutdated,
            match=r"0002_two\.sql by a newer syncengine.*ends with 0001_one\.sql",
        ):
            await ask(connection)


@pytest.mark.asyncio
async def test_a_failing_file_leaves_nothing_and_the_ones_before_it_stay(
    connection: Connection, write: Writer
) -> None:
    write("0001_one.sql", "CREATE TABLE syncengine.one ()")
    write("0002_two.sql", "CREATE TABLE syncengine.two (); SELECT 1 / 0")
    with pytest.raises(
        StorageError,
        match=r"migrations/0002_two\.sql failed \(nothing of it was kept\): something is divided by zero",
    ):
        await migrate(connection)
    assert not await _exists(connection, "syncengine.two")
    write("0002_two.sql", "CREATE TABLE syncengine.two ()")
    assert await migrate(connection) == ["0002_two.sql"]


@pytest.mark.asyncio
async def test_many_starters_apply_each_file_once(
    empty_database: str, write: Writer
) -> None:
    write(
        "0001_one.sql",
        "CREATE TABLE syncengine.one AS SELECT generate_series(1, 10000) AS number",
    )
    write(
        "0002_two.sql",
        "-- no-transaction\nCREATE INDEX CONCURRENTLY one_number ON syncengine.one "
        "(number)",
    )
    write("0003_three.sql", "CREATE TABLE syncengine.three ()")
    write(
        "0004_four.sql",
        "-- no-transaction\nCREATE INDEX CONCURRENTLY one_again ON syncengine.one "
        "(number)",
    )
    starters = [await asyncpg.connect(empty_database) for _ in range(8)]
    try:
        applied = await asyncio.gather(*(migrate(starter) for starter in starters))
        valid = await starters[0].fetchval(
            "SELECT count(*) FROM pg_index "
            "WHERE indrelid = 'syncengine.one'::regclass AND indisvalid"
        )
    finally:
        for starter in starters:
            await starter.close()
    assert sorted(name for names in applied for name in names) == [
        "0001_one.sql",
        "0002_two.sql",
        "0003_three.sql",
        "0004_four.sql",
    ]
    assert valid == 2


@pytest.mark.asyncio
async def test_no_lock_is_left_behind(connection: Connection, write: Writer) -> None:
    write("0001_one.sql", "CREATE TABLE syncengine.one (number int)")
    write(
        "0002_two.sql",
        "-- no-transaction\nCREATE INDEX CONCURRENTLY one_number ON syncengine.one "
        "(number)",
    )
    write(
        "0003_bad.sql",
        "-- no-transaction\nCREATE INDEX CONCURRENTLY one_bad ON syncengine.one "
        "(nothing)",
    )
    with pytest.raises(
        StorageError, match=r"0003_bad\.sql failed \(look for what it left"
    ):
        await migrate(connection)
    held = """
        SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database
        WHERE locktype = 'advisory' AND d.datname = current_database()"""
    assert await connection.fetchval(held) == 0


@pytest.mark.asyncio
@pytest.mark.parametrize("first_line", ["-- a table", "-- no-transaction"])
async def test_the_lock_of_another_process_is_waited_for_but_not_for_ever(
    connection: Connection,
    empty_database: str,
    write: Writer,
    monkeypatch: pytest.MonkeyPatch,
    first_line: str,
) -> None:
    write("0001_one.sql", f"{first_line}\nCREATE TABLE syncengine.one ()")
    other = await asyncpg.connect(empty_database)
    await other.execute("SELECT pg_advisory_lock($1)", runner._LOCK)
    with pytest.raises(
        StorageError, match=r"another process has been migrating.*pg_stat_activity"
    ):
        await migrate(connection, patience=0)

    refused = asyncio.Event()
    apply_next = runner._apply_next

    async def observed(connection: Connection, migration: runner.Migration) -> bool:
        applied = await apply_next(connection, migration)
        if not applied:
            refused.set()
        return applied

    monkeypatch.setattr(runner, "_apply_next", observed)
    waiting = asyncio.create_task(migrate(connection))
    await refused.wait()
    await other.close()
    assert await waiting == ["0001_one.sql"]


@pytest.mark.asyncio
async def test_a_user_who_may_not_create_schemas_learns_which_right_to_ask_for(
    connection: Connection,
) -> None:
    await _give_up_creating_schemas(connection)
    with pytest.raises(StorageError, match=r"CREATE SCHEMA syncengine AUTHORIZATION"):
        await migrate(connection)


@pytest.mark.asyncio
async def test_a_schema_made_by_an_administrator_is_enough(
    connection: Connection,
) -> None:
    await connection.execute(
        "CREATE SCHEMA syncengine; GRANT ALL ON SCHEMA syncengine TO pg_read_all_data"
    )
    await _give_up_creating_schemas(connection)
    assert "0001_state.sql" in await migrate(connection)


async def _give_up_creating_schemas(connection: Connection) -> None:
    if await connection.fetchval("SELECT current_setting('is_superuser')") == "on":
        await connection.execute(
            "SET ROLE pg_read_all_data"
        )  # a role that every server has
    else:
        await connection.execute(
            "DO $$ BEGIN EXECUTE format('REVOKE CREATE ON DATABASE %I "
            "FROM CURRENT_USER', current_database()); END $$"
        )


@pytest.mark.asyncio
async def test_an_old_server_is_refused() -> None:
    connection = Mock(
        get_server_version=lambda: asyncpg.types.ServerVersion(13, 9, 0, "final", 0)
    )
    for ask in (migrate, pending, require_current):
        with pytest.raises(
            StorageError, match=r"Postgres 13\.9; syncengine needs 14 or newer"
        ):
            await ask(cast("Connection", connection))
