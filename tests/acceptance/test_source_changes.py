"""A source changes, breaks or goes away between two runs, or during one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from syncengine.cli.exits import exit_code
from syncengine.model.reports import RunReport
from syncengine.sandbox.faults import FaultKind, Rule
from syncengine.storage.failures import describe
from tests.support.databases import Databases
from tests.support.people_project import RESPOND_IO, People, people

_NARROW = {**RESPOND_IO, "in_flight": 1, "where": "opted_in", "on_removed": "untag"}
"""One request at a time.

While the first one waits, only the first two batches have been loaded.
"""


@asynccontextmanager
async def _while_a_run_waits(
    here: People, **options: object
) -> AsyncIterator[asyncio.Task[RunReport]]:
    """Run the block after the diff, while the first request waits at the vendor."""
    holds = here.sandbox.holds("respond_io")
    here.fail("respond_io", Rule(FaultKind.HOLD_BEFORE_COMMIT, times=1))
    run = asyncio.create_task(here.run("respond_io", **options))
    held = asyncio.create_task(holds.wait_for(1))
    await asyncio.wait({run, held}, return_when=asyncio.FIRST_COMPLETED)
    assert not run.done(), run.result()
    yield run
    holds.release()
    await run


@pytest.mark.asyncio
async def test_what_changes_between_diff_and_load_is_sent_as_it_is_then(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {"respond_io": _NARROW}) as here:
        await here.add(range(1, 25))
        async with _while_a_run_waits(here) as run:
            await here.change(20, opted_in=False)
            await here.remove([21])
            await here.change(22, name="Fresh")
            await here.change(1, opted_in=False)  # too late: it is on its way
            await here.add([25])  # too late: after the diff
        report = run.result()
        assert (report.status, exit_code(report), report.contacts["applied"]) == (
            "done",
            0,
            22,
        )
        held = here.held("respond_io")
        assert held.keys() == set(range(1, 25)) - {20, 21}
        assert held[22]["fields"]["firstName"] == "Fresh"
        assert not {20, 21} & (await here.states("respond_io")).keys(), (
            "nothing is known of who was not sent"
        )

        report = await here.run("respond_io")
        assert (report.contacts["changed"], report.contacts["applied"]) == (1, 1)
        assert set(here.held("respond_io")) == {*range(1, 20), 22, 23, 24, 25}
        assert (await here.states("respond_io"))[1]["status"] == "removed"


@pytest.mark.asyncio
async def test_who_leaves_between_diff_and_load_is_the_next_run_s_business(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {"respond_io": _NARROW}) as here:
        await here.add(range(1, 25), tags=["vip"])
        await here.run("respond_io")
        await here.source.execute("UPDATE crm.people SET name = 'New ' || id")
        async with _while_a_run_waits(here) as run:
            await here.remove(range(13, 25))
        assert (exit_code(run.result()), run.result().contacts["applied"]) == (0, 12)
        held = here.held("respond_io")
        assert {number for number, contact in held.items() if contact["tags"]} == set(
            range(1, 25)
        )
        report = await here.run("respond_io")
        assert (report.status, report.requests) == ("refused", 0), (
            "no removal goes past the brakes"
        )
        assert "12 of 24 known contacts" in str(report.error)


@pytest.mark.asyncio
async def test_who_returns_between_diff_and_load_keeps_its_tags(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {"respond_io": _NARROW}) as here:
        await here.add(range(1, 25), tags=["vip"])
        await here.run("respond_io")
        await here.remove(range(1, 9))
        async with _while_a_run_waits(here, accept=frozenset({"removals"})) as run:
            newest = (
                "SELECT contact_ids[1] FROM syncengine.sync_batch "
                "ORDER BY run_id DESC, number DESC"
            )
            returning = int(await here.source.fetchval(newest))
            await here.add([returning], tags=["vip"])
        assert exit_code(run.result()) == 0
        tagged = {
            number
            for number, contact in here.held("respond_io").items()
            if contact["tags"]
        }
        assert tagged == {returning, *range(9, 25)}
        assert (await here.states("respond_io"))[returning]["status"] == "synced"
        assert (await here.run("respond_io")).requests == 0


@pytest.mark.asyncio
async def test_a_column_dropped_since_yesterday_is_named_and_nothing_is_sent(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path) as here:
        here.configure("charles", fields={"first_name": "name"})
        await here.add(range(1, 5))
        await here.runs()
        await here.source.execute("ALTER TABLE crm.people DROP COLUMN phone")
        await here.change(1, name="New")
        sent = here.requests("respond_io")
        for verb in ("run", "plan", "check"):
            code, said = await here.command(verb)
            asked = (
                2 if verb == "check" else 0
            )  # for the credentials, and for a contact that is known here
            assert (code, here.requests("respond_io") - sent) == (2, asked)
            column = (
                f"{here.destination_file('respond_io')}: fields.phone.from: "
                'column "phone"'
            )
            assert f"{column} is not in crm.people (it has: id, name, " in said
        assert "Nothing was sent to respond_io" in (await here.command("run"))[1]
        states = await here.states("respond_io")
        assert {row["status"] for row in states.values()} == {"synced"}, (
            "nothing is lost"
        )
        assert here.held("charles")[1]["fields"]["first_name"] == "New", (
            "who does not map it goes on"
        )


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("damage", "repair"),
    [
        (
            "ALTER TABLE crm.people DROP COLUMN phone",
            "ALTER TABLE crm.people ADD COLUMN phone text DEFAULT '+49'",
        ),
        (
            "ALTER TABLE crm.people RENAME TO persons",
            "ALTER TABLE crm.persons RENAME TO people",
        ),
    ],
    ids=["column", "table"],
)
async def test_a_source_that_breaks_in_mid_run_ends_it_and_the_next_one_finishes(
    database: str, tmp_path: Path, damage: str, repair: str
) -> None:
    async with people(database, tmp_path, {"respond_io": _NARROW}) as here:
        await here.add(range(1, 25))
        async with _while_a_run_waits(here) as run:
            await here.source.execute(damage)
        report = run.result()
        assert (report.status, exit_code(report)) == ("incomplete", 1)
        made = report.contacts["applied"]
        assert 4 <= made <= 12, "what was loaded is finished"
        assert (report.contacts["deferred"], report.contacts["rejected"]) == (
            24 - made,
            0,
        )
        assert report.error is not None
        place = f"crm.people in the state database ({describe(database)})"
        assert report.error.startswith(
            f"{here.destination_file('respond_io')}: {place}: "
        )
        assert "is not there" in report.error
        assert report.error.endswith("the next run goes on")

        await here.source.execute(repair)
        report = await here.run("respond_io", retry_of=report.run_id)
        assert (report.status, report.contacts["applied"]) == ("done", 24 - made)
        assert here.held("respond_io").keys() == set(range(1, 25))


@pytest.fixture
def elsewhere(databases: Databases) -> Iterator[str]:
    """Yield another database, which keeps no state."""
    dsn = databases.create(migrated=False)
    yield dsn
    databases.drop(dsn)


@asynccontextmanager
async def _source_elsewhere(
    here: People, dsn: str
) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """Copy respond_io's people to another database; those of charles stay."""
    here.environ["CRM_URL"] = dsn
    here.configure("respond_io", **{**_NARROW, "source": {"database": "${CRM_URL}"}})
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(
            "CREATE SCHEMA crm; "
            "CREATE TABLE crm.people (id integer PRIMARY KEY, name text, phone text, "
            "tags text[] NOT NULL DEFAULT '{}', "
            "opted_in boolean NOT NULL DEFAULT true); "
            "INSERT INTO crm.people (id, name, phone) "
            "SELECT n, 'Name ' || n, '+49152' || n FROM generate_series(1, 24) AS n"
        )
        yield connection
    finally:
        if not connection.is_closed():
            await connection.close()


@pytest.mark.asyncio
async def test_a_source_in_another_database_is_synced_night_after_night(
    database: str, elsewhere: str, tmp_path: Path
) -> None:
    async with (
        people(database, tmp_path) as here,
        _source_elsewhere(here, elsewhere) as source,
    ):
        await here.add(range(1, 4))
        reports = await here.runs()
        assert {
            name: report.contacts["applied"] for name, report in reports.items()
        } == {
            "charles": 3,
            "respond_io": 24,
        }
        assert (await here.run("respond_io")).requests == 0
        await source.execute(
            "UPDATE crm.people SET name = 'New' WHERE id = 5; "
            "DELETE FROM crm.people WHERE id = 6"
        )
        report = await here.run("respond_io")
        assert (exit_code(report), report.requests) == (0, 1)
        assert here.held("respond_io")[5]["fields"]["firstName"] == "New"
        assert (await here.states("respond_io"))[6]["status"] == "removed"


@pytest.mark.asyncio
async def test_a_source_that_cannot_be_reached_stops_its_readers_alone(
    database: str, elsewhere: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path) as here:
        await here.add(range(1, 4))
        here.environ["CRM_URL"] = elsewhere.replace(
            "/syncengine_test", "/no_such_database_of_syncengine_test"
        )
        here.configure(
            "respond_io", **{**_NARROW, "source": {"database": "${CRM_URL}"}}
        )
        code, said = await here.command("run")
        assert code == 2
        assert f"{here.destination_file('respond_io')}: source.database: " in said
        assert "create the database or correct its name in the database URL" in said
        assert "Nothing was sent to respond_io" in said
        assert here.requests("respond_io") == 0
        assert here.held("charles").keys() == {1, 2, 3}


@pytest.mark.asyncio
async def test_a_source_database_lost_in_mid_run_ends_it_and_the_next_one_finishes(
    database: str, elsewhere: str, tmp_path: Path
) -> None:
    async with (
        people(database, tmp_path) as here,
        _source_elsewhere(here, elsewhere) as source,
    ):
        name = (await source.fetchval("SELECT current_database()")) or ""
        async with _while_a_run_waits(here) as run:
            await source.close()
            await here.source.execute(
                f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false'
            )
            await here.source.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                "WHERE datname = $1",
                name,
            )
        report = run.result()
        assert (report.status, exit_code(report)) == ("incomplete", 1)
        made = report.contacts["applied"]
        assert 4 <= made <= 12
        assert report.contacts["deferred"] == 24 - made
        assert report.error is not None
        assert str(here.destination_file("respond_io")) in report.error

        await here.source.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
        report = await here.run("respond_io")
        assert (report.status, report.contacts["applied"]) == ("done", 24 - made)
        assert here.held("respond_io").keys() == set(range(1, 25))
