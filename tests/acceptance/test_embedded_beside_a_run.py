"""Commands beside a run whose state is in the embedded server.

They use that server, and see what the run does.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from syncengine.sandbox.faults import FaultKind, Rule
from syncengine.storage.server.embedded import embedded
from tests.support.command_process import Command
from tests.support.people_project import RESPOND_IO, People, people
from tests.support.small_crm import report

NAME = "respond_io"
_LAST = 20


@pytest.mark.asyncio
async def test_who_is_suppressed_beside_a_run_is_not_sent_and_other_verbs_work_too(
    database: str, tmp_path: Path
) -> None:
    async with _held_up(database, tmp_path) as (here, run):
        code, said = await here.command("suppress", "--contact", str(_LAST))
        assert code == 0, said
        # What asks the vendor is told that the run holds the account, as with any other
        # server.
        for verb, expected in {
            "check": 0,
            "plan": 0,
            "prune": 0,
            "show 1": 3,
            "forget 19": 1,
        }.items():
            code, said = await here.command(*verb.split())
            assert code == expected, (verb, said)
            assert "in use by process" not in said
        here.sandbox.holds(NAME).release()
        assert await run.ended() == 0, run.said()
        assert report(run)["contacts"]["suppressed"] == 2
        assert here.held(NAME).keys() == set(range(1, 19)), (
            "the tombstone of the forgotten one counts at once, too"
        )


@asynccontextmanager
async def _held_up(
    database: str, folder: Path
) -> AsyncIterator[tuple[People, Command]]:
    """Start a run that waits for the vendor.

    Its state and its source are in the embedded server.
    """
    async with people(database, folder, {NAME: {**RESPOND_IO, "in_flight": 1}}) as here:
        here.configure_engine(database="embedded", lease_ttl="3s")
        assert (await here.command("migrate"))[0] == 0
        async with embedded(here.file.parent / ".syncengine") as dsn:
            connection = await asyncpg.connect(dsn)
            await connection.execute(
                "CREATE SCHEMA crm; "
                "CREATE TABLE crm.people (id integer PRIMARY KEY, name text, "
                "phone text, tags text[])"
            )
            await connection.execute(
                "INSERT INTO crm.people (id, name, phone) "
                "SELECT id, 'Name', '+49151' || lpad(id::text, 7, '0') "
                "FROM generate_series(1, $1) AS t (id)",
                _LAST,
            )
            await connection.close()
        here.fail(NAME, Rule(FaultKind.HOLD_BEFORE_COMMIT, after=3, times=1))
        run = here.start("run", "--json")
        assert await run.comes_to(here.sandbox.holds(NAME).wait_for(1)), run.said()
        yield here, run
