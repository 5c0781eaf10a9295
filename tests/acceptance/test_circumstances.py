"""Several contacts rejected with one message have one problem in common.

One of them is tried each night, and all of them once the problem is mended.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from syncengine.cli.exits import exit_code
from syncengine.model.reports import RunReport
from syncengine.model.work import Standing
from syncengine.sandbox.faults import FaultKind, Rule
from tests.support.people_project import BOTH, RESPOND_IO, People, people, refusing

NAME = "respond_io"
_WORDS = (
    "The field 'city' is required (request {number}7): "
    "+49151000000{number} of Name {number}"
)
_REST = {1, 2, 4, 6, 8, 9, 10}
_REFUSED = {3, 5, 7}


def _alike(numbers: Iterable[int], words: str = _WORDS) -> list[Rule]:
    """Return rules that reject contacts, each with its own values in the message."""
    return [
        refusing(number, words.replace("{number}", str(number))) for number in numbers
    ]


async def _standing(
    here: People, destination: str = NAME
) -> dict[int, tuple[str, int]]:
    """Return the dead letters, each with its status and its counted refusals."""
    return {
        number: (state["status"], state["rejections"])
        for number, state in (await here.states(destination)).items()
        if state["standing"] == "dead_letter"
    }


async def _night(here: People, destination: str = NAME, **options: Any) -> RunReport:
    """Run, and check that as many requests are sent as the plan says."""
    plan = await here.plan(destination, **options)
    before = here.requests(destination)
    report = await here.run(destination, **options)
    assert (here.requests(destination) - before, report.requests) == (
        plan.requests,
        plan.requests,
    )
    assert report.probes == plan.probes
    return report


async def _tried(here: People, report: RunReport) -> list[int]:
    return [
        number
        for number, row in (await here.outcomes(report.run_id)).items()
        if row["outcome"] == "probed"
    ]


@pytest.mark.asyncio
@pytest.mark.parametrize("vendor", sorted(BOTH))
async def test_three_refused_alike_are_kept_and_one_is_tried_each_night(
    database: str, tmp_path: Path, vendor: str
) -> None:
    async with people(database, tmp_path, {vendor: BOTH[vendor]}) as here:
        await here.add(range(1, 11))
        here.fail(vendor, *_alike(_REFUSED))
        report = await here.run(vendor)
        assert (
            exit_code(report),
            report.contacts["rejected"],
            report.contacts["applied"],
        ) == (1, 3, 7)
        assert await _standing(here, vendor) == dict.fromkeys(_REFUSED, ("dead", 0))
        assert (report.left_alone, report.left_alone_alike) == (3, 3)
        (remark,) = report.remarks
        assert remark.startswith(
            "3 contacts are rejected for the same reason (http_422), such as contact "
            "3: "
        )
        assert "is required" in remark
        assert "correct the row" not in remark
        assert (
            "Look at the mapping, and at what was removed at the vendor or is required"
            in remark
        )
        assert (
            f"`syncengine retry --dead -d {vendor} --code http_422` tries all now"
            in remark
        )
        assert not report.noteworthy, "they are told of together"

        tried: list[int] = []
        for _ in range(4):
            report = await _night(here, vendor)
            assert (exit_code(report), report.status, report.probes) == (0, "done", 1)
            assert not any(report.contacts.values())
            assert report.standing == {Standing.DEAD_LETTER: 3}
            assert report.remarks[0].startswith("3 contacts are rejected for the same")
            tried += await _tried(here, report)
            assert await _standing(here, vendor) == dict.fromkeys(_REFUSED, ("dead", 0))
        assert tried[:3] == [3, 5, 7], "the one that was tried longest ago"
        assert tried[3] == 3

        here.heal(vendor)
        report = await here.run(vendor)
        assert (
            exit_code(report),
            report.probes,
            report.contacts["applied"],
            report.standing,
        ) == (0, 1, 3, {})
        assert here.held(vendor).keys() == _REST | _REFUSED
        report = await _night(here, vendor)
        assert (report.requests, report.probes, report.remarks) == (0, 0, ())


@pytest.mark.asyncio
async def test_two_refused_alike_are_judged_one_by_one_until_a_third_comes(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {NAME: RESPOND_IO}) as here:
        await here.add(range(1, 6))
        here.fail(NAME, *_alike(_REFUSED))
        for night in (1, 2):
            report = await _night(here)
            assert (exit_code(report), report.probes) == (1, 0)
            assert {
                (await here.states(NAME))[number]["rejections"] for number in (3, 5)
            } == {night}
        await _night(here)
        assert await _standing(here) == {3: ("dead", 3), 5: ("dead", 3)}
        report = await _night(here)
        assert (report.requests, report.probes) == (0, 0)

        await here.add([7])
        report = await here.run(NAME)
        assert (exit_code(report), report.contacts["rejected"]) == (1, 1)
        assert await _standing(here) == dict.fromkeys(_REFUSED, ("dead", 0))
        assert (await _night(here)).probes == 1
        here.heal(NAME)
        assert (await here.run(NAME)).contacts["applied"] == 3


@pytest.mark.asyncio
async def test_other_words_are_another_problem_with_a_probe_of_its_own(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {NAME: RESPOND_IO}) as here:
        await here.add(range(1, 11))
        first, second = (
            _alike((1, 2, 3)),
            _alike((4, 5, 6), "There is no such stage for Name {number}"),
        )
        here.fail(NAME, *first, *second)
        await here.run(NAME)
        report = await _night(here)
        assert (exit_code(report), report.probes) == (0, 2)
        assert len(report.remarks) == 2
        here.fail(NAME, *second)
        report = await here.run(NAME)
        assert (exit_code(report), report.probes, report.contacts["applied"]) == (
            0,
            2,
            3,
        )
        assert (await _standing(here)).keys() == {4, 5, 6}
        assert (await _night(here)).probes == 1


@pytest.mark.asyncio
async def test_a_group_that_is_refused_in_new_words_stays_one_group(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {NAME: RESPOND_IO}) as here:
        await here.add(range(1, 8))
        here.fail(NAME, *_alike(range(1, 6)))
        await here.run(NAME)
        here.fail(
            NAME,
            *_alike(
                range(1, 6), "Now it is the 'zip' that is missing in Name {number}"
            ),
        )
        for _ in range(3):
            report = await _night(here)
            assert (exit_code(report), report.probes, len(report.remarks)) == (0, 1, 1)
            assert "missing in" in report.remarks[0]
            assert (await _standing(here)).keys() == set(range(1, 6))
        here.heal(NAME)
        assert (await here.run(NAME)).contacts["applied"] == 5


@pytest.mark.asyncio
async def test_a_refused_account_that_halts_comes_to_rest_and_back(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {NAME: RESPOND_IO}) as here:
        await here.add(range(1, 61))
        here.sandbox.twin(NAME).configure({"custom_fields": []})
        here.configure(NAME, find_first=False)
        for _ in range(3):
            report = await here.run(NAME)
            assert report.contacts["rejected"] == 0
        for _ in range(2):
            report = await _night(here)
            assert (exit_code(report), report.requests, report.probes) == (0, 1, 1)
        assert await _standing(here) == dict.fromkeys(range(1, 61), ("dead", 0))
        here.sandbox.twin(NAME).configure({"custom_fields": None})
        report = await here.run(NAME)
        assert (exit_code(report), report.contacts["applied"], report.standing) == (
            0,
            60,
            {},
        )


@pytest.mark.asyncio
async def test_whose_row_changes_is_sent_and_nobody_else(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {NAME: RESPOND_IO}) as here:
        await here.add(range(1, 11))
        here.fail(NAME, *_alike(_REFUSED))
        await here.run(NAME)
        await here.change(3, name="Corrected")
        report = await here.run(NAME)
        assert (exit_code(report), report.contacts["applied"], report.probes) == (
            0,
            1,
            1,
        )
        assert (await _standing(here)).keys() == {5, 7}, (
            "a corrected row says nothing about others"
        )
        report = await _night(here)
        assert report.probes == 1, "two that are left of a group stay one"
        here.heal(NAME)
        assert (await here.run(NAME)).contacts["applied"] == 2


@pytest.mark.asyncio
async def test_whose_row_changes_in_the_night_of_the_mending_is_sent_once(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {NAME: RESPOND_IO}) as here:
        await here.add(range(1, 11))
        here.fail(NAME, *_alike(_REFUSED))
        await here.run(NAME)
        here.heal(NAME)
        await here.change(5, name="Corrected")
        report = await here.run(NAME)
        assert (exit_code(report), report.actions, report.probes) == (
            0,
            {"create": 3},
            1,
        )
        assert here.held(NAME).keys() == _REST | _REFUSED, "each is there once"


@pytest.mark.asyncio
async def test_a_brake_stops_a_group_that_is_too_large_and_nobody_else(
    database: str, tmp_path: Path
) -> None:
    async with people(
        database, tmp_path, {NAME: {**RESPOND_IO, "on_removed": "untag"}}
    ) as here:
        await here.add(range(1, 31), tags=["vip"])
        await here.run(NAME)
        gone = range(1, 13)
        await here.remove(gone)
        here.fail(
            NAME,
            Rule(
                FaultKind.REFUSE,
                method="DELETE",
                status=422,
                text="Tags are managed elsewhere",
            ),
        )
        await here.run(NAME, accept=frozenset({"removals"}))
        assert (await _standing(here)).keys() == set(gone)
        here.heal(NAME)
        await here.change(20, name="Another")
        report = await here.run(NAME)
        assert (exit_code(report), report.actions, report.probes) == (
            0,
            {"remove_tags": 1, "update": 1},
            1,
        )
        assert (
            f"`syncengine run -d {NAME} --accept removals` lets them pass this once"
            in report.remarks[0]
        )
        assert len(await _standing(here)) == 11
        report = await here.run(NAME, accept=frozenset({"removals"}))
        assert (exit_code(report), report.actions, report.standing) == (
            0,
            {"remove_tags": 11},
            {},
        )


@pytest.mark.asyncio
async def test_nobody_is_tried_about_whom_nothing_may_be_sent(
    database: str, tmp_path: Path
) -> None:
    async with people(
        database, tmp_path, {NAME: {**RESPOND_IO, "opted_out": "opted_in"}}
    ) as here:
        await here.add(range(1, 8), opted_in=False)
        here.fail(NAME, *_alike((1, 2, 3, 4)))
        await here.run(NAME)
        await here.command("suppress", "--contact", "1")
        await here.change(2, opted_in=True)
        await here.remove([3])
        report = await here.run(NAME)
        assert await _tried(here, report) == [4]
        here.heal(NAME)
        report = await here.run(NAME)
        assert (report.contacts["applied"], report.contacts["suppressed"]) == (1, 1)
        assert here.held(NAME).keys() == {4, 5, 6, 7}


@pytest.mark.asyncio
async def test_with_a_limit_the_probe_is_one_of_them(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {NAME: RESPOND_IO}) as here:
        await here.add(range(1, 8))
        here.fail(NAME, *_alike(_REFUSED))
        await here.run(NAME)
        await here.add(range(11, 14))
        report = await _night(here, limit=2)
        assert (report.probes, report.contacts["changed"]) == (1, 1)
        here.heal(NAME)
        report = await _night(here, limit=1)
        assert (report.probes, report.contacts["applied"]) == (1, 1)
        report = await here.run(NAME)
        assert (report.probes, report.contacts["applied"]) == (0, 4), (
            "the next whole run does the others"
        )


@pytest.mark.asyncio
async def test_an_outage_at_the_probe_leaves_the_group_as_it_was(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {NAME: RESPOND_IO}) as here:
        await here.add(range(1, 8))
        here.fail(NAME, *_alike(_REFUSED))
        await here.run(NAME)
        here.fail(NAME, *(refusing(number, status=503) for number in _REFUSED))
        report = await here.run(NAME)
        assert (report.probes, report.contacts["rejected"]) == (1, 0)
        here.heal(NAME)
        await here.run(NAME)
        assert not await _standing(here)
        assert here.held(NAME).keys() == set(range(1, 8))


@pytest.mark.asyncio
async def test_removals_that_are_refused_alike_are_one_problem_too(
    database: str, tmp_path: Path
) -> None:
    async with people(
        database, tmp_path, {NAME: {**RESPOND_IO, "on_removed": "untag"}}
    ) as here:
        await here.add(range(1, 8), tags=["vip"])
        await here.run(NAME)
        await here.remove(_REFUSED)
        here.fail(
            NAME,
            Rule(
                FaultKind.REFUSE,
                method="DELETE",
                status=422,
                text="Tags are managed elsewhere",
            ),
        )
        report = await here.run(NAME, accept=frozenset({"removals"}))
        assert (exit_code(report), report.contacts["rejected"]) == (1, 3)
        assert await _standing(here) == dict.fromkeys(_REFUSED, ("removed", 0))
        for _ in range(2):
            report = await _night(here)
            assert (exit_code(report), report.probes, report.requests) == (0, 1, 1)
        here.heal(NAME)
        report = await here.run(NAME)
        assert (exit_code(report), report.actions, report.standing) == (
            0,
            {"remove_tags": 3},
            {},
        )
        assert all(
            not contact["tags"]
            for number, contact in here.held(NAME).items()
            if number in _REFUSED
        )


@pytest.mark.asyncio
async def test_one_that_is_accepted_by_hand_has_the_others_tried_by_the_next_run(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {NAME: RESPOND_IO}) as here:
        await here.add(range(1, 8))
        here.fail(NAME, *_alike(_REFUSED))
        await here.run(NAME)
        report = await here.run(NAME, contacts=("5",))
        assert [note.contact_id for note in report.noteworthy] == ["5"], (
            "whoever is named is told of"
        )
        here.heal(NAME)
        report = await here.run(NAME, contacts=("5",))
        assert (report.contacts["changed"], report.contacts["applied"]) == (1, 1)
        assert (await here.run(NAME)).contacts["applied"] == 2


@pytest.mark.asyncio
async def test_dead_letters_are_tried_again_by_code(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {NAME: RESPOND_IO}) as here:
        await here.add(range(1, 8))
        code, said = await here.command("retry", "--dead")
        assert code == 0
        assert "there are no dead letters: there is nothing to retry" in said

        here.fail(NAME, *_alike(_REFUSED), refusing(1, "Too old", status=409))
        for _ in range(3):
            await here.run(NAME)
        assert await _standing(here) == {
            **dict.fromkeys(_REFUSED, ("dead", 0)),
            1: ("dead", 3),
        }
        here.heal(NAME)
        code, said = await here.command("retry", "--dead", "--code", "http_418")
        assert code == 0
        assert 'no dead letter has the code "http_418"' in said
        assert "3 with http_422, 1 with http_409" in said
        code, said = await here.command(
            "retry", "--dead", "-d", NAME, "--code", "http_409", "--json"
        )
        (told,) = [
            json.loads(line)
            for line in said.splitlines()
            if '"run_id"' in line and '"event"' not in line
        ]
        assert (code, told["contacts"]["applied"], told["standing"]["dead_letter"]) == (
            0,
            1,
            3,
        )
        run = await here.one(
            "SELECT kind, retry_of FROM syncengine.sync_run ORDER BY run_id DESC "
            "LIMIT 1"
        )
        assert tuple(run) == ("retry", None)
        assert (await here.command("retry", "--dead"))[0] == 0
        assert not await _standing(here)
        assert here.held(NAME).keys() == set(range(1, 8))


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            (),
            "name the run (`syncengine retry 12`), or say --dead for all dead letters",
        ),
        (("12", "--dead"), "tries dead letters of all runs"),
        (("--dead", "--batch", "1"), "tries dead letters of all runs"),
        (("12", "--code", "http_422"), "say --dead too"),
        (("12", "-d", NAME), "say --dead too"),
    ],
)
async def test_a_retry_says_which_of_the_two_it_is(
    database: str, tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    async with people(database, tmp_path, {NAME: RESPOND_IO}) as here:
        code, said = await here.command("retry", *arguments)
        assert (code, words in said) == (2, True), said


async def _delete_there(here: People, number: int) -> None:
    """Delete a contact at the vendor's screen."""
    external_id = (await here.states(NAME))[number]["external_id"]
    here.sandbox.twin(NAME).screen(time.time()).delete(str(external_id))


@pytest.mark.asyncio
async def test_those_who_are_to_be_created_again_are_tried_too(
    database: str, tmp_path: Path
) -> None:
    brakes = {"gone": {"share": 0.05, "at_least": 10}}
    async with people(
        database,
        tmp_path,
        {NAME: {**RESPOND_IO, "on_gone": "recreate", "brakes": brakes}},
    ) as here:
        await here.add(range(1, 11))
        await here.run(NAME)
        for number in sorted(_REFUSED):
            await _delete_there(here, number)
            await here.change(number, phone=f"+4917000000{number}")
        here.fail(NAME, *(replace(rule, method="POST") for rule in _alike(_REFUSED)))
        await here.run(NAME)
        assert await _standing(here) == dict.fromkeys(_REFUSED, ("dead", 0))
        for _ in range(2):
            report = await _night(here)
            assert (exit_code(report), report.probes) == (0, 1)
        here.heal(NAME)
        report = await here.run(NAME)
        assert (
            exit_code(report),
            report.probes,
            report.contacts["applied"],
            report.standing,
        ) == (0, 1, 3, {})
        assert here.held(NAME).keys() == set(range(1, 11)), "each is there once"
        assert (await _night(here)).requests == 0


@pytest.mark.asyncio
async def test_a_probe_that_turns_out_to_be_gone_is_looked_up_after_an_outage(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {NAME: RESPOND_IO}) as here:
        await here.add(range(1, 11))
        await here.run(NAME)
        for number in sorted(_REFUSED):
            await here.change(number, phone=f"+4917000000{number}")
        refused = Rule(
            FaultKind.REFUSE,
            method="PUT",
            body="+4917",
            status=422,
            text="There is no such stage",
        )
        here.fail(NAME, refused)
        await here.run(NAME)
        assert await _standing(here) == dict.fromkeys(_REFUSED, ("dead", 0))
        await _delete_there(here, 3)
        here.fail(NAME, Rule(FaultKind.REFUSE, method="GET", status=503))
        await here.run(NAME, accept=frozenset({"gone"}))
        here.fail(NAME, refused)
        report = await here.run(NAME)
        assert report.standing == {Standing.GONE: 1, Standing.DEAD_LETTER: 2}
        assert (await _night(here)).probes == 1
