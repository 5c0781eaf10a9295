"""A re-sync believes nothing but the vendors' ids.

It does not undo an opt-out.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from syncengine.cli.exits import exit_code
from syncengine.model.work import Standing
from syncengine.sandbox.faults import FaultKind, Rule
from syncengine.sandbox.twins.screen import Screen
from tests.support.people_project import CHARLES, DM_CHAMP, RESPOND_IO, People, people

pytestmark = pytest.mark.asyncio
NAME = "respond_io"
TAGGED = {**RESPOND_IO, "tags": {"from": "tags", "prefix": "crm:"}}


def _by_hand(here: People, fields: dict[str, Any]) -> dict[int, str]:
    """Change the same fields of every contact at the vendor.

    Return the vendor's ids.
    """
    ids = {number: str(contact["id"]) for number, contact in here.held(NAME).items()}
    for external_id in ids.values():
        _screen(here).edit(external_id, fields)
    return ids


def _screen(here: People) -> Screen:
    return here.sandbox.twin(NAME).screen(0.0)


def _first_names(here: People) -> set[str]:
    return {contact["fields"]["firstName"] for contact in here.held(NAME).values()}


async def test_it_mends_whatever_is_there_otherwise_and_writes_nothing_else(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path / "config", {NAME: TAGGED}) as here:
        await here.add(range(1, 6), name="Ann", tags=["a"])
        assert exit_code(await here.run(NAME)) == 0
        ids = {
            number: str(contact["id"]) for number, contact in here.held(NAME).items()
        }
        _screen(here).edit(ids[1], {"firstName": "By hand"})
        _screen(here).tag(ids[2], "crm:b")
        _screen(here).tag(ids[3], "theirs")
        assert (await here.run(NAME)).requests == 0
        plan = await here.plan(NAME, resync=True)
        report = await here.run(NAME, resync=True)
        assert (exit_code(report), report.actions) == (
            0,
            {"remove_tags": 1, "update": 1},
        )
        assert report.requests == 5 + 2, "five contacts are read, two are written to"
        assert (
            plan.requests_least
            <= 5
            == plan.requests
            <= report.requests
            <= plan.requests_most
        )
        held = here.held(NAME)
        assert _first_names(here) == {"Ann"}
        assert [set(held[number]["tags"]) for number in (2, 3)] == [
            {"crm:a"},
            {"crm:a", "theirs"},
        ]
        assert (await here.run(NAME)).requests == 0


@pytest.mark.parametrize("limit", [None, 2])
async def test_one_that_is_interrupted_goes_on_with_an_ordinary_run(
    database: str, tmp_path: Path, limit: int | None
) -> None:
    """The state is distrusted before the first request, so a kill loses nothing."""
    async with people(database, tmp_path / "config", {NAME: TAGGED}) as here:
        await here.add(range(1, 9), name="Ann", tags=["a"])
        assert exit_code(await here.run(NAME)) == 0
        _by_hand(here, {"firstName": "By hand"})
        if limit is None:
            here.fail(NAME, Rule(FaultKind.HOLD_BEFORE_COMMIT, after=4, times=8))
            command = here.start("run", "--resync")
            assert await command.comes_to(here.sandbox.holds(NAME).wait_for(1)), (
                command.said()
            )
            await command.kill()
            here.sandbox.holds(NAME).release()
            here.heal(NAME)
            await here.source.execute(
                "UPDATE syncengine.sync_lease SET expires_at = clock_timestamp()"
            )
        else:
            await here.run(NAME, resync=True, limit=limit)
        assert "By hand" in _first_names(here)
        plan = await here.plan(NAME)
        assert plan.brake is None, "what was known counts for the brakes"
        report = await here.run(NAME)
        assert (exit_code(report), _first_names(here)) == (0, {"Ann"}), report
        assert plan.requests_least <= report.requests <= plan.requests_most
        assert (await here.run(NAME)).requests == 0


async def test_one_contact_alone(database: str, tmp_path: Path) -> None:
    async with people(database, tmp_path / "config", {NAME: TAGGED}) as here:
        await here.add(range(1, 6), name="Ann")
        assert exit_code(await here.run(NAME)) == 0
        _by_hand(here, {"firstName": "By hand"})
        report = await here.run(NAME, resync=True, contacts=("2",))
        assert (report.requests, report.actions) == (2, {"update": 1})
        assert [
            here.held(NAME)[number]["fields"]["firstName"] for number in (1, 2)
        ] == ["By hand", "Ann"]
        assert (await here.run(NAME)).requests == 0


async def test_consent_is_never_lowered(database: str, tmp_path: Path) -> None:
    """Neither consent at the vendor, nor what was known of a contact that is gone."""
    settings = {**RESPOND_IO["settings"], "opt_outs": {"newsletter": False}}
    fields = {**RESPOND_IO["fields"], "newsletter": "opted_in"}
    keys = {**RESPOND_IO, "settings": settings, "fields": fields, "on_gone": "recreate"}
    async with people(database, tmp_path / "config", {NAME: keys}) as here:
        await here.add([1, 2, 3, 4])
        await here.change(2, opted_in=False)
        assert exit_code(await here.run(NAME)) == 0
        ids = {
            number: str(contact["id"]) for number, contact in here.held(NAME).items()
        }
        yes = here.held(NAME)[1]["fields"]["newsletter"]
        _screen(here).edit(
            ids[1], {"newsletter": here.held(NAME)[2]["fields"]["newsletter"]}
        )
        _screen(here).delete(ids[2])
        await here.source.execute("UPDATE crm.people SET opted_in = true")
        report = await here.run(NAME, resync=True, accept=frozenset({"gone"}))
        assert exit_code(report) == 0, report
        await here.run(NAME, backfill=True)
        held = here.held(NAME)
        says = {
            number: held[number]["fields"]["newsletter"] == yes
            for number in (1, 2, 3, 4)
        }
        assert says == {1: False, 2: False, 3: True, 4: True}


async def test_who_is_gone_is_gone_as_the_file_says(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path / "config", {NAME: RESPOND_IO}) as here:
        await here.add(range(1, 5))
        assert exit_code(await here.run(NAME)) == 0
        ids = {
            number: str(contact["id"]) for number, contact in here.held(NAME).items()
        }
        _screen(here).delete(ids[2])
        report = await here.run(NAME, resync=True)
        assert (exit_code(report), report.standing) == (0, {Standing.GONE: 1})
        assert here.held(NAME).keys() == {1, 3, 4}
        assert exit_code(await here.run(NAME, contacts=("2",))) == 0
        assert here.held(NAME).keys() == {1, 2, 3, 4}


async def test_where_nothing_is_shown_everything_is_sent(
    database: str, tmp_path: Path
) -> None:
    destinations = {"charles": CHARLES}
    async with people(database, tmp_path / "config", destinations) as here:
        await here.add(range(1, 4), tags=["a"])
        assert exit_code(await here.run("charles")) == 0
        plan = await here.plan("charles", resync=True)
        report = await here.run("charles", resync=True)
        assert (exit_code(report), report.requests, plan.requests) == (0, 3, 3)
        assert report.standing == {}
        assert (await here.run("charles")).requests == 0


async def test_a_vendor_that_only_finds_is_asked_by_key(
    database: str, tmp_path: Path
) -> None:
    twins = ["dm_champ"]
    async with people(
        database, tmp_path / "config", {"dm_champ": DM_CHAMP}, twins
    ) as here:
        await here.add(range(1, 4), tags=["a"])
        assert exit_code(await here.run("dm_champ")) == 0
        ids = {
            number: str(contact["id"])
            for number, contact in here.held("dm_champ").items()
        }
        here.sandbox.twin("dm_champ").screen(0.0).edit(ids[1], {"firstName": "By hand"})
        report = await here.run("dm_champ", resync=True)
        assert (exit_code(report), report.standing, report.actions) == (
            0,
            {},
            {"update": 1},
        )
        assert here.held("dm_champ")[1]["fields"]["firstName"] == "Name 1"
        assert (await here.run("dm_champ")).requests == 0


async def test_the_forecast_and_the_brakes_hold(database: str, tmp_path: Path) -> None:
    """A re-sync has brakes like any run; refused, it has distrusted nothing."""
    keys = {**RESPOND_IO, "on_null": "clear"}
    async with people(database, tmp_path / "config", {NAME: keys}) as here:
        await here.add(range(1, 61))
        assert exit_code(await here.run(NAME)) == 0
        await here.source.execute("UPDATE crm.people SET name = NULL")
        refused = await here.run(NAME, resync=True)
        assert (refused.status, refused.requests) == ("refused", 0)
        assert "run -d respond_io --resync --accept nulls" in (refused.error or "")
        row = await here.one(
            "SELECT count(*) AS number FROM syncengine.sync_known "
            "WHERE pending IS NOT NULL"
        )
        assert row["number"] == 0
        await here.source.execute("UPDATE crm.people SET name = 'Ann'")
        assert exit_code(await here.run(NAME, resync=True, limit=1)) == 0
        await here.source.execute("UPDATE crm.people SET name = NULL")
        refused = await here.run(NAME)
        assert (refused.status, refused.requests) == ("refused", 0), (
            "distrusted values still count"
        )
        assert "brake nulls" in (refused.error or "")
