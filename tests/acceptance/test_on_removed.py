"""Copies of contacts that leave the source, and of those that return."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from syncengine.cli.exits import exit_code
from syncengine.sandbox.faults import FaultKind, Rule
from syncengine.sandbox.twins.twin import Seed
from tests.support.people_project import BOTH, People, people

_LEAVE = {"brakes": {"removals": {"at_least": 100}}}


def _only(vendor: str, on_removed: str) -> Mapping[str, Mapping[str, Any]]:
    return {vendor: {**BOTH[vendor], **_LEAVE, "on_removed": on_removed}}


async def _four_of_whom_two_leave(here: People, vendor: str) -> dict[int, Any]:
    """Sync four contacts, remove 2 and 3, and return the ids at the vendor."""
    await here.add(range(1, 5), tags=["vip", "new"])
    await here.run(vendor)
    ids = {number: contact["id"] for number, contact in here.held(vendor).items()}
    await here.remove([2, 3])
    return ids


def _tags(here: People, vendor: str) -> dict[int, list[str]]:
    return {
        number: sorted(contact["tags"]) for number, contact in here.held(vendor).items()
    }


async def _removed(here: People, vendor: str) -> set[int]:
    return {
        number
        for number, row in (await here.states(vendor)).items()
        if row["status"] == "removed"
    }


@pytest.mark.asyncio
@pytest.mark.parametrize("vendor", sorted(BOTH))
async def test_ignore_sends_nothing_and_a_return_costs_what_changed(
    database: str, tmp_path: Path, vendor: str
) -> None:
    async with people(database, tmp_path, _only(vendor, "ignore")) as here:
        ids = await _four_of_whom_two_leave(here, vendor)
        report = await here.run(vendor)
        assert (exit_code(report), report.requests, await _removed(here, vendor)) == (
            0,
            0,
            {2, 3},
        )
        assert (await here.run(vendor)).requests == 0
        assert _tags(here, vendor) == {number: ["new", "vip"] for number in range(1, 5)}

        await here.add([2], tags=["vip", "new"])
        await here.add([3], tags=["vip", "new"], name="New 3")
        report = await here.run(vendor)
        assert (exit_code(report), report.requests, await _removed(here, vendor)) == (
            0,
            1,
            set(),
        )
        assert {
            number: contact["id"] for number, contact in here.held(vendor).items()
        } == ids


@pytest.mark.asyncio
async def test_untag_takes_our_tags_away_and_a_return_brings_them_back(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, _only("respond_io", "untag")) as here:
        ids = await _four_of_whom_two_leave(here, "respond_io")
        report = await here.run("respond_io")
        assert (exit_code(report), report.requests, dict(report.actions)) == (
            0,
            2,
            {"remove_tags": 2},
        )
        assert _tags(here, "respond_io") == {
            1: ["new", "vip"],
            2: [],
            3: [],
            4: ["new", "vip"],
        }
        assert (await here.run("respond_io")).requests == 0

        await here.add([2], tags=["vip"])
        report = await here.run("respond_io")
        assert (exit_code(report), report.requests, dict(report.actions)) == (
            0,
            1,
            {"add_tags": 1},
        )
        assert _tags(here, "respond_io")[2] == ["vip"]
        assert {
            number: contact["id"] for number, contact in here.held("respond_io").items()
        } == ids
        recorded = await here.source.fetch(
            "SELECT contact_id, external_id FROM syncengine.external_ids"
        )
        assert {int(row["contact_id"]): row["external_id"] for row in recorded} == {
            n: str(ids[n]) for n in ids
        }


@pytest.mark.asyncio
async def test_untag_leaves_the_tags_of_others_alone(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, _only("respond_io", "untag")) as here:
        here.sandbox.twin("respond_io").seed(
            [Seed({"crm_id": "1", "firstName": "Name 1"}, ("shop:vip",))], 0.0
        )
        await here.add([1, 2], tags=["vip"])
        await here.run("respond_io")
        assert _tags(here, "respond_io")[1] == ["shop:vip", "vip"]
        await here.remove([1])
        assert exit_code(await here.run("respond_io")) == 0
        assert _tags(here, "respond_io")[1] == ["shop:vip"]


@pytest.mark.asyncio
async def test_untag_is_more_than_charles_can_and_that_is_said_once(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, _only("charles", "untag")) as here:
        await _four_of_whom_two_leave(here, "charles")
        report = await here.run("charles")
        assert (report.status, exit_code(report), report.requests) == ("done", 0, 0)
        assert report.contacts["unsupported"] == 2
        assert [
            (note.contact_id, note.outcome, note.message) for note in report.noteworthy
        ] == [
            (
                number,
                "unsupported",
                (
                    'the vendor cannot take tag "new", tag "vip" away, or did not: '
                    "do that there"
                ),
            )
            for number in ("2", "3")
        ]
        again = await here.run("charles")
        assert (again.contacts["unsupported"], again.requests) == (0, 0)


@pytest.mark.asyncio
async def test_delete_erases_and_a_return_makes_a_new_contact(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, _only("charles", "delete")) as here:
        ids = await _four_of_whom_two_leave(here, "charles")
        report = await here.run("charles")
        assert (exit_code(report), report.requests, dict(report.actions)) == (
            0,
            2,
            {"delete": 2},
        )
        assert here.held("charles").keys() == {1, 4}
        assert (await here.run("charles")).requests == 0
        kept = await here.source.fetch("SELECT contact_id FROM syncengine.sync_known")
        assert {row["contact_id"] for row in kept} == {"1", "4"}, (
            "no personal data of the erased is left"
        )

        await here.add([2], tags=["vip"])
        report = await here.run("charles")
        assert (exit_code(report), report.requests) == (0, 1)
        held = here.held("charles")
        assert (held[2]["fields"]["first_name"], sorted(held[2]["tags"])) == (
            "Name 2",
            ["vip"],
        )
        assert held[2]["id"] != ids[2]
        assert (await here.states("charles"))[2]["external_id"] == held[2]["id"]


@pytest.mark.asyncio
async def test_delete_is_more_than_respond_io_can_and_that_is_said_once(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, _only("respond_io", "delete")) as here:
        await _four_of_whom_two_leave(here, "respond_io")
        report = await here.run("respond_io")
        assert (report.status, exit_code(report), report.requests) == ("done", 0, 0)
        assert [(note.contact_id, note.outcome) for note in report.noteworthy] == [
            ("2", "unsupported"),
            ("3", "unsupported"),
        ]
        again = await here.run("respond_io")
        assert (again.contacts["unsupported"], again.requests) == (0, 0)


@pytest.mark.asyncio
@pytest.mark.parametrize("vendor", sorted(BOTH))
async def test_contacts_removed_before_the_vendor_knew_them_cost_nothing(
    database: str, tmp_path: Path, vendor: str
) -> None:
    on_removed = {"respond_io": "untag", "charles": "delete"}[vendor]
    async with people(database, tmp_path, _only(vendor, on_removed)) as here:
        right = here.environ["RESPOND_IO_TOKEN"], here.environ["CHARLES_KEY"]
        here.environ |= {"RESPOND_IO_TOKEN": "mistyped", "CHARLES_KEY": "mistyped"}
        await here.add(range(1, 5))
        assert (await here.run(vendor)).status == "halted"
        here.environ["RESPOND_IO_TOKEN"], here.environ["CHARLES_KEY"] = right
        await here.remove([1, 2])
        report = await here.run(vendor)
        assert (exit_code(report), report.contacts["applied"]) == (0, 2)
        assert here.held(vendor).keys() == {3, 4}
        assert (await here.run(vendor)).requests == 0


@pytest.mark.asyncio
async def test_a_deletion_that_the_vendor_refuses_is_let_be_after_the_third_time(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, _only("charles", "delete")) as here:
        await _four_of_whom_two_leave(here, "charles")
        here.fail("charles", Rule(FaultKind.REFUSE, method="DELETE", status=422))
        for _ in range(3):
            report = await here.run("charles")
            assert (report.status, exit_code(report), report.contacts["rejected"]) == (
                "incomplete",
                1,
                2,
            )
        assert (await here.run("charles")).requests == 0
        assert (await _removed(here, "charles")) == {2, 3}
