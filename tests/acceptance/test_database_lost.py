"""Postgres dies in the middle of a run: the run ends and says so, and the next one finishes the job."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from syncengine.sandbox.faults import Kind, Rule
from syncengine.storage.migrate import migrate
from tests.crm import Crm, crm, report
from tests.crm_expected import assert_in_step
from tests.killing import Command
from tests.mortal_postgres import MortalPostgres, mortal_postgres

_CREATES = Rule(Kind.HOLD_BEFORE_COMMIT, method="POST", path="/contact/$")


@pytest.mark.asyncio
async def test_a_run_that_loses_its_database_ends_and_the_next_one_finishes_the_job(tmp_path: Path) -> None:
    async with _world(tmp_path) as (server, here):
        run = await _with_requests_open(here)
        server.kill()
        _answer(here)
        assert await run.ended() == 1
        said = report(run)
        assert said["status"] == "halted"
        assert said["requests"] > 0
        assert "the state database" in said["error"]
        assert "The next run settles what was sent" in said["error"]
        assert "Traceback" not in run.said()
        unreachable = here.start()
        assert await unreachable.ended() == 2
        assert "check host and port, and whether the server runs" in unreachable.said()
        server.start()
        await here.reconnect()
        assert await here.in_doubt(), "the intents did not outlive the server"
        await _finishes_the_job(here)


@pytest.mark.asyncio
async def test_a_database_that_is_back_at_once_costs_no_contact_either(tmp_path: Path) -> None:
    """Whether the run notices depends on what it was about; what it says of itself is the truth."""
    async with _world(tmp_path) as (server, here):
        run = await _with_requests_open(here)
        server.kill()
        server.start()
        _answer(here)
        await here.reconnect()
        assert (await run.ended(), report(run)["status"]) in ((0, "done"), (1, "halted"))
        assert "Traceback" not in run.said()
        await _finishes_the_job(here)


@asynccontextmanager
async def _world(folder: Path) -> AsyncIterator[tuple[MortalPostgres, Crm]]:
    with mortal_postgres(folder / "postgres") as server:
        connection = await asyncpg.connect(server.dsn)
        try:
            await migrate(connection)
        finally:
            await connection.close()
        async with crm(server.dsn, folder / "crm", "respond_io", seed=1) as here:
            await here.add(20)
            yield server, here


async def _with_requests_open(here: Crm) -> Command:
    """A run whose first creates wait at the vendor."""
    here.sandbox.faults(here.vendor).configure([_CREATES])
    run = here.start()
    assert await run.comes_to(here.sandbox.holds(here.vendor).wait_for(3)), run.said()
    return run


def _answer(here: Crm) -> None:
    here.sandbox.faults(here.vendor).clear()
    here.sandbox.holds(here.vendor).release()


async def _finishes_the_job(here: Crm) -> None:
    await here.let_leases_run_out()
    await here.finish()
    await assert_in_step(here)
    assert await here.finish() == 0
