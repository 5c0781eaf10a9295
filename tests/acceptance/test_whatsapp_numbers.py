"""WhatsApp writes numbers of Brazil, Mexico and Argentina otherwise than E.164.

No person is created twice for that.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from syncengine import app
from syncengine.cli.exits import exit_code
from syncengine.model.consent import of_phone
from syncengine.sandbox.twins.twin import Seed
from syncengine.sandbox.twins.whautomate.switches import LOCATION
from tests.support.people_project import DM_CHAMP, People, people

RESPOND_IO: dict[str, Any] = {
    "vendor": "respond_io",
    "settings": {
        "base_url": "${RESPOND_IO_URL}",
        "token": "${RESPOND_IO_TOKEN}",
        "settles_within": "100ms",
    },
    "limits": [],
    "match_on": ["phone"],
    "fields": {"firstName": "name", "phone": {"from": "phone", "as": "e164"}},
    "tags": {"from": "tags"},
}
RESPOND_IO_V2 = {
    **RESPOND_IO,
    "vendor": "respond_io_v2",
    "settings": {
        "base_url": "${RESPOND_IO_V2_URL}/v2",
        "token": "${RESPOND_IO_TOKEN}",
        "settles_within": "100ms",
    },
}
WHAUTOMATE = {
    "vendor": "whautomate",
    "settings": {
        "base_url": "${WHAUTOMATE_URL}",
        "api_key": "${CHARLES_KEY}",
        "location_id": LOCATION,
        "settles_within": "100ms",
    },
    "limits": [],
    "match_on": ["phoneNumber"],
    "fields": {"name": "name", "phoneNumber": {"from": "phone", "as": "e164"}},
    "tags": {"from": "tags"},
}
DESTINATIONS: dict[str, dict[str, Any]] = {
    "respond_io": RESPOND_IO,
    "respond_io_v2": RESPOND_IO_V2,
    "dm_champ": DM_CHAMP,
    "whautomate": WHAUTOMATE,
}
OTHER = {
    "+5511987654321": "+551187654321",
    "+551187654321": "+5511987654321",
    "+525512345678": "+5215512345678",
    "+5491123456789": "+541123456789",
}
"""What the source says, and what the vendor knows the person by."""


def phone_field(vendor: str) -> str:
    return "phone" if vendor.startswith("respond_io") else "phoneNumber"


def meet(here: People, vendor: str, phones: list[str]) -> None:
    """Create these people at the vendor before we come."""
    name = "name" if vendor == "whautomate" else "firstName"
    seeds = [
        Seed({name: f"Name {number}", phone_field(vendor): each})
        for number, each in enumerate(phones, 1)
    ]
    here.sandbox.twin(vendor).seed(seeds, 0.0)


@pytest.mark.asyncio
@pytest.mark.parametrize("vendor", DESTINATIONS)
async def test_who_is_there_under_the_other_number_is_found(
    database: str, tmp_path: Path, vendor: str
) -> None:
    async with people(
        database, tmp_path, {vendor: DESTINATIONS[vendor]}, (vendor,)
    ) as here:
        numbers = range(1, len(OTHER) + 1)
        if (
            vendor == "dm_champ"
        ):  # its other fields are set once, by the create, and these contacts are there
            here.configure(vendor, fields={"phoneNumber": "phone", "firstName": "name"})
        await here.add(numbers, tags=["vip"])
        for number, phone in zip(numbers, OTHER, strict=True):
            await here.change(number, phone=phone)
        await here.change(2, phone="+552187654322")
        meet(
            here,
            vendor,
            [
                *(other for phone, other in OTHER.items() if phone != "+551187654321"),
                "+5521987654322",
            ],
        )
        planned = (await here.plan(vendor)).requests
        report = await here.run(vendor)
        assert (exit_code(report), report.contacts["applied"]) == (0, len(OTHER)), (
            report
        )
        assert len(here.sandbox.contacts(vendor)) == len(OTHER)
        assert all(
            contact["tags"] == ["vip"] for contact in here.sandbox.contacts(vendor)
        )
        assert planned > 0
        again = await here.run(vendor, backfill=True)
        assert (exit_code(again), again.requests) == (0, 0)


@pytest.mark.asyncio
async def test_two_rows_with_one_persons_two_numbers_are_one_contact(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {"respond_io": RESPOND_IO}) as here:
        await here.add([1, 2])
        await here.change(1, phone="+5511987654321")
        await here.change(2, phone="+551187654321")
        report = await here.run("respond_io")
        assert (report.contacts["applied"], report.contacts["rejected"]) == (1, 1)
        outcomes = await here.outcomes(report.run_id)
        assert outcomes[2]["code"] == "duplicate_match_key"
        assert len(here.sandbox.contacts("respond_io")) == 1


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "listed", ["+55 11 98765-4321", "+55 (0)11 8765-4321", "0055 11 87654321"]
)
@pytest.mark.parametrize("held", ["+5511987654321", "+551187654321"])
async def test_a_suppression_knows_both_numbers(
    database: str, tmp_path: Path, listed: str, held: str
) -> None:
    async with people(database, tmp_path, {"respond_io": RESPOND_IO}) as here:
        await here.add([1])
        await here.change(1, phone=held)
        await app.suppress(here.config, of_phone(listed, ()))
        report = await here.run("respond_io")
        assert (report.contacts["suppressed"], report.requests) == (1, 0)
        await app.lift(here.config, of_phone(OTHER[held], ()))
        assert (await here.run("respond_io")).contacts["applied"] == 1
