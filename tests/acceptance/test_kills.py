"""SIGKILL of the real command between any two steps that matter.

No duplicate is made, no id is lost, and the next run finishes the job.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from syncengine.sandbox.faults import FaultKind, Rule
from tests.support.databases import Databases
from tests.support.kill_phases import (
    AFTERWARDS,
    PHASES,
    Kills,
    history,
    kill,
    killed_with_open,
    phases_of,
)
from tests.support.small_crm import Crm, crm, names, pair_of, pattern
from tests.support.small_crm_checks import assert_in_step

_MOST_TESTED = "respond_io"
_WRITES = {
    "POST /contact/",
    "PUT /contact/{id}",
    "POST /contact/{id}/tags",
    "DELETE /contact/{id}/tags",
}
_WORLDS, _KILLS = 3, 30


@pytest.fixture
def dsns(databases: Databases) -> Iterator[list[str]]:
    """Yield a database for each world."""
    with ExitStack() as stack:
        made = [databases.create(migrated=True) for _ in range(_WORLDS)]
        for dsn in made:
            stack.callback(databases.drop, dsn)
        yield made


@pytest.mark.asyncio
async def test_killed_at_any_moment_the_next_run_finishes_the_job(
    dsns: Sequence[str], tmp_path: Path
) -> None:
    kills = Kills()
    async with asyncio.TaskGroup() as group:
        for number, dsn in enumerate(dsns):
            group.create_task(
                _lives(dsn, tmp_path / str(number), _MOST_TESTED, number, _KILLS, kills)
            )
    print(kills)  # noqa: T201 - shown with a failure, and with -s
    assert kills.phases.total() >= _KILLS
    assert {
        phase: kills.phases[phase] for phase in PHASES if kills.phases[phase] < 3
    } == {}
    assert set(kills.routes) == _WRITES
    assert {
        what: kills.afterwards[what]
        for what in AFTERWARDS
        if kills.afterwards[what] < 3
    } == {}


@pytest.mark.parametrize("vendor", [name for name in names() if name != _MOST_TESTED])
@pytest.mark.asyncio
async def test_whatever_the_vendor_a_killed_run_leaves_no_trace(
    database: str, tmp_path: Path, vendor: str
) -> None:
    kills = Kills()
    phases = phases_of(pair_of(vendor))
    await _lives(database, tmp_path, vendor, 0, len(phases), kills)
    assert {phase for phase in phases if kills.phases[phase]} == set(phases)


@pytest.mark.parametrize(
    "vendor", [name for name in names() if pair_of(name).capabilities.delete]
)
@pytest.mark.asyncio
async def test_a_contact_back_during_an_unknown_deletion_survives_another_crash(
    database: str, tmp_path: Path, vendor: str
) -> None:
    async with crm(database, tmp_path, vendor, seed=5) as here:
        await here.add(4)
        await here.finish()
        for deleted, stays, number in ((True, True, 1), (True, False, 3)):
            person = here.people[number]
            await here.remove(number)
            if deleted:
                await _killed_at_its_first_write(here, FaultKind.HOLD_AFTER_COMMIT)
            else:
                await _killed_at_its_first_write(here, FaultKind.HOLD_BEFORE_COMMIT)
            await here.put(
                number,
                replace(person, values=person.values[::-1], tags=person.tags[:1]),
            )
            if here.pair.key:
                await here.change_key(number)
            if stays:
                assert await kill(here, "intent written", Kills())
                await here.let_leases_run_out()
            else:
                await _killed_at_its_first_write(here, FaultKind.HOLD_AFTER_COMMIT)
                await here.remove(number)
            await here.finish()
            await assert_in_step(here)


async def _killed_at_its_first_write(here: Crm, kind: FaultKind) -> None:
    writes = [
        Rule(kind, method=route.partition(" ")[0], path=pattern(route))
        for route in here.writes()
    ]
    deletion = [Rule(kind, method="DELETE")]
    assert await killed_with_open([*writes, *deletion], here, Kills())
    await here.let_leases_run_out()


async def _lives(
    dsn: str, folder: Path, vendor: str, number: int, wanted: int, kills: Kills
) -> None:
    async with crm(dsn, folder, vendor, seed=number) as here:
        await history(here, wanted, kills)
