"""Fields and tags taken out of a mapping (``on_unmap``).

They are left at the vendor, or removed there.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from syncengine.cli.exits import exit_code
from syncengine.sandbox.twins.twin import Seed
from tests.support.people_project import CHARLES, DM_CHAMP, RESPOND_IO, People, people

_WITH_PLAN = {**RESPOND_IO["fields"], "plan": "company"}


async def _synced(here: People, vendor: str, number: int = 3) -> None:
    await here.add(range(1, number + 1), tags=["vip", "new"], company="gold")
    report = await here.run(vendor)
    assert exit_code(report) == 0


def _copies(here: People, vendor: str) -> dict[int, tuple[dict[str, Any], list[str]]]:
    return {
        each: (row["fields"], sorted(row["tags"]))
        for each, row in here.held(vendor).items()
    }


@pytest.mark.asyncio
async def test_what_is_not_mapped_any_more_is_left_alone(
    database: str, tmp_path: Path
) -> None:
    destinations = {"respond_io": {**RESPOND_IO, "fields": _WITH_PLAN}}
    async with people(database, tmp_path, destinations, twins=("respond_io",)) as here:
        await _synced(here, "respond_io")
        before = _copies(here, "respond_io")
        here.configure("respond_io", tags=None, fields=RESPOND_IO["fields"])
        for _ in range(2):
            report = await here.run("respond_io")
            assert (exit_code(report), report.requests) == (0, 0)
        assert _copies(here, "respond_io") == before

        await here.change(1, tags=["other"], name="New name")
        report = await here.run("respond_io")
        assert (report.requests, dict(report.actions)) == (1, {"update": 1})
        assert _copies(here, "respond_io")[1][1] == ["new", "vip"]


@pytest.mark.asyncio
async def test_a_mapping_that_is_back_removes_its_old_tags(
    database: str, tmp_path: Path
) -> None:
    async with people(
        database, tmp_path, {"respond_io": RESPOND_IO}, twins=("respond_io",)
    ) as here:
        await _synced(here, "respond_io")
        here.configure("respond_io", tags=None)
        await here.run("respond_io")
        here.configure("respond_io", tags={"columns": {"in": "opted_in"}})
        await here.run("respond_io")
        assert [tags for _, tags in _copies(here, "respond_io").values()] == [
            ["in"]
        ] * 3


@pytest.mark.asyncio
async def test_what_is_ours_is_removed_where_that_is_asked_for(
    database: str, tmp_path: Path
) -> None:
    destinations = {"respond_io": {**RESPOND_IO, "fields": _WITH_PLAN}}
    async with people(database, tmp_path, destinations, twins=("respond_io",)) as here:
        theirs = Seed(
            {"crm_id": "1", "firstName": "Name 1", "language": "de"}, ("theirs",)
        )
        here.sandbox.twin("respond_io").seed([theirs], 0.0)
        await _synced(here, "respond_io")
        assert _copies(here, "respond_io")[1][1] == ["new", "theirs", "vip"]
        here.configure(
            "respond_io", tags=None, fields=RESPOND_IO["fields"], on_unmap="remove"
        )
        report = await here.run("respond_io")
        assert (exit_code(report), report.contacts["applied"]) == (0, 3)
        held = _copies(here, "respond_io")
        assert [tags for _, tags in held.values()] == [["theirs"], [], []]
        assert all(not fields.get("plan") for fields, _ in held.values())
        assert (held[1][0]["language"], held[1][0]["firstName"]) == ("de", "Name 1")
        assert (await here.run("respond_io")).requests == 0


@pytest.mark.asyncio
async def test_it_may_be_asked_for_later(database: str, tmp_path: Path) -> None:
    async with people(
        database, tmp_path, {"respond_io": RESPOND_IO}, twins=("respond_io",)
    ) as here:
        await _synced(here, "respond_io")
        here.configure("respond_io", tags=None)
        await here.run("respond_io")
        here.configure("respond_io", on_unmap="remove")
        plan = await here.plan("respond_io")
        assert [(cause.cause, cause.contacts) for cause in plan.causes] == [
            ("on_unmap_changed", 3)
        ]
        await here.run("respond_io")
        assert [tags for _, tags in _copies(here, "respond_io").values()] == [[]] * 3


@pytest.mark.asyncio
@pytest.mark.parametrize("on_unmap", ["leave", "remove"])
async def test_lists_follow_the_same_rule(
    database: str, tmp_path: Path, on_unmap: str
) -> None:
    destinations = {"dm_champ": {**DM_CHAMP, "tags": None, "lists": {"from": "tags"}}}
    destinations["dm_champ"].pop("tags")
    async with people(database, tmp_path, destinations, twins=("dm_champ",)) as here:
        await _synced(here, "dm_champ")

        def lists() -> set[str]:
            names = {
                name
                for fields, _ in _copies(here, "dm_champ").values()
                for name in fields
            }
            return {name for name in names if name.startswith("lists.")}

        assert lists() == {"lists.new", "lists.vip"}
        here.configure("dm_champ", lists=None, on_unmap=on_unmap)
        assert exit_code(await here.run("dm_champ")) == 0
        assert lists() == ({"lists.new", "lists.vip"} if on_unmap == "leave" else set())
        assert (await here.run("dm_champ")).requests == 0


_MANY = 60


class _Braked(NamedTuple):
    """A part of a mapping that is taken out, and the brake that its removal trips."""

    vendor: str
    mapping: Mapping[str, Any]
    taken_out: Mapping[str, Any]
    brake: str


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("vendor", "mapping", "taken_out", "brake"),
    [
        _Braked(
            vendor="respond_io",
            mapping=RESPOND_IO,
            taken_out={"tags": None},
            brake="tags",
        ),
        _Braked(
            vendor="respond_io",
            mapping={**RESPOND_IO, "fields": _WITH_PLAN},
            taken_out={"fields": RESPOND_IO["fields"]},
            brake="nulls",
        ),
        _Braked(
            vendor="dm_champ",
            mapping={**DM_CHAMP, "lists": {"from": "tags"}},
            taken_out={"lists": None},
            brake="lists",
        ),
    ],
    ids=["tags", "fields", "lists"],
)
async def test_a_removal_everywhere_is_stopped_by_its_brake(
    database: str,
    tmp_path: Path,
    vendor: str,
    mapping: Mapping[str, Any],
    taken_out: Mapping[str, Any],
    brake: str,
) -> None:
    async with people(database, tmp_path, {vendor: mapping}, twins=(vendor,)) as here:
        here.configure_engine(batch_size=100)
        await _synced(here, vendor, _MANY)
        sent = here.requests(vendor)
        here.configure(vendor, on_unmap="remove", **taken_out)
        report = await here.run(vendor)
        assert (exit_code(report), here.requests(vendor)) == (2, sent)
        assert f"brake {brake}: the run would have" in str(report.error)
        report = await here.run(vendor, accept=frozenset({brake}))
        assert (exit_code(report), report.contacts["applied"]) == (0, _MANY)


@pytest.mark.asyncio
async def test_joining_a_list_everywhere_is_stopped_by_its_brake(
    database: str, tmp_path: Path
) -> None:
    async with people(
        database, tmp_path, {"dm_champ": DM_CHAMP}, twins=("dm_champ",)
    ) as here:
        here.configure_engine(batch_size=100)
        await _synced(here, "dm_champ", _MANY)
        here.configure("dm_champ", lists={"columns": {"everybody": "opted_in"}})
        report = await here.run("dm_champ")
        assert exit_code(report) == 2
        assert (
            'the run would have put 60 of 60 known contacts on list "everybody"'
            in str(report.error)
        )
        assert exit_code(await here.run("dm_champ", accept=frozenset({"lists"}))) == 0


@pytest.mark.asyncio
async def test_no_brake_counts_what_charles_cannot_do(
    database: str, tmp_path: Path
) -> None:
    mapping = {**CHARLES, "on_null": "clear", "on_removed": "untag"}
    async with people(
        database, tmp_path, {"charles": mapping}, twins=("charles",)
    ) as here:
        here.configure_engine(batch_size=100)
        await here.add(range(1, 101), tags=["vip"])
        assert exit_code(await here.run("charles")) == 0
        await here.source.execute(
            "UPDATE crm.people SET tags = '{}', name = NULL WHERE id > 20"
        )
        await here.remove(range(1, 13))
        await here.add([200], tags=[])
        report = await here.run("charles")
        assert (exit_code(report), report.error) == (0, None)
        assert dict(report.actions) == {"upsert": 1}
        plan = await here.plan("charles")
        assert (plan.brake, plan.requests) == (None, 0)


@pytest.mark.asyncio
async def test_no_brake_counts_deletions_where_the_vendor_has_none(
    database: str, tmp_path: Path
) -> None:
    mapping = {**RESPOND_IO, "on_removed": "delete"}
    async with people(
        database, tmp_path, {"respond_io": mapping}, twins=("respond_io",)
    ) as here:
        here.configure_engine(batch_size=100)
        await _synced(here, "respond_io", 100)
        await here.remove(range(1, 13))
        assert (await here.plan("respond_io")).brake is None
        report = await here.run("respond_io")
        assert (exit_code(report), report.error, report.requests) == (0, None, 0)
        assert report.contacts["unsupported"] == 12
