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
from tests.support.plan_files import contacts_of, not_as_planned, not_sent, sent_calls
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
        for number, night in enumerate(NIGHTS):
            await load_contacts(database, read_rows(night_file(night))[1])
            oracle.night(people_of(night))
            # Every other night what is sent was approved in a file.
            file = tmp_path / "plan.json" if number % 2 else None
            await _clean(here, oracle, vendor, file, exact=True)
            assert (await _run(here, vendor)).requests == 0


@pytest.mark.asyncio
@pytest.mark.parametrize("vendor", sorted(vendors.names()))
async def test_hostile_nights_at_every_vendor(
    vendor: str, database: str, tmp_path: Path
) -> None:
    # Few contacts share a request, so that there are enough that can go wrong.
    world = congress(database, tmp_path / "config", vendor, batch_size=2)
    async with world as (here, members):
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
            await _clean(here, oracle, vendor, tmp_path / "plan.json")
            assert (await _run(here, vendor)).requests == 0
        assert len(met) > 2, "the nights were not hostile"


async def _run(here: World, vendor: str) -> RunReport:
    return (await here.run(accept=frozenset({"removals"})))[vendor]


async def _run_file(here: World, vendor: str, file: Path) -> RunReport:
    """Write a plan and run it: what is sent is what it says, call by call."""
    accept = frozenset({"removals"})
    await here.plan_file(file, accept=accept)
    planned = contacts_of(file)
    with sent_calls(here.config) as calls:
        report = (await here.run_file(file, accept=accept))[vendor]
    assert list(not_as_planned(planned, calls)) == []
    assert not_sent(planned, calls) == []
    return report


async def _clean(
    here: World,
    oracle: Oracle,
    vendor: str,
    file: Path | None,
    *,
    exact: bool = False,
) -> None:
    """Run on a good night, after which the vendor holds what it must.

    With a ``file`` the night's plan is written to it, and it is what is run.
    """
    sample = EVERYBODY if exact else None
    plan = (await here.plan(sample=sample, accept=frozenset({"removals"})))[vendor]
    before = here.sandbox.journal(vendor).total
    if file is None:
        report = await _run(here, vendor)
    else:
        report = await _run_file(here, vendor, file)
    assert here.sandbox.journal(vendor).total - before == report.requests
    assert plan.requests_least <= report.requests <= plan.requests_most
    if exact:
        assert report.requests == plan.requests
        assert report.forecast is not None
        assert report.forecast.requests.usual == report.requests
        assert report.forecast.actions == report.actions == plan.actions
        assert await sent(here, report) == planned(plan)
    assert (report.error, report.status, exit_code(report)) == (None, "done", 0)
    assert list(oracle.differences(await vendor_contacts(here, vendor))) == []
