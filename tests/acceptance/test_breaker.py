"""Failures that begin in mid-run and concern every contact alike.

They halt the account, and count against no contact.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from syncengine.cli.exits import exit_code
from syncengine.sandbox.faults import FaultKind, Rule
from tests.support.people_project import BOTH, RESPOND_IO, People, people, refusing

_IN_A_ROW, _IN_FLIGHT = 20, 8
_WRITES = {"respond_io": ("POST", "/contact/$"), "charles": ("PUT", "")}


def _withdrawn(vendor: str, after: int) -> Rule:
    """Have the vendor refuse to everybody, from now on, what it allowed so far."""
    method, path = _WRITES[vendor]
    return Rule(
        FaultKind.REFUSE,
        status=422,
        text="Plan exceeded",
        method=method,
        path=path,
        after=after,
    )


async def _rejections(here: People, vendor: str) -> set[int]:
    return {state["rejections"] for state in (await here.states(vendor)).values()}


@pytest.mark.asyncio
@pytest.mark.parametrize("vendor", sorted(BOTH))
async def test_what_is_refused_to_everybody_in_mid_run_halts_it_and_penalises_nobody(
    database: str, tmp_path: Path, vendor: str
) -> None:
    async with people(database, tmp_path, {vendor: BOTH[vendor]}) as here:
        await here.add(range(1, 121))
        for night in (1, 2):
            here.fail(vendor, _withdrawn(vendor, after=10))
            before = here.requests(vendor)
            report = await here.run(vendor)
            assert (report.status, exit_code(report)) == ("halted", 1)
            assert (report.contacts["applied"], report.contacts["rejected"]) == (10, 0)
            assert report.contacts["deferred"] == 120 - 10 * night
            cost = 10 + 2 * _IN_A_ROW * night + _IN_FLIGHT
            assert here.requests(vendor) - before <= cost * (
                2 if vendor == "respond_io" else 1
            ), "look-ups and creates"
            assert await _rejections(here, vendor) == {0}
            assert report.error is not None
            assert report.error.startswith(f"{vendor}: ")
            assert (
                "contacts in a row were rejected after others had been accepted"
                in report.error
            )
            assert "(http_422)" in report.error
            assert "The last (contact " in report.error
            assert "Plan exceeded" in report.error

        here.heal(vendor)
        report = await here.run(vendor)
        assert (report.status, exit_code(report), report.contacts["applied"]) == (
            "done",
            0,
            100,
        )
        assert here.held(vendor).keys() == set(range(1, 121))
        assert (await here.run(vendor)).requests == 0


@pytest.mark.asyncio
async def test_bad_rows_next_to_each_other_halt_one_night_and_are_judged_the_next(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {"respond_io": RESPOND_IO}) as here:
        bad, numbers = range(6, 31), range(1, 61)
        here.configure("respond_io", in_flight=1)
        await here.add(numbers)
        here.fail("respond_io", *(refusing(number) for number in bad))
        report = await here.run("respond_io")
        assert (
            report.status,
            report.contacts["applied"],
            report.contacts["rejected"],
        ) == ("halted", 5, 0)

        report = await here.run("respond_io")
        assert (
            report.status,
            report.contacts["applied"],
            report.contacts["rejected"],
        ) == ("incomplete", 30, 5)
        assert here.held("respond_io").keys() == set(numbers) - set(bad)
        states = await here.states("respond_io")
        assert {
            number for number, state in states.items() if state["status"] == "dead"
        } == {*bad}
        assert await _rejections(here, "respond_io") == {0}, "they are refused alike"
        report = await here.run("respond_io")
        assert (exit_code(report), report.contacts["rejected"], report.probes) == (
            0,
            0,
            1,
        )


@pytest.mark.asyncio
async def test_bad_rows_before_all_others_halt_one_night_and_not_for_ever(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {"respond_io": RESPOND_IO}) as here:
        here.configure("respond_io", in_flight=1)
        await here.add(range(1, 31))
        here.fail("respond_io", *(refusing(number) for number in range(1, 26)))
        report = await here.run("respond_io")
        assert (report.status, report.contacts["applied"]) == ("halted", 0)
        report = await here.run("respond_io")
        assert (
            report.status,
            report.contacts["applied"],
            report.contacts["rejected"],
        ) == ("incomplete", 5, 5)


@pytest.mark.asyncio
async def test_a_mistake_that_stays_for_nights_counts_against_nobody(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {"respond_io": RESPOND_IO}) as here:
        here.configure("respond_io", in_flight=1)
        await here.add(range(1, 201))
        here.fail("respond_io", _withdrawn("respond_io", after=0))
        for stood in (0, 20, 80):  # each night twice as many more are let through
            report = await here.run("respond_io")
            deferred = report.contacts["deferred"]
            assert (report.status, report.contacts["rejected"], deferred) == (
                "halted",
                0,
                200 - stood,
            )
            assert await _rejections(here, "respond_io") == {0}
        for _ in range(2):
            report = await here.run("respond_io")
            assert (exit_code(report), report.probes, report.contacts["changed"]) == (
                0,
                1,
                0,
            )
        here.heal("respond_io")
        assert (await here.run("respond_io")).contacts["applied"] == 200


@pytest.mark.asyncio
async def test_removals_that_are_all_refused_keep_nobody_else_from_the_vendor_for_ever(
    database: str, tmp_path: Path
) -> None:
    async with people(
        database, tmp_path, {"respond_io": {**RESPOND_IO, "on_removed": "untag"}}
    ) as here:
        here.configure("respond_io", in_flight=1)
        await here.add(range(1, 41), tags=["vip"])
        await here.run("respond_io")
        await here.remove(range(1, 31))
        await here.add([50])
        here.fail("respond_io", Rule(FaultKind.REFUSE, status=422, method="DELETE"))
        report = await here.run(
            "respond_io", accept=frozenset({"removals", "shrunk_source"})
        )
        assert (
            report.status,
            report.contacts["rejected"],
            report.contacts["deferred"],
        ) == ("halted", 0, 31)
        report = await here.run(
            "respond_io", accept=frozenset({"removals", "shrunk_source"})
        )
        assert (
            report.status,
            report.contacts["rejected"],
            report.contacts["applied"],
        ) == ("incomplete", 10, 1)
        report = await here.run("respond_io")
        assert (exit_code(report), report.probes, report.contacts["changed"]) == (
            0,
            1,
            0,
        )


@pytest.mark.asyncio
async def test_a_later_request_of_each_contact_may_be_what_everybody_is_refused(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {"respond_io": RESPOND_IO}) as here:
        await here.add(range(1, 61), tags=["vip"])
        here.fail(
            "respond_io",
            Rule(
                FaultKind.REFUSE, status=422, text="No such tag", path="/tags", after=5
            ),
        )
        report = await here.run("respond_io")
        assert (
            report.status,
            report.contacts["applied"],
            report.contacts["rejected"],
        ) == ("halted", 5, 0)
        assert "No such tag" in str(report.error)
        assert await _rejections(here, "respond_io") == {0}
        made = len(here.held("respond_io"))

        here.heal("respond_io")
        before = here.requests("respond_io")
        report = await here.run("respond_io")
        assert (exit_code(report), report.contacts["applied"]) == (0, 55)
        assert here.requests("respond_io") - before == (made - 5) + 3 * (60 - made), (
            "nothing is created twice"
        )
        assert {
            contact["tags"] == ["vip"] for contact in here.held("respond_io").values()
        } == {True}
