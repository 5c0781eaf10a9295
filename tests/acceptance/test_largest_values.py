"""The largest values a row may hold come back in every vendor's answer.

They are applied, and the next night sends nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from syncengine import app, vendors
from syncengine.config.loading import load_config
from syncengine.model.bounds import DEEPEST_VALUE, LONGEST_NAME, LONGEST_ROW
from tests.support.any_vendor_nights import Congress, congress, define_fields
from tests.support.demo_project import World
from tests.support.people_project import RESPOND_IO, people

_ROOM = 1000
"""Characters for the quotes and names of the row's JSON."""
_OWN = ("id", "own_email", "own_phone", "last_name")
_DEEPEST = (
    f"(repeat('[', {DEEPEST_VALUE}) || '1' || repeat(']', {DEEPEST_VALUE}))::jsonb"
)
_LONGEST = f"to_jsonb(repeat('😀', {LONGEST_ROW - _ROOM}))"
_NO_VALUE = "NULL::jsonb"
_ODD_TAGS = (
    "👩\u200d💻",
    "\u200fright to left",
    "a\u00a0b",
    "zero\u200bwidth",
    "soft\u00adhyphen",
    "tab\there",
    "two\nlines",
    "\x1b[31mred",
)


@asynccontextmanager
async def _one_row(
    database: str, folder: Path, vendor: str, value: str, tags: tuple[str, ...] = ()
) -> AsyncIterator[tuple[World, Congress]]:
    """Set up a source of one row.

    ``value`` is the SQL of what goes to a field of any name, where the vendor has one.
    """
    async with congress(database, folder, vendor) as (here, members):
        listed = "ARRAY[" + ", ".join(f"'{tag}'" for tag in tags) + "]::text[]"
        query = (
            "SELECT 'a1' AS id, 'Adams' AS last_name, "
            "'anna@congress.example' AS own_email, '+14155550123' AS own_phone, "
            f"NULL::text AS nothing, {value} AS value, {listed} AS tags"
        )
        here.file.write_text(
            yaml.safe_dump(
                {"database": database, "source": {"query": query, "key": "id"}}
            )
        )
        file = here.file.parent / "destinations" / f"{vendor}.yaml"
        destination = yaml.safe_load(file.read_text())
        kept = {
            name: source
            for name, source in members.fields.items()
            if source in _OWN
            or (isinstance(source, dict) and source["from"] == "nothing")
        }
        destination["fields"] = kept | (
            {field: "value"} if (field := _field(members)) else {}
        )
        define_fields(here.sandbox.twin(vendor), destination["fields"])
        file.write_text(yaml.safe_dump(destination))
        yield replace(here, config=load_config(here.file, here.environ)), members


def _field(members: Congress) -> str | None:
    """Return the field of any name that updates may carry."""
    patterns = [
        name
        for name in members.later.fields
        if "*" in name and name not in members.capabilities.accumulates
    ]
    return patterns[0].replace("*", "value") if patterns else None


@pytest.mark.asyncio
@pytest.mark.parametrize("value", [_DEEPEST, _LONGEST], ids=["deepest", "longest"])
@pytest.mark.parametrize("vendor", sorted(vendors.names()))
async def test_the_largest_value_is_applied_and_silent(
    vendor: str, value: str, database: str, tmp_path: Path
) -> None:
    async with _one_row(database, tmp_path / "config", vendor, value) as (here, _):
        report = (await here.run(vendor))[vendor]
        judged = {name: number for name, number in report.contacts.items() if number}
        if vendor == "chartmogul" and value is _LONGEST:
            assert judged == {"changed": 1, "rejected": 1}, (
                "this vendor takes 255 characters"
            )
            return
        assert judged == {"changed": 1, "applied": 1}, report.error
        again = (await here.run(vendor))[vendor]
        assert (again.status, again.requests) == ("done", 0)
        assert (await here.run(vendor, contacts=("a1",)))[vendor].status == "done"


@pytest.mark.asyncio
@pytest.mark.parametrize("vendor", sorted(vendors.names()))
async def test_odd_tags_of_ours_are_read_back(
    vendor: str, database: str, tmp_path: Path
) -> None:
    async with _one_row(
        database, tmp_path / "config", vendor, _NO_VALUE, _ODD_TAGS
    ) as (here, members):
        if not members.takes_tags:
            return
        report = (await here.run(vendor))[vendor]
        assert (report.status, report.contacts["applied"]) == ("done", 1), (
            report.noteworthy
        )
        held: Any = here.sandbox.contacts(vendor)
        assert {*_ODD_TAGS} <= {*held[0]["tags"]}
        async with here.database() as state:
            await state.execute("DELETE FROM syncengine.sync_state")
        report = (await here.run(vendor))[vendor]
        assert report.status == "done", report.error
        assert report.requests >= 1, "it is looked up, or written once more"
        assert len(here.sandbox.contacts(vendor)) == 1
        assert (await here.run(vendor))[vendor].requests == 0
        (shown,) = await app.show(here.config, (vendor,), "a1")
        assert not [remark for remark in shown.remarks if "cannot be read" in remark]
        if members.capabilities.reads:
            assert shown.vendor
            assert set(_ODD_TAGS) <= {*shown.vendor.tags}


@pytest.mark.asyncio
@pytest.mark.parametrize("number", [LONGEST_NAME, LONGEST_NAME + 1])
async def test_a_name_that_could_not_be_read_back_is_not_sent(
    number: int, database: str, tmp_path: Path
) -> None:
    async with _one_row(
        database, tmp_path / "config", "respond_io", _NO_VALUE, ("n" * number,)
    ) as (here, _):
        report = (await here.run("respond_io"))["respond_io"]
        codes = [note.code for note in report.noteworthy]
        assert codes == ([] if number == LONGEST_NAME else ["invalid_value"])
        assert bool(report.requests) == (number == LONGEST_NAME)


@pytest.mark.asyncio
async def test_a_long_column_in_several_fields_is_counted_in_each(
    database: str, tmp_path: Path
) -> None:
    destination = {
        **RESPOND_IO,
        "fields": {"crm_id": "id", "phone": "phone", "first": "name", "second": "name"},
    }
    async with people(database, tmp_path, {"respond_io": destination}) as here:
        await here.add([1, 2])
        await here.change(1, name="x" * (LONGEST_ROW // 2 + 1))
        await here.change(2, name="x" * (LONGEST_ROW // 2 - _ROOM))
        report = await here.run("respond_io")
        (refused,) = report.noteworthy
        assert (refused.contact_id, refused.code) == ("1", "invalid_value")
        assert "100,000 characters" in refused.message
        assert here.held("respond_io").keys() == {2}
        assert (await here.run("respond_io", contacts=("2",))).requests == 0
