"""``on_removed`` is changed after contacts left the source.

Reports name these contacts, and ``run --removed`` applies the new setting to them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from syncengine.cli.exits import exit_code
from syncengine.errors import ConfigError
from tests.support.people_project import CHARLES, CHARTMOGUL, RESPOND_IO, People, people


async def _left(here: People, vendor: str, number: int = 2) -> None:
    """Sync six contacts, and remove some while ``on_removed`` is ``ignore``."""
    await here.add(range(1, 7), tags=["vip"])
    await here.run(vendor)
    await here.remove(range(1, number + 1))
    report = await here.run(vendor)
    assert (exit_code(report), report.requests, report.remarks) == (0, 0, ())


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("vendor", "mapping"), [("charles", CHARLES), ("chartmogul", CHARTMOGUL)]
)
async def test_they_are_reported_and_deleted_when_that_is_asked_for(
    database: str, tmp_path: Path, vendor: str, mapping: dict[str, Any]
) -> None:
    async with people(database, tmp_path, {vendor: mapping}, twins=(vendor,)) as here:
        await _left(here, vendor)
        here.configure(vendor, on_removed="delete")
        told = (
            "2 contacts that left the source earlier are still at the vendor and not "
            "deleted, because "
            "on_removed was not delete then. "
            f"`syncengine run --removed -d {vendor}` applies it to them"
        )
        assert told in (await here.plan(vendor)).remarks
        report = await here.run(vendor)
        assert (exit_code(report), report.requests, report.remarks) == (0, 0, (told,))
        assert here.held(vendor).keys() == set(range(1, 7))

        plan = await here.plan(vendor, removed=True)
        assert (plan.contacts, dict(plan.actions)) == (2, {"delete": 2})
        code, said = await here.command("run", "--removed")
        assert code == 0, said
        assert here.held(vendor).keys() == {3, 4, 5, 6}
        for removed in (True, False):
            report = await here.run(vendor, removed=removed)
            assert (exit_code(report), report.requests, report.remarks) == (0, 0, ())


@pytest.mark.asyncio
async def test_their_tags_are_removed_once(database: str, tmp_path: Path) -> None:
    async with people(
        database, tmp_path, {"respond_io": RESPOND_IO}, twins=("respond_io",)
    ) as here:
        await _left(here, "respond_io")
        here.configure("respond_io", on_removed="untag")
        (remark,) = (await here.run("respond_io")).remarks
        assert (
            "2 contacts that left the source earlier are still at the vendor and "
            "not untagged"
        ) in remark
        report = await here.run("respond_io", removed=True)
        assert (dict(report.actions), report.remarks) == ({"remove_tags": 2}, ())
        held = here.held("respond_io")
        assert [held[number]["tags"] for number in (1, 2, 3)] == [[], [], ["vip"]]
        assert (await here.run("respond_io", removed=True)).requests == 0


@pytest.mark.asyncio
async def test_brakes_judge_them_and_who_is_back_is_spared(
    database: str, tmp_path: Path
) -> None:
    loose = {**CHARTMOGUL, "brakes": {"removals": {"share": 0.1, "at_least": 2}}}
    async with people(
        database, tmp_path, {"chartmogul": loose}, twins=("chartmogul",)
    ) as here:
        await _left(here, "chartmogul", 3)
        here.configure("chartmogul", on_removed="delete")
        await here.add([3])
        sent = here.requests("chartmogul")
        report = await here.run("chartmogul", removed=True)
        assert (exit_code(report), here.requests("chartmogul")) == (2, sent)
        assert "`syncengine run -d chartmogul --removed --accept removals`" in str(
            report.error
        )
        report = await here.run(
            "chartmogul", removed=True, accept=frozenset({"removals"})
        )
        assert (exit_code(report), report.actions["delete"]) == (0, 2)
        assert here.held("chartmogul").keys() == {3, 4, 5, 6}


@pytest.mark.asyncio
async def test_who_moved_to_another_destination_keeps_its_copy(
    database: str, tmp_path: Path
) -> None:
    shop = {
        **CHARTMOGUL,
        "account": "shop",
        "brakes": {"shrunk_source": {"at_least": 100}},
    }
    destinations = {
        "one": {**shop, "where": "opted_in"},
        "two": {**shop, "where": "not opted_in"},
    }
    async with people(database, tmp_path, destinations, twins=("chartmogul",)) as here:
        await here.add(range(1, 5))
        await here.runs()
        await here.change(1, opted_in=False)
        await here.remove([2])
        await here.run("one")
        here.configure("one", on_removed="delete")
        report = await here.run("one", removed=True)
        assert dict(report.actions) == {"delete": 1}
        assert here.held("chartmogul").keys() == {1, 3, 4}
        await here.run("two")
        assert (await here.states("two"))[1]["external_id"] == str(
            here.held("chartmogul")[1]["id"]
        )


@pytest.mark.asyncio
async def test_where_nothing_can_be_taken_away_that_is_said(
    database: str, tmp_path: Path
) -> None:
    async with people(
        database, tmp_path, {"respond_io": RESPOND_IO}, twins=("respond_io",)
    ) as here:
        await _left(here, "respond_io")
        for policy in ("ignore", "delete"):
            here.configure("respond_io", on_removed=policy)
            assert (await here.run("respond_io")).remarks == ()
            report = await here.run("respond_io", removed=True)
            assert (exit_code(report), report.requests) == (0, 0)
            (remark,) = report.remarks
            assert (
                f"on_removed is {policy}, for which respond_io has no request" in remark
            )
        with pytest.raises(
            ConfigError, match="--removed: is about contacts that left earlier"
        ):
            await here.run("respond_io", removed=True, backfill=True)
