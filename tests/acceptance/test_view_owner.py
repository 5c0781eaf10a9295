"""The owner of a synced view runs code in our sessions, and gains nothing by it.

Nothing is written with our rights, nothing of the state is read where it could be kept,
and no later statement means anything else than we wrote.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import resources
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from tests.support.people_project import RESPOND_IO, People, people

_RUNNER = """
CREATE ROLE {runner} LOGIN PASSWORD 'sandbox'; CREATE ROLE {nobody};
GRANT {nobody} TO {runner};
GRANT CONNECT, TEMPORARY ON DATABASE {database} TO {runner};
GRANT USAGE ON SCHEMA syncengine TO {runner};
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA syncengine TO {runner};
CREATE ROLE {owner} LOGIN PASSWORD 'sandbox';
GRANT CREATE ON DATABASE {database} TO {owner};
GRANT CREATE ON SCHEMA public TO {owner};
CREATE ROLE {reader} LOGIN PASSWORD 'sandbox';
GRANT CONNECT ON DATABASE {database} TO {reader};
"""
"""README's grants, and two more roles.

Ours is a member of one without rights; the other owns the view, and may make schemas.
"""

_OTHERS = """
INSERT INTO syncengine.sync_known (destination, contact_id, fields)
VALUES ('other', 'x', '{"phone": "+4930123456"}');
INSERT INTO syncengine.sync_state (destination, contact_id, status)
VALUES ('other', 'x', 'synced');
INSERT INTO syncengine.sync_suppression (subject_hash, kind, reason, salted)
SELECT '\\x00', 'contact', 'suppressed', fingerprint FROM syncengine.sync_salt;
"""

_ATTACK = """
CREATE SCHEMA evil; GRANT USAGE ON SCHEMA evil TO PUBLIC;
CREATE TABLE evil.loot (what text); GRANT SELECT, INSERT ON evil.loot TO PUBLIC;
CREATE TABLE evil.people_t ({key}, name text, phone text, tags text[]);
CREATE FUNCTION evil.attempt(statement text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
EXCEPTION WHEN OTHERS THEN
    NULL;  -- the next one may work
END $$;
CREATE FUNCTION evil.take() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM evil.attempt('INSERT INTO evil.loot SELECT fields::text FROM syncengine.sync_known');
    PERFORM evil.attempt('DELETE FROM syncengine.sync_suppression');
    PERFORM evil.attempt(
        $sql$UPDATE syncengine.sync_state SET external_id = 'HIJACKED'$sql$);
END $$;
CREATE FUNCTION evil.poison() RETURNS boolean LANGUAGE plpgsql {volatility} AS $$
BEGIN
    -- Limits that are long: until its end, our transaction goes on with them, and the
    -- clock's luck would decide whether it got there.
    PERFORM pg_catalog.set_config(name, value, false) FROM (VALUES
        ('search_path', 'evil, public, pg_catalog'), ('DateStyle', 'SQL, DMY'),
        ('TimeZone', 'Asia/Tokyo'), ('IntervalStyle', 'sql_standard'),
        ('bytea_output', 'escape'), ('standard_conforming_strings', 'off'),
        ('extra_float_digits', '-15'), ('statement_timeout', '1h'),
        ('lock_timeout', '1h'), ('default_transaction_read_only', 'on'),
        ('row_security', 'off'), ('transform_null_equals', 'on'),
        ('application_name', 'evil'), ('my.own', 'evil')) AS t (name, value);
    PERFORM evil.attempt('SET SESSION ROLE {nobody}');
    PERFORM evil.attempt('SET SESSION AUTHORIZATION {owner}');
    PERFORM evil.attempt('SET TRANSACTION READ WRITE');
    PERFORM evil.attempt(
        $sql$SELECT set_config('transaction_read_only', 'off', true)$sql$);
    PERFORM evil.attempt('SELECT evil.take()');
    PERFORM evil.attempt('SELECT pg_catalog.lo_create(4711)');
    PERFORM evil.attempt(
        $sql$SELECT pg_catalog.nextval('syncengine.sync_run_run_id_seq')$sql$);
    PERFORM evil.attempt('SELECT pg_catalog.pg_advisory_lock(4711)');
    PERFORM evil.attempt('NOTIFY evil');
    PERFORM evil.attempt('PREPARE evil AS SELECT 1');
    PERFORM evil.attempt('CREATE TEMPORARY TABLE sync_state (destination text)');
    RETURN true;
END $$;
CREATE VIEW evil.people AS SELECT * FROM evil.people_t WHERE evil.poison();
GRANT SELECT ON evil.people_t, evil.people TO PUBLIC;
INSERT INTO evil.people_t SELECT n, 'Name ' || n, '+4915100000' || n, '{{vip}}'
    FROM generate_series(10, 13) AS n;
"""

_SHADOW = """
SELECT format('CREATE FUNCTION evil.%1$I(%2$s) RETURNS %3$s LANGUAGE plpgsql AS '
              '$$BEGIN PERFORM evil.take(); RAISE EXCEPTION ''a shadow was called''; END$$',
              proname, pg_get_function_identity_arguments(oid),
              pg_get_function_result(oid))
FROM pg_proc
WHERE pronamespace = 'pg_catalog'::regnamespace AND prokind = 'f'
    AND proname = ANY ($1::text[])
  AND pg_get_function_identity_arguments(oid) !~ 'any|VARIADIC|internal|"'
  AND pg_get_function_result(oid) !~ 'any|internal'
UNION ALL
SELECT format('CREATE FUNCTION evil.%1$I(%2$s, %3$s) RETURNS boolean LANGUAGE plpgsql AS '
              '$$BEGIN PERFORM evil.take(); RAISE EXCEPTION ''a shadow was called''; END$$; '
              'CREATE OPERATOR evil.%4$s (LEFTARG = %2$s, RIGHTARG = %3$s, FUNCTION = evil.%1$I)',
              'operator_' || oid, oprleft::regtype, oprright::regtype, oprname)
FROM pg_operator
WHERE oprnamespace = 'pg_catalog'::regnamespace AND oprresult = 'boolean'::regtype
  AND oprname IN ('=', '<>', '<', '<=', '>', '>=')
  AND oprleft::regtype::text = ANY ($2::text[])
  AND oprright::regtype::text = ANY ($2::text[])
"""
"""The same functions and operators, in a schema that comes first in the view's path.

Each takes what it can.
"""

_TYPES = (
    "text",
    "bigint",
    "integer",
    "smallint",
    "boolean",
    "bytea",
    "timestamp with time zone",
    "jsonb",
    "name",
)

_PLANTED = """
CREATE FUNCTION public.spring() RETURNS void LANGUAGE plpgsql AS
    $$BEGIN PERFORM evil.take(); RAISE EXCEPTION 'a planted one was called'; END$$;
CREATE FUNCTION public.format(text, name, name) RETURNS text LANGUAGE plpgsql AS
    $$BEGIN PERFORM public.spring(); END$$;
CREATE FUNCTION public.format(text, text, text) RETURNS text LANGUAGE plpgsql AS
    $$BEGIN PERFORM public.spring(); END$$;
CREATE FUNCTION public.hash_record_extended(record, integer) RETURNS bigint
    LANGUAGE plpgsql AS
    $$BEGIN PERFORM public.spring(); END$$;
CREATE FUNCTION public.to_regclass(varchar) RETURNS regclass LANGUAGE plpgsql AS
    $$BEGIN PERFORM public.spring(); END$$;
CREATE FUNCTION public.same(varchar, varchar) RETURNS boolean LANGUAGE plpgsql AS
    $$BEGIN PERFORM public.spring(); END$$;
CREATE FUNCTION public.step(bigint, bigint) RETURNS bigint LANGUAGE plpgsql AS
    $$BEGIN PERFORM public.spring(); END$$;
CREATE FUNCTION public.step(text[], text) RETURNS text[] LANGUAGE plpgsql AS
    $$BEGIN PERFORM public.spring(); END$$;
CREATE AGGREGATE public.count(bigint) (SFUNC = public.step, STYPE = bigint,
    INITCOND = '0');
CREATE AGGREGATE public.array_agg(text) (SFUNC = public.step, STYPE = text[],
    INITCOND = '{}');
CREATE OPERATOR public.= (LEFTARG = varchar, RIGHTARG = varchar,
    FUNCTION = public.same);
CREATE OPERATOR public.> (LEFTARG = varchar, RIGHTARG = varchar,
    FUNCTION = public.same);
CREATE OPERATOR public.<= (LEFTARG = varchar, RIGHTARG = varchar,
    FUNCTION = public.same);
"""
"""Functions and operators that fit a type better than those of Postgres.

They are in a schema of everybody's search_path.
"""

_DESTINATION = {**RESPOND_IO, "on_removed": "untag"}


def _called() -> list[str]:
    """Return the functions that our statements call."""
    folder = resources.files("syncengine.storage").joinpath("sql")
    texts = [
        file.read_text(encoding="utf-8")
        for file in folder.iterdir()
        if file.name.endswith(".sql")
    ]
    return sorted(
        {name for text in texts for name in re.findall(r"\b([a-z_][a-z0-9_]*)\(", text)}
    )


def _as(dsn: str, role: str) -> str:
    parts = urlsplit(dsn)
    return dsn.replace(
        f"//{parts.netloc}", f"//{role}:sandbox@{parts.netloc.rpartition('@')[2]}", 1
    )


@asynccontextmanager
async def _attacked(
    dsn: str, folder: Path, *, key: str, volatility: str = "VOLATILE"
) -> AsyncIterator[tuple[People, dict[str, str]]]:
    async with people(dsn, folder, {"respond_io": _DESTINATION}) as here:
        names = ("runner", "nobody", "owner", "reader")
        roles = {
            name: f"syncengine_test_{name}_{secrets.token_hex(4)}" for name in names
        }
        words = {
            **roles,
            "database": f'"{urlsplit(dsn).path.lstrip("/")}"',
            "key": key,
            "volatility": volatility,
        }
        await here.source.execute(_RUNNER.format(**words))
        await here.source.execute(_OTHERS)
        owner = await asyncpg.connect(_as(dsn, roles["owner"]))
        try:
            await owner.execute(_ATTACK.format(**words))
            for (statement,) in await owner.fetch(_SHADOW, _called(), _TYPES):
                await owner.execute(statement)
            await owner.execute(_PLANTED)
            here.environ["STATE_URL"] = _as(dsn, roles["runner"])
            here.configure_engine(source={"table": "evil.people", "key": "id"})
            yield here, roles
        finally:
            await owner.close()
            for role in roles.values():
                await here.source.execute(
                    f"DROP OWNED BY {role} CASCADE; DROP ROLE {role}"
                )


async def _nights(here: People) -> None:
    """Use every verb that reads the source or the state, with changes between."""
    for arguments in (
        ("check",),
        ("plan",),
        ("run",),
        ("run", "--backfill"),
        ("show", "11"),
        ("verify",),
        ("adopt",),
        ("suppress", "--contact", "12"),
    ):
        code, said = await here.command(*arguments)
        assert code == 0, (arguments, said)
        assert "shadow" not in said
        assert "planted" not in said
        assert ("functions behind it run with the rights of" in said) == (
            arguments == ("check",)
        )
    await here.source.execute(
        "UPDATE evil.people_t SET name = 'New'; "
        "DELETE FROM evil.people_t WHERE id::text = '13'"
    )
    code, said = await here.command("run", "--accept", "removals")
    assert code == 0, said
    assert {
        contact["fields"]["firstName"] for contact in here.held("respond_io").values()
    } == {
        "New",
        "Name 12",
        "Name 13",
    }


async def _nothing_gained(here: People) -> None:
    one = here.source.fetchval
    assert await one("SELECT count(*) FROM evil.loot") == 0
    assert (
        await one(
            "SELECT count(*) FROM syncengine.sync_suppression "
            "WHERE subject_hash = '\\x00'"
        )
        == 1
    )
    assert (
        await one(
            "SELECT count(*) FROM syncengine.sync_state WHERE external_id = 'HIJACKED'"
        )
        == 0
    )
    assert (
        await one("SELECT count(*) FROM pg_largeobject_metadata WHERE oid = 4711") == 0
    )
    assert (
        await one(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711"
        )
        == 0
    )


_SOURCES = {
    "a view": ("evil.people", 'id varchar COLLATE "C" PRIMARY KEY', "VOLATILE"),
    "a view of numbers": ("evil.people", "id integer PRIMARY KEY", "VOLATILE"),
    # It then runs when a statement is planned, also where no row is read.
    "a view that pretends": ("evil.people", "id integer PRIMARY KEY", "IMMUTABLE"),
    # Its policies run where source and state are joined.
    "a table with policies": (
        "evil.people_t",
        'id varchar COLLATE "C" PRIMARY KEY',
        "VOLATILE",
    ),
    "a table of numbers with policies": (
        "evil.people_t",
        "id integer PRIMARY KEY",
        "VOLATILE",
    ),
}


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("table", "key", "volatility"), _SOURCES.values(), ids=_SOURCES.keys()
)
async def test_who_owns_the_source_gains_nothing(
    database: str, tmp_path: Path, table: str, key: str, volatility: str
) -> None:
    heard: list[str] = []
    async with _attacked(database, tmp_path, key=key, volatility=volatility) as (
        here,
        _,
    ):
        await here.source.execute(_POLICY)
        here.configure_engine(source={"table": table, "key": "id"})
        await here.source.add_listener(
            "evil", lambda *words: heard.append(str(words[3]))
        )
        await _nights(here)
        await _nothing_gained(here)
        assert (
            await here.source.fetchval("SELECT 1") == 1
        )  # what was announced would have come before
        assert heard == []


_POLICY = """
ALTER TABLE evil.people_t ENABLE ROW LEVEL SECURITY;
CREATE POLICY poisoned ON evil.people_t USING (evil.poison());
"""
_PEEK = """
GRANT USAGE ON SCHEMA evil TO PUBLIC;
CREATE FUNCTION evil.peek() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RETURN (SELECT fields::text FROM syncengine.sync_known WHERE destination = 'other');
EXCEPTION WHEN insufficient_privilege THEN
    RETURN 'nothing';
END $$;
CREATE VIEW evil.peeking AS SELECT id, evil.peek() AS name, phone, tags
    FROM evil.people_t;
GRANT SELECT ON evil.peeking TO PUBLIC;
"""


@pytest.mark.asyncio
async def test_a_role_that_reads_the_source_alone_shows_nothing_of_the_state(
    database: str, tmp_path: Path
) -> None:
    async with _attacked(database, tmp_path, key="id integer PRIMARY KEY") as (
        here,
        roles,
    ):
        await here.source.execute(_PEEK)
        here.environ["SOURCE_URL"] = _as(database, roles["reader"])
        here.configure_engine(
            source={"database": "${SOURCE_URL}", "table": "evil.peeking", "key": "id"}
        )
        code, said = await here.command("run")
        assert code == 0, said
        assert {
            contact["fields"]["firstName"]
            for contact in here.held("respond_io").values()
        } == {"nothing"}
