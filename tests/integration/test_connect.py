"""Connections: what goes wrong is said in plain words, without the password; what a pooler gets back is as it was."""

from __future__ import annotations

import os
import socket
from contextlib import nullcontext
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from syncengine.errors import ConfigError, SchemaOutdated, SourceError, StorageError
from syncengine.storage import connect as connecting
from syncengine.storage.connect import attempt, connect, open_pool, reading, transaction
from syncengine.storage.failures import describe, storage_errors


@pytest.mark.parametrize(
    ("dsn", "said"),
    [
        ("postgresql://sync:pass@db.example.org:5432/crm", "database crm at db.example.org:5432 as user sync"),
        ("postgres://sync:pass@one:1,two:2/crm?sslmode=require", "database crm at one:1,two:2 as user sync"),
        ("postgresql://s%40x:pass@[::1]:5432/c%20m", "database c m at [::1]:5432 as user s@x"),
        ("postgresql:///crm?host=/run/postgresql&password=pass", "database crm"),
        ("postgresql://db", "database (default) at db"),
        # Not percent-encoded, so that the password ends up where a host, path or port belongs.
        ("postgresql://sync:pa/ss@db/crm", "the database"),
        ("postgresql://sync:12/pass@db/crm", "the database"),
        ("postgresql://sync:pa#ss@db/crm", "the database"),
        ("postgresql://sync:pa?ss@db/crm", "the database"),
        ("postgresql://sync:pass:word/crm", "the database"),
        ("postgresql://[pass/crm", "the database"),
        ("host=db password=pass", "the database"),
        ("mysql://sync:pass@db/crm", "the database"),
    ],
)
def test_a_database_is_named_without_its_password(dsn: str, said: str) -> None:
    assert describe(dsn) == said


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://sync:pa/ss@127.0.0.1/crm",
        "postgresql://sync:pa#ss@127.0.0.1/crm",
        "mysql://sync:pass@127.0.0.1/crm",
        "host=127.0.0.1 password=pass",
    ],
)
@pytest.mark.asyncio
async def test_a_url_that_cannot_be_read(dsn: str) -> None:
    with pytest.raises(StorageError, match="its URL cannot be read; it has to look like postgresql://") as caught:
        await connect(dsn)
    assert "pass" not in str(caught.value).replace("user:password@host", "")
    with pytest.raises(StorageError, match="its URL cannot be read"):
        async with open_pool(dsn):
            pytest.fail("opened")


@pytest.mark.asyncio
async def test_a_process_without_a_name_needs_a_user_in_the_url(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGUSER", "LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 54321)
    with pytest.raises(StorageError, match=r"the user of this process \(uid 54321\) has no name"):
        await connect("postgresql://127.0.0.1:1/crm")
    with pytest.raises(StorageError, match="nothing listens there"):
        await connect("postgresql://me@127.0.0.1:1/crm")
    monkeypatch.setenv("PGUSER", "me")
    with pytest.raises(StorageError, match="nothing listens there"):
        await connect("postgresql://127.0.0.1:1/crm")


@pytest.mark.asyncio
async def test_a_home_folder_that_may_not_be_read_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0)
    monkeypatch.setenv("HOME", str(home))
    was = os.geteuid()
    if was == 0:
        os.seteuid(65534)  # root may read everything
    try:
        with pytest.raises(
            StorageError, match=r"cannot be looked at: permission denied.* set HOME to a folder"
        ) as said:
            await connect("postgresql://me@127.0.0.1:1/crm?password=geheim")
    finally:
        os.seteuid(was)
    assert str(home) in str(said.value)
    assert "geheim" not in str(said.value)


@pytest.mark.asyncio
async def test_nobody_listens() -> None:
    with socket.socket() as taken:  # bound, not listening
        taken.bind(("127.0.0.1", 0))
        dsn = f"postgresql://sync:secret@127.0.0.1:{taken.getsockname()[1]}/crm"
        with pytest.raises(StorageError, match=r"database crm at 127.0.0.1:.* as user sync: nothing listens") as caught:
            await connect(dsn)
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.asyncio
async def test_no_such_database_and_no_such_user(database: str) -> None:
    parts = urlsplit(database)
    with pytest.raises(
        StorageError, match=r"database nowhere .*: there is no such database .*; create the database or correct"
    ):
        await connect(urlunsplit(parts._replace(path="/nowhere")))
    host = parts.netloc.rpartition("@")[2]
    with pytest.raises(StorageError, match=r"as user nobody_known: .*; check user and password"):
        await connect(urlunsplit(parts._replace(netloc=f"nobody_known:secret@{host}")))


@pytest.mark.asyncio
async def test_a_server_that_is_too_old(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connecting, "OLDEST", 999)
    with pytest.raises(StorageError, match="syncengine needs 999 or newer"):
        await connect(database)
    with pytest.raises(StorageError, match="syncengine needs 999 or newer"):
        async with open_pool(database):
            pytest.fail("opened")


@pytest.mark.asyncio
async def test_read_only_connections_write_nothing(database: str) -> None:
    connection = await connect(database, read_only=True, application_name="syncengine check")
    try:
        refused = "something in it would write, where only reading is allowed"
        with pytest.raises(StorageError, match=refused), storage_errors():
            async with transaction(connection):
                await connection.execute("CREATE TABLE nothing ()")
        assert await connection.fetchval("SHOW application_name") == "syncengine check"
    finally:
        await connection.close()


@pytest.mark.asyncio
async def test_a_transaction_has_known_settings_and_leaves_none_behind(database: str) -> None:
    async with open_pool(database, size=1) as pool:
        asked = "SELECT name, setting FROM pg_settings WHERE source = 'session' OR name = 'TimeZone' ORDER BY name"
        async with pool.acquire() as connection:
            before = await connection.fetch(asked)
            async with transaction(connection, statement_timeout=1.5):
                assert await connection.fetchval("SHOW TimeZone") == "UTC"
                assert await connection.fetchval("SHOW IntervalStyle") == "iso_8601"
                assert await connection.fetchval("SHOW statement_timeout") == "1500ms"
                assert await connection.fetchval("SHOW transaction_isolation") == "read committed"
            assert await connection.fetch(asked) == before
        async with pool.acquire() as connection:
            assert await connection.fetch(asked) == before
            assert await connection.fetchval("SELECT count(*) FROM pg_prepared_statements") == 0


_HOSTILE = """
CREATE SEQUENCE numbers;
CREATE FUNCTION hostile() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
    PERFORM set_config('search_path', 'elsewhere', false), set_config('DateStyle', 'SQL, DMY', false);
    PERFORM pg_advisory_lock(1);
    EXECUTE 'PREPARE left_behind AS SELECT 1';
    PERFORM pg_notify('hostile', 'x');
    RETURN true;
END $$;
"""
_SESSION = """
SELECT current_setting('search_path'), current_setting('DateStyle'),
       (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()),
       (SELECT count(*) FROM pg_prepared_statements WHERE name = 'left_behind')
"""


@pytest.mark.asyncio
@pytest.mark.parametrize("fails", [False, True])
async def test_what_a_source_s_function_does_to_its_session_ends_with_it(database: str, *, fails: bool) -> None:
    heard: list[object] = []
    async with open_pool(database, size=1, read_only=True) as pool:
        listener = await connect(database)
        await listener.execute(_HOSTILE)
        await listener.add_listener("hostile", lambda *words: heard.append(words))
        async with pool.acquire() as connection:
            before = await connection.fetchrow(_SESSION)
            statement = "SELECT 1 / (CASE WHEN hostile() THEN $1::integer END)"
            with pytest.raises(StorageError, match="22012") if fails else nullcontext(), storage_errors():
                async with reading(connection):
                    await connection.fetch(statement, 0 if fails else 1)
            after = await connection.fetchrow(_SESSION)
            assert before is not None
            assert after is not None
            assert tuple(after)[:3] == tuple(before)[:3]  # at the transaction's end, as a pooler needs it
        async with pool.acquire() as connection:
            assert await connection.fetchrow(_SESSION) == before
        assert await listener.fetchval("SELECT 1") == 1
        assert heard == []
        await listener.close()


@pytest.mark.asyncio
@pytest.mark.parametrize("statement", ["SELECT nextval('numbers')", "CREATE TEMPORARY TABLE t ()", "DELETE FROM t"])
async def test_a_source_is_only_read(database: str, statement: str) -> None:
    connection = await connect(database, read_only=True)
    try:
        await connection.execute("CREATE SEQUENCE numbers; CREATE TABLE t ()")
        with pytest.raises(StorageError, match="25006"), storage_errors():
            async with reading(connection):
                await connection.execute(statement)
    finally:
        await connection.close()


@pytest.mark.asyncio
async def test_the_state_knows_postgres_s_own_names_alone(database: str) -> None:
    """Also where another client of a pooler left its own behind, and made a type of that name for itself."""
    connection = await connect(database)
    try:
        await connection.execute(
            "CREATE SCHEMA elsewhere;"
            "CREATE FUNCTION elsewhere.now() RETURNS text LANGUAGE sql AS $$SELECT 'planted'$$;"
            "SET search_path = elsewhere, pg_catalog; CREATE TYPE pg_temp.text AS (planted boolean)"
        )
        asked = "SELECT now()::text, pg_typeof(NULL::text)::oid = 25"
        async with transaction(connection):
            found = await connection.fetchrow(asked)
            assert found is not None
            assert found[0].startswith("20")
            assert found[1]
        async with reading(connection):
            async with attempt(connection, pinned=True):
                assert (await connection.fetchval("SELECT now()::text")).startswith("20")
            assert await connection.fetchval("SELECT now()") == "planted"  # theirs is what where and query name
    finally:
        await connection.close()


@pytest.mark.asyncio
async def test_a_statement_that_takes_too_long(database: str) -> None:
    connection = await connect(database)
    try:
        said = r"it took too long .*57014.*look for locks"
        with pytest.raises(StorageError, match=said), storage_errors():
            async with transaction(connection, statement_timeout=0.01):
                await connection.execute("SELECT pg_sleep(60)")
    finally:
        await connection.close()


@pytest.mark.asyncio
async def test_a_lost_connection(database: str) -> None:
    connection = await connect(database)
    try:
        with pytest.raises(StorageError, match="run again when"), storage_errors():
            await connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        with pytest.raises(StorageError, match="the connection was lost"), storage_errors():
            await connection.execute("SELECT 1")
    finally:
        await connection.close()


def test_errors_are_named_after_what_they_stop() -> None:
    missing = asyncpg.UndefinedTableError('relation "syncengine.sync_state" does not exist')
    with pytest.raises(SchemaOutdated, match="run `syncengine migrate`"), storage_errors():
        raise missing
    said = r"^crm.contacts: it names a table or view that is not there"
    with pytest.raises(SourceError, match=said), storage_errors("crm.contacts", failure=SourceError):
        raise missing
    with pytest.raises(ConfigError), storage_errors():
        raise ConfigError([])
    with pytest.raises(KeyError), storage_errors():
        raise KeyError("a mistake of ours")
