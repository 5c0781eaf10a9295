"""Whautomate may refuse a create for its tags, and has few stages."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from syncengine.sandbox.faults import FaultKind, Rule
from syncengine.sandbox.twins.whautomate.switches import LOCATION
from tests.support.demo_project import KEY
from tests.support.people_project import People, people

NAME = "whautomate"
DESTINATION: dict[str, Any] = {
    "vendor": NAME,
    "settings": {
        "base_url": "${WHAUTOMATE_URL}",
        "api_key": "${WHAUTOMATE_KEY}",
        "location_id": LOCATION,
        "settles_within": "1d",
    },
    "limits": [],
    "attempts": 1,
    "match_on": ["phoneNumber"],
    "fields": {"name": "name", "phoneNumber": "phone", "stage": "company"},
    "tags": {"from": "tags"},
}


@asynccontextmanager
async def whautomate(database: str, folder: Path) -> AsyncIterator[People]:
    async with people(database, folder, {NAME: DESTINATION}, (NAME,)) as here:
        here.environ["WHAUTOMATE_KEY"] = KEY
        yield here


@pytest.mark.asyncio
async def test_a_refused_create_leaves_nothing_unknown(
    database: str, tmp_path: Path
) -> None:
    async with whautomate(database, tmp_path) as here:
        await here.add(range(1, 3), tags=["vip"])
        create = r"/v1/contacts$"
        refuse = Rule(FaultKind.REFUSE, method="POST", path=create, status=400, times=4)
        here.fail(NAME, refuse)
        report = await here.run(NAME)
        assert report.contacts["rejected"] == 2
        # Nobody may wait a day for what was refused: the next run creates at once.
        here.fail(NAME)
        report = await here.run(NAME)
        assert (report.status, report.contacts["applied"]) == ("done", 2)
        assert report.requests == 2 * 2, "each is looked up in one search, and created"


@pytest.mark.asyncio
async def test_a_stage_that_is_none_is_refused_here(
    database: str, tmp_path: Path
) -> None:
    async with whautomate(database, tmp_path) as here:
        await here.add([1], company="customer")
        await here.add([2], company="Friend")
        await here.add([3], company="")
        report = await here.run(NAME)
        assert (report.contacts["applied"], report.contacts["rejected"]) == (2, 1)
        rejected = await here.source.fetch(
            "SELECT contact_id, code, message FROM syncengine.sync_outcome "
            "WHERE outcome = 'rejected'"
        )
        assert [(each["contact_id"], each["code"]) for each in rejected] == [
            ("2", "invalid_value")
        ]
        assert 'field "stage" takes one of: Subscriber' in rejected[0]["message"]
        assert "Friend" not in rejected[0]["message"]
        held: list[Any] = here.sandbox.contacts(NAME)
        stages = {each["fields"]["stage"] for each in held}
        assert stages == {"Customer", "Subscriber"}
        assert (await here.run(NAME)).contacts["applied"] == 0
