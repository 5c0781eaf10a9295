"""Requests wait when a vendor's headers say that its limit is used up.

The vendor never has to refuse one.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from syncengine.sandbox.limits import TwinLimit
from tests.support.people_project import CHARLES, people

NAME = "charles"


@pytest.mark.asyncio
async def test_an_account_slows_down_before_it_is_refused(
    database: str, tmp_path: Path
) -> None:
    # Its own limits would let everything through at once.
    charles = {**CHARLES, "limits": [], "in_flight": 2}
    async with people(database, tmp_path, {NAME: charles}) as here:
        twin = here.sandbox.twin(NAME)
        twin.configure({"send_limit_headers": True})
        twin.limiter.configure((TwinLimit(6, 1.0, "fixed"),))
        await here.add(range(1, 14))
        report = await here.run(NAME)
        assert (report.status, report.contacts["applied"]) == ("done", 13)
        assert report.throttled == 0
