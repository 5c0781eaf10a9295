"""A state restored from a backup, at every vendor."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from syncengine import vendors
from syncengine.cli.exits import exit_code
from syncengine.model.reports import RunReport
from syncengine.storage.demo.csv_table import load_contacts, read_rows
from tests.support.any_vendor_nights import (
    Oracle,
    congress,
    people_of,
    vendor_contacts,
)
from tests.support.demo_project import World
from tests.support.dumps import dump, restore_whole
from tests.support.real_nights import NIGHTS, night_file

ACCEPTED = frozenset({"removals", "tags", "nulls", "creates", "empty_state"})
RESTORED = ACCEPTED | {"restored"}
BEFORE, AFTER = NIGHTS[0], NIGHTS[2]


@pytest.mark.asyncio
@pytest.mark.parametrize("vendor", sorted(vendors.names()))
async def test_goes_on_from_a_dump_at_every_vendor(
    vendor: str, database: str, tmp_path: Path
) -> None:
    config = tmp_path / "config"
    async with congress(database, config, vendor, prefix="crm:", find_first=False) as (
        here,
        members,
    ):
        oracle = Oracle(members)
        await _load(here, _rows(BEFORE).values())
        oracle.night(people_of(BEFORE))
        await _clean(here)
        dump(database, tmp_path / "state.dump")
        await _load(here, _rows(AFTER).values())
        oracle.night(people_of(AFTER))
        await _clean(here)

        # The restored state takes what it finds for in step: all changes since the dump
        # are changed back. Those who came since are there, and it does not know them.
        await restore_whole(database, tmp_path / "state.dump")
        now, then = _rows(AFTER), _rows(BEFORE)
        await _load(here, [then.get(each, row) for each, row in now.items()])
        people, former = people_of(AFTER), people_of(BEFORE)
        oracle.night({each: former.get(each, row) for each, row in people.items()})

        plan = (await here.plan(accept=RESTORED))[vendor]
        assert (plan.error, plan.brake) == (None, None)
        report = await _clean(here, RESTORED)
        assert plan.requests_least <= report.requests <= plan.requests_most
        assert list(oracle.differences(await vendor_contacts(here, vendor))) == []
        assert (await _clean(here)).requests == 0


def _rows(night: str) -> dict[str, Sequence[str | None]]:
    return {str(row[0]): row for row in read_rows(night_file(night))[1]}


async def _load(here: World, rows: Iterable[Sequence[str | None]]) -> None:
    await load_contacts(here.dsn, list(rows))


async def _clean(here: World, accept: frozenset[str] = ACCEPTED) -> RunReport:
    (report,) = (await here.run(accept=accept)).values()
    assert (report.error, report.status, exit_code(report)) == (None, "done", 0), report
    return report
