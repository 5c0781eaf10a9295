"""Log lines of a run.

They are JSON on stderr, name destination, account and contact, and hold no value.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from syncengine.sandbox.faults import FaultKind, Rule
from tests.support.command_process import Command
from tests.support.demo_project import TOKEN
from tests.support.log_output import events, named, printed
from tests.support.people_project import RESPOND_IO, people, refusing

_ONE = {"respond_io": {**RESPOND_IO, "find_first": False, "in_flight": 1}}


@pytest.mark.asyncio
async def test_a_run_tells_of_its_beginning_its_batches_and_its_end(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, _ONE) as here:
        await here.add(range(1, 7))
        code, said = await here.command("run", "--json")
        assert code == 0
        told = [
            "state_is_new",
            "lease_taken",
            "run_started",
            "batch_finished",
            "batch_finished",
            "run_finished",
        ]
        assert named(said) == told
        here_and_now = {"destination": "respond_io", "run_id": 1, "level": "info"}
        assert events(said, "run_started") == [
            here_and_now | {"event": "run_started", "kind": "sync", "contacts": 6}
        ]
        assert events(said, "batch_finished") == [
            here_and_now
            | {"event": "batch_finished", "batch": number, "applied": contacts}
            for number, contacts in ((1, 4), (2, 2))
        ]
        (finished,) = events(said, "run_finished")
        report = printed(said)
        assert finished == {"event": "run_finished", "level": "info", **report}


@pytest.mark.asyncio
async def test_the_end_of_a_run_that_could_not_begin_is_logged_as_it_is_printed(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, _ONE) as here:
        await here.source.execute("ALTER TABLE crm.people RENAME COLUMN name TO called")
        code, said = await here.command("run", "--json")
        assert code == 2
        (finished,) = events(said, "run_finished")
        report = printed(said)
        assert (report["status"], report["standing"]["dead_letter"]) == ("refused", 0)
        assert finished == {"event": "run_finished", "level": "info", **report}


@pytest.mark.asyncio
async def test_contacts_that_fall_short_are_named_without_a_value(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, _ONE) as here:
        await here.add(range(1, 4))
        here.fail(
            "respond_io",
            refusing(2, "Name 2 is no name"),
            Rule(FaultKind.ERROR_HTML, body='"Name 3"', times=9),
        )
        for refusals in (1, 2, 3):
            code, said = await here.command("run")
            assert code == 1
            assert events(said, "contact_rejected") == [
                _contact("rejected", refusals, 2, code="http_422", http_status=422)
                | {"refusals": refusals, "dead_letter": refusals == 3}
            ]
            assert events(said, "contact_deferred") == [
                _contact(
                    "deferred",
                    refusals,
                    3,
                    code="unsettled",
                    http_status=None,
                    sent_in_doubt=True,
                )
            ]
            assert "Name 3" not in said


def _contact(ending: str, run_id: int, number: int, **facts: Any) -> dict[str, Any]:
    where = {
        "destination": "respond_io",
        "run_id": run_id,
        "batch": 1,
        "contact_id": str(number),
    }
    return {"event": f"contact_{ending}", "level": "info", **where, **facts}


@pytest.mark.asyncio
async def test_an_account_tells_when_it_is_throttled_and_when_it_halts(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, _ONE) as here:
        await here.add([1])
        here.fail("respond_io", Rule(FaultKind.THROTTLE, retry_after=0.1, times=1))
        _, said = await here.command("run")
        account = {"account": "respond_io"}
        assert events(said, "throttled") == [
            {"event": "throttled", "level": "warning", **account}
        ]
        await here.change(1, name="somebody")
        here.environ["RESPOND_IO_TOKEN"] = "wrong-token"
        code, said = await here.command("run")
        (halted,) = events(said, "account_halted")
        assert code == 1
        assert (halted["account"], halted["setting"], halted["level"]) == (
            "respond_io",
            "settings.token",
            "error",
        )
        assert named(said)[-1] == "run_finished"


@pytest.mark.asyncio
async def test_a_run_that_waits_for_a_lease_says_for_whose(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, _ONE) as here:
        here.configure_engine(lease_ttl="3s")
        await here.add([1])
        here.fail("respond_io", Rule(FaultKind.HOLD_BEFORE_COMMIT))
        command = here.start("run")
        assert await command.comes_to(here.sandbox.holds("respond_io").wait_for(1))
        await command.kill()
        here.sandbox.holds("respond_io").release()
        here.heal("respond_io")
        code, said = await here.command("run")
        assert code == 0
        (awaited,), (taken,) = (
            events(said, "lease_awaited"),
            events(said, "lease_taken"),
        )
        assert (awaited["account"], awaited["level"]) == ("respond_io", "warning")
        assert f"process {command.pid}" in awaited["holder"]
        assert taken["epoch"] == 2


@pytest.mark.asyncio
async def test_debug_tells_of_every_request_by_its_route(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, _ONE) as here:
        await here.add([1])
        here.fail("respond_io", Rule(FaultKind.ERROR_HTML, times=1))
        here.configure("respond_io", attempts=2, find_first=True)
        code, said = await here.command("--log-level", "debug", "run")
        assert code == 0
        requests = events(said, "request_answered")
        assert [line["status"] for line in requests] == [502, 200, 200]
        assert all(
            "{" in line["route"] or line["route"].startswith(("GET /", "POST /"))
            for line in requests
        )
        assert TOKEN not in said


@pytest.mark.asyncio
async def test_a_console_gets_warnings_only(database: str, tmp_path: Path) -> None:
    async with people(database, tmp_path, _ONE) as here:
        await here.add([1])
        here.fail("respond_io", Rule(FaultKind.THROTTLE, retry_after=0.1, times=1))
        code, said = await here.command("--log-format", "console", "run")
        assert code == 0
        told = [
            line
            for line in said.splitlines()
            if "account=" in line or "destination=" in line
        ]
        assert len(told) == 1
        assert "throttled" in told[0]


@pytest.mark.asyncio
async def test_a_log_that_cannot_be_written_ends_no_run(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, _ONE) as here:
        await here.add(range(1, 31))
        command = Command(
            ("--config", str(here.file), "run", "--accept", "empty_state"),
            {**here.environ, "TERM": "dumb"},
            tmp_path / "out",
            Path("/dev/full"),
        )
        assert await command.ended() == 0
        assert here.held("respond_io").keys() == set(range(1, 31))
