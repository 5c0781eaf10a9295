"""A process is frozen past its lease and thaws.

It disturbs the run that took over with not a single byte.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import asyncpg
import pytest

from syncengine.sandbox.faults import FaultKind, Rule
from syncengine.storage.connect import transaction
from tests.support.command_process import Command, until_true
from tests.support.small_crm import Crm, crm, report
from tests.support.small_crm_checks import assert_in_step

_CREATES = Rule(FaultKind.HOLD_BEFORE_COMMIT, method="POST", path="/contact/$")
_IN_FLIGHT = 4
"""As the CRM's destination has it."""


@pytest.mark.asyncio
async def test_a_holder_frozen_past_its_lease_writes_and_sends_nothing_after_it_thaws(
    database: str, tmp_path: Path
) -> None:
    async with crm(
        database, tmp_path, "respond_io", seed=1, lease_ttl="4s", limits=()
    ) as here:
        holder = await _frozen_with_answers_on_their_way(here)
        # Not moved forward: the frozen process goes by its own clock, and both have to
        # say that the lease is over.
        await until_true(
            here.source,
            "SELECT expires_at < clock_timestamp() FROM syncengine.sync_lease",
        )
        await here.finish()
        await assert_in_step(here)
        rows, requests = await _everything(here), here.requests()
        holder.thaw()
        assert await holder.ended() == 1
        _says_that_the_lease_is_lost(holder)
        assert await _everything(here) == rows, "it wrote after it thawed"
        assert here.requests() == requests, "it sent after it thawed"
        assert await here.finish() == 0


@pytest.mark.asyncio
async def test_a_holder_that_trusts_its_lease_writes_nothing_once_another_has_it(
    database: str, tmp_path: Path
) -> None:
    """A clock may be wrong, such as that of a database that fails over.

    The fence in the state holds all the same.
    """
    async with crm(database, tmp_path, "respond_io", seed=2) as here:
        holder = await _frozen_with_answers_on_their_way(here)
        await here.let_leases_run_out()
        await here.finish()
        rows = await _everything(here)
        holder.thaw()
        assert await holder.ended() == 1
        _says_that_the_lease_is_lost(holder)
        assert await _everything(here) == rows, "it wrote after it thawed"


@pytest.mark.asyncio
async def test_a_process_frozen_in_a_transaction_is_ended_before_others_give_up(
    database: str,
) -> None:
    connection = await asyncpg.connect(database)
    try:
        async with transaction(connection):
            settings = {
                name: int(milliseconds)
                for name, milliseconds in await connection.fetch(_TIMEOUTS)
            }
    finally:
        await connection.close()
    assert (
        0 < settings["idle_in_transaction_session_timeout"] < settings["lock_timeout"]
    )


_TIMEOUTS = (
    "SELECT name, setting FROM pg_settings "
    "WHERE name IN ('idle_in_transaction_session_timeout', 'lock_timeout')"
)


async def _frozen_with_answers_on_their_way(here: Crm) -> Command:
    """Freeze a run when some of its contacts are created.

    More calls for these, and other contacts, are still to come. All the requests that
    may be under way are, so none is just between its last check and the socket: no
    process can check and write in one moment.
    """
    await here.add(20)
    here.sandbox.faults(here.vendor).configure([_CREATES])
    holder = here.start()
    assert await holder.comes_to(
        here.sandbox.holds(here.vendor).wait_for(_IN_FLIGHT)
    ), holder.said()
    await _freeze_between_transactions(holder, here)
    here.sandbox.faults(here.vendor).clear()
    here.sandbox.holds(here.vendor).release()
    return holder


async def _freeze_between_transactions(holder: Command, here: Crm) -> None:
    """Freeze the process while it has no transaction open.

    Inside one it would hold the lease's row until the server ends its session, and the
    test would take as long.
    """
    holder.freeze()
    while not await here.source.fetchval(_NOBODY_IS_INSIDE):
        holder.thaw()
        await until_true(here.source, _NOBODY_IS_INSIDE)
        holder.freeze()


_NOBODY_IS_INSIDE = """
SELECT NOT EXISTS (SELECT FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle')
"""


def _says_that_the_lease_is_lost(holder: Command) -> None:
    said = report(holder)
    assert said["status"] == "halted"
    assert "the lease of account respond_io ran out" in said["error"]
    assert said["run_id"] == 1
    assert said["requests"] > 0


async def _everything(here: Crm) -> Mapping[str, list[str]]:
    """Return every row of the state as text.

    Each comes with its version, so that a write of the same values shows too.
    """
    tables = await here.source.fetch(
        "SELECT tablename FROM pg_tables WHERE schemaname = 'syncengine'"
    )
    found = {}
    for (table,) in tables:
        rows = await here.source.fetch(
            f"SELECT t.xmin::text || t::text FROM syncengine.{table} AS t ORDER BY 1"
        )
        found[table] = [row[0] for row in rows]
    return found
