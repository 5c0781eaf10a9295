"""The rights each role has to be granted, and no others.

Reading the source, writing rows of the state and migrating are granted apart.
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from syncengine.sandbox.faults import FaultKind, Rule
from tests.support.desk import Desk
from tests.support.people_project import RESPOND_IO, People, people, refusing
from tests.support.repository import ROOT

_PAGE = (ROOT / "docs" / "how-to" / "grants.md").read_text(encoding="utf-8")
MIGRATES, CONNECTS, RUNS, READS, LOOKS = re.findall(
    r"```sql\n(.*?)```", _PAGE, re.DOTALL
)
"""Statements of the page, as the databases' owners have to run them.

The schema's owner runs some of them, after the first migration.
"""


def _said(block: str, dsn: str, **roles: str) -> str:
    """Return a block of the page for this database, these roles and our table."""
    about = re.sub(r"\bDATABASE \w+", f"DATABASE {_name(dsn)}", block)
    about = about.replace(
        "(id, first_name, mobile, tags) ON crm.contacts",
        "(id, name, phone, tags) ON crm.people",
    )
    return re.sub(r"\bTO (\w+);", lambda found: f"TO {roles[found[1]]};", about)


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


async def _close(connection: asyncpg.Connection[asyncpg.Record], dsn: str) -> None:
    """Revoke public rights on the database, so that each right has to be granted."""
    await connection.execute(f"REVOKE ALL ON DATABASE {_name(dsn)} FROM PUBLIC")


async def _two_nights(here: People) -> None:
    """Use every right that a role is granted.

    A role that lacks one of them fails at some step of this.
    """
    await here.add(range(1, 9), tags=["vip"])
    code, said = await here.command("check")
    assert code == 0, said
    code, said = await here.command("plan")
    assert code == 0, said
    report = await here.run("respond_io")
    assert (report.status, report.error, report.contacts["applied"]) == (
        "done",
        None,
        8,
    )
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
    asked = (
        "SELECT has_table_privilege($1, 'crm.people', 'INSERT, UPDATE, DELETE, "
        "TRUNCATE, TRIGGER')"
    )
    found: bool = await connection.fetchval(asked, role)
    return found


_DESTINATION = {
    **RESPOND_IO,
    "on_removed": "untag",
    "find_first": True,
    "match_on": ["phone", "crm_id"],
}


@pytest.mark.asyncio
async def test_one_role_for_a_source_beside_the_state_that_another_migrates(
    empty_database: str, tmp_path: Path
) -> None:
    database = empty_database
    async with people(database, tmp_path, {"respond_io": _DESTINATION}) as here:
        roles = _Roles(here.source)
        owner, role = await roles.make(), await roles.make()
        try:
            await _close(here.source, database)
            await here.source.execute(_said(MIGRATES, database, syncengine_owner=owner))
            await here.source.execute(_said(CONNECTS, database, syncengine=role))
            here.environ["STATE_URL"] = _as(database, owner)
            code, said = await here.command("migrate")
            assert code == 0, said
            async with _connected(_as(database, owner)) as by_owner:
                await by_owner.execute(_said(RUNS, database, syncengine=role))
            await here.source.execute(_said(READS, database, reader=role))
            assert not await _may_write(here.source, role)
            here.environ["STATE_URL"] = _as(database, role)
            await _two_nights(here)
        finally:
            await roles.drop()


@pytest.mark.asyncio
async def test_two_roles_for_a_source_in_another_database(
    database: str, empty_database: str, tmp_path: Path
) -> None:
    source = empty_database
    async with (
        people(source, tmp_path, {"respond_io": _DESTINATION}) as here,
        _connected(database) as state,
    ):
        roles = _Roles(here.source)
        reader, writer = await roles.make(), await roles.make()
        try:
            await _close(state, database)
            await _close(here.source, source)
            await state.execute(_said(CONNECTS + RUNS, database, syncengine=writer))
            await here.source.execute(_said(READS, source, reader=reader))
            assert not await _may_write(here.source, reader)
            here.environ |= {
                "STATE_URL": _as(database, writer),
                "SOURCE_URL": _as(source, reader),
            }
            here.configure_engine(
                source={"database": "${SOURCE_URL}", "table": "crm.people", "key": "id"}
            )
            await _two_nights(here)
        finally:
            await state.execute(f"DROP OWNED BY {writer}")
            await roles.drop()


@pytest.mark.asyncio
async def test_what_is_not_granted_is_said_by_its_name_before_anything_is_sent(
    empty_database: str, tmp_path: Path
) -> None:
    """Each step lacks the right that the next one grants."""
    database = empty_database
    async with people(database, tmp_path, {"respond_io": _DESTINATION}) as here:
        roles = _Roles(here.source)
        owner, role = await roles.make(), await roles.make()
        on_database = f"ON DATABASE {_name(database)} TO"
        state, contacts = (
            _said(RUNS, database, syncengine=role),
            _said(READS, database, reader=role),
        )
        steps = (
            (
                owner,
                "migrate",
                "CONNECT on the database",
                f"GRANT CONNECT {on_database} {owner}",
            ),
            (
                owner,
                "migrate",
                "CREATE on the database",
                f"GRANT CREATE {on_database} {owner}",
            ),
            (owner, "migrate", None, f"GRANT USAGE ON SCHEMA crm TO {owner}"),
            (
                role,
                "run",
                "CONNECT on the database",
                f"GRANT CONNECT {on_database} {role}",
            ),
            (
                role,
                "run",
                "USAGE on the schema syncengine, and SELECT, INSERT, UPDATE and DELETE",
                state,
            ),
            (
                role,
                "run",
                "USAGE on the schema, and SELECT on the table or its columns",
                contacts,
            ),
            (
                role,
                "plan",
                "TEMPORARY on the database",
                f"GRANT TEMPORARY {on_database} {role}",
            ),
            (role, "plan", None, "SELECT"),
        )
        try:
            await _close(here.source, database)
            await here.add([1])
            for who, verb, lacking, grant in steps:
                here.environ["STATE_URL"] = _as(database, who)
                code, said = await here.command(verb)
                assert (code, here.requests("respond_io")) == (
                    0 if lacking is None else 2,
                    0,
                ), said
                assert (
                    lacking is None
                    or f"(SQLSTATE 42501); grant this user {lacking}" in said
                )
                await here.source.execute(grant)
        finally:
            await roles.drop()


_LOOKING = (
    ("status",),
    ("alerts",),
    ("runs",),
    ("runs", "--run", "1", "--batches"),
    ("failures",),
    ("failures", "1"),
    ("suppressions",),
    ("suppressions", "--contact", "1"),
    ("erasures",),
    ("export",),
    ("metrics", "--out", "/dev/null"),
)
"""Verbs that read, and show no value of a contact."""
_WITH_VALUES = (
    ("why", "2"),
    ("history", "2", "--show-values"),
    ("export", "--show-values"),
    ("report", "1", "--out", "/dev/null"),
)
"""Verbs that read tables with values of contacts."""


@pytest.mark.asyncio
async def test_a_role_that_may_only_look_sees_everything_during_a_run(
    database: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with people(database, tmp_path / "x", {"respond_io": _DESTINATION}) as here:
        roles = _Roles(here.source)
        role = await roles.make()
        try:
            await _close(here.source, database)
            await here.source.execute(_said(LOOKS, database, looker=role))
            await here.source.execute(_said(READS, database, reader=role))
            await here.add(range(1, 9))
            here.fail("respond_io", refusing(2))
            await here.run("respond_io")
            here.fail("respond_io", Rule(FaultKind.HOLD_BEFORE_COMMIT, times=1))
            await here.change(1, name="Other 1")
            run = asyncio.create_task(here.run("respond_io"))
            await here.sandbox.holds("respond_io").wait_for(1)

            environ = {**here.environ, "STATE_URL": _as(database, role)}
            for name, value in environ.items():
                monkeypatch.setenv(name, value)
            desk = Desk(here, capsys)
            for arguments in (*_LOOKING, *_WITH_VALUES):
                code, results, said = await desk.say(*arguments)
                assert code == 0, said
                assert said == "" or said.startswith("Nobody "), said
                assert "Traceback" not in results
            _, results, _ = await desk.say("status", "--json")
            found = json.loads(results)
            assert (found["last_run"]["status"], found["in_step"]) == ("running", None)
            assert found["lease"] is not None
            process = here.start("failures", "--csv")
            assert (await process.ended(), process.said().count("http_422")) == (0, 1)

            hidden = "syncengine.sync_known, syncengine.sync_change, syncengine.changes"
            await here.source.execute(f"REVOKE SELECT ON {hidden} FROM {role}")
            for arguments in _LOOKING:
                code, _, said = await desk.say(*arguments)
                assert code == 0, said
            for arguments in _WITH_VALUES:
                message = await desk.refused(*arguments)
                assert "SQLSTATE 42501" in message
            here.sandbox.holds("respond_io").release()
            assert (await run).status == "done"
        finally:
            await roles.drop()
