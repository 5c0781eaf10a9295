"""Contacts that the vendor does not hold count for no brake.

They were never reached, or were removed.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from syncengine import app
from syncengine.cli.exits import exit_code
from syncengine.sandbox.faults import FaultKind, Rule
from tests.support.people_project import RESPOND_IO, people

NAME = "respond_io"
_MANY = range(1, 201)


@pytest.mark.asyncio
@pytest.mark.parametrize(("find_first", "each"), [(True, 2), (False, 1)])
async def test_a_first_sync_that_the_vendor_refuses_at_once_makes_nobody_known(
    database: str, tmp_path: Path, *, find_first: bool, each: int
) -> None:
    async with people(
        database, tmp_path, {NAME: {**RESPOND_IO, "find_first": find_first}}
    ) as here:
        here.configure_engine(batch_size=200)
        await here.add(_MANY)
        token = here.environ["RESPOND_IO_TOKEN"]
        here.environ["RESPOND_IO_TOKEN"] = "another-token"
        refused = await here.run(NAME)
        assert (refused.status, refused.contacts["deferred"]) == ("halted", len(_MANY))
        here.environ["RESPOND_IO_TOKEN"] = token

        # Nobody is known, so other keys surprise nobody, and nothing is in doubt: no
        # look-up is added.
        await here.source.execute("UPDATE crm.people SET id = id + 100000")
        planned = await here.plan(NAME)
        assert (planned.brake, planned.actions, planned.requests) == (
            None,
            {"create": 200},
            200 * each,
        )
        report = await here.run(NAME)
        assert (exit_code(report), report.actions, report.requests) == (
            0,
            {"create": 200},
            200 * each,
        )
        assert len(here.held(NAME)) == len(_MANY)


@pytest.mark.asyncio
async def test_removed_contacts_do_not_count_among_those_that_have_a_value(
    database: str, tmp_path: Path
) -> None:
    careful = {**RESPOND_IO, "on_null": "clear", "brakes": {"nulls": {"at_least": 5}}}
    async with people(database, tmp_path, {NAME: careful}) as here:
        await here.add(range(1, 31))
        assert exit_code(await here.run(NAME)) == 0
        await here.remove(range(11, 31))
        assert exit_code(await here.run(NAME, accept=frozenset({"shrunk_source"}))) == 0
        await here.source.execute("UPDATE crm.people SET name = NULL WHERE id <= 5")
        refused = await here.run(NAME)
        assert exit_code(refused) == 2
        assert "emptied field firstName of 5 of the 10 contacts that have it" in str(
            refused.error
        )


@pytest.mark.asyncio
async def test_failures_lists_whom_a_halted_run_did_not_come_to(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {"respond_io": RESPOND_IO}) as here:
        await here.add(range(1, 31))
        key = Rule(FaultKind.REFUSE, status=401, text="no such key")
        here.fail("respond_io", key)
        report = await here.run("respond_io")
        assert (report.status, report.contacts["deferred"]) == ("halted", 30)
        for chosen in (report.run_id, None):
            pages = app.failures(here.config, (), chosen)
            found = [failure async for page in pages for failure in page]
            assert {each.contact_id for each in found} == {
                str(number) for number in range(1, 31)
            }
            codes = {each.code for each in found}
            assert "not_reached" in codes
        assert any(
            f"syncengine failures {report.run_id}" in each for each in report.remarks
        )
        only = app.failures(here.config, (), report.run_id, "not_reached")
        assert {each.code async for page in only for each in page} == {"not_reached"}
