"""The database goes away in the middle of a run.

The run waits, sends nothing meanwhile, and then goes on or reports truly how it ended.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from syncengine.sandbox.faults import FaultKind, Rule
from syncengine.storage.state.migrate import migrate
from tests.support.command_process import Command, until, until_true
from tests.support.killable_postgres import KillablePostgres, killable_postgres
from tests.support.small_crm import Crm, crm, report
from tests.support.small_crm_checks import assert_in_step

_IN_FLIGHT = 4
"""As many as the run has workers: nothing else is under way."""
_THROUGH = 6
"""Contacts that are through before the database goes away."""
_CREATES = Rule(FaultKind.HOLD_BEFORE_COMMIT, method="POST", path="/contact/$")


@pytest.mark.asyncio
async def test_a_run_waits_for_its_database_and_then_goes_on(tmp_path: Path) -> None:
    async with _world(tmp_path) as (server, here):
        run = await _with_requests_open(here)
        server.kill()
        _answer(here)
        sent = await _sends_nothing_more(here, run)
        server.start()
        assert await run.ended() == 0, run.said()
        said = report(run)
        assert (said["status"], said["contacts"]["deferred"]) == ("done", 0)
        assert here.sandbox.journal(here.vendor).total == said["requests"] > sent
        assert "Traceback" not in run.said()
        assert '"event": "database_away"' in run.said()
        assert '"event": "database_back"' in run.said()
        await here.reconnect()
        await assert_in_step(here)
        assert await here.finish() == 0


@pytest.mark.asyncio
async def test_a_database_that_takes_no_writes_is_waited_for_too(
    tmp_path: Path,
) -> None:
    """A full disk refuses writes in this way, and so does a standby before it takes
    over.
    """
    async with _world(tmp_path) as (_, here):
        run = await _with_requests_open(here)
        await _read_only(here, "on")
        _answer(here)
        await _read_only(here, "off")
        assert await run.ended() == 0, run.said()
        await assert_in_step(here)
        assert await here.finish() == 0


@pytest.mark.asyncio
async def test_a_run_whose_database_stays_away_ends_and_the_next_one_finishes_the_job(
    tmp_path: Path,
) -> None:
    async with _world(tmp_path, database_wait="1s") as (server, here):
        run = await _with_requests_open(here)
        server.kill()
        _answer(here)
        assert await run.ended() == 1
        said = report(run)
        assert said["status"] == "halted"
        _says_what_it_did(said, here, through=0)
        assert "the state database" in said["error"]
        assert "The next run settles what was sent" in said["error"]
        assert "Traceback" not in run.said()
        unreachable = here.start()
        assert await unreachable.ended() == 2
        assert "check host and port, and whether the server runs" in unreachable.said()
        server.start()
        await here.reconnect()
        assert await here.in_doubt(), "the intents did not outlive the server"
        await here.let_leases_run_out()
        await here.finish()
        await assert_in_step(here)
        assert await here.finish() == 0


@pytest.mark.asyncio
async def test_a_run_that_loses_its_database_says_which_it_was_and_what_it_did(
    tmp_path: Path,
) -> None:
    async with _world(tmp_path, database_wait="1s") as (server, here):
        here.sandbox.faults(here.vendor).configure([replace(_CREATES, after=_THROUGH)])
        run = here.start()
        assert await run.comes_to(
            here.sandbox.holds(here.vendor).wait_for(_IN_FLIGHT)
        ), run.said()
        await until_true(
            here.source, "SELECT count(*) = $1 FROM syncengine.sync_outcome", _THROUGH
        )
        server.kill()
        _answer(here)
        assert await run.ended() == 1
        said = report(run)
        assert said["run_id"] == 1
        _says_what_it_did(said, here, through=_THROUGH)
        assert said["actions"]["create"] == _THROUGH


def _says_what_it_did(said: dict[str, Any], here: Crm, *, through: int) -> None:
    assert said["requests"] == here.requests()
    contacts = said["contacts"]
    assert contacts["applied"] == through
    assert contacts["deferred"] == contacts["changed"] - through > 0
    assert said["seconds"] > 0


@asynccontextmanager
async def _world(
    folder: Path, database_wait: str = "60s"
) -> AsyncIterator[tuple[KillablePostgres, Crm]]:
    with killable_postgres(folder / "postgres") as server:
        connection = await asyncpg.connect(server.dsn)
        try:
            await migrate(connection)
        finally:
            await connection.close()
        async with crm(
            server.dsn,
            folder / "crm",
            "respond_io",
            seed=1,
            database_wait=database_wait,
        ) as here:
            await here.add(20)
            yield server, here


async def _with_requests_open(here: Crm) -> Command:
    """Start a run whose first creates wait at the vendor."""
    here.sandbox.faults(here.vendor).configure([_CREATES])
    run = here.start()
    assert await run.comes_to(here.sandbox.holds(here.vendor).wait_for(_IN_FLIGHT)), (
        run.said()
    )
    return run


def _answer(here: Crm) -> None:
    here.sandbox.faults(here.vendor).clear()
    here.sandbox.holds(here.vendor).release()


async def _sends_nothing_more(here: Crm, run: Command) -> int:
    """Let the open requests be answered, and check that no other follows.

    Return how many requests the run has sent.
    """
    journal = here.sandbox.journal(here.vendor)
    sent = journal.total
    await until(lambda: all(entry.status is not None for entry in journal.log))
    assert run.runs
    assert journal.total == sent
    return sent


async def _read_only(here: Crm, setting: str) -> None:
    await here.source.execute(
        f"ALTER SYSTEM SET default_transaction_read_only = {setting}"
    )
    await here.source.execute("SELECT pg_reload_conf()")
