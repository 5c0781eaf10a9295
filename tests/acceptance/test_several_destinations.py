"""Several destinations in one account share its pace.

No two runs of one account happen at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from syncengine.cli.exits import exit_code
from syncengine.sandbox.faults import FaultKind, Rule
from syncengine.sandbox.limits import TwinLimit
from tests.support.command_process import Command
from tests.support.log_output import events, printed
from tests.support.people_project import CHARLES, RESPOND_IO, People, people

_ONE_ACCOUNT = {
    "leads": {
        **RESPOND_IO,
        "account": "shop",
        "where": "id <= 20",
        "find_first": False,
    },
    "customers": {
        **RESPOND_IO,
        "account": "shop",
        "where": "id > 20",
        "find_first": False,
    },
}


@pytest.mark.asyncio
async def test_two_destinations_of_one_account_share_its_quota(
    database: str, tmp_path: Path
) -> None:
    # One at a time: a request that has its permit when the quota turns out to be used
    # up may be kept back.
    day = {"limits": [{"calls": 30, "per": "1d"}], "max_wait": "1s", "in_flight": 1}
    destinations = {name: {**keys, **day} for name, keys in _ONE_ACCOUNT.items()}
    async with people(database, tmp_path, destinations) as here:
        await here.add(range(1, 41))
        reports = await here.runs()
        assert here.requests("respond_io") == 30, "two accounts would have sent forty"
        assert sum(report.contacts["applied"] for report in reports.values()) == 30
        assert sum(report.contacts["deferred"] for report in reports.values()) == 10
        assert sorted(report.status for report in reports.values()) == [
            "done",
            "halted",
        ]
        (error,) = [report.error for report in reports.values() if report.error]
        assert "the quota of 30 requests is used up" in error
        assert "the next run goes on with it" in error


@pytest.mark.asyncio
async def test_two_destinations_of_one_account_stay_within_its_window_together(
    database: str, tmp_path: Path
) -> None:
    paced = {"limits": [{"calls": 20, "per": "500ms"}]}
    destinations = {name: {**keys, **paced} for name, keys in _ONE_ACCOUNT.items()}
    async with people(database, tmp_path, destinations) as here:
        here.sandbox.twin("respond_io").limiter.configure([TwinLimit(20, 0.5)])
        await here.add(range(1, 41))
        reports = await here.runs()
        assert {name: report.status for name, report in reports.items()} == {
            "customers": "done",
            "leads": "done",
        }
        assert (
            sum(report.throttled for report in reports.values()),
            here.requests("respond_io"),
        ) == (0, 40)
        assert here.held("respond_io").keys() == set(range(1, 41))


@pytest.mark.asyncio
async def test_a_wrong_key_stops_every_destination_of_its_account_with_one_request(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {**_ONE_ACCOUNT, "charles": CHARLES}) as here:
        await here.add(range(1, 41))
        here.environ["RESPOND_IO_TOKEN"] = "mistyped"
        code, said = await here.command("run")
        assert (code, here.requests("respond_io")) == (1, 1)
        for name in _ONE_ACCOUNT:
            assert f"{here.destination_file(name)}: settings.token" in said
            assert f"{name}: 20 deferred" in said
        assert "mistyped" not in said
        assert here.held("charles").keys() == set(range(1, 41))


@asynccontextmanager
async def _held_at_the_vendor(here: People) -> AsyncIterator[Command]:
    """Hold a run's first request at respond_io while the block lasts.

    Its lease is renewed all the time.
    """
    holds = here.sandbox.holds("respond_io")
    here.fail("respond_io", Rule(FaultKind.HOLD_BEFORE_COMMIT, times=1))
    command = here.start("run", "-d", "respond_io")
    assert await command.comes_to(holds.wait_for(1)), command.said()

    async def renew() -> None:
        connection = await asyncpg.connect(here.environ["STATE_URL"])
        try:
            while True:
                await connection.execute(
                    "UPDATE syncengine.sync_lease "
                    "SET expires_at = expires_at + interval '1 ms'"
                )
                await asyncio.sleep(0.05)
        finally:
            await connection.close()

    renewing = asyncio.create_task(renew())
    try:
        yield command
    finally:
        renewing.cancel()
        await asyncio.gather(renewing, return_exceptions=True)
    holds.release()
    assert await command.ended() == 0, command.said()


@pytest.mark.asyncio
async def test_of_two_runs_at_once_the_second_is_refused(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path) as here:
        await here.add(range(1, 4))
        async with _held_at_the_vendor(here) as first:
            holder = await here.one(
                "SELECT holder FROM syncengine.sync_lease WHERE account = 'respond_io'"
            )
            assert holder["holder"].endswith(f" process {first.pid}")
            code, said = await here.command("run", "-d", "respond_io")
            assert code == 3
            assert (
                "another run is working on account respond_io: "
                f"{holder['holder']}, whose lease runs until"
            ) in said
            assert "Nothing was sent. Wait for it to end, or stop it there" in said
            code, said = await here.command("run", "-d", "respond_io", "--json")
            report = printed(said)
            assert (code, report["status"], report["standing"]["dead_letter"]) == (
                3,
                "held",
                0,
            )
            assert events(said, "run_finished") == [
                {"event": "run_finished", "level": "info", **report}
            ]
            assert here.requests("respond_io") == 1, "the first run's own"
        assert here.held("respond_io").keys() == {1, 2, 3}
        assert (await here.run("respond_io")).requests == 0


@pytest.mark.asyncio
async def test_a_run_that_finds_one_account_leased_does_the_others(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path) as here:
        await here.add(range(1, 4))
        async with _held_at_the_vendor(here):
            reports = await here.runs()
            assert {
                name: (report.status, exit_code(report))
                for name, report in reports.items()
            } == {
                "charles": ("done", 0),
                "respond_io": ("held", 3),
            }
            assert here.held("charles").keys() == {1, 2, 3}
