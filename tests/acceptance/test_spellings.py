"""Contacts imported before us, with phones in every spelling.

They are found, or named, and never mistaken for somebody else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from syncengine import app
from syncengine.cli.exits import exit_code
from syncengine.sandbox.twins.whautomate.switches import LOCATION
from tests.support.demo_project import KEY
from tests.support.people_project import DM_CHAMP, RESPOND_IO, People, people

SPELLINGS = {
    1: "+4915177700",
    2: "4915177700",
    3: "004915177700",
    4: "015177700",
    5: "0151 77700",
    6: "+49 151 77700",
    7: "+49(0)15177700",
}
"""By the contact's number, without the two digits at the end."""
EVERYBODY = frozenset(SPELLINGS)
PHONE = {
    "respond_io": "phone",
    "respond_io_v2": "phone",
    "dm_champ": "phoneNumber",
    "whautomate": "phoneNumber",
}
NAMES = {
    "respond_io": "firstName",
    "respond_io_v2": "firstName",
    "dm_champ": "firstName",
}
DESTINATIONS: dict[str, dict[str, Any]] = {
    "respond_io": RESPOND_IO,
    "respond_io_v2": {
        "vendor": "respond_io_v2",
        "settings": {
            "base_url": "${RESPOND_IO_V2_URL}",
            "token": "${RESPOND_IO_TOKEN}",
            "settles_within": "100ms",
        },
        "limits": [],
        "attempts": 1,
    },
    "dm_champ": DM_CHAMP,
    "whautomate": {
        "vendor": "whautomate",
        "settings": {
            "base_url": "${WHAUTOMATE_URL}",
            "api_key": "${WHAUTOMATE_KEY}",
            "location_id": LOCATION,
            "settles_within": "100ms",
        },
        "limits": [],
        "attempts": 1,
    },
}
PLAIN = frozenset({1, 2, 3, 4})
"""Found by a run where each spelling takes a request."""
FOUND = {"respond_io": PLAIN, "dm_champ": PLAIN}
LOCAL = frozenset({4, 5})
"""Without the country code."""


@asynccontextmanager
async def account(
    database: str, folder: Path, name: str, region: str | None, **settings: Any
) -> AsyncIterator[People]:
    """Set up seven rows whose people the account has, each in another spelling."""
    phone: dict[str, Any] = {
        "from": "phone",
        "as": "e164",
        **({"region": region} if region else {}),
    }
    destination = {
        **DESTINATIONS[name],
        "match_on": [PHONE[name]],
        "fields": {NAMES.get(name, "name"): "name", PHONE[name]: phone},
        "settings": {**DESTINATIONS[name]["settings"], **settings},
    }
    destination.pop("tags", None)
    async with people(database, folder, {name: destination}, (name,)) as here:
        here.environ["WHAUTOMATE_KEY"] = KEY
        await here.add(EVERYBODY)
        for number in EVERYBODY:
            await here.change(number, phone=f"+4915177700{number:02}")
        yield here


def imported(here: People, name: str) -> dict[int, str]:
    """Enter everybody by hand; return their ids."""
    screen = here.sandbox.twin(name).screen(0.0)
    return {
        number: screen.create(
            {NAMES.get(name, "name"): "By hand", PHONE[name]: f"{start}{number:02}"}
        )
        for number, start in SPELLINGS.items()
    }


async def linked(here: People, name: str, ids: dict[int, str]) -> frozenset[int]:
    """Return the numbers of the rows that are linked to whom they stand for."""
    states = await here.states(name)
    held = {number: states[number]["external_id"] for number in states if number in ids}
    assert not [
        number
        for number, found in held.items()
        if found in ids.values() and found != ids[number]
    ]
    return frozenset(number for number, found in held.items() if found == ids[number])


@pytest.mark.asyncio
@pytest.mark.parametrize("name", sorted(DESTINATIONS))
async def test_a_run_finds_whom_people_imported(
    database: str, tmp_path: Path, name: str
) -> None:
    async with account(database, tmp_path, name, "DE") as here:
        ids = imported(here, name)
        planned, report = await here.plan(name), await here.run(name)
        assert planned.requests_least <= report.requests <= planned.requests_most
        found = FOUND.get(name, EVERYBODY)
        assert await linked(here, name, ids) == found
        assert report.actions.get("create", 0) + report.actions.get("upsert", 0) == len(
            EVERYBODY - found
        )
        for _ in range(2):
            again = await here.run(name)
        assert (again.requests, again.contacts["changed"], exit_code(again)) == (
            0,
            0,
            0,
        )
        assert len(here.sandbox.contacts(name)) == len(EVERYBODY) + len(
            EVERYBODY - found
        )


@pytest.mark.asyncio
@pytest.mark.parametrize("region", [None, "AT"])
@pytest.mark.parametrize("name", sorted(DESTINATIONS))
async def test_without_the_region_nobody_is_linked_by_a_local_number(
    database: str, tmp_path: Path, name: str, region: str | None
) -> None:
    async with account(database, tmp_path, name, region) as here:
        ids = imported(here, name)
        (report,) = await app.adopt(here.config, (name,))
        assert await linked(here, name, ids) == EVERYBODY - LOCAL - MISSED[name]
        named = {note.contact_id: note for note in report.contacts}
        assert {int(each) for each in named} == LOCAL
        for number in LOCAL:
            note = named[str(number)]
            assert note.outcome == "alike"
            assert note.message.endswith(f": {ids[number]}")
            assert "0151" not in note.message
        assert (report.alike, report.unmatched) == (
            len(LOCAL),
            len(LOCAL | MISSED[name]),
        )
        assert exit_code(report) == 1
        await here.run(name)
        assert await linked(here, name, ids) == EVERYBODY - LOCAL - MISSED[name]


MISSED = {
    "respond_io": frozenset({7}),
    "respond_io_v2": frozenset[int](),
    "dm_champ": frozenset({7}),
    "whautomate": frozenset[int](),
}
"""What even ``adopt`` does not try where each spelling takes a request."""


@pytest.mark.asyncio
@pytest.mark.parametrize("name", sorted(DESTINATIONS))
async def test_adopt_links_more_spellings_than_a_run(
    database: str, tmp_path: Path, name: str
) -> None:
    async with account(database, tmp_path, name, "DE") as here:
        ids = imported(here, name)
        (report,) = await app.adopt(here.config, (name,))
        expected = EVERYBODY - MISSED[name]
        assert await linked(here, name, ids) == expected
        assert (report.linked, report.alike) == (len(expected), 0)
        assert exit_code(report) == 0
        code, said = await here.command("adopt")
        assert (code, "alike" in said) == (0, True)


@pytest.mark.asyncio
async def test_whoever_is_linked_already_is_no_stranger(
    database: str, tmp_path: Path
) -> None:
    name = "respond_io_v2"
    async with account(database, tmp_path, name, None) as here:
        screen = here.sandbox.twin(name).screen(0.0)
        made = screen.create({"firstName": "Old", "phone": "+4915177700001"})
        await here.change(1, phone="+4915177700001")
        await app.adopt(here.config, (name,))
        screen.edit(made, {"phone": "0151 7770099"})
        await here.change(2, phone="+491517770099")
        (report,) = await app.adopt(here.config, (name,))
        assert (report.alike, report.contacts) == (0, ())


@pytest.mark.asyncio
async def test_a_tag_reaches_a_contact_under_its_other_spelling(
    database: str, tmp_path: Path
) -> None:
    async with account(database, tmp_path, "dm_champ", "DE") as here:
        here.configure("dm_champ", tags={"from": "tags"})
        ids = imported(here, "dm_champ")
        for number in EVERYBODY:
            await here.change(number, tags=["vip"])
        report = await here.run("dm_champ")
        # A phone cannot be changed there: the other spelling stays, and is reported
        # once.
        assert report.contacts["rejected"] == 0
        tagged = {
            each["id"]
            for each in here.sandbox.contacts("dm_champ")
            if each["tags"] == ["vip"]
        }
        assert tagged >= {ids[number] for number in PLAIN}
        assert (await here.run("dm_champ")).requests == 0


@pytest.mark.asyncio
async def test_a_vendor_that_refuses_odd_spellings_is_asked_for_the_common_ones(
    database: str, tmp_path: Path
) -> None:
    name = "respond_io_v2"
    async with account(database, tmp_path, name, "DE") as here:
        here.sandbox.twin(name).configure({"phone_filters": "e164"})
        ids = imported(here, name)
        report = await here.run(name)
        assert report.contacts["applied"] == len(EVERYBODY)
        assert await linked(here, name, ids) == {1, 2}
        journal = Counter(entry.status for entry in here.sandbox.journal(name).log)
        assert journal[400] == len(EVERYBODY)


@pytest.mark.asyncio
async def test_only_the_spellings_of_the_setting_are_tried(
    database: str, tmp_path: Path
) -> None:
    settings = {"look_up_phones": "as_sent", "duplicates": "refused"}
    async with account(database, tmp_path, "dm_champ", "DE", **settings) as here:
        ids = imported(here, "dm_champ")
        (report,) = await app.adopt(here.config, ("dm_champ",))
        assert await linked(here, "dm_champ", ids) == {1}
        assert report.requests == len(EVERYBODY)
