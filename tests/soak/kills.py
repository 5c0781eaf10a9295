"""Kills of the real command, and of Postgres under it, at every vendor in turn.

No kill may leave a duplicate contact or lose an external id.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import count, cycle
from pathlib import Path

import asyncpg

from syncengine.sandbox.faults import FaultKind
from syncengine.storage.state.migrate import migrate
from tests.support.kill_phases import (
    Kills,
    grow,
    kill,
    meanwhile,
    next_write,
    phases_of,
)
from tests.support.killable_postgres import KillablePostgres, killable_postgres
from tests.support.small_crm import Crm, crm, report
from tests.support.small_crm_checks import assert_in_step

_ANY_INSTANT, _DATABASE = "at any instant", "Postgres killed"
_ROUNDS = 3
_MOST_A_ROUND = 3
_DATABASE_WAIT = "2s"
"""Short, so that a run gives a dead Postgres up within the test's patience."""
_LONGEST_RUN = 1.0
"""Seconds within which a run is killed at any instant."""


def soak(wanted: int, first: int, names: Sequence[str]) -> None:
    """Kill at least ``wanted`` times, at these vendors.

    Raises AssertionError at the first trace that a kill left, and keeps its files.
    """
    folder = Path(tempfile.mkdtemp(prefix="syncengine-soak-"))
    print(f"files in {folder}", flush=True)  # noqa: T201 - it talks to a person
    asyncio.run(_lives(folder, wanted, first, sorted(names)))
    shutil.rmtree(folder)


async def _lives(folder: Path, wanted: int, first: int, names: Sequence[str]) -> None:
    kills, began = Kills(), time.monotonic()
    with killable_postgres(folder / "postgres") as server:
        for seed, vendor in zip(count(first), cycle(names), strict=False):
            before = kills.phases.total()
            async with (
                _database(server, f"life_{seed}") as dsn,
                crm(
                    dsn, folder / str(seed), vendor, seed, database_wait=_DATABASE_WAIT
                ) as here,
            ):
                await _life(here, server, kills)
            total = kills.phases.total()
            print(  # noqa: T201 - it talks to a person
                f"{vendor} (seed {seed}): {total - before} kills, in step; "
                f"{total} of {wanted} after {time.monotonic() - began:.0f} s",
                flush=True,
            )
            if total >= wanted:
                break
    for counted in (kills.phases, kills.afterwards, kills.routes):
        lines = [f"{number:6}  {what}" for what, number in counted.most_common()]
        print("\n" + "\n".join(lines))  # noqa: T201 - it talks to a person


async def _life(here: Crm, server: KillablePostgres, kills: Kills) -> None:
    await grow(here)
    for _ in range(_ROUNDS):
        before = dict(here.people)
        await here.change()
        for _ in range(here.random.randint(1, _MOST_A_ROUND)):
            if await _strike(here, server, kills):
                await here.let_leases_run_out()
                await meanwhile(here, before, kills)
        await here.finish()
        await assert_in_step(here)
        assert await here.finish() == 0, "a run on unchanged contacts sent something"


async def _strike(here: Crm, server: KillablePostgres, kills: Kills) -> bool:
    way = kills.next_of((*phases_of(here.pair), _ANY_INSTANT, _DATABASE))
    if way == _DATABASE:
        struck = await _without_database(here, server, kills)
        kills.phases[way] += struck
        return struck
    if way == _ANY_INSTANT:
        struck = await _at_any_instant(here)
        kills.phases[way] += struck
        return struck
    return await kill(here, way, kills)


async def _at_any_instant(here: Crm) -> bool:
    command = here.start()
    if await command.comes_to(asyncio.sleep(here.random.uniform(0, _LONGEST_RUN))):
        return await command.killed()
    return False


async def _without_database(here: Crm, server: KillablePostgres, kills: Kills) -> bool:
    """Kill Postgres while requests are open.

    It is back at once, after a while, or after the run has given it up. Returns whether
    the run got as far as sending.
    """
    faults, holds = here.sandbox.faults(here.vendor), here.sandbox.holds(here.vendor)
    kind = here.random.choice(
        (FaultKind.HOLD_BEFORE_COMMIT, FaultKind.HOLD_AFTER_COMMIT)
    )
    faults.configure([next_write(here, kind, kills)])
    command = here.start()
    came = await command.comes_to(holds.wait_for(1))
    back = here.random.choice(("at once", "later", "too late"))
    if came:
        server.kill()
    if came and back == "at once":
        server.start()
    faults.clear()
    holds.release()
    if not came:
        return False
    if back == "later":
        server.start()
    end = await command.ended(), report(command)["status"]
    # A Postgres that comes back while the run waits for it need not halt anything.
    allowed = [(1, "halted")] if back == "too late" else [(1, "halted"), (0, "done")]
    assert end in allowed, f"{back}: {command.said()}"
    assert "Traceback" not in command.said(), command.said()
    if back == "too late":
        server.start()
    await here.reconnect()
    return True


@asynccontextmanager
async def _database(server: KillablePostgres, name: str) -> AsyncIterator[str]:
    """Create and migrate a database for one life."""
    dsn = server.dsn.replace("/postgres?", f"/{name}?")
    await _connected(server.dsn, lambda it: it.execute(f'CREATE DATABASE "{name}"'))
    await _connected(dsn, migrate)
    yield dsn


async def _connected(
    dsn: str, work: Callable[[asyncpg.Connection[asyncpg.Record]], Awaitable[object]]
) -> None:
    """Do some work on a connection of its own."""
    connection = await asyncpg.connect(dsn)
    try:
        await work(connection)
    finally:
        await connection.close()
