"""Contacts that exchange e-mail addresses at a vendor that has each only once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from syncengine.model.reports import RunReport
from tests.acceptance.test_hubspot import NAME
from tests.support.people_project import HUBSPOT, People, people

KEYS: dict[str, Any] = {
    **HUBSPOT,
    "fields": {"crm_id": "id", "firstname": "name", "email": "company"},
}


def _address(number: int) -> str:
    return f"p{number}@example.org"


async def _give(here: People, addresses: Mapping[int, int]) -> None:
    """Have contacts ask for the addresses of these numbers."""
    for number, wanted in addresses.items():
        await here.change(number, company=_address(wanted))


def _held(here: People) -> dict[int, str]:
    return {
        number: each["fields"].get("email", "")
        for number, each in here.held(NAME).items()
    }


async def _silent(here: People) -> None:
    before = here.requests(NAME)
    await here.run(NAME)
    assert here.requests(NAME) == before, "the second night is not silent"


async def _in_step(here: People, addresses: Mapping[int, int]) -> RunReport:
    """Run once; every contact has its address then, and the next night is silent."""
    report = await here.run(NAME)
    assert (report.contacts["rejected"], report.contacts["deferred"]) == (0, 0), report
    held = _held(here)
    assert {each: held[each] for each in addresses} == {
        each: _address(wanted) for each, wanted in addresses.items()
    }
    await _silent(here)
    return report


@pytest.mark.asyncio
async def test_addresses_are_exchanged_in_one_night(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path / "world", {NAME: KEYS}, (NAME,)) as here:
        here.configure_engine(batch_size=50)
        await here.add(range(1, 12))
        await _give(here, {number: number for number in range(1, 12)})
        await _in_step(here, {number: number for number in range(1, 12)})

        # Two swap, three pass theirs round, and three wait in a chain.
        wanted = {1: 2, 2: 1, 3: 4, 4: 5, 5: 3, 6: 7, 7: 8, 8: 20}
        await _give(here, wanted)
        report = await _in_step(here, wanted)
        changes = await here.source.fetch(
            "SELECT contact_id, fields FROM syncengine.changes WHERE run_id = $1",
            report.run_id,
        )
        assert len(changes) == len(wanted)
        for row in changes:
            assert _address(wanted[int(row["contact_id"])]) in row["fields"]
            assert _address(int(row["contact_id"])) in row["fields"]

        # One asks for an address that another one keeps, and is left alone; later that
        # one is to have the first one's.
        await _give(here, {10: 11})
        report = await here.run(NAME)
        assert report.contacts["rejected"] == 1
        await _silent(here)
        await _give(here, {11: 10})
        await _in_step(here, {10: 11, 11: 10})


@pytest.mark.asyncio
async def test_nothing_is_emptied_where_that_cannot_help_or_was_not_asked_for(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path / "world", {NAME: KEYS}, (NAME,)) as here:
        await here.add(range(1, 4))
        own = {1: 1, 2: 2, 3: 3}
        await _give(here, own)
        await _in_step(here, own)
        await _give(here, {1: 2, 2: 1})
        plan = tmp_path / "plan.json"
        await here.plan_file(plan, NAME)
        report = (await here.run_file(plan, NAME))[NAME]
        assert report.contacts["deferred"] == 2
        assert _held(here) == {each: _address(each) for each in own}

        settings = {**KEYS["settings"], "clear_with": "nothing"}
        here.configure(NAME, settings=settings)
        report = await here.run(NAME)
        assert report.contacts["rejected"] == 2
        assert _held(here) == {each: _address(each) for each in own}
        await _silent(here)
