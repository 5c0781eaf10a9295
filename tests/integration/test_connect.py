"""Failures of connections are reported in plain words, without the password.

A pooler gets its connections back as they were.
"""

from __future__ import annotations

import os
import socket
import ssl
from contextlib import nullcontext, suppress
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from syncengine.errors import ConfigError, SchemaOutdated, SourceError, StorageError
from syncengine.storage import connect as connecting
from syncengine.storage.connect import attempt, connect, open_pool, reading, transaction
from syncengine.storage.database_url import read_url
from syncengine.storage.failures import describe, storage_errors
from syncengine.storage.source.inspection import inspect
from syncengine.storage.source.spec import SourceSpec
from syncengine.storage.state.migrate import migrate, require_current


@pytest.mark.parametrize(
    ("dsn", "said"),
    [
        (
            "postgresql://sync:pass@db.example.org:5432/crm",
            "database crm at db.example.org:5432 as user sync",
        ),
        (
            "postgres://sync:pass@one:1,two:2/crm?sslmode=require",
            "database crm at one:1,two:2 as user sync",
        ),
        (
            "postgresql://s%40x:pass@[::1]:5432/c%20m",
            "database c m at [::1]:5432 as user s@x",
        ),
        (
            "postgresql:///crm?host=/run/postgresql&password=pass",
            "database crm at /run/postgresql",
        ),
        (
            "postgresql://?host=db&dbname=crm&user=me&password=pass",
            "database crm at db as user me",
        ),
        ("postgresql://db", "database (default) at db"),
        # Not percent-encoded, so that the password ends up where a host, path or port
        # belongs.
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
    with pytest.raises(
        StorageError, match="its URL cannot be read; it has to look like postgresql://"
    ) as caught:
        await connect(dsn)
    assert "pass" not in str(caught.value).replace("user:password@host", "")
    with pytest.raises(StorageError, match="its URL cannot be read"):
        async with open_pool(dsn):
            pytest.fail("opened")


@pytest.mark.asyncio
async def test_a_process_without_a_name_needs_a_user_in_the_url(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("PGUSER", "LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 54321)
    with pytest.raises(
        StorageError, match=r"the user of this process \(uid 54321\) has no name"
    ):
        await connect("postgresql://127.0.0.1:1/crm")
    with pytest.raises(StorageError, match="nothing listens there"):
        await connect("postgresql://me@127.0.0.1:1/crm")
    monkeypatch.setenv("PGUSER", "me")
    with pytest.raises(StorageError, match="nothing listens there"):
        await connect("postgresql://127.0.0.1:1/crm")


@pytest.mark.asyncio
async def test_a_home_folder_that_may_not_be_read_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0)
    monkeypatch.setenv("HOME", str(home))
    was = os.geteuid()
    if was == 0:
        os.seteuid(65534)  # root may read everything
    try:
        with pytest.raises(
            StorageError,
            match=r"cannot be looked at: permission denied.* set HOME to a folder",
        ) as said:
            await connect("postgresql://me@127.0.0.1:1/crm?password=geheim")
    finally:
        os.seteuid(was)
    assert str(home) in str(said.value)
    assert "geheim" not in str(said.value)


@pytest.mark.parametrize(
    "parameters",
    [
        "connect_timeout=10",
        "connect_timeout=0",
        "channel_binding=prefer",
        "gssencmode=disable",
        "keepalives=1&keepalives_idle=30&keepalives_interval=5&keepalives_count=3&tcp_user_timeout=1000",
        "client_encoding=UTF8",
        "client_encoding=auto",
        "target_session_attrs=read-write",
        "sslmode=disable",
        "sslmode=prefer",
        "sslsni=1&sslcompression=0&load_balance_hosts=disable&replication=false",
        "fallback_application_name=psql",
    ],
)
@pytest.mark.asyncio
async def test_parameters_of_a_url_that_psql_takes_are_taken(
    database: str, parameters: str
) -> None:
    connection = await connect(
        f"{database}{'&' if '?' in database else '?'}{parameters}"
    )
    try:
        assert await connection.fetchval("SELECT 1") == 1
    finally:
        await connection.close()


@pytest.mark.asyncio
async def test_parameters_of_a_url_are_honoured(database: str) -> None:
    asked = "application_name=nightly%20sync&options=-c%20work_mem%3D5MB"
    async with (
        open_pool(f"{database}{'&' if '?' in database else '?'}{asked}") as pool,
        pool.acquire() as connection,
    ):
        assert await connection.fetchval("SHOW application_name") == "nightly sync"
        assert await connection.fetchval("SHOW work_mem") == "5MB"
    assert read_url("postgresql://db/crm?connect_timeout=1", "").timeout == 2.0
    assert read_url("postgresql://db/crm?connect_timeout=40", "").timeout == 40.0
    assert read_url("postgresql://db/crm?connect_timeout=-1", "").timeout is None
    assert read_url("postgresql://db/crm", "").timeout == 15.0
    system = read_url(
        "postgresql://db/crm?sslmode=verify-full&sslrootcert=system&user=me", ""
    )
    assert system.dsn == "postgresql://db/crm?user=me"
    assert system.tls is not None
    assert system.tls.verify_mode is ssl.CERT_REQUIRED
    assert system.tls.check_hostname


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        (
            "sslmode=no-verify",
            "sslmode must be disable, allow, prefer, require, verify-ca or verify-full",
        ),
        ("sslmode=", "sslmode must be disable"),
        ("target_session_attrs=master", "target_session_attrs must be any, read-write"),
        ("connect_timeout=soon", "connect_timeout must be a whole number of seconds"),
        (
            "sslmode=verify-full&sslrootcert=/none/root.crt",
            "sslrootcert names a file that cannot be read",
        ),
        (
            "channel_binding=require",
            (
                "channel_binding may only be disable or prefer here; "
                "take it out of the URL"
            ),
        ),
        ("gssencmode=require", "gssencmode may only be disable or prefer here"),
        ("client_encoding=LATIN1", "client_encoding may only be auto or utf8"),
        ("keepalives=0", "keepalives may only be 1 here"),
        (
            "hostaddr=10.0.0.1",
            "hostaddr cannot be honoured here; take it out of the URL",
        ),
        ("require_auth=scram-sha-256", "require_auth cannot be honoured here"),
        ("replication=database", "replication may only be false"),
        ("ssl_mode=require", "ssl_mode is none of Postgres; did you mean sslmode?"),
        ("schema=public", "schema is none of Postgres; take it out of the URL"),
        ("pgbouncer=true", "pgbouncer is none of Postgres"),
        ("search_path=public", "search_path is none of Postgres"),
    ],
)
@pytest.mark.asyncio
async def test_parameters_that_cannot_be_honoured_are_refused_by_name(
    parameters: str, told: str
) -> None:
    dsn = f"postgresql://sync:secret@127.0.0.1:1/crm?{parameters}"
    for opening in (connect(dsn), open_pool(dsn).__aenter__()):
        with pytest.raises(StorageError) as caught:
            await opening
        assert str(caught.value).startswith(
            f"database crm at 127.0.0.1:1 as user sync: its URL's parameter {told}"
        )
        assert "secret" not in str(caught.value)


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
@pytest.mark.asyncio
async def test_a_state_that_cannot_hold_every_text_is_refused(
    empty_database: str, encoding: str
) -> None:
    name = f"{urlsplit(empty_database).path.removeprefix('/')}_{encoding.lower()}"
    admin = await connect(empty_database)
    try:
        # Until version 14 there was no other provider, and no word for it.
        has_providers = admin.get_server_version().major > 14
        provider = "LOCALE_PROVIDER libc" if has_providers else ""
        await admin.execute(
            f"CREATE DATABASE {name} ENCODING {encoding} TEMPLATE template0 LOCALE "
            f"'C' {provider}"
        )
        odd = await connect(
            urlunsplit(urlsplit(empty_database)._replace(path=f"/{name}"))
        )
        try:
            for asked in (migrate(odd), require_current(odd)):
                with pytest.raises(
                    StorageError,
                    match=f"has the encoding {encoding}, which cannot hold every text",
                ):
                    await asked
            spec = SourceSpec(
                query="SELECT 1 AS id, 'a' AS name", key="id", columns=("name",)
            )
            if encoding == "SQL_ASCII":
                with pytest.raises(
                    SourceError,
                    match="encoding SQL_ASCII, so nobody knows what its text means",
                ):
                    await inspect(odd, spec)
            else:
                assert (await inspect(odd, spec)).columns[0].name == "name"
        finally:
            await odd.close()
    finally:
        await admin.execute(f"DROP DATABASE IF EXISTS {name}")
        await admin.close()


@pytest.mark.asyncio
async def test_nobody_listens() -> None:
    with socket.socket() as taken:  # bound, not listening
        taken.bind(("127.0.0.1", 0))
        dsn = f"postgresql://sync:secret@127.0.0.1:{taken.getsockname()[1]}/crm"
        with pytest.raises(
            StorageError,
            match=r"database crm at 127.0.0.1:.* as user sync: nothing listens",
        ) as caught:
            await connect(dsn)
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.asyncio
async def test_no_such_database_and_no_such_user(database: str) -> None:
    parts = urlsplit(database)
    with pytest.raises(
        StorageError,
        match=r"database nowhere .*: there is no such database .*; create the database or correct",
    ):
        await connect(urlunsplit(parts._replace(path="/nowhere")))
    host = parts.netloc.rpartition("@")[2]
    with pytest.raises(
        StorageError, match=r"as user nobody_known: .*; check user and password"
    ):
        await connect(urlunsplit(parts._replace(netloc=f"nobody_known:secret@{host}")))


@pytest.mark.asyncio
async def test_a_server_that_is_too_old(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connecting, "OLDEST", 999)
    with pytest.raises(StorageError, match="syncengine needs 999 or newer"):
        await connect(database)
    with pytest.raises(StorageError, match="syncengine needs 999 or newer"):
        async with open_pool(database):
            pytest.fail("opened")


@pytest.mark.asyncio
async def test_read_only_connections_write_nothing(database: str) -> None:
    connection = await connect(
        database, read_only=True, application_name="syncengine check"
    )
    try:
        refused = "something in it would write, where only reading is allowed"
        with pytest.raises(StorageError, match=refused), storage_errors():
            async with transaction(connection):
                await connection.execute("CREATE TABLE nothing ()")
        assert await connection.fetchval("SHOW application_name") == "syncengine check"
    finally:
        await connection.close()


@pytest.mark.asyncio
async def test_a_transaction_has_known_settings_and_leaves_none_behind(
    database: str,
) -> None:
    async with open_pool(database, size=1) as pool:
        asked = (
            "SELECT name, setting FROM pg_settings "
            "WHERE source = 'session' OR name = 'TimeZone' ORDER BY name"
        )
        async with pool.acquire() as connection:
            before = await connection.fetch(asked)
            async with transaction(connection, statement_timeout=1.5):
                assert await connection.fetchval("SHOW TimeZone") == "UTC"
                assert await connection.fetchval("SHOW IntervalStyle") == "iso_8601"
                assert await connection.fetchval("SHOW statement_timeout") == "1500ms"
                assert (
                    await connection.fetchval("SHOW transaction_isolation")
                    == "read committed"
                )
            assert await connection.fetch(asked) == before
        async with pool.acquire() as connection:
            assert await connection.fetch(asked) == before
            assert (
                await connection.fetchval("SELECT count(*) FROM pg_prepared_statements")
                == 0
            )


_HOSTILE = """
CREATE SEQUENCE numbers;
CREATE FUNCTION hostile() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
    PERFORM set_config('search_path', 'elsewhere', false),
            set_config('DateStyle', 'SQL, DMY', false);
    PERFORM pg_advisory_lock(1);
    EXECUTE 'PREPARE left_behind AS SELECT 1';
    PERFORM pg_notify('hostile', 'x');
    RETURN true;
END $$;
"""
_SESSION = """
SELECT current_setting('search_path'), current_setting('DateStyle'),
       (SELECT count(*) FROM pg_locks
        WHERE locktype = 'advisory' AND pid = pg_backend_pid()),
       (SELECT count(*) FROM pg_prepared_statements WHERE name = 'left_behind')
"""


@pytest.mark.asyncio
@pytest.mark.parametrize("fails", [False, True])
async def test_what_a_source_s_function_does_to_its_session_ends_with_it(
    database: str, *, fails: bool
) -> None:
    heard: list[object] = []
    async with open_pool(database, size=1, read_only=True) as pool:
        listener = await connect(database)
        await listener.execute(_HOSTILE)
        await listener.add_listener("hostile", lambda *words: heard.append(words))
        async with pool.acquire() as connection:
            before = await connection.fetchrow(_SESSION)
            statement = "SELECT 1 / (CASE WHEN hostile() THEN $1::integer END)"
            with (
                pytest.raises(StorageError, match="22012") if fails else nullcontext(),
                storage_errors(),
            ):
                async with reading(connection):
                    await connection.fetch(statement, 0 if fails else 1)
            after = await connection.fetchrow(_SESSION)
            assert before is not None
            assert after is not None
            assert (
                tuple(after)[:3] == tuple(before)[:3]
            )  # at the transaction's end, as a pooler needs it
        async with pool.acquire() as connection:
            assert await connection.fetchrow(_SESSION) == before
        assert await listener.fetchval("SELECT 1") == 1
        assert heard == []
        await listener.close()


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "statement",
    ["SELECT nextval('numbers')", "CREATE TEMPORARY TABLE t ()", "DELETE FROM t"],
)
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
    """Another client of a pooler may leave a type of such a name behind."""
    connection = await connect(database)
    try:
        await connection.execute(
            "CREATE SCHEMA elsewhere;CREATE FUNCTION elsewhere.now() RETURNS text "
            "LANGUAGE sql AS $$SELECT 'planted'$$;SET search_path = elsewhere, "
            "pg_catalog; CREATE TYPE pg_temp.text AS (planted boolean)"
        )
        asked = "SELECT now()::text, pg_typeof(NULL::text)::oid = 25"
        async with transaction(connection):
            found = await connection.fetchrow(asked)
            assert found is not None
            assert found[0].startswith("20")
            assert found[1]
        async with reading(connection):
            async with attempt(connection, pinned=True):
                assert (await connection.fetchval("SELECT now()::text")).startswith(
                    "20"
                )
            assert (
                await connection.fetchval("SELECT now()") == "planted"
            )  # theirs is what where and query name
    finally:
        await connection.close()


@pytest.mark.asyncio
async def test_a_transaction_costs_two_round_trips_and_is_undone_after_an_error(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    execute = asyncpg.Connection.execute

    async def noted(
        connection: asyncpg.Connection[asyncpg.Record], query: str, *rest: object
    ) -> str:
        said.append(query)
        return await execute(connection, query, *rest)

    connection = await connect(database)
    monkeypatch.setattr(asyncpg.Connection, "execute", noted)
    try:
        async with transaction(connection):
            pass
        assert len(said) == 2
        with suppress(KeyError):
            async with transaction(connection):
                await connection.execute("CREATE TABLE public.left_behind ()")
                raise KeyError
        assert not connection.is_in_transaction()
        assert await connection.fetchval("SELECT to_regclass('left_behind')") is None
    finally:
        await connection.close()


@pytest.mark.asyncio
async def test_a_transaction_on_a_source_s_connection_only_reads(database: str) -> None:
    async with open_pool(database, read_only=True) as pool, pool.acquire() as source:
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            async with transaction(source):
                await source.execute("CREATE TABLE public.left_behind ()")


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
        with (
            pytest.raises(StorageError, match="the connection was lost"),
            storage_errors(),
        ):
            await connection.execute("SELECT 1")
    finally:
        await connection.close()


def test_errors_are_named_after_what_they_stop() -> None:
    missing = asyncpg.UndefinedTableError(
        'relation "syncengine.sync_state" does not exist'
    )
    with (
        pytest.raises(SchemaOutdated, match="run `syncengine migrate`"),
        storage_errors(),
    ):
        raise missing
    said = r"^crm.contacts: it names a table or view that is not there"
    with (
        pytest.raises(SourceError, match=said),
        storage_errors("crm.contacts", failure=SourceError),
    ):
        raise missing
    with pytest.raises(ConfigError), storage_errors():
        raise ConfigError([])
    with pytest.raises(KeyError), storage_errors():
        raise KeyError("a mistake of ours")
