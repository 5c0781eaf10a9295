"""The clock of the state's database is set back.

Nothing waits an hour for it, neither for a lease nor for an answer.
"""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from syncengine.cli.exits import exit_code
from tests.support.people_project import RESPOND_IO, people

NAME = "respond_io"
_BACK = (
    "UPDATE syncengine.sync_lease "
    "SET released = false, expires_at = clock_timestamp() + interval '1 hour'"
)


@pytest.mark.asyncio
@pytest.mark.parametrize("written_by", ["this version", "one that stored no time"])
async def test_a_run_says_that_the_clock_was_set_back_and_takes_over(
    database: str, tmp_path: Path, written_by: str
) -> None:
    async with people(database, tmp_path, {NAME: RESPOND_IO}) as here:
        here.configure_engine(lease_ttl="1s")
        await here.add([1])
        assert exit_code(await here.run(NAME)) == 0
        await here.source.execute(_BACK)
        if written_by != "this version":
            await here.source.execute("UPDATE syncengine.sync_lease SET ttl = NULL")
        await here.change(1, name="Another")
        code, said = await here.command("run", "--json")
        assert code == 0, said
        lines = [orjson.loads(line) for line in said.splitlines()]
        (ahead,) = [line for line in lines if line.get("event") == "lease_ahead"]
        assert (ahead["level"], ahead["lasts"], ahead["seconds"]) == (
            "warning",
            1.0,
            1.0,
        )
        assert 3590.0 < ahead["runs_for"] <= 3600.0
        assert here.held(NAME)[1]["fields"]["firstName"] == "Another"
        assert (await here.one("SELECT epoch FROM syncengine.sync_lease"))["epoch"] == 2


@pytest.mark.asyncio
async def test_a_lease_under_the_account_s_former_name_is_waited_out_too(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {NAME: RESPOND_IO}) as here:
        here.configure_engine(lease_ttl="1s")
        await here.add([1])
        assert exit_code(await here.run(NAME)) == 0
        await here.source.execute(_BACK)
        here.configure(NAME, account="another_word")
        report = await here.run(NAME, accept=frozenset({"account"}))
        assert (exit_code(report), report.status) == (0, "done"), report.error


@pytest.mark.asyncio
async def test_what_was_sent_before_the_clock_was_set_back_is_settled_in_its_own_time(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {NAME: RESPOND_IO}) as here:
        await here.add([1])
        assert exit_code(await here.run(NAME)) == 0
        await here.source.execute(
            "UPDATE syncengine.sync_state "
            "SET source_hash = NULL, external_id = NULL, status = 'pending'"
        )
        await here.source.execute(
            "UPDATE syncengine.sync_known SET pending_at = clock_timestamp() + interval '1 hour', pending = "
            """'{"creates": true, "deletes": false, "keys": [["crm_id", "1"]], "fields": {}, "add_tags": [],"""
            """ "remove_tags": []}'"""
        )
        report = await here.run(NAME)
        assert (exit_code(report), report.status) == (0, "done"), report
        assert set(here.held(NAME)) == {1}
