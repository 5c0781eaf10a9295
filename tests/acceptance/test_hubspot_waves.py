"""HubSpot takes a hundred contacts in one request; one bad contact stops nobody else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from syncengine.model.limits import Limit
from syncengine.model.reports import RunStatus
from syncengine.sandbox.faults import FaultKind, Rule
from syncengine.sandbox.limits import TwinLimit
from tests.acceptance.test_hubspot import NAME
from tests.support.people_project import HUBSPOT, people

_POISONED = (50, 150, 250)
_MOST_FOR_ONE = 14
_CREATE = "/batch/create$"


@pytest.mark.asyncio
@pytest.mark.parametrize("trace_ids", [True, False])
async def test_one_bad_contact_in_each_hundred_costs_nobody_else_anything(
    database: str, tmp_path: Path, *, trace_ids: bool
) -> None:
    settings: dict[str, Any] = {**HUBSPOT["settings"], "trace_ids": trace_ids}
    keys = {**HUBSPOT, "settings": settings}
    keys["fields"] = {"crm_id": "id", "firstname": "name", "email": "company"}
    async with people(database, tmp_path / "world", {NAME: keys}, (NAME,)) as here:
        here.configure_engine(batch_size=500)
        await here.add(range(300))
        for number in _POISONED:
            await here.change(number, company="no address")
        report = await here.run(NAME)
        assert report.contacts["rejected"] == len(_POISONED)
        assert report.contacts["applied"] == 300 - len(_POISONED)
        assert here.held(NAME).keys() == set(range(300)) - set(_POISONED)
        # Three look-ups and three creates of a hundred.
        extra = report.requests - 6
        assert extra <= (0 if trace_ids else _MOST_FOR_ONE * len(_POISONED))


@pytest.mark.asyncio
@pytest.mark.parametrize("refused_batches", ["nothing", "unknown"])
async def test_one_bad_update_in_a_hundred_costs_nobody_else_anything(
    database: str, tmp_path: Path, refused_batches: str
) -> None:
    settings: dict[str, Any] = {
        **HUBSPOT["settings"],
        "trace_ids": False,
        "refused_batches": refused_batches,
    }
    keys = {**HUBSPOT, "settings": settings}
    keys["fields"] = {"crm_id": "id", "firstname": "name", "email": "company"}
    async with people(database, tmp_path / "world", {NAME: keys}, (NAME,)) as here:
        here.configure_engine(batch_size=500)
        await here.add(range(100))
        await here.run(NAME)
        for number in range(100):
            await here.change(number, name=f"New {number}")
        await here.change(70, company="no address")
        report = await here.run(NAME)
        assert (report.contacts["rejected"], report.contacts["applied"]) == (1, 99)
        assert report.requests <= 1 + _MOST_FOR_ONE
        names = {
            number: held["fields"]["firstname"]
            for number, held in here.held(NAME).items()
        }
        assert names == {
            number: f"{'Name' if number == 70 else 'New'} {number}"
            for number in range(100)
        }


@pytest.mark.asyncio
async def test_a_limit_of_contacts_is_kept_without_one_refusal(
    database: str, tmp_path: Path
) -> None:
    """The vendor counts the contacts of each batch itself, in any second."""
    keys = {**HUBSPOT, "fields": {"crm_id": "id", "firstname": "name"}}
    keys["limits"] = [{"items": 250, "per": "1s"}, {"calls": 100, "per": "10s"}]
    async with people(database, tmp_path / "world", {NAME: keys}, (NAME,)) as here:
        here.configure_engine(batch_size=500)
        limiter = here.sandbox.twin(NAME).limiter
        of_contacts = TwinLimit(250, 1.0, counts="items")
        limiter.configure([of_contacts, TwinLimit(100, 10.0)])
        await here.add(range(300))
        planned = await here.plan(NAME)
        assert planned.limit == Limit(items=250, per=1.0)
        report = await here.run(NAME)
        assert (report.status, report.throttled) == (RunStatus.DONE, 0)
        assert here.held(NAME).keys() == set(range(300))
        assert report.requests == 6
        # Six batches of a hundred: two fit into a second, a third one does not.
        assert limiter.worst(of_contacts).calls == 200
        assert report.seconds >= 2.0
        # The first two batches go out at once, and two more each second.
        assert planned.seconds == pytest.approx(2.5, abs=0.1)
        _, said = await here.command("check")
        assert "250 contacts per 1 s, 100 per 10 s" in said


@pytest.mark.asyncio
async def test_contacts_are_adopted_and_verified_a_hundred_in_one_request(
    database: str, tmp_path: Path
) -> None:
    keys = {**HUBSPOT, "fields": {"crm_id": "id", "firstname": "name"}}
    async with people(database, tmp_path / "world", {NAME: keys}, (NAME,)) as here:
        here.configure_engine(batch_size=500)
        screen = here.sandbox.twin(NAME).screen(0.0)
        for number in range(250):
            screen.create({"crm_id": str(number), "firstname": f"Name {number}"})
        await here.add(range(250))
        before = here.requests(NAME)
        code, said = await here.command("adopt", "-d", NAME)
        assert code == 0, said
        assert here.requests(NAME) - before <= 3
        assert len(await here.states(NAME)) == 250
        before = here.requests(NAME)
        code, said = await here.command("verify", "-d", NAME)
        assert code == 0, said
        assert here.requests(NAME) - before <= 4


_LOST: Mapping[str, tuple[Rule, int]] = {
    # Look-up, create, and one look-up that finds them all.
    "answer lost": (Rule(FaultKind.ERROR_HTML, "after", path=_CREATE, times=1), 3),
    "cut off": (Rule(FaultKind.TRUNCATED_JSON, path=_CREATE, times=1), 3),
    # One look-up more once nothing can be on its way, and a create of the other half.
    "half committed": (Rule(FaultKind.HALF_BATCH, path=_CREATE, times=1), 5),
    "one untold": (Rule(FaultKind.ONE_UNTOLD, "after", path=_CREATE, times=1), 3),
}


@pytest.mark.asyncio
@pytest.mark.parametrize("lost", _LOST)
async def test_a_lost_answer_of_a_hundred_creates_costs_one_look_up(
    database: str, tmp_path: Path, lost: str
) -> None:
    rule, most = _LOST[lost]
    keys = {**HUBSPOT, "fields": {"crm_id": "id", "firstname": "name"}}
    async with people(database, tmp_path / "world", {NAME: keys}, (NAME,)) as here:
        here.configure_engine(batch_size=500)
        await here.add(range(100))
        here.sandbox.faults(NAME).configure([rule])
        report = await here.run(NAME)
        assert report.status is RunStatus.DONE, report
        assert report.requests <= most
        held = here.held(NAME)
        assert held.keys() == set(range(100))
        states = await here.states(NAME)
        for number in range(100):
            assert states[number]["external_id"] == held[number]["id"]
