"""Refusals of a vendor: of one contact alone, or of all at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from syncengine.cli.exits import exit_code
from syncengine.model.work import Standing
from tests.support.people_project import BOTH, RESPOND_IO, People, people, refusing

_UNSEEN = (
    "Blorp! The quux of Name 3 (+491510000003, name3@example.org) is not frobnicable"
)
_FIRST = 20


@pytest.mark.asyncio
@pytest.mark.parametrize("vendor", sorted(BOTH))
async def test_a_poison_contact_is_refused_alone_and_becomes_a_dead_letter(
    database: str, tmp_path: Path, vendor: str
) -> None:
    async with people(database, tmp_path, {vendor: BOTH[vendor]}) as here:
        await here.add(range(1, 11))
        here.fail(vendor, refusing(3, _UNSEEN))

        for night in (1, 2, 3):
            report = await here.run(vendor)
            assert (report.status, exit_code(report)) == ("incomplete", 1)
            assert report.contacts["rejected"] == 1
            assert report.contacts["applied"] == (9 if night == 1 else 0)
            (note,) = report.noteworthy
            assert (note.contact_id, note.outcome) == ("3", "rejected")
            assert note.code == "http_422"
            assert "frobnicable" in note.message
            assert not any(word in note.message for word in ("Name 3", "151", "@"))
            state = (await here.states(vendor))[3]
            assert state["rejections"] == night
            if night == 3:
                assert state["status"] == "dead"
                assert "left alone from now on" in note.message
            else:
                assert state["status"] == "rejected"
                assert "left alone" not in note.message

        before = here.requests(vendor)
        report = await here.run(vendor)
        assert (report.status, exit_code(report), here.requests(vendor) - before) == (
            "done",
            0,
            0,
        )
        (remark,) = report.remarks
        assert "1 dead letter" in remark
        assert "contact 3" in remark
        assert here.held(vendor).keys() == {1, 2, 4, 5, 6, 7, 8, 9, 10}


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("vendor", "variable", "setting"),
    [
        ("respond_io", "RESPOND_IO_TOKEN", "settings.token"),
        ("charles", "CHARLES_KEY", "settings.api_key"),
    ],
)
async def test_a_wrong_key_halts_its_account_at_once_while_the_other_completes(
    database: str, tmp_path: Path, vendor: str, variable: str, setting: str
) -> None:
    async with people(database, tmp_path) as here:
        await here.add(range(1, 31))
        right, here.environ[variable] = here.environ[variable], "mistyped-key"
        reports = await here.runs()
        halted = reports.pop(vendor)
        assert (halted.status, exit_code(halted), halted.requests) == ("halted", 1, 1)
        assert here.requests(vendor) == 1
        assert (halted.contacts["deferred"], halted.contacts["rejected"]) == (30, 0)
        assert halted.error is not None
        assert halted.error.startswith(f"{vendor}: ")
        assert f"{here.destination_file(vendor)}: {setting}" in halted.error
        assert "mistyped-key" not in repr(halted)
        assert {
            state["rejections"] for state in (await here.states(vendor)).values()
        } == {0}
        (other,) = reports.values()
        assert (other.status, exit_code(other), other.contacts["applied"]) == (
            "done",
            0,
            30,
        )

        here.environ[variable] = right
        report = await here.run(vendor)
        assert (report.status, report.contacts["applied"]) == ("done", 30)
        assert here.held(vendor).keys() == set(range(1, 31))


async def _until_dead(here: People) -> None:
    await here.add(range(1, 5))
    here.fail("respond_io", refusing(3))
    last = [await here.run("respond_io") for _ in range(3)][-1]
    assert (await here.states("respond_io"))[3]["status"] == "dead"
    assert last.run_id is not None
    here.heal("respond_io")


@pytest.mark.asyncio
async def test_a_dead_letter_lives_again_when_its_row_changes(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {"respond_io": RESPOND_IO}) as here:
        await _until_dead(here)
        await here.change(3, phone="+4915199")
        report = await here.run("respond_io")
        assert (exit_code(report), report.contacts["applied"]) == (0, 1)
        assert here.held("respond_io")[3]["fields"]["phone"] == "+4915199"


@pytest.mark.asyncio
async def test_a_changed_row_starts_to_count_anew(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {"respond_io": RESPOND_IO}) as here:
        await _until_dead(here)
        here.fail("respond_io", refusing(3))
        await here.change(3, phone="+4915199")
        await here.run("respond_io")
        state = (await here.states("respond_io"))[3]
        assert (state["rejections"], state["status"]) == (1, "rejected")


@pytest.mark.asyncio
async def test_a_dead_letter_lives_again_with_another_mapping(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {"respond_io": RESPOND_IO}) as here:
        await _until_dead(here)
        here.configure("respond_io", fields={**_fields(), "nickname": "name"})
        report = await here.run("respond_io")
        assert (exit_code(report), report.contacts["applied"]) == (0, 4)


@pytest.mark.asyncio
async def test_a_dead_letter_lives_again_when_it_is_retried(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {"respond_io": RESPOND_IO}) as here:
        await _until_dead(here)
        third = await here.source.fetchval(
            "SELECT max(run_id) FROM syncengine.sync_run"
        )
        report = await here.run("respond_io", retry_of=third)
        assert (exit_code(report), report.contacts["applied"]) == (0, 1)
        assert (await here.states("respond_io"))[3]["status"] == "synced"


@pytest.mark.asyncio
async def test_a_dead_letter_is_tried_again_by_the_command_its_remark_names(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {"respond_io": RESPOND_IO}) as here:
        await _until_dead(here)
        (remark,) = (await here.run("respond_io")).remarks
        assert "`syncengine run -d respond_io --contact 3` tries one again" in remark
        report = await here.run("respond_io", contacts=("3",))
        assert (exit_code(report), report.contacts["applied"], report.remarks) == (
            0,
            1,
            (),
        )


@pytest.mark.asyncio
async def test_when_the_first_twenty_are_all_refused_it_is_configuration(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {"respond_io": RESPOND_IO}) as here:
        await here.add(range(1, 41))
        here.sandbox.twin("respond_io").configure({"custom_fields": []})
        here.configure("respond_io", find_first=False)
        report = await here.run("respond_io")
        assert (report.status, exit_code(report)) == ("halted", 1)
        assert (report.contacts["rejected"], report.contacts["deferred"]) == (0, 40)
        assert report.error is not None
        assert (
            "which is configuration, not data; nothing counts against them"
            in report.error
        )
        assert "Custom field" in report.error, (
            "the vendor's own words lead to the mistake"
        )
        assert {note.code for note in report.noteworthy} <= {
            "all_refused",
            "account_stopped",
        }
        assert report.standing == {Standing.DEAD_LETTER: report.acquitted}
        assert report.acquitted >= _FIRST
        assert f"{here.destination_file('respond_io')}: fields" in report.error
        assert {
            state["rejections"] for state in (await here.states("respond_io")).values()
        } == {0}
        in_flight = 8
        assert _FIRST <= here.requests("respond_io") <= _FIRST + in_flight

        here.sandbox.twin("respond_io").configure({"custom_fields": None})
        report = await here.run("respond_io")
        assert (exit_code(report), report.contacts["applied"]) == (0, 40)


@pytest.mark.asyncio
async def test_among_the_accepted_more_than_twenty_may_be_refused(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {"respond_io": RESPOND_IO}) as here:
        await here.add(range(1, 41))
        here.fail(
            "respond_io", *(refusing(number) for number in range(1, 41) if number % 10)
        )
        report = await here.run("respond_io")
        assert (
            report.status,
            report.contacts["rejected"],
            report.contacts["applied"],
        ) == ("incomplete", 36, 4)
        states = await here.states("respond_io")
        refused = [state for number, state in states.items() if number % 10]
        assert {(state["rejections"], state["status"]) for state in refused} == {
            (0, "dead")
        }, "alike: not their fault"


@pytest.mark.asyncio
async def test_those_refused_before_do_not_hold_up_newcomers_night_after_night(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {"respond_io": RESPOND_IO}) as here:
        refused = [number for number in range(1, 34) if number % 11]
        await here.add(range(1, 34))
        here.fail("respond_io", *(refusing(number) for number in refused))
        assert (await here.run("respond_io")).contacts["rejected"] == 30
        await here.add([34])
        report = await here.run("respond_io")
        assert (
            report.status,
            report.contacts["rejected"],
            report.contacts["applied"],
        ) == ("done", 0, 1)
        assert report.probes == 1
        states = await here.states("respond_io")
        assert {states[number]["status"] for number in refused} == {"dead"}
        assert exit_code(await here.run("respond_io")) == 0


@pytest.mark.asyncio
async def test_a_refusal_that_was_judged_late_is_in_its_batch_s_totals(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {"respond_io": RESPOND_IO}) as here:
        await here.add(range(1, 17))
        here.fail("respond_io", *(refusing(number) for number in range(1, 14)))
        report = await here.run("respond_io")
        batches = await here.source.fetch(
            "SELECT totals::text FROM syncengine.sync_batch WHERE run_id = $1 "
            "ORDER BY number",
            report.run_id,
        )
        refused = '{"rejected": 4}'
        assert [batch["totals"] for batch in batches] == [
            refused,
            refused,
            refused,
            '{"applied": 3, "rejected": 1}',
        ]


def _fields() -> dict[str, Any]:
    return dict(RESPOND_IO["fields"])
