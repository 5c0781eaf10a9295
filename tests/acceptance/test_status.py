"""``syncengine status`` prints what the state knows.

It makes no request and does not read the source.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from syncengine.app.verbs.failures import failures
from syncengine.app.verbs.status import status
from tests.support.log_output import printed
from tests.support.people_project import RESPOND_IO, People, people, refusing

_ONE = {"respond_io": {**RESPOND_IO, "find_first": True}}


@pytest.mark.asyncio
async def test_it_shows_the_last_run_and_asks_nobody(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, _ONE) as here:
        code, said = await here.command("status")
        assert code == 0
        assert "never ran" in said
        await here.add(range(1, 4))
        here.fail("respond_io", refusing(2))
        await here.run("respond_io")
        await here.source.execute("ALTER TABLE crm.people RENAME TO elsewhere")
        requests = here.requests("respond_io")
        code, said = await here.command("status", "--json")
        assert code == 0
        found = printed(said)
        assert found["destination"] == found["account"] == "respond_io"
        assert found["last_run"]["status"] == "incomplete"
        assert found["last_run"]["kind"] == "sync"
        assert found["last_run"]["contacts"]["rejected"] == 1
        assert found["last_run"]["ended_at"] is not None
        assert (found["lease"], found["open_erasures"]) == (None, 0)
        assert found["standing"]["dead_letter"] == 0
        code, said = await here.command("status", "-d", "respond_io")
        assert (code, "1 rejected" in said, "2 applied" in said) == (0, True, True)
        assert ", of 3 contacts to do" in said
        assert here.requests("respond_io") == requests
        code, said = await here.command("failures", "99999999999999999999")
        assert code == 2, said
        assert "<= 9223372036854775807" in said
        await here.source.execute("ALTER TABLE crm.elsewhere RENAME TO people")
        await _check_parts(here)


async def _in_step(here: People) -> tuple[bool | None, int | None]:
    (report,) = await status(here.config, ("respond_io",))
    return report.in_step, report.whole_run


async def _failed(here: People) -> list[tuple[str, int | None]]:
    pages = [page async for page in failures(here.config, ())]
    return [(each.contact_id, each.run_id) for page in pages for each in page]


async def _check_undo_and_unreached(
    here: People, part: int | None, whole: int | None
) -> None:
    """Check that an undo hides no failure, and that none is listed twice."""
    last = await here.run("respond_io", contacts=("2",))
    change = "UPDATE syncengine.sync_run SET kind = 'undo' WHERE run_id = $1"
    await here.source.execute(change, last.run_id)
    outcome = (
        "INSERT INTO syncengine.sync_outcome (run_id, contact_id, batch, outcome) "
        "VALUES ($1, '1', 1, 'suppressed')"
    )
    await here.source.execute(outcome, last.run_id)
    batch = (
        "INSERT INTO syncengine.sync_batch (run_id, number, kind, contact_ids) "
        "VALUES ($1, 99, 'changes', $2)"
    )
    await here.source.execute(batch, whole, ["1", "3", "7", "8"])
    await here.source.execute(batch, part, ["1", "7"])
    assert await _failed(here) == [("1", part), ("7", part), ("8", whole)]
    await here.source.execute("DELETE FROM syncengine.sync_batch WHERE number = 99")


async def _check_parts(here: People) -> None:
    """Check that runs about some contacts hide nothing of what the others lack."""
    first = (await _in_step(here))[1]
    await here.change(1, name="Other")
    assert (await here.run("respond_io", contacts=("1",))).status == "done"
    assert await _in_step(here) == (False, first)
    _, said = await here.command("status")
    assert f"run {first} was the newest that looked at all contacts" in said
    assert await _failed(here) == [("2", first)]
    here.heal("respond_io")
    assert (await here.run("respond_io", retry_of=first)).status == "done"
    assert await _in_step(here) == (False, first), "others may have come since"
    assert await _failed(here) == []
    whole = await here.run("respond_io")
    assert await _in_step(here) == (True, whole.run_id)

    here.fail("respond_io", refusing(1))
    await here.change(1, name="Name 1")
    part = await here.run("respond_io", limit=1)
    assert part.status == "incomplete"
    assert await _failed(here) == [("1", part.run_id)]
    assert await _in_step(here) == (False, whole.run_id)
    await here.change(3, name="Other")
    assert (await here.run("respond_io", contacts=("3",))).status == "done"
    assert await _in_step(here) == (False, whole.run_id)
    assert await _failed(here) == [("1", part.run_id)]
    await _check_undo_and_unreached(here, part.run_id, whole.run_id)
    here.heal("respond_io")
    whole = await here.run("respond_io", backfill=True)
    assert await _in_step(here) == (True, whole.run_id)
    await here.source.execute(
        "UPDATE syncengine.sync_run SET whole = false, status = 'done'"
    )
    assert await _in_step(here) == (None, None), "no run has looked at everybody"


@pytest.mark.asyncio
async def test_it_counts_erasures_that_a_person_has_to_finish(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, _ONE) as here:
        await here.add([1])
        await here.source.execute(
            "INSERT INTO syncengine.sync_erasure (contact_hash, destination, "
            "contact_id, status, to_ask, salted) "
            "SELECT sha256(convert_to(id, 'UTF8')), destination, id, status, to_ask, "
            "fingerprint FROM syncengine.sync_salt, (VALUES ('1', 'respond_io', "
            "'open', ''), ('2', 'respond_io', 'impossible', 'ask'), ('3', "
            "'respond_io', 'done', ''), ('4', 'elsewhere', 'open', '')) AS t (id, "
            "destination, status, to_ask)"
        )
        code, said = await here.command("status", "--json")
        assert (code, printed(said)["open_erasures"]) == (0, 2)
        code, said = await here.command("status")
        assert "2 forgotten contacts not erased there yet" in said
