"""Real contacts over real nights for every vendor, on good and on hostile ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from syncengine import vendors
from syncengine.cli.exits import exit_code
from syncengine.model.reports import RunReport
from syncengine.sandbox.faults import Chance, Fault, FaultKind
from syncengine.storage.demo.csv_table import load_contacts, read_rows
from tests.support.any_vendor_nights import Oracle, congress, people_of, vendor_contacts
from tests.support.demo_project import World
from tests.support.planned_and_sent import EVERYBODY, planned, sent
from tests.support.real_nights import NIGHTS, night_file

COUNTED = {"charles", "respond_io"}
"""Their nights are followed request by request elsewhere."""
MIXED = (
    Fault(FaultKind.LATENCY, seconds=0.02),
    Fault(FaultKind.THROTTLE, retry_after=0),
    Fault(FaultKind.ERROR_HTML),
    Fault(FaultKind.ERROR_HTML, when="after", status=500),
    Fault(FaultKind.RESET),
    Fault(FaultKind.RESET, when="after"),
    Fault(FaultKind.TRUNCATED_JSON),
    Fault(FaultKind.SLOW_DRIP, seconds=0.05),
    Fault(FaultKind.COMMIT_LATE, seconds=0.05),
)


@pytest.mark.asyncio
@pytest.mark.parametrize("vendor", sorted(set(vendors.names()) - COUNTED))
async def test_six_nights_at_every_vendor(
    vendor: str, database: str, tmp_path: Path
) -> None:
    async with congress(database, tmp_path / "config", vendor) as (here, members):
        oracle = Oracle(members)
        for night in NIGHTS:
            await load_contacts(database, read_rows(night_file(night))[1])
            oracle.night(people_of(night))
            await _clean(here, oracle, vendor, exact=True)
            assert (await _run(here, vendor)).requests == 0


@pytest.mark.asyncio
@pytest.mark.parametrize("vendor", sorted(vendors.names()))
async def test_hostile_nights_at_every_vendor(
    vendor: str, database: str, tmp_path: Path
) -> None:
    async with congress(database, tmp_path / "config", vendor) as (here, members):
        oracle, met = Oracle(members), set[str]()
        for seed, night in enumerate(NIGHTS[1:3]):
            await load_contacts(database, read_rows(night_file(night))[1])
            oracle.night(people_of(night))
            here.sandbox.faults(vendor).configure(Chance(seed, 0.05, MIXED))
            hostile = await _run(here, vendor)
            assert hostile.error is None
            here.sandbox.faults(vendor).clear()
            met |= {
                entry.fault for entry in here.sandbox.journal(vendor).log if entry.fault
            }
            await _clean(here, oracle, vendor)
            assert (await _run(here, vendor)).requests == 0
        assert len(met) > 2, "the nights were not hostile"


async def _run(here: World, vendor: str) -> RunReport:
    return (await here.run(accept=frozenset({"removals"})))[vendor]


async def _clean(
    here: World, oracle: Oracle, vendor: str, *, exact: bool = False
) -> None:
    """Run on a good night, after which the vendor holds what it must."""
    sample = EVERYBODY if exact else None
    plan = (await here.plan(sample=sample, accept=frozenset({"removals"})))[vendor]
    report = await _run(here, vendor)
    assert plan.requests_least <= report.requests <= plan.requests_most
    if exact:
        assert report.requests == plan.requests
        assert report.forecast is not None
        assert report.forecast.requests.usual == report.requests
        assert report.forecast.actions == report.actions == plan.actions
        assert await sent(here, report) == planned(plan)
    assert (report.error, report.status, exit_code(report)) == (None, "done", 0)
    assert list(oracle.differences(await vendor_contacts(here, vendor))) == []
