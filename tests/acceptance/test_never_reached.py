"""Contacts that the vendor does not hold count for no brake.

They were never reached, or were removed.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from syncengine.cli.exits import exit_code
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
