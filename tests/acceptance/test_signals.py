"""SIGTERM and SIGINT end a run when what is under way is recorded.

A second signal stops it at once.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from syncengine.cli.exits import exit_code
from syncengine.sandbox.faults import FaultKind, Rule
from tests.support.command_process import Command, until, until_true
from tests.support.people_project import BOTH, RESPOND_IO, People, people

_ALL = range(1, 31)
_BEFORE = 6
_WAITS = """
CREATE FUNCTION crm.waits() RETURNS boolean LANGUAGE sql AS $$
    SELECT (SELECT pg_advisory_xact_lock_shared(7))::text = ''
$$"""
"""A condition of the source that stands still while somebody holds the lock."""
_DESTINATION = {**RESPOND_IO, "find_first": False, "in_flight": 2}


async def _caught_in_mid_run(here: People) -> Command:
    """Signal a run that has finished six contacts and waits for the next two."""
    await here.add(_ALL)
    here.fail("respond_io", Rule(FaultKind.HOLD_BEFORE_COMMIT, after=_BEFORE, times=2))
    command = here.start("run")
    assert await command.comes_to(here.sandbox.holds("respond_io").wait_for(2)), (
        command.said()
    )
    return command


async def _tell(command: Command, number: signal.Signals, answer: str) -> None:
    os.kill(command.pid, number)
    await until(lambda: answer in command.said())


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)],
)
async def test_the_first_signal_lets_what_is_under_way_finish(
    database: str, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    async with people(database, tmp_path, {"respond_io": _DESTINATION}) as here:
        command = await _caught_in_mid_run(here)
        await _tell(
            command, number, "Stopping: requests under way are finished and recorded"
        )
        here.sandbox.holds("respond_io").release()
        assert await command.ended() == code
        said = command.said()
        assert "stopped" in said
        assert "respond_io: 22 deferred" in said
        assert "`syncengine retry 1` tries all of them now" in said
        came_to = sum(
            row["outcome"] == "deferred" for row in (await here.outcomes(1)).values()
        )
        assert f"{22 - came_to} contacts were not reached before the run ended" in said
        waiting = (
            "SELECT sum(cardinality(contact_ids)) FROM syncengine.sync_batch "
            "WHERE run_id = 1 AND status = 'waiting'"
        )
        assert await here.source.fetchval(waiting) == 22 - came_to
        assert "Traceback" not in said

        states = await here.states("respond_io")
        synced = {
            contact for contact, row in states.items() if row["status"] == "synced"
        }
        assert synced == here.held("respond_io").keys()
        assert len(synced) == here.requests("respond_io") == _BEFORE + 2
        known = "SELECT count(*) FROM syncengine.sync_known WHERE pending IS NOT NULL"
        assert await here.source.fetchval(known) == 0, "nobody is in doubt"
        assert await here.source.fetchval(
            "SELECT bool_and(released) FROM syncengine.sync_lease"
        )
        assert (await here.one("SELECT status FROM syncengine.sync_run"))[
            "status"
        ] == "stopped"

        report = await here.run("respond_io")
        assert (report.status, report.requests) == ("done", 22)
        assert here.held("respond_io").keys() == set(_ALL)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("first", "second", "code"),
    [(signal.SIGTERM, signal.SIGTERM, 143), (signal.SIGINT, signal.SIGTERM, 130)],
)
async def test_the_second_signal_stops_at_once_and_the_next_run_settles(
    database: str,
    tmp_path: Path,
    first: signal.Signals,
    second: signal.Signals,
    code: int,
) -> None:
    async with people(database, tmp_path, {"respond_io": _DESTINATION}) as here:
        command = await _caught_in_mid_run(here)
        await _tell(command, first, "Once more stops at once")
        os.kill(command.pid, second)
        assert await command.ended() == code, "although the vendor has not answered yet"
        said = command.said()
        assert (
            "Stopped at once: the outcome of the last requests is unknown, and "
            "the next run settles it"
        ) in said
        assert "Traceback" not in said
        here.sandbox.holds("respond_io").release()
        here.heal("respond_io")

        await here.source.execute(
            "UPDATE syncengine.sync_lease SET expires_at = clock_timestamp()"
        )
        report = await here.run("respond_io")
        assert (report.status, exit_code(report)) == ("done", 0)
        assert here.held("respond_io").keys() == set(_ALL)
        assert (
            await here.one("SELECT status FROM syncengine.sync_run ORDER BY run_id")
        )["status"] == "died"


@pytest.mark.asyncio
@pytest.mark.parametrize("vendor", sorted(BOTH))
async def test_a_signal_does_not_wait_for_the_vendor_s_limit(
    database: str, tmp_path: Path, vendor: str
) -> None:
    async with people(
        database, tmp_path, {vendor: {**BOTH[vendor], "max_wait": "1h"}}
    ) as here:
        await here.add(_ALL)
        here.fail(vendor, Rule(FaultKind.THROTTLE, retry_after=3000, after=10))
        command = here.start("run")
        log = here.sandbox.journal(vendor)
        await until(lambda: any(entry.status == 429 for entry in log.log))
        await _tell(command, signal.SIGTERM, "Stopping")
        assert await command.ended() == 143, (
            "the vendor wants to be left alone for fifty minutes"
        )
        assert "stopped" in command.said()
        assert await here.source.fetchval(
            "SELECT bool_and(released) FROM syncengine.sync_lease"
        )
        here.heal(vendor)
        assert (await here.run(vendor)).status == "done"
        assert here.held(vendor).keys() == set(_ALL)


@pytest.mark.asyncio
async def test_a_signal_when_all_is_done_changes_nothing(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {"respond_io": _DESTINATION}) as here:
        await here.add([1])
        here.fail("respond_io", Rule(FaultKind.HOLD_BEFORE_COMMIT))
        command = here.start("run")
        assert await command.comes_to(here.sandbox.holds("respond_io").wait_for(1)), (
            command.said()
        )
        await _tell(command, signal.SIGTERM, "Stopping")
        here.sandbox.holds("respond_io").release()
        assert await command.ended() == 143
        assert (await here.one("SELECT status FROM syncengine.sync_run"))[
            "status"
        ] == "done"
        assert here.held("respond_io").keys() == {1}


@pytest.mark.asyncio
@pytest.mark.parametrize("vendors", [("respond_io",), ("charles", "respond_io")])
async def test_a_signal_before_the_first_request_does_not_wait_for_the_source(
    database: str, tmp_path: Path, vendors: tuple[str, ...]
) -> None:
    destinations = {
        vendor: {**BOTH[vendor], "where": "crm.waits()"} for vendor in vendors
    }
    async with people(database, tmp_path, destinations) as here:
        await here.add(_ALL)
        await here.source.execute(_WAITS)
        await here.source.execute("SELECT pg_advisory_lock(7)")
        command = here.start("run")
        waiting = (
            "SELECT count(*) = $1 FROM pg_locks WHERE locktype = 'advisory' "
            "AND NOT granted"
        )
        assert await command.comes_to(until_true(here.source, waiting, len(vendors))), (
            command.said()
        )
        await _tell(command, signal.SIGTERM, "Stopping")
        assert await command.ended() == 143, command.said()
        assert (
            "\nstopped before anything was sent; the next run begins again\n"
            in command.said()
        )
        assert "syncengine retry" not in command.said(), (
            "what the run was about was not known yet"
        )
        assert "Traceback" not in command.said()
        assert await here.source.fetchval(
            "SELECT bool_and(released) FROM syncengine.sync_lease"
        )
        statuses = await here.source.fetch("SELECT status FROM syncengine.sync_run")
        assert [row["status"] for row in statuses] == ["stopped"] * len(vendors)

        await here.source.execute("SELECT pg_advisory_unlock(7)")
        assert {report.status for report in (await here.runs()).values()} == {"done"}
        for vendor in vendors:
            assert here.held(vendor).keys() == set(_ALL)


@pytest.mark.asyncio
async def test_a_signal_does_not_wait_for_what_a_dead_run_sent_to_settle(
    database: str, tmp_path: Path
) -> None:
    settings = {**RESPOND_IO["settings"], "settles_within": "1h"}
    async with people(
        database, tmp_path, {"respond_io": {**_DESTINATION, "settings": settings}}
    ) as here:
        command = await _caught_in_mid_run(here)
        await command.kill()
        here.sandbox.holds("respond_io").release()
        here.heal("respond_io")
        await here.source.execute(
            "UPDATE syncengine.sync_lease SET expires_at = clock_timestamp()"
        )
        command = here.start("run")
        assert await command.comes_to(
            until_true(here.source, "SELECT epoch = 2 FROM syncengine.sync_lease")
        ), command.said()
        await _tell(command, signal.SIGTERM, "Stopping")
        assert await command.ended() == 143, command.said()
        assert "stopped" in command.said()
        assert "Traceback" not in command.said()
        assert (
            await here.source.fetchval("SELECT count(*) FROM syncengine.sync_run") == 1
        )
