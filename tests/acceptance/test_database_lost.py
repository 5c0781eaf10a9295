"""Postgres dies in the middle of a run: the run ends and says so, and the next one finishes the job."""

from __future__ import annotations

from pathlib import Path

import asyncpg
import pytest

from syncengine.sandbox.faults import Kind, Rule
from syncengine.storage.migrate import migrate
from tests.crm import crm, report
from tests.crm_expected import assert_in_step
from tests.mortal_postgres import mortal_postgres

_CREATES = Rule(Kind.HOLD_BEFORE_COMMIT, method="POST", path="/contact/$")


@pytest.mark.parametrize("back_at_once", [True, False], ids=["back at once", "gone"])
@pytest.mark.asyncio
async def test_a_run_that_loses_its_database_ends_and_the_next_one_finishes_the_job(
    tmp_path: Path,
    back_at_once: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    with mortal_postgres(tmp_path / "postgres") as server:
        await _migrated(server.dsn)
        async with crm(server.dsn, tmp_path / "crm", "respond_io", seed=1) as here:
            await here.add(20)
            here.sandbox.faults(here.vendor).configure([_CREATES])
            run, holds = here.start(), here.sandbox.holds(here.vendor)
            assert await run.comes_to(holds.wait_for(3)), run.said()
            server.kill()
            if back_at_once:
                server.start()
            here.sandbox.faults(here.vendor).clear()
            holds.release()
            assert await run.ended() == 1
            said = report(run)
            assert said["status"] == "halted"
            assert said["requests"] > 0
            assert "the state database" in said["error"]
            assert "The next run settles what was sent" in said["error"]
            assert "Traceback" not in run.said()
            if not back_at_once:
                unreachable = here.start()
                assert await unreachable.ended() == 2
                assert "check host and port, and whether the server runs" in unreachable.said()
                server.start()
            await here.reconnect()
            assert await here.in_doubt(), "nothing was under way when the database died"
            await here.let_leases_run_out()
            await here.finish()
            await assert_in_step(here)
            assert await here.finish() == 0


async def _migrated(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await migrate(connection)
    finally:
        await connection.close()
