"""``plan`` says why contacts are worked on, in numbers that the run confirms."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from syncengine import app
from syncengine.sandbox.faults import FaultKind, Rule
from tests.support.people_project import CHARLES, RESPOND_IO, People, people, refusing

NAME = "respond_io"
FILE = {**RESPOND_IO, "on_removed": "untag"}
LOWER = {**RESPOND_IO["fields"], "firstName": {"from": "name", "as": "lower"}}


async def causes(here: People, name: str = NAME, **options: Any) -> dict[str, int]:
    """Return the causes that plan names, with their numbers."""
    return {
        each.in_words: each.contacts
        for each in (await here.plan(name, **options)).causes
    }


@pytest.mark.asyncio
async def test_every_kind_of_cause_is_named_with_its_number(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {NAME: FILE}) as here:
        await here.add(range(1, 9), tags=["a"])
        assert await causes(here) == {"new": 8}
        here.fail(NAME, refusing(1))
        assert (await here.command("suppress", "--contact", "2"))[0] == 0
        first = await here.run(NAME)
        assert {key: number for key, number in first.contacts.items() if number} == {
            "changed": 8,
            "applied": 6,
            "rejected": 1,
            "suppressed": 1,
        }
        assert (await here.command("suppress", "--contact", "2", "--lift"))[0] == 0
        here.heal(NAME)
        await here.change(3, name="Other 3")
        await here.remove([4])
        await here.add([9, 10])
        expected = {
            "new": 2,
            "left the source": 1,
            "row changed": 1,
            "no longer suppressed or opted out": 1,
            "rejected before": 1,
        }
        assert await causes(here) == expected
        planned = await here.plan(NAME)
        assert {why: number for why, number in planned.why.items() if number} == {
            "new": 2,
            "left": 1,
            "row_changed": 1,
            "suppression_lifted": 1,
            "rejected_before": 1,
        }
        set_at_four = {"set": 4, "changed": 0, "cleared": 0}
        assert planned.fields == {
            "crm_id": set_at_four,
            "firstName": {**set_at_four, "changed": 1},
            "phone": set_at_four,
        }
        assert planned.tags == {"a": {"added": 2, "removed": 1}}
        report = await here.run(NAME)
        assert report.contacts["applied"] == sum(expected.values())
        assert report.remarks == ()
        assert await causes(here) == {}


@pytest.mark.asyncio
async def test_a_changed_mapping_stays_the_cause_until_everybody_was_compared_by_it(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {NAME: FILE}) as here:
        await here.add(range(1, 7))
        await here.run(NAME)
        here.configure(NAME, fields=LOWER)
        told = "mapping of firstName changed"
        assert await causes(here) == {told: 6}
        limited = await here.run(NAME, limit=2)
        assert (
            limited.remarks[0]
            == f"the configuration changed since the last whole run: {told}: 2 contacts"
        )
        named = await here.run(NAME, contacts=("6",))
        assert named.remarks[0].endswith(f"{told}: 1 contact")
        assert await causes(here) == {told: 3}
        await here.change(5, phone="+4915199999")
        assert await causes(here) == {"row changed": 1, told: 3}
        whole = await here.run(NAME)
        assert whole.remarks == (
            f"the configuration changed since the last whole run: {told}: 3 contacts",
        )
        assert whole.actions == {"update": 3}
        await here.change(5, name="ANN")
        assert await causes(here) == {"row changed": 1}


@pytest.mark.asyncio
async def test_unfinished_contacts_are_named_as_such_though_the_mapping_changed(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {NAME: FILE}) as here:
        await here.add(range(1, 5))
        await here.run(NAME)
        here.configure(NAME, fields=LOWER)
        here.fail(
            NAME, Rule(FaultKind.ERROR_HTML, method="PUT", body='"name 2"', status=503)
        )
        report = await here.run(NAME)
        assert (report.status, await here.not_made(report)) == ("incomplete", 1)
        here.heal(NAME)
        assert await causes(here) == {
            "left unfinished by an earlier run, or noted by `verify --repair`": 1
        }
        assert (await here.run(NAME)).contacts["applied"] == 1


@pytest.mark.asyncio
async def test_a_repair_is_named_as_the_cause(database: str, tmp_path: Path) -> None:
    async with people(database, tmp_path, {NAME: FILE}) as here:
        await here.add(range(1, 3))
        await here.run(NAME)
        one = here.held(NAME)[1]["id"]
        here.sandbox.twin(NAME).screen(0.0).edit(one, {"firstName": "Somebody"})
        assert await causes(here) == {}
        (report,) = await app.verify(
            here.config, (NAME,), repair=True, accept=("repair",)
        )
        assert report.repaired == 1
        assert await causes(here) == {
            "left unfinished by an earlier run, or noted by `verify --repair`": 1
        }


@pytest.mark.asyncio
async def test_two_changes_are_named_each_by_itself_and_as_json(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {"charles": CHARLES}) as here:
        await here.add(range(1, 4), tags=["a"], company="Co")
        await here.run("charles")
        fields = {
            "first_name": {"from": "name", "as": "lower"},
            "phone_numbers.main": "phone",
            "last_name": "company",
        }
        here.configure(
            "charles",
            fields=fields,
            tags={"columns": {"a": "opted_in", "b": "opted_in"}},
        )
        assert (await here.plan("charles")).public()["causes"] == [
            {"cause": "mapping_changed", "field": "first_name", "contacts": 3},
            {"cause": "mapping_changed", "field": "last_name", "contacts": 3},
            {"cause": "tags_mapping_changed", "contacts": 3},
        ]
        _, said = await here.command("plan")
        changed = (
            "mapping of first_name changed: 3; mapping of last_name changed: 3; "
            "mapping of the tags changed: 3"
        )
        assert f"charles: why: {changed}" in said
        assert "each counted once: 3 only because the configuration changed" in said
        assert re.search(r"^  last_name +3 *$", said, re.MULTILINE)
        _, said = await here.command("run")
        assert (
            "the configuration changed since the last whole run: "
            "mapping of first_name changed: 3 contacts"
        ) in said


@pytest.mark.asyncio
async def test_a_backfill_tells_who_is_out_of_step(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {NAME: FILE}) as here:
        await here.add(range(1, 4))
        await here.run(NAME)
        known = (
            "UPDATE syncengine.sync_known "
            'SET fields = fields || \'{"firstName": "Else"}\' '
            "WHERE contact_id = '2'"
        )
        await here.source.execute(known)
        assert await causes(here) == {}
        assert await causes(here, backfill=True) == {
            "out of step although the row did not change": 1
        }
