"""Every run and plan counts contacts that are not in step and not tried any more.

The exit code is 0.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from syncengine import app
from syncengine.cli.exits import exit_code
from syncengine.model.consent import Subject, SubjectKind
from syncengine.model.work import Standing
from syncengine.sandbox.faults import FaultKind, Rule
from tests.support.people_project import CHARLES, RESPOND_IO, People, people, refusing

NAME = "respond_io"
NOBODY = {each.value: 0 for each in Standing}
KEYS = [
    "destination",
    "run_id",
    "status",
    "contacts",
    "standing",
    "actions",
    "calls",
    "requests",
    "probes",
    "throttled",
    "seconds",
    "forecast",
    "undo_of",
    "error",
]
OUTCOMES = [
    "changed",
    "applied",
    "rejected",
    "deferred",
    "unsupported",
    "suppressed",
    "unknown",
]


async def _told(here: People, verb: str, *options: str) -> tuple[int, dict[str, Any]]:
    """Return the exit code, and the object of the only destination."""
    code, said = await here.command(verb, "--json", *options)
    (told,) = [
        line
        for line in said.splitlines()
        if line.startswith('{"destination"') and '"event"' not in line
    ]
    return code, json.loads(told)


async def _suppress(here: People, number: int) -> None:
    await app.suppress(here.config, [Subject(SubjectKind.CONTACT, str(number))])


@pytest.mark.asyncio
async def test_every_run_and_every_plan_counts_who_is_not_tried_any_more(
    database: str, tmp_path: Path
) -> None:
    destination = {**RESPOND_IO, "opted_out": "opted_in", "on_removed": "delete"}
    async with people(database, tmp_path, {NAME: destination}) as here:
        await here.add(range(1, 8), tags=["vip"], opted_in=False)
        await here.change(5, opted_in=True)
        await _suppress(here, 4)
        here.fail(NAME, refusing(3))
        standing = {**NOBODY, "suppressed": 1, "opted_out": 1}
        code, told = await _told(here, "plan")
        assert (code, told["standing"]) == (0, standing)
        assert (told["suppressed"], told["contacts"]) == (
            {"opted_out": 1, "suppressed": 1},
            7,
        )
        for night in (1, 2, 3):
            code, told = await _told(here, "run")
            standing["dead_letter"] = int(night == 3)
            assert (code, told["standing"], told["contacts"]["rejected"]) == (
                1,
                standing,
                1,
            )
        here.heal(NAME)
        await here.remove([7])

        standing["unsupported"] = 1  # this vendor cannot delete
        code, told = await _told(here, "plan", "--accept", "removals")
        assert (code, told["standing"]) == (0, standing)
        for _ in range(2):
            code, told = await _told(here, "run", "--accept", "removals")
            assert (code, told["standing"]) == (0, standing)
        assert (told["status"], told["contacts"]) == (
            "done",
            dict.fromkeys(OUTCOMES, 0),
        )
        assert (list(told), list(told["contacts"]), list(told["standing"])) == (
            KEYS,
            OUTCOMES,
            list(NOBODY),
        )
        code, told = await _told(here, "plan")
        assert (code, told["contacts"], told["standing"]) == (0, 0, standing)
        code, said = await here.command("run")
        assert (
            code,
            (
                "left alone by later runs: "
                "1 dead letter, 1 unsupported, 1 suppressed, 1 opted out"
            )
            in said,
        ) == (
            0,
            True,
        )


@pytest.mark.asyncio
async def test_who_moves_is_not_counted_any_more_by_plan_and_run_alike(
    database: str, tmp_path: Path
) -> None:
    async with people(
        database, tmp_path, {NAME: {**RESPOND_IO, "opted_out": "opted_in"}}
    ) as here:
        await here.add(range(1, 5), opted_in=False)
        await here.change(2, opted_in=True)
        await _suppress(here, 4)
        here.fail(NAME, refusing(3))
        for _ in range(3):
            await here.run(NAME)
        here.heal(NAME)
        assert sum((await here.plan(NAME)).standing.values()) == 3
        await here.change(2, opted_in=False)
        await here.change(3, name="Corrected")
        await app.lift(here.config, [Subject(SubjectKind.CONTACT, "4")])
        for verb in ("plan", "run"):
            code, told = await _told(here, verb)
            assert (code, told["standing"]) == (0, NOBODY), verb
        assert here.held(NAME).keys() == {1, 2, 3, 4}


@pytest.mark.asyncio
async def test_what_a_vendor_cannot_express_is_counted_until_it_is_not_asked_for(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {"charles": CHARLES}) as here:
        await here.add([1, 2], tags=["vip"])
        await here.run("charles")
        await here.change(1, tags=[])
        for number in (1, 0):
            report = await here.run("charles")
            assert report.standing is not None
            assert (
                report.contacts["unsupported"],
                report.standing[Standing.UNSUPPORTED],
            ) == (number, 1)
        await here.change(1, name="Somebody else")
        report = await here.run("charles")
        assert report.standing == {Standing.UNSUPPORTED: 1}, (
            "the tag is there as before"
        )
        await here.change(1, tags=["vip"])
        assert (await here.plan("charles")).standing[Standing.UNSUPPORTED] == 0
        report = await here.run("charles")
        assert (exit_code(report), report.standing) == (0, {})


@pytest.mark.asyncio
async def test_a_run_that_sends_nothing_counts_them_too(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {NAME: RESPOND_IO}) as here:
        await here.add(range(1, 21))
        await _suppress(here, 20)
        await here.run(NAME)
        await here.remove(range(1, 20))
        code, told = await _told(here, "run")
        assert (code, told["status"], told["standing"]) == (
            2,
            "refused",
            {**NOBODY, "suppressed": 1},
        )
        here.configure(NAME, account="another")
        code, told = await _told(here, "run")
        assert (code, told["run_id"], told["standing"]) == (
            2,
            None,
            {**NOBODY, "suppressed": 1},
        )
        assert list(told) == KEYS
        assert told["contacts"] == dict.fromkeys(OUTCOMES, 0)


@pytest.mark.asyncio
async def test_what_was_sent_without_an_answer_is_counted_apart_from_what_was_deferred(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {"charles": CHARLES}) as here:
        await here.add(range(1, 7))
        here.fail(
            "charles",
            *(Rule(FaultKind.RESET, body=f'"Name {number}"') for number in (1, 2, 3)),
        )
        report = await here.run("charles")
        assert (exit_code(report), report.contacts) == (
            1,
            {**dict.fromkeys(OUTCOMES, 0), "changed": 6, "applied": 3, "unknown": 3},
        )


@pytest.mark.asyncio
async def test_the_report_says_which_rejected_contacts_are_left_alone_from_now_on(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {NAME: RESPOND_IO}) as here:
        await here.add([1, 2, 3])
        here.fail(NAME, refusing(3))
        for _ in range(2):
            code, said = await here.command("run")
            assert code == 1
            assert "the next run tries again: 1 rejected." in said
            assert "left alone until" not in said
        # The third rejection of the same row makes a dead letter.
        code, said = await here.command("run")
        assert code == 1
        words = " ".join(said.split())
        assert "left alone until their rows or the mapping change: 1 rejected." in words
        assert f"`syncengine retry --dead -d {NAME}`" in words
        assert "tries again" not in words
