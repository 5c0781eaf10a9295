"""HubSpot answers a hundred contacts at once; the bad ones among them halt nobody."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from syncengine.model.reports import RunStatus
from tests.acceptance.test_hubspot import NAME
from tests.support.people_project import HUBSPOT, People, people

_FIELDS = {"crm_id": "id", "firstname": "name", "segment": "company"}


def _keys(*, trace_ids: bool) -> dict[str, Any]:
    settings = {**HUBSPOT["settings"], "trace_ids": trace_ids}
    return {**HUBSPOT, "settings": settings, "fields": _FIELDS}


async def _add(here: People, ids: range, *, bad: range = range(0)) -> None:
    """Add newcomers; the segment of the bad ones is no option."""
    await here.add(ids, company="gold")
    for number in bad:
        await here.change(number, company="pinchbeck")


@pytest.mark.asyncio
@pytest.mark.parametrize("trace_ids", [True, False])
async def test_bad_contacts_of_a_hundred_are_refused_and_nobody_else_is_deferred(
    database: str, tmp_path: Path, *, trace_ids: bool
) -> None:
    keys = _keys(trace_ids=trace_ids)
    async with people(database, tmp_path / "world", {NAME: keys}, (NAME,)) as here:
        here.configure_engine(batch_size=500)
        here.sandbox.twin(NAME).configure({"options": {"segment": ["gold", "silver"]}})
        first_bad = range(0, 100, 4)
        await _add(here, range(100), bad=first_bad)
        report = await here.run(NAME)
        assert report.status is RunStatus.INCOMPLETE, report.error
        assert (report.contacts["applied"], report.contacts["rejected"]) == (75, 25)
        assert report.contacts["deferred"] == 0

        bad = range(400, 500, 4)
        await _add(here, range(100, 500), bad=bad)
        for number in range(1, 161, 4):
            await here.change(number, company="silver")
        report = await here.run(NAME, accept=frozenset({"creates"}))
        assert report.status is RunStatus.INCOMPLETE, report.error
        assert report.contacts["deferred"] == 0
        assert report.contacts["rejected"] == len(bad)
        assert here.held(NAME).keys() == set(range(500)) - {*first_bad, *bad}
