"""A vendor that is down, slow or overrun.

Its contacts are deferred, no other account waits, and the next run finishes.
"""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from syncengine import app
from syncengine.cli.exits import exit_code
from syncengine.sandbox.faults import FaultKind, Rule
from tests.support.people_project import BOTH, RESPOND_IO, People, people

_WRITES = {"respond_io": ("POST", "/contact/$"), "charles": ("PUT", "")}
_TRIPS_AFTER = 10
_IN_FLIGHT = 8
_DOWN = {
    "a page instead of an answer": Rule(FaultKind.ERROR_HTML, status=503),
    "carried out, and a page instead of an answer": Rule(
        FaultKind.ERROR_HTML, when="after", status=504
    ),
    "cut connections": Rule(FaultKind.RESET),
    "carried out, and cut connections": Rule(FaultKind.RESET, when="after"),
    "half answers": Rule(FaultKind.TRUNCATED_JSON),
}
_TOLD = dict.fromkeys(
    _DOWN, "an error of the vendor's own (10 times); does the vendor tell of an outage?"
)
_TOLD |= dict.fromkeys(
    [way for way in _DOWN if "cut" in way], "no answer (10 times); is the vendor down,"
)
_TOLD["half answers"] = (
    "an answer that cannot be read (10 times); "
    "does something between here and the API answer"
)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("vendor", "way"),
    [
        *(("respond_io", way) for way in _DOWN),
        ("charles", "cut connections"),
        ("charles", "half answers"),
    ],
)
async def test_a_vendor_that_is_down_costs_nobody_anything_and_the_next_run_finishes(
    database: str, tmp_path: Path, vendor: str, way: str
) -> None:
    async with people(database, tmp_path) as here:
        await here.add(range(1, 31), tags=["vip"])
        here.fail(vendor, _DOWN[way])
        reports = await here.runs()
        down = reports.pop(vendor)
        assert down.run_id is not None
        assert (down.status, exit_code(down)) == ("halted", 1)
        assert (
            down.contacts["applied"],
            down.contacts["rejected"],
            await here.not_made(down),
        ) == (0, 0, 30)
        assert here.requests(vendor) <= 2 * (_TRIPS_AFTER + _IN_FLIGHT), (
            "aiohttp asks twice where that is harmless"
        )
        assert {
            state["rejections"] for state in (await here.states(vendor)).values()
        } <= {0}
        assert down.error is not None
        assert down.error.startswith(
            f"{vendor}: the vendor judged none of 10 contacts in a row: {_TOLD[way]}"
        )
        assert "bad day" not in repr(down), "a page of the vendor's is no message"
        assert [note.contact_id for note in down.noteworthy[:3]] == ["1", "2", "3"]
        unreached = 30 - len(await here.outcomes(down.run_id))
        unnamed = 10 - unreached
        left_out = f"{unnamed} more contact"
        assert (left_out in str(down.remarks)) == (unnamed > 0)
        pages = app.failures(here.config, (), down.run_id)
        assert len([each async for page in pages for each in page]) == 30
        assert ("not reached before the run ended" in str(down.remarks)) == (
            unreached > 0
        )
        (other,) = reports.values()
        assert (other.status, other.contacts["applied"]) == ("done", 30)

        here.heal(vendor)
        report = await here.run(vendor)
        assert (report.status, exit_code(report)) == ("done", 0)
        _assert_in_step(here, vendor, range(1, 31))
        assert (await here.run(vendor)).requests == 0


@pytest.mark.asyncio
async def test_nothing_listens_at_the_vendor(database: str, tmp_path: Path) -> None:
    async with people(database, tmp_path, {"respond_io": RESPOND_IO}) as here:
        await here.add(range(1, 5))
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        right = here.environ["RESPOND_IO_URL"]
        here.environ["RESPOND_IO_URL"] = f"http://127.0.0.1:{port}"
        code, said = await here.command("run")
        assert code == 1
        assert "4 deferred" in said
        assert (
            "no connection to the vendor; it is down, or settings.base_url is wrong"
            in said
        )
        run_id = await here.source.fetchval(
            "SELECT max(run_id) FROM syncengine.sync_run"
        )
        assert f"`syncengine retry {run_id}` tries all of them now" in said

        here.environ["RESPOND_IO_URL"] = right
        report = await here.run("respond_io", accept=frozenset({"base_url"}))
        assert (report.status, report.contacts["applied"]) == ("done", 4)


@pytest.mark.asyncio
@pytest.mark.parametrize("vendor", sorted(BOTH))
async def test_an_outage_in_mid_run_leaves_what_was_done_done(
    database: str, tmp_path: Path, vendor: str
) -> None:
    async with people(database, tmp_path, {vendor: BOTH[vendor]}) as here:
        method, path = _WRITES[vendor]
        here.configure(vendor, in_flight=4)
        await here.add(range(1, 61))
        here.fail(
            vendor,
            Rule(FaultKind.RESET, when="after", method=method, path=path, after=20),
        )
        report = await here.run(vendor)
        assert (report.status, exit_code(report)) == ("halted", 1)
        assert (report.contacts["applied"], await here.not_made(report)) == (20, 40)
        assert report.contacts["unknown"] >= _TRIPS_AFTER
        there_already = len(here.held(vendor))
        assert there_already >= 20 + _TRIPS_AFTER

        here.heal(vendor)
        report = await here.run(vendor)
        assert (report.status, exit_code(report)) == ("done", 0)
        _assert_in_step(here, vendor, range(1, 61))
        created = 60 - there_already
        expected = {"respond_io": 40 + created, "charles": 40}[
            vendor
        ]  # look-ups first, and creates
        assert report.requests == expected


@pytest.mark.asyncio
async def test_a_few_lost_answers_among_many_good_ones_stop_nobody(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {"charles": BOTH["charles"]}) as here:
        await here.add(range(1, 61))
        here.fail(
            "charles",
            *(
                Rule(FaultKind.RESET, body=f'"Name {number}"')
                for number in range(3, 61, 3)
            ),
        )
        report = await here.run("charles")
        assert (
            report.status,
            report.contacts["applied"],
            report.contacts["unknown"],
        ) == ("incomplete", 40, 20)
        assert report.contacts["deferred"] == 0
        outcomes = await here.outcomes(report.run_id)
        assert {
            number for number, row in outcomes.items() if row["outcome"] == "unknown"
        } == set(range(3, 61, 3))


@pytest.mark.asyncio
@pytest.mark.parametrize("vendor", sorted(BOTH))
async def test_a_storm_of_429_is_waited_out(
    database: str, tmp_path: Path, vendor: str
) -> None:
    async with people(database, tmp_path, {vendor: BOTH[vendor]}) as here:
        await here.add(range(1, 31))
        here.fail(
            vendor,
            Rule(FaultKind.THROTTLE, retry_after=0, after=10, times=8),
            Rule(FaultKind.THROTTLE, retry_after=0, after=10, times=8),
        )
        report = await here.run(vendor)
        assert (report.status, exit_code(report), report.contacts["applied"]) == (
            "done",
            0,
            30,
        )
        assert report.throttled == 16
        _assert_in_step(here, vendor, range(1, 31))


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("storm", "setting", "words"),
    [
        (
            Rule(FaultKind.THROTTLE, retry_after=3600),
            "max_wait",
            "the vendor asks to wait 3600 s, longer than max_wait",
        ),
        (
            Rule(FaultKind.THROTTLE, retry_after=0),
            "limits",
            "does something else use this account's limit?",
        ),
    ],
    ids=["a wait too long", "without end"],
)
async def test_a_storm_of_429_that_is_not_to_be_waited_out_ends_the_run(
    database: str, tmp_path: Path, storm: Rule, setting: str, words: str
) -> None:
    async with people(database, tmp_path, {"respond_io": RESPOND_IO}) as here:
        await here.add(range(1, 31))
        here.fail("respond_io", storm)
        report = await here.run("respond_io")
        assert (report.status, exit_code(report)) == ("halted", 1)
        assert (report.contacts["deferred"], report.contacts["rejected"]) == (30, 0)
        assert report.error is not None
        assert report.error.startswith("respond_io: ")
        assert words in report.error
        assert f"({here.destination_file('respond_io')}: {setting})" in report.error

        here.heal("respond_io")
        assert (await here.run("respond_io")).contacts["applied"] == 30


def _assert_in_step(here: People, vendor: str, numbers: range) -> None:
    """Check that every contact is there, once, with the name of its row."""
    field = {"respond_io": "firstName", "charles": "first_name"}[vendor]
    held = here.held(vendor)
    assert {number: contact["fields"][field] for number, contact in held.items()} == {
        number: f"Name {number}" for number in numbers
    }
