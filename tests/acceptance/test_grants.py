"""What each role has to be granted, and nothing more: SELECT on the source, rows of the state, migrations apart."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from syncengine.storage.failures import describe
from tests.people import RESPOND_IO, People, people

STATE = """
GRANT CONNECT, TEMPORARY ON DATABASE {database} TO {role};
GRANT USAGE ON SCHEMA syncengine TO {role};
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA syncengine TO {role};
ALTER DEFAULT PRIVILEGES IN SCHEMA syncengine GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {role};
"""
"""For the role that runs; said once by the role that migrates, which owns the schema. Default privileges are for the
tables of later migrations."""

SOURCE = """
GRANT CONNECT ON DATABASE {database} TO {role};
GRANT USAGE ON SCHEMA crm TO {role};
GRANT SELECT (id, name, phone, tags) ON crm.people TO {role};
"""
"""For the role that reads contacts: the key and the mapped columns will do."""


class _Roles:
    """Roles of one test, and the URLs they connect with."""

    def __init__(self, admin: asyncpg.Connection[asyncpg.Record]) -> None:
        self._admin = admin
        self._made: list[str] = []

    async def make(self) -> str:
        role = f"syncengine_test_{secrets.token_hex(4)}"
        await self._admin.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'sandbox'")
        self._made.append(role)
        return role

    async def drop(self) -> None:
        for role in self._made:
            await self._admin.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


def _as(dsn: str, role: str) -> str:
    parts = urlsplit(dsn)
    host = parts.netloc.rpartition("@")[2]
    return dsn.replace(f"//{parts.netloc}", f"//{role}:sandbox@{host}", 1)


def _name(dsn: str) -> str:
    return f'"{urlsplit(dsn).path.lstrip("/")}"'


@asynccontextmanager
async def _connected(dsn: str) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    connection = await asyncpg.connect(dsn)
    try:
        yield connection
    finally:
        await connection.close()


async def _grant(connection: asyncpg.Connection[asyncpg.Record], statements: str, dsn: str, role: str) -> None:
    await connection.execute(f"REVOKE ALL ON DATABASE {_name(dsn)} FROM PUBLIC")
    await connection.execute(statements.format(database=_name(dsn), role=role))


async def _two_nights(here: People) -> None:
    """Everything a role is needed for: what it is not granted, some of this asks for."""
    await here.add(range(1, 9), tags=["vip"])
    code, said = await here.command("check")
    assert code == 0, said
    code, said = await here.command("plan")
    assert code == 0, said
    report = await here.run("respond_io")
    assert (report.status, report.error, report.contacts["applied"]) == ("done", None, 8)
    assert here.held("respond_io").keys() == set(range(1, 9))
    assert (await here.run("respond_io")).requests == 0
    await here.change(1, phone=None, tags=[])
    await here.remove([8])
    report = await here.run("respond_io", accept=frozenset({"removals"}))
    assert (report.status, report.contacts["applied"]) == ("done", 2)
    code, said = await here.command("retry", str(report.run_id))
    assert code == 0, said
    for verb in ("verify", "prune"):
        code, said = await here.command(verb)
        assert code == 0, said


async def _may_write(connection: asyncpg.Connection[asyncpg.Record], role: str) -> bool:
    asked = "SELECT has_table_privilege($1, 'crm.people', 'INSERT, UPDATE, DELETE, TRUNCATE, TRIGGER')"
    found: bool = await connection.fetchval(asked, role)
    return found


_DESTINATION = {**RESPOND_IO, "on_removed": "untag", "find_first": True, "match_on": ["phone", "crm_id"]}


@pytest.mark.asyncio
async def test_one_role_for_a_source_beside_the_state(database: str, tmp_path: Path) -> None:
    async with people(database, tmp_path, {"respond_io": _DESTINATION}) as here:
        roles = _Roles(here.source)
        role = await roles.make()
        try:
            await _grant(here.source, STATE, database, role)
            await here.source.execute(SOURCE.format(database=_name(database), role=role))
            assert not await _may_write(here.source, role)
            here.environ["STATE_URL"] = _as(database, role)
            await _two_nights(here)
        finally:
            await roles.drop()


@pytest.mark.asyncio
async def test_two_roles_for_a_source_in_another_database(database: str, empty_database: str, tmp_path: Path) -> None:
    source = empty_database
    async with people(source, tmp_path, {"respond_io": _DESTINATION}) as here, _connected(database) as state:
        roles = _Roles(here.source)
        reader, writer = await roles.make(), await roles.make()
        try:
            await _grant(state, STATE, database, writer)
            await _grant(here.source, SOURCE, source, reader)
            assert not await _may_write(here.source, reader)
            here.environ |= {"STATE_URL": _as(database, writer), "SOURCE_URL": _as(source, reader)}
            here.configure_engine(source={"database": "${SOURCE_URL}", "table": "crm.people", "key": "id"})
            await _two_nights(here)
        finally:
            await state.execute(f"DROP OWNED BY {writer}")
            await roles.drop()


@pytest.mark.asyncio
async def test_what_is_not_granted_is_said_before_anything_is_sent(database: str, tmp_path: Path) -> None:
    async with people(database, tmp_path, {"respond_io": _DESTINATION}) as here:
        roles = _Roles(here.source)
        role = await roles.make()
        try:
            await _grant(here.source, STATE, database, role)
            here.environ["STATE_URL"] = _as(database, role)
            code, said = await here.command("run")
            assert code == 2
            place = f"crm.people in the state database ({describe(here.environ['STATE_URL'])})"
            assert f"{place}: this user lacks a right (SQLSTATE 42501)" in said
            assert "grant this user USAGE on the schema, and SELECT on the table or its columns" in said
            assert here.requests("respond_io") == 0
        finally:
            await roles.drop()
