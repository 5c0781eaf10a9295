"""Accidents of the source overnight stop the run before its first request.

The run says what it would have done.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from syncengine.app.run_request import RunRequest
from syncengine.cli.exits import exit_code
from syncengine.config.models import BrakesModel
from syncengine.planning.brakes import EMPTY_SOURCE, NAMES, BrakeLimit, BrakeLimits
from tests.support.people_project import CHARLES, RESPOND_IO, people

NAME = "respond_io"
EVERYBODY = 60
WHOLE = {
    **RESPOND_IO,
    "on_null": "clear",
    "on_removed": "untag",
    "where": "opted_in",
    "brakes": {"creates": {"at_least": 40}},
}


@dataclass(frozen=True)
class Disaster:
    """An accident of the source, and what the run says it would have done."""

    brake: str
    statement: str
    told: str
    settings: dict[str, Any] = field(default_factory=dict)


DISASTERS = {
    "empty source": Disaster(
        "empty_source",
        "TRUNCATE crm.people",
        "would have removed our tags from 60 contacts",
    ),
    "half-empty source": Disaster(
        "removals",
        "DELETE FROM crm.people WHERE id % 2 = 0",
        "30 of 60 known contacts (50.0%) left the source",
    ),
    "half-empty source, removals ignored": Disaster(
        "shrunk_source",
        "DELETE FROM crm.people WHERE id % 2 = 0",
        "the source has 30 rows, 50.0% fewer than the 60 contacts known here",
        {"on_removed": "ignore"},
    ),
    "mass unsubscribe": Disaster(
        "removals",
        "UPDATE crm.people SET opted_in = false WHERE id > 5",
        "55 of 60 known contacts (91.7%) left",
    ),
    "null storm": Disaster(
        "nulls",
        "UPDATE crm.people SET phone = NULL",
        "would have emptied field phone of 60 of the 60 contacts that have it",
    ),
    "storm of blanks": Disaster(
        "nulls",
        "UPDATE crm.people SET phone = ' '",
        "would have emptied field phone of 60 of the 60 contacts that have it",
    ),
    "whole-list tag": Disaster(
        "tags",
        "UPDATE crm.people SET tags = tags || '{sale}'::text[]",
        'would have added or removed tag "sale" at 60 of 60 known contacts',
    ),
    "a tag lost by everybody": Disaster(
        "tags",
        "UPDATE crm.people SET tags = '{}'",
        'would have added or removed tag "vip" at 60 of 60 known contacts',
    ),
    "new keys": Disaster(
        "creates",
        "INSERT INTO crm.people (id, name) SELECT 1000 + id, name FROM crm.people",
        "would have created 60 contacts, while 60 are known here",
    ),
}


@pytest.mark.asyncio
@pytest.mark.parametrize("name", DISASTERS)
async def test_a_disaster_sends_nothing_until_it_is_accepted(
    database: str, tmp_path: Path, name: str
) -> None:
    disaster = DISASTERS[name]
    async with people(
        database, tmp_path, {NAME: {**WHOLE, **disaster.settings}}
    ) as here:
        await here.add(range(1, EVERYBODY + 1), tags=["vip"])
        assert exit_code(await here.run(NAME)) == 0
        sent, held = here.requests(NAME), here.held(NAME)
        await here.source.execute(disaster.statement)

        plan = await here.plan(NAME)
        report = await here.run(NAME)
        assert (report.status, exit_code(report), report.requests) == ("refused", 2, 0)
        for told in (report.error, plan.brake):
            assert told is not None
            assert f"brake {disaster.brake}: " in told
            assert disaster.told in told
            assert f"--accept {disaster.brake}" in told
        assert (here.requests(NAME), here.held(NAME)) == (sent, held)

        accepted = await here.run(NAME, accept=frozenset({disaster.brake}))
        assert exit_code(accepted) == 0, accepted.error
        assert (await here.run(NAME)).requests == 0


@pytest.mark.asyncio
async def test_what_stays_below_a_brake_is_done(database: str, tmp_path: Path) -> None:
    async with people(database, tmp_path, {NAME: WHOLE}) as here:
        await here.add(range(1, 201), tags=["vip"])
        await here.run(NAME)
        await here.source.execute("UPDATE crm.people SET phone = NULL WHERE id <= 40")
        await here.source.execute(
            "UPDATE crm.people SET tags = '{new}' WHERE id BETWEEN 41 AND 100"
        )
        await here.source.execute("DELETE FROM crm.people WHERE id > 191")
        await here.add(range(1001, 1100))
        report = await here.run(NAME)
        assert (exit_code(report), report.error) == (0, None)
        assert report.contacts["applied"] == 40 + 60 + 9 + 99


@pytest.mark.asyncio
async def test_an_empty_column_that_empties_nothing_trips_no_brake(
    database: str, tmp_path: Path
) -> None:
    """A default takes the value's place, or the vendor cannot clear the field."""
    default = {
        **WHOLE,
        "fields": {
            **RESPOND_IO["fields"],
            "phone": {"from": "phone", "default": "+4930123456"},
        },
    }
    kept = {**CHARLES, "on_null": "clear"}
    async with people(database, tmp_path, {NAME: default, "charles": kept}) as here:
        await here.add(range(1, EVERYBODY + 1))
        await here.runs()
        await here.source.execute("UPDATE crm.people SET phone = NULL")
        for name, report in (await here.runs()).items():
            assert (exit_code(report), report.error) == (0, None), name
        assert {contact["fields"]["phone"] for contact in here.held(NAME).values()} == {
            "+4930123456"
        }


@pytest.mark.asyncio
async def test_contacts_named_by_hand_pass_every_brake(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {NAME: WHOLE}) as here:
        await here.add(range(1, EVERYBODY + 1), tags=["vip"])
        await here.run(NAME)
        await here.source.execute("UPDATE crm.people SET phone = NULL")
        assert (await here.run(NAME, contacts=("1",))).contacts["applied"] == 1


def test_every_brake_is_a_setting_and_can_be_accepted() -> None:
    assert {*BrakesModel.model_fields, EMPTY_SOURCE} == set(NAMES)
    RunRequest(accept=frozenset(NAMES))
    for name, info in BrakesModel.model_fields.items():
        allowed = getattr(BrakeLimits(), name)
        assert BrakeLimit(info.default.share, info.default.at_least) == allowed
