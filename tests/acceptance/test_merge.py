"""``merge`` makes one contact of two at a vendor that can."""

from __future__ import annotations

from pathlib import Path

import pytest

from syncengine import app
from syncengine.cli.exits import exit_code
from syncengine.errors import ConfigError
from syncengine.sandbox.faults import FaultKind, Rule
from syncengine.sandbox.twins.twin import Seed
from tests.support.people_project import BOTH, CHARTMOGUL, People, people

NAME = "chartmogul"


def stranger(here: People, **fields: str) -> str:
    (external_id,) = here.sandbox.twin(NAME).seed([Seed(dict(fields))], 0.0)
    return external_id


@pytest.mark.asyncio
async def test_an_ambiguous_match_is_cured(database: str, tmp_path: Path) -> None:
    async with people(database, tmp_path, {NAME: CHARTMOGUL}, twins=[NAME]) as here:
        await here.add([1])
        one, other = (
            stranger(here, external_id="1", title="CTO"),
            stranger(here, external_id="1", phone="+491"),
        )
        (report,) = await app.adopt(here.config, ())
        assert report.ambiguous == 1
        merged = await app.merge(here.config, NAME, one, other)
        assert (merged.status, merged.left, merged.contact_id) == ("done", one, None)
        (report,) = await app.adopt(here.config, ())
        assert report.linked == 1
        await here.run(NAME)
        assert here.held(NAME)[1]["fields"]["title"] == "CTO"
        assert (await here.run(NAME)).requests == 0


@pytest.mark.asyncio
async def test_a_copy_of_ours_is_not_merged_away(database: str, tmp_path: Path) -> None:
    async with people(database, tmp_path, {NAME: CHARTMOGUL}, twins=[NAME]) as here:
        await here.add([1])
        await here.run(NAME)
        ours, other = str(here.held(NAME)[1]["id"]), stranger(here, email="x@y.example")
        requests = here.requests(NAME)
        report = await app.merge(here.config, NAME, other, ours)
        assert (report.status, exit_code(report), here.requests(NAME)) == (
            "refused",
            2,
            requests,
        )
        assert "is the copy of contact 1" in (report.error or "")
        report = await app.merge(here.config, NAME, ours, other)
        assert (report.status, report.contact_id) == ("done", "1")
        assert (await here.states(NAME))[1]["status"] == "pending"


@pytest.mark.asyncio
async def test_an_unknown_outcome_is_reported_and_nothing_is_repeated(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {NAME: CHARTMOGUL}, twins=[NAME]) as here:
        one, other = (
            stranger(here, email="a@y.example"),
            stranger(here, email="b@y.example"),
        )
        here.fail(
            NAME, Rule(FaultKind.ERROR_HTML, method="POST", when="after", status=502)
        )
        report = await app.merge(here.config, NAME, one, other)
        assert (report.status, exit_code(report)) == ("incomplete", 1)
        assert len(here.sandbox.contacts(NAME)) == 1
        here.heal(NAME)
        report = await app.merge(here.config, NAME, one, other)
        assert (report.status, exit_code(report)) == ("rejected", 1)


@pytest.mark.asyncio
async def test_a_vendor_that_cannot_says_so(database: str, tmp_path: Path) -> None:
    async with people(database, tmp_path, BOTH) as here:
        with pytest.raises(ConfigError, match="charles cannot merge contacts"):
            await app.merge(here.config, "charles", "1", "2")
        code, said = await here.command("merge", "1", "1", "-d", "charles")
        assert code == 2
        assert "cannot merge" in said
