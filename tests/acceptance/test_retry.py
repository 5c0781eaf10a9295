"""``retry RUN`` works on the contacts that were not finished.

It sends the values their rows have now.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from syncengine.cli.exits import exit_code
from syncengine.sandbox.faults import FaultKind, Rule
from tests.support.people_project import BOTH, RESPOND_IO, People, people, refusing

_ONLY: dict[str, dict[str, object]] = {"respond_io": dict(RESPOND_IO)}


async def _fall_short(here: People, vendor: str) -> int:
    """Run twelve contacts in three batches.

    2 and 7 are rejected, the answer for 6 is lost, and 11 is not answered.
    """
    await here.add(range(1, 13))
    here.fail(
        vendor,
        refusing(2),
        refusing(7),
        Rule(FaultKind.RESET, when="after", body='"Name 6"'),
        Rule(FaultKind.ERROR_HTML, body='"Name 11"'),
    )
    report = await here.run(vendor)
    assert report.run_id is not None
    outcomes = await here.outcomes(report.run_id)
    assert {
        number: row["outcome"]
        for number, row in outcomes.items()
        if row["outcome"] != "applied"
    } == {
        2: "rejected",
        6: "unknown",
        7: "rejected",
        11: "unknown",
    }
    here.heal(vendor)
    return report.run_id


@pytest.mark.asyncio
@pytest.mark.parametrize("vendor", sorted(BOTH))
async def test_exactly_those_who_fell_short_are_tried_again_with_fresh_values(
    database: str, tmp_path: Path, vendor: str
) -> None:
    async with people(database, tmp_path, {vendor: BOTH[vendor]}) as here:
        former = await _fall_short(here, vendor)
        for number in (1, 2, 6, 7, 11):
            await here.change(number, name=f"New {number}")
        await here.add([13])

        report = await here.run(vendor, retry_of=former)
        assert (report.status, exit_code(report), report.contacts["applied"]) == (
            "done",
            0,
            4,
        )
        assert (await here.outcomes(report.run_id)).keys() == {2, 6, 7, 11}
        names = _names(here, vendor)
        assert names[1] == "Name 1", "who made it is not touched, changed or not"
        assert {number: names[number] for number in (2, 6, 7, 11)} == {
            n: f"New {n}" for n in (2, 6, 7, 11)
        }
        assert 13 not in names, "who was not in the run is not either"
        kind, retry_of = await here.one(
            "SELECT kind, retry_of FROM syncengine.sync_run WHERE run_id = $1",
            report.run_id,
        )
        assert (kind, retry_of) == ("retry", former)

        await here.run(vendor)
        assert _names(here, vendor)[1] == "New 1"


@pytest.mark.asyncio
async def test_one_batch_alone_is_tried_again(database: str, tmp_path: Path) -> None:
    async with people(database, tmp_path, {"charles": BOTH["charles"]}) as here:
        former = await _fall_short(here, "charles")
        code, said = await here.command("retry", str(former), "--batch", "2")
        assert code == 0
        assert "charles: 2 upsert" in said
        states = await here.states("charles")
        assert {
            number for number, row in states.items() if row["status"] == "synced"
        } == set(range(1, 13)) - {2, 11}


@pytest.mark.asyncio
async def test_a_retry_that_falls_short_can_itself_be_retried(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, _ONLY) as here:
        former = await _fall_short(here, "respond_io")
        here.fail("respond_io", refusing(7))
        report = await here.run("respond_io", retry_of=former)
        assert (report.status, exit_code(report), report.contacts["rejected"]) == (
            "incomplete",
            1,
            1,
        )
        assert here.held("respond_io").keys() == set(range(1, 13)) - {7}
        here.heal("respond_io")
        report = await here.run("respond_io", retry_of=report.run_id)
        assert (exit_code(report), report.contacts["applied"]) == (0, 1)
        assert (await here.outcomes(report.run_id)).keys() == {7}


@pytest.mark.asyncio
async def test_whom_a_halted_run_never_came_to_is_retried_too(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {"charles": BOTH["charles"]}) as here:
        await here.add(range(1, 41))
        here.configure("charles", in_flight=1)
        here.fail("charles", Rule(FaultKind.ERROR_HTML, after=5))
        halted = await here.run("charles")
        assert (
            halted.status,
            halted.contacts["applied"],
            await here.not_made(halted),
        ) == ("halted", 5, 35)
        assert halted.contacts["unknown"] == 10, (
            "those that went out before the account was halted"
        )
        assert len(await here.outcomes(halted.run_id)) < 40, (
            "not everybody got as far as an outcome"
        )
        here.heal("charles")
        report = await here.run("charles", retry_of=halted.run_id)
        assert (report.status, report.contacts["applied"], report.requests) == (
            "done",
            35,
            35,
        )


@pytest.mark.asyncio
async def test_contacts_removed_meanwhile_are_not_sent(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, _ONLY) as here:
        former = await _fall_short(here, "respond_io")
        await here.remove([2])
        here.configure("respond_io", where="opted_in")
        await here.change(7, opted_in=False)
        report = await here.run("respond_io", retry_of=former)
        assert (report.status, exit_code(report)) == ("done", 0)
        assert here.held("respond_io").keys() == set(range(1, 13)) - {2, 7}


@pytest.mark.asyncio
async def test_a_run_in_which_everybody_made_it_leaves_nothing_to_retry(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, _ONLY) as here:
        await here.add(range(1, 5))
        former = (await here.run("respond_io")).run_id
        before = here.requests("respond_io")
        code, said = await here.command("retry", str(former))
        assert code == 0
        assert (
            f"every contact of run {former} succeeded: there is nothing to retry"
            in said
        )
        assert here.requests("respond_io") == before


@pytest.mark.asyncio
async def test_what_a_later_run_has_done_is_not_done_again(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, _ONLY) as here:
        former = await _fall_short(here, "respond_io")
        await here.run("respond_io")
        before = here.requests("respond_io")
        code, said = await here.command("retry", str(former))
        assert code == 0
        assert (
            f"the 4 contacts that did not succeed in run {former} are in step by now"
            in said
        )
        assert here.requests("respond_io") == before


@pytest.mark.asyncio
async def test_a_retry_of_nothing_says_what_there_is(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, _ONLY) as here:
        code, said = await here.command("retry", "7")
        first, told = said.splitlines()
        assert (code, told) == (2, "syncengine: retry 7: no run has taken place yet")
        assert '"event": "state_is_new"' in first
        former = await _fall_short(here, "respond_io")
        code, said = await here.command("retry", "77")
        assert (code, f"there is no run 77; the last one was {former}" in said) == (
            2,
            True,
        )
        code, said = await here.command("retry", str(former), "--batch", "9")
        assert (code, f"run {former} has no batch 9, only 1 to 3" in said) == (2, True)
        await here.run("respond_io")
        await here.source.execute(
            "DELETE FROM syncengine.sync_run WHERE run_id = $1", former
        )
        code, said = await here.command("retry", str(former))
        assert (
            code,
            f"there is no run {former} (`syncengine prune` deletes old ones)" in said,
        ) == (2, True)


@pytest.mark.asyncio
async def test_a_retry_of_a_destination_that_is_no_more_says_so(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path) as here:
        former = (await here.runs())["charles"].run_id
        here.destination_file("charles").rename(here.destination_file("charles_de"))
        code, said = await here.command("retry", str(former))
        assert code == 2
        assert (
            f'retry {former}: that run was for destination "charles", which has '
            "no file here now"
        ) in said


def _names(here: People, vendor: str) -> dict[int, object]:
    field = {"respond_io": "firstName", "charles": "first_name"}[vendor]
    return {
        number: contact["fields"][field]
        for number, contact in here.held(vendor).items()
    }
