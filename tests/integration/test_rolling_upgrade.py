"""A newer version migrates the state while runs of this one are under way.

They finish, and new ones are refused.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from syncengine.cli.exits import exit_code
from syncengine.sandbox.faults import FaultKind, Rule
from syncengine.shipped import shipped
from syncengine.storage.connect import open_pool, transaction
from syncengine.storage.failures import storage_errors
from syncengine.storage.patience import DatabasePatience
from syncengine.storage.state import migrate as runner
from syncengine.storage.statements import statements
from tests.integration.test_statements import FILES, MAKERS, NAMES
from tests.support.command_process import until_true
from tests.support.migration_rules import problems
from tests.support.people_project import RESPOND_IO, people
from tests.support.small_crm import report

_ALL = range(1, 31)
_ROWS_COUNT_AS = (
    "SELECT count(*) FROM syncengine.sync_state WHERE added_not_null = 'as before' "
    "AND added IS NULL"
)


@pytest.mark.asyncio
async def test_a_run_finishes_against_the_next_schema_and_a_new_one_is_refused(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with people(
        database, tmp_path / "config", {"respond_io": RESPOND_IO}
    ) as here:
        await here.add(_ALL)
        assert exit_code(await here.run("respond_io", limit=10)) == 0
        await here.change(1, name="Another")
        await here.change(2, tags=["vip"])
        await here.remove([3])
        here.fail("respond_io", Rule(FaultKind.HOLD_BEFORE_COMMIT, after=8, times=2))
        run = here.start("run", "--json")
        assert await run.comes_to(here.sandbox.holds("respond_io").wait_for(2)), (
            run.said()
        )

        async with _newer_version(here.source, tmp_path, monkeypatch) as newest:
            assert await runner.migrate(here.source) == [newest]
        here.sandbox.holds("respond_io").release()
        assert await run.ended() == 0, run.said()
        assert report(run)["contacts"]["applied"] >= len(_ALL) - 10
        assert here.held("respond_io").keys() == set(_ALL)
        assert await here.source.fetchval(_ROWS_COUNT_AS) == len(_ALL)

        sent = here.requests("respond_io")
        for verb in ("run", "plan", "verify", "forget 1"):
            code, said = await here.command(*verb.split())
            assert (code, here.requests("respond_io")) == (2, sent), said
            assert f"{newest} by a newer syncengine than this one" in said


@pytest.mark.asyncio
async def test_every_statement_still_fits_the_next_schema(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = await asyncpg.connect(database)
    try:
        async with _newer_version(connection, tmp_path, monkeypatch):
            await runner.migrate(connection)
        for maker in MAKERS:
            await connection.execute(maker)
        fixed = [statements(file)[name] for file, name in NAMES]
        fixed = [statement for statement in fixed if "{" not in statement]
        assert len(fixed) > len(FILES)
        async with transaction(connection, read_only=True):
            for statement in fixed:
                await connection.prepare(statement)
    finally:
        await connection.close()


@pytest.mark.asyncio
async def test_a_migration_leaves_a_table_in_use_to_its_users(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long diff uses a table in this way.

    All later statements, also those on leases, would wait behind the migration.
    """
    reader, other, migrating = [await asyncpg.connect(database) for _ in range(3)]
    try:
        left = asyncio.Event()
        apply_next = runner._apply_next

        async def observed(
            connection: asyncpg.Connection[asyncpg.Record], migration: runner.Migration
        ) -> bool:
            applied = await apply_next(connection, migration)
            if not applied:
                left.set()
            return applied

        monkeypatch.setattr(runner, "_apply_next", observed)
        async with _newer_version(migrating, tmp_path, monkeypatch) as newest:
            async with reader.transaction():
                await reader.execute("SELECT FROM syncengine.sync_state")
                waiting = asyncio.create_task(runner.migrate(migrating))
                await left.wait()
                assert (
                    await other.fetchval("SELECT count(*) FROM syncengine.sync_state")
                    == 0
                )
            assert await waiting == [newest]
    finally:
        for connection in (reader, other, migrating):
            await connection.close()


@asynccontextmanager
async def _newer_version(
    connection: asyncpg.Connection[asyncpg.Record],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[str]:
    """Write migrations of a version that expands every table.

    Return the name of the newest one.
    """
    files = shutil.copytree(shipped("migrations"), folder / "migrations")
    newest = f"{len(list(files.glob('*.sql'))) + 1:04}_expand.sql"
    tables = await connection.fetch(
        "SELECT tablename FROM pg_tables WHERE schemaname = 'syncengine'"
    )
    text = _expanded([table for (table,) in tables if table != "sync_migration"])
    assert list(problems(text)) == []
    (files / newest).write_text(text, encoding="utf-8")
    with monkeypatch.context() as patched:
        patched.setattr(runner, "shipped", lambda _: files)
        yield newest


def _expanded(tables: Sequence[str]) -> str:
    columns = [
        f"ALTER TABLE syncengine.{table} ADD COLUMN added text, "
        "ADD COLUMN added_not_null text NOT NULL DEFAULT 'as before';"
        for table in tables
    ]
    more = (
        "CREATE TABLE syncengine.sync_more (run_id bigint NOT NULL REFERENCES "
        "syncengine.sync_run ON DELETE CASCADE);"
    )
    index = (
        "CREATE INDEX sync_state_by_added ON syncengine.sync_state (destination, "
        "added);"
    )
    return "\n".join([*columns, more, index])


@pytest.mark.asyncio
async def test_a_write_that_a_migration_blocks_is_repeated(
    database: str,
) -> None:
    """Each locks the table that the other one wants, so Postgres ends one of them."""
    other, watcher = [await asyncpg.connect(database) for _ in range(2)]
    attempts = 0
    try:
        async with open_pool(database) as pool:

            async def write() -> str:
                nonlocal attempts
                attempts += 1
                with storage_errors():
                    async with pool.acquire() as connection, connection.transaction():
                        await connection.execute("SET LOCAL deadlock_timeout = '10ms'")
                        await connection.execute(
                            "LOCK TABLE syncengine.sync_lease IN SHARE MODE"
                        )
                        if attempts == 1:
                            holds.set()
                            await waits.wait()
                        await connection.execute(
                            "LOCK TABLE syncengine.sync_state IN SHARE MODE"
                        )
                        return "written"

            holds, waits = asyncio.Event(), asyncio.Event()
            writing = asyncio.create_task(DatabasePatience(60.0).wait_out(write))
            await holds.wait()
            async with other.transaction():
                await other.execute("SET LOCAL deadlock_timeout = '60s'")
                await other.execute(
                    "LOCK TABLE syncengine.sync_state IN ACCESS EXCLUSIVE MODE"
                )
                wanting = asyncio.create_task(
                    other.execute(
                        "LOCK TABLE syncengine.sync_lease IN ACCESS EXCLUSIVE MODE"
                    )
                )
                await until_true(watcher, _SOMEBODY_WAITS)
                waits.set()
                await wanting
            assert (await writing, attempts) == ("written", 2)
    finally:
        for connection in (other, watcher):
            await connection.close()


_SOMEBODY_WAITS = """
SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted
    AND relation = 'syncengine.sync_lease'::regclass
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))
"""
