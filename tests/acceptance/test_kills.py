"""SIGKILL of the real command between all that matters: no duplicate, no lost id, and the next run finishes the job."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.crm import crm, names
from tests.databases import Databases
from tests.kills import AFTERWARDS, PHASES, Kills, history

_MOST_TESTED = "respond_io"
_WRITES = {"POST /contact/", "PUT /contact/{id}", "POST /contact/{id}/tags", "DELETE /contact/{id}/tags"}
_WORLDS, _KILLS = 3, 30


@pytest.fixture
def dsns(databases: Databases) -> Iterator[list[str]]:
    """A database for each world."""
    with ExitStack() as stack:
        made = [databases.create(migrated=True) for _ in range(_WORLDS)]
        for dsn in made:
            stack.callback(databases.drop, dsn)
        yield made


@pytest.mark.asyncio
async def test_killed_at_any_moment_the_next_run_finishes_the_job(dsns: Sequence[str], tmp_path: Path) -> None:
    kills = Kills()
    async with asyncio.TaskGroup() as group:
        for number, dsn in enumerate(dsns):
            group.create_task(_lives(dsn, tmp_path / str(number), _MOST_TESTED, number, _KILLS, kills))
    print(kills)  # noqa: T201 - shown with a failure, and with -s
    assert kills.phases.total() >= _KILLS
    assert {phase: kills.phases[phase] for phase in PHASES if kills.phases[phase] < 3} == {}
    assert set(kills.routes) == _WRITES
    assert {what: kills.afterwards[what] for what in AFTERWARDS if kills.afterwards[what] < 3} == {}


@pytest.mark.parametrize("vendor", [name for name in names() if name != _MOST_TESTED])
@pytest.mark.asyncio
async def test_whatever_the_vendor_a_killed_run_leaves_no_trace(database: str, tmp_path: Path, vendor: str) -> None:
    kills = Kills()
    await _lives(database, tmp_path, vendor, 0, len(PHASES), kills)
    assert {phase for phase in PHASES if kills.phases[phase]} == set(PHASES)


async def _lives(dsn: str, folder: Path, vendor: str, number: int, wanted: int, kills: Kills) -> None:
    async with crm(dsn, folder, vendor, seed=number) as here:
        await history(here, wanted, kills)
