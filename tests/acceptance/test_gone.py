"""Contacts that somebody deleted, merged or created again, at every vendor."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from syncengine import app, vendors
from syncengine.cli.exits import exit_code
from syncengine.model.consent import Subject, SubjectKind
from syncengine.model.work import Standing
from syncengine.sandbox.faults import FaultKind, Rule
from syncengine.sandbox.twins.screen import acts_of
from tests.simulation.pair import Pair, contact_id, pairs
from tests.support.any_vendor import Anyone, anyone

PAIRS = [pairs(vendor)[0] for vendor in vendors.names()]
FOUND_BY_KEY = [pair for pair in PAIRS if pair.capabilities.find_by]
"""Vendors where a gone contact is noticed.

At the others, an upsert by the vendor's own key creates it anew.
"""
NAMES = [pair.name for pair in FOUND_BY_KEY]


async def _in_step(here: Anyone, contacts: int = 3) -> None:
    for contact in range(1, contacts + 1):
        await here.put(contact, contact, tags=["a"])
    report = await here.run()
    assert (exit_code(report), report.contacts["applied"]) == (0, contacts), report


@pytest.mark.asyncio
@pytest.mark.parametrize("pair", FOUND_BY_KEY, ids=NAMES)
async def test_a_deleted_contact_is_reported_and_left_alone_until_somebody_wants_it(
    database: str, tmp_path: Path, pair: Pair
) -> None:
    async with anyone(database, tmp_path / "config", pair) as here:
        await _in_step(here)
        here.screen.delete(await here.external_id(1))
        assert (await here.run()).requests == 0, "an unchanged row costs nothing"
        await here.put(1, 1, (2, 2), ["a"])
        report = await here.run()
        assert (exit_code(report), report.status, report.standing) == (
            0,
            "done",
            {Standing.GONE: 1},
        ), report
        assert report.contacts == {**dict.fromkeys(report.contacts, 0), "changed": 1}
        (note,) = report.noteworthy
        assert (note.contact_id, note.outcome) == (contact_id(1), "gone")
        (remark,) = [
            each for each in report.remarks if each.startswith("1 contact is gone")
        ]
        assert (
            "deleted or merged at the vendor by somebody else) and left alone" in remark
        )
        assert f"--contact {contact_id(1)}` creates one again" in remark
        for _ in range(3):
            plan = await here.plan()
            report = await here.run()
            assert (exit_code(report), report.requests, plan.requests) == (0, 0, 0)
            assert remark in plan.remarks
            assert report.standing == plan.standing == {Standing.GONE: 1}
        await here.put(1, 1, (3, 3), ["a"])
        plan = await here.plan()
        report = await here.run()
        assert (exit_code(report), report.standing, here.copies(1)) == (
            0,
            {Standing.GONE: 1},
            [],
        )
        assert report.requests == plan.requests, "it is looked up, no more"

        report = await here.run(contacts=(contact_id(1),))
        assert (exit_code(report), report.contacts["applied"], report.standing) == (
            0,
            1,
            {},
        ), report
        (copy,) = here.copies(1)
        assert copy.external_id == await here.external_id(1)
        assert all(
            here.pair.vendor.same(
                name, copy.fields.get(name), here.pair.row(1, 1, (3, 3), ())[name]
            )
            for name in here.pair.values
        )
        assert (await here.run()).requests == 0


@pytest.mark.asyncio
@pytest.mark.parametrize("pair", FOUND_BY_KEY, ids=NAMES)
async def test_it_is_created_again_whole_where_the_file_says_so(
    database: str, tmp_path: Path, pair: Pair
) -> None:
    async with anyone(database, tmp_path / "config", pair, on_gone="recreate") as here:
        await _in_step(here)
        here.screen.delete(await here.external_id(1))
        await here.put(1, 1, (2, 1), ["a"])
        report = await here.run()
        assert (
            exit_code(report),
            report.contacts["changed"],
            report.contacts["applied"],
        ) == (0, 1, 1), report
        (copy,) = here.copies(1)
        row = here.pair.row(1, 1, (2, 1), ())
        assert all(
            here.pair.vendor.same(name, row[name], copy.fields.get(name))
            for name in here.pair.values
        )
        assert copy.external_id == await here.external_id(1)
        assert (report.standing, (await here.run()).requests) == ({}, 0)


@pytest.mark.asyncio
@pytest.mark.parametrize("pair", FOUND_BY_KEY, ids=NAMES)
async def test_one_created_again_by_hand_is_linked(
    database: str, tmp_path: Path, pair: Pair
) -> None:
    async with anyone(database, tmp_path / "config", pair) as here:
        await _in_step(here)
        made = here.screen.recreate(await here.external_id(1))
        await here.put(1, 1, (2, 2), ["a"])
        report = await here.run()
        assert (exit_code(report), report.contacts["applied"], report.standing) == (
            0,
            1,
            {},
        ), report
        assert await here.external_id(1) == made
        (copy,) = here.copies(1)
        row = here.pair.row(1, 1, (2, 2), ())
        assert all(
            here.pair.vendor.same(name, row[name], copy.fields.get(name))
            for name in here.pair.values
        )
        assert (await here.run()).requests == 0


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "pair",
    [each for each in FOUND_BY_KEY if each.capabilities.add_tags],
    ids=lambda pair: pair.name,
)
async def test_a_change_of_tags_alone_notices_it_too(
    database: str, tmp_path: Path, pair: Pair
) -> None:
    async with anyone(database, tmp_path / "config", pair) as here:
        await _in_step(here)
        here.screen.delete(await here.external_id(1))
        made = here.screen.recreate(await here.external_id(2))
        for contact in (1, 2):
            await here.put(contact, contact, tags=["a", "b"])
        report = await here.run()
        assert (exit_code(report), report.standing) == (0, {Standing.GONE: 1}), report
        assert await here.external_id(2) == made
        assert here.held()[made].tags >= {"a", "b"}
        here.screen.swap("foreign")
        await here.put(3, 3, tags=["a", "b"])
        for _ in range(3):
            report = await here.run()
            assert (exit_code(report), report.status) == (1, "halted"), report
        here.screen.swap("main")
        report = await here.run()
        assert (exit_code(report), report.standing) == (0, {Standing.GONE: 1}), (
            "the outage cost nobody anything"
        )


@pytest.mark.asyncio
async def test_a_contact_back_under_the_key_of_another_does_not_spoil_that_one(
    database: str, tmp_path: Path
) -> None:
    pair = pairs("charles")[0]
    async with anyone(database, tmp_path / "config", pair, on_removed="delete") as here:
        await _in_step(here, 20)
        here.screen.merge(await here.external_id(3), await here.external_id(4))
        await here.take_out(4)
        await here.run()
        await here.put(4, 4, tags=["a"])
        await here.run()
        for _ in range(3):
            report = await here.run()
        assert (exit_code(report), report.standing, report.requests) == (
            0,
            {Standing.DEAD_LETTER: 1},
            0,
        ), report
        (remote,) = [
            each
            for each in here.held().values()
            if each.external_id == await here.external_id(3)
        ]
        row = pair.row(3, 3, (1, 1), ())
        assert [
            name
            for name in pair.values
            if not pair.vendor.same(name, row[name], remote.fields.get(name))
        ] == []


@pytest.mark.asyncio
@pytest.mark.parametrize("pair", FOUND_BY_KEY, ids=NAMES)
async def test_an_emptied_account_is_not_taken_for_deleted_contacts(
    database: str, tmp_path: Path, pair: Pair
) -> None:
    async with anyone(database, tmp_path / "config", pair, on_gone="recreate") as here:
        await _in_step(here)
        here.screen.empty()
        await here.put(1, 1, (2, 2), ["a"])
        before = await here.external_id(1)
        for _ in range(3):
            report = await here.run()
            assert (exit_code(report), report.status, report.standing) == (
                1,
                "halted",
                {},
            ), report
            assert report.error is not None
            assert contact_id(1) in report.error
            assert "not the account that is known here" in report.error
            assert (await here.external_id(1), here.held()) == (before, {})
        report = await here.run(accept=frozenset({"gone"}))
        assert (exit_code(report), len(here.copies(1))) == (0, 1), report


@pytest.mark.asyncio
@pytest.mark.parametrize("pair", FOUND_BY_KEY, ids=NAMES)
async def test_newcomers_say_nothing_about_the_account(
    database: str, tmp_path: Path, pair: Pair
) -> None:
    async with anyone(database, tmp_path / "config", pair, in_flight=1) as here:
        for contact in (2, 3, 4):
            await here.put(contact, contact, tags=["a"])
        await here.run()
        here.screen.empty()
        known = await here.external_id(2)
        await here.put(1, 1, tags=["a"])
        await here.put(2, 2, (2, 2), ["a"])
        # The newcomer is written down before the vendor is asked for the other one.
        here.sandbox.faults(here.name).configure([Rule(FaultKind.LATENCY, seconds=0.4)])
        for _ in range(2):
            report = await here.run()
            assert (exit_code(report), report.status, report.standing) == (
                1,
                "halted",
                {},
            ), report
            assert await here.external_id(2) == known


@pytest.mark.asyncio
@pytest.mark.parametrize("pair", FOUND_BY_KEY, ids=NAMES)
@pytest.mark.parametrize("leaves", [False, True])
async def test_a_resync_gives_no_ids_up_in_an_emptied_account(
    database: str, tmp_path: Path, pair: Pair, *, leaves: bool
) -> None:
    async with anyone(database, tmp_path / "config", pair, on_removed="untag") as here:
        await _in_step(here)
        here.screen.empty()
        ids = {contact: await here.external_id(contact) for contact in (1, 2, 3)}
        if leaves:
            await here.take_out(1)
        report = await here.run(resync=True, accept=frozenset({"removals"}))
        assert (exit_code(report), report.status) == (1, "halted"), report
        assert {contact: await here.external_id(contact) for contact in ids} == ids


@pytest.mark.asyncio
@pytest.mark.parametrize("pair", FOUND_BY_KEY, ids=NAMES)
async def test_a_removal_is_not_done_by_an_account_that_has_nobody(
    database: str, tmp_path: Path, pair: Pair
) -> None:
    policy = "delete" if pair.capabilities.delete else "untag"
    async with anyone(database, tmp_path / "config", pair, on_removed=policy) as here:
        await _in_step(here)
        before = await here.external_id(1)
        here.screen.swap("foreign")
        await here.take_out(1)
        for _ in range(2):
            report = await here.run()
            if not report.requests:
                return  # this vendor cannot take a tag away, and nothing was sent
            assert (exit_code(report), report.status) == (1, "halted"), report
            assert await here.external_id(1) == before
        here.screen.swap("main")
        report = await here.run()
        assert (exit_code(report), report.status) == (0, "done"), report
        assert len(here.held()) == (2 if pair.capabilities.delete else 3)
        assert all(not remote.tags for remote in here.copies(1))


@pytest.mark.asyncio
async def test_many_are_created_again_only_if_somebody_accepts_it(
    database: str, tmp_path: Path
) -> None:
    pair = FOUND_BY_KEY[0]
    brakes = {"gone": {"share": 0.05, "at_least": 2}}
    async with anyone(
        database, tmp_path / "config", pair, on_gone="recreate", brakes=brakes
    ) as here:
        await _in_step(here, 6)
        for contact in (1, 2):
            here.screen.delete(await here.external_id(contact))
            await here.put(contact, contact, (2, 2), ["a"])
        await here.put(3, 3, (2, 2), ["a"])
        for night in range(3):
            report = await here.run()
            assert (exit_code(report), report.status, report.standing) == (
                1,
                "incomplete",
                {Standing.GONE: 2},
            ), report
            assert report.error is not None
            assert (
                "brake gone: 2 of 6 contacts (33.3%) were deleted at the vendor"
                in report.error
            )
            assert (night == 0) == (report.requests > 0), (
                "the rest of the run is carried out, and that once"
            )
            assert here.copies(1) == here.copies(2) == []
        report = await here.run(accept=frozenset({"gone"}))
        assert (exit_code(report), report.standing) == (0, {}), report
        assert [len(here.copies(contact)) for contact in (1, 2)] == [1, 1]


@pytest.mark.parametrize("pair", PAIRS, ids=[pair.name for pair in PAIRS])
def test_every_twin_lets_a_person_do_what_is_tried_here(pair: Pair) -> None:
    assert {"delete", "recreate", "merge", "empty"} <= set(
        acts_of(pair.twin().screen_kind)
    )


@pytest.mark.asyncio
async def test_nobody_who_was_suppressed_is_looked_at_to_know_the_account(
    database: str, tmp_path: Path
) -> None:
    pair = FOUND_BY_KEY[0]
    async with anyone(database, tmp_path / "config", pair) as here:
        await _in_step(here)
        for contact in (2, 3):
            await app.suppress(
                here.config, [Subject(SubjectKind.CONTACT, contact_id(contact))]
            )
        ids = [await here.external_id(contact) for contact in (2, 3)]
        here.screen.delete(await here.external_id(1))
        await here.put(1, 1, (2, 2), ["a"])
        before = here.requests()
        report = await here.run()
        assert report.standing == {Standing.GONE: 1}, "nobody is left to be looked at"
        await here.command("check")
        sent = here.sandbox.journal(here.name).since(0.0)[before:]
        assert sent
        assert not [
            entry
            for entry in sent
            if any(each in json.dumps(entry, default=str) for each in ids)
        ]
