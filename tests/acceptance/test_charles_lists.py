"""Lists of phones and addresses at charles, which keeps several of one kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.people_project import CHARLES, People, people

NAME = "charles"
PHONES = {"from": "phones", "as": "e164", "region": "DE"}
FIELDS = {"first_name": "name", "phone_numbers.mobile": PHONES}


def phones(here: People, number: int) -> list[str]:
    held: list[str] = here.held(NAME)[number]["fields"].get("phone_numbers.mobile", [])
    return held


@pytest.mark.asyncio
@pytest.mark.parametrize("kind", ["text[]", "jsonb"])
async def test_each_item_of_a_list_is_a_value(
    database: str, tmp_path: Path, kind: str
) -> None:
    charles: dict[str, Any] = {**CHARLES, "fields": FIELDS}
    async with people(database, tmp_path, {NAME: charles}) as here:
        await here.source.execute(f"ALTER TABLE crm.people ADD phones {kind}")
        await here.add(range(1, 5))
        items = "ARRAY[%s]::text[]" if kind == "text[]" else "jsonb_build_array(%s)"

        async def write(number: int, listed: str) -> None:
            await here.source.execute(
                f"UPDATE crm.people SET phones = {items % listed} WHERE id = {number}"
            )

        await write(1, "'0151 1112233', '+49 30 112233'")
        await write(2, "'0151 2222222', NULL, '', '0151 2222222'")
        await write(3, "'0151 3333333', 'no phone'")
        report = await here.run(NAME)
        assert (report.contacts["applied"], report.contacts["rejected"]) == (3, 1)
        assert phones(here, 1) == ["491511112233", "4930112233"]
        assert phones(here, 2) == ["491512222222"]
        assert here.held(NAME).keys() == {1, 2, 4}
        assert (await here.run(NAME, backfill=True)).contacts["applied"] == 0

        # A phone more is sent alone; one less stays there, and is told.
        await write(1, "'0151 1112233', '+49 30 112233', '0151 4444444'")
        await write(2, "'0151 5555555'")
        report = await here.run(NAME)
        assert report.contacts["unsupported"] == 1
        assert phones(here, 1) == ["491511112233", "4930112233", "491514444444"]
        assert phones(here, 2) == ["491512222222", "491515555555"]


@pytest.mark.asyncio
async def test_who_is_shown_as_inactive_counts_as_not_written(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {NAME: CHARLES}) as here:
        await here.add([1, 2])
        here.sandbox.twin(NAME).configure({"inactive": ["2"]})
        report = await here.run(NAME)
        assert (report.contacts["applied"], report.contacts["rejected"]) == (1, 1)
        here.sandbox.twin(NAME).configure({"inactive": []})
        assert (await here.run(NAME)).contacts["applied"] == 1
