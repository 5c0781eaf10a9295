"""Where contacts share requests, a plan still says how many a run sends."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from syncengine.cli.exits import exit_code
from syncengine.model.plans import PlanReport
from syncengine.model.reports import RunReport
from tests.support.people_project import HUBSPOT, People, people

NAME = "hubspot"
DESTINATION: dict[str, Any] = {
    **HUBSPOT,
    "fields": {"crm_id": "id", "firstname": "name", "phone": "phone"},
}
WITH_LISTS: dict[str, Any] = {
    **DESTINATION,
    "match_on": ["crm_id", "email"],
    "fields": {**DESTINATION["fields"], "email": "company"},
    "lists": {"from": "lists"},
}
BATCH = "POST /crm/v3/objects/contacts/batch"
ACCEPTED = frozenset({"removals", "tags", "lists"})


async def _foreseen(here: People) -> tuple[PlanReport, RunReport]:
    """Plan and run a night; the run sends as many requests as the plan says."""
    before = here.requests(NAME)
    planned = await here.plan(NAME, accept=ACCEPTED)
    assert here.requests(NAME) == before, "planning has sent something"
    report = await here.run(NAME, accept=ACCEPTED)
    assert exit_code(report) == 0, report
    assert here.requests(NAME) - before == report.requests == planned.requests
    assert planned.requests_least <= planned.requests <= planned.requests_most
    # The run's own forecast is right to the last request, too.
    assert report.forecast is not None
    assert report.forecast.made is not None
    assert report.forecast.requests.usual == report.forecast.made.requests
    assert report.forecast.look_ups == planned.look_ups
    assert report.forecast.actions == report.actions == planned.actions
    return planned, report


@pytest.mark.asyncio
async def test_a_night_of_newcomers_takes_as_many_requests_as_hundreds(
    database: str, tmp_path: Path
) -> None:
    async with people(
        database, tmp_path / "world", {NAME: DESTINATION}, (NAME,)
    ) as here:
        here.configure_engine(batch_size=500)
        await here.add(range(1, 539))
        planned, _ = await _foreseen(here)
        assert (planned.look_ups, planned.requests) == (6, 12)
        routes = Counter(
            f"{entry.method} {entry.path}" for entry in here.sandbox.journal(NAME).log
        )
        assert routes == {f"{BATCH}/read": 6, f"{BATCH}/create": 6}
        assert len(here.held(NAME)) == 538
        # The next night has nothing to do.
        assert (await _foreseen(here))[0].requests == 0


@pytest.mark.asyncio
async def test_a_mixed_night_takes_what_its_plan_says(
    database: str, tmp_path: Path
) -> None:
    async with people(
        database, tmp_path / "world", {NAME: WITH_LISTS}, (NAME,)
    ) as here:
        await here.source.execute("ALTER TABLE crm.people ADD lists text[]")
        here.configure_engine(batch_size=70)
        await here.add(range(1, 301), tags=["vip"], lists=["41"])
        await here.source.execute(
            "UPDATE crm.people SET company = 'p' || id || '@example.org' "
            "WHERE id % 2 = 0"
        )
        await _foreseen(here)
        await here.remove(range(1, 41))
        await here.source.execute(
            """
            UPDATE crm.people SET
                name = CASE WHEN id BETWEEN 41 AND 170 THEN 'Other ' || id
                       ELSE name END,
                tags = CASE WHEN id BETWEEN 100 AND 209 THEN '{vip,new}'::text[]
                       WHEN id BETWEEN 210 AND 230 THEN '{}' ELSE tags END,
                lists = CASE WHEN id BETWEEN 150 AND 180 THEN '{43,42,41}'::text[]
                        WHEN id BETWEEN 181 AND 240 THEN '{42}' ELSE lists END
            """
        )
        await here.add(range(301, 421), tags=["new"], lists=["43", "42"])
        planned, _ = await _foreseen(here)
        assert planned.actions.keys() == {
            "create",
            "update",
            "add_tags",
            "remove_tags",
            "join_lists",
            "leave_lists",
            "delete",
        }
        assert sum(planned.actions.values()) > 500
        assert planned.requests < 40
        assert (await _foreseen(here))[0].requests == 0
