"""Another source behind an unchanged destination is noticed.

The same source, written in another way, is not taken for another one.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from syncengine.cli.exits import exit_code
from tests.support.databases import Databases
from tests.support.people_project import RESPOND_IO, People, people

NAME = "respond_io"
QUERY = """SELECT * FROM crm.people
WHERE name <> 'No  body'"""
LAID_OUT = {
    "one line": "SELECT * FROM crm.people WHERE name <> 'No  body'",
    "comments": (
        "SELECT * -- everything\nFROM crm.people /* of /* the */ CRM */ "
        "WHERE name <> 'No  body' -- but one"
    ),
    "small letters": "select *   from CRM.People where NAME<>'No  body'",
}
OTHERWISE = {
    "a blank in a string": QUERY.replace("No  body", "No body"),
    "what was a comment": "SELECT * FROM crm.people WHERE name <> 'No  body -- but one'",
    "another column": QUERY.replace("name", "phone"),
}


@pytest.fixture
def staging(databases: Databases) -> Iterator[str]:
    """The DSN of a database without the state schema."""
    dsn = databases.create(migrated=False)
    yield dsn
    databases.drop(dsn)


def _name(dsn: str) -> str:
    return urlsplit(dsn).path.removeprefix("/")


async def _copy(staging: str, rows: int) -> None:
    connection = await asyncpg.connect(staging)
    try:
        await connection.execute(
            "CREATE SCHEMA crm; "
            "CREATE TABLE crm.people (id integer PRIMARY KEY, name text, phone text, "
            "tags text[] NOT NULL DEFAULT '{}', "
            "opted_in boolean NOT NULL DEFAULT true, company text)"
        )
        await connection.execute(
            "INSERT INTO crm.people (id, name, phone) "
            "SELECT i, 'Test ' || i, '+49160' || lpad(i::text, 7, '0') "
            "FROM generate_series(1, $1) AS i",
            rows,
        )
    finally:
        await connection.close()


@pytest.mark.asyncio
async def test_a_copy_of_the_source_in_another_database_is_refused(
    database: str, staging: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {NAME: RESPOND_IO}) as here:
        await here.add(range(1, 6))
        await here.run(NAME)
        await _copy(staging, 5)
        sent, held = here.requests(NAME), here.held(NAME)
        here.configure(NAME, source={"database": staging})
        said = f"database was {_name(database)} and is now {_name(staging)}"
        for verb in ("check", "plan", "run"):
            code, told = await here.command(verb)
            assert (code, said in " ".join(told.split())) == (2, True), (verb, told)
        report = await here.run(NAME, contacts=("1",))
        assert (report.status, exit_code(report)) == ("refused", 2)
        assert "--accept database" in str(report.error)
        assert here.held(NAME) == held

        here.configure(NAME, source=None)
        assert (await here.run(NAME)).status == "done", "pointed back in time"
        here.configure(NAME, source={"database": staging})
        report = await here.run(NAME, accept=frozenset({"database"}))
        assert (report.status, report.contacts["applied"]) == ("done", 5)
        assert (await here.run(NAME)).requests == 0, "from now on it is that one"
        here.configure(NAME, source=None)
        report = await here.run(NAME)
        assert f"database was {_name(staging)} and is now {_name(database)}" in str(
            report.error
        )
        assert here.requests(NAME) > sent


@pytest.mark.asyncio
async def test_what_a_brake_stops_is_not_remembered_however_much_of_it_was_accepted(
    database: str, staging: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {NAME: RESPOND_IO}) as here:
        await here.add(range(1, 6))
        await here.run(NAME)
        await _copy(staging, 0)
        here.configure(NAME, source={"database": staging})
        report = await here.run(NAME, accept=frozenset({"database"}))
        assert "brake empty_source" in str(report.error)
        report = await here.run(NAME, accept=frozenset({"empty_source"}))
        assert "database was" in str(report.error), (
            "nobody has gone through with it yet"
        )


@pytest.mark.asyncio
async def test_a_state_that_does_not_know_its_database_learns_it(
    database: str, staging: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {NAME: RESPOND_IO}) as here:
        await here.add([1])
        await here.run(NAME)
        await here.source.execute(
            "UPDATE syncengine.sync_destination SET source_database = NULL"
        )
        assert (await here.run(NAME)).status == "done"
        row = await here.one("SELECT source_database FROM syncengine.sync_destination")
        assert row["source_database"] == _name(database)
        await _copy(staging, 1)
        here.configure(NAME, source={"database": staging})
        assert (await here.run(NAME)).status == "refused"


async def _refused(here: People, query: str) -> bool:
    here.configure(NAME, source={"query": query})
    report = await here.run(NAME)
    assert report.requests == 0
    if report.status != "refused":
        assert exit_code(report) == 0
        return False
    assert "--accept source" in str(report.error)
    return True


@pytest.mark.asyncio
async def test_a_query_laid_out_in_another_way_is_the_same_source(
    database: str, tmp_path: Path
) -> None:
    async with people(
        database, tmp_path, {NAME: {**RESPOND_IO, "source": {"query": QUERY}}}
    ) as here:
        await here.add([1, 2])
        await here.run(NAME)
        for name, query in LAID_OUT.items():
            assert not await _refused(here, query), name
        for name, query in OTHERWISE.items():
            assert await _refused(here, query), name
        # Versions before kept the text as it stood, with the key behind a last comment.
        await here.source.execute(
            "UPDATE syncengine.sync_destination SET source = $1",
            QUERY + " -- all by id",
        )
        assert not await _refused(here, QUERY)


@pytest.mark.asyncio
async def test_a_night_that_makes_other_people_of_most_contacts_is_stopped(
    database: str, staging: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {NAME: RESPOND_IO}) as here:
        await here.add(range(1, 21))
        await here.run(NAME)
        await _copy(staging, 20)
        sent = here.requests(NAME)
        here.configure(
            NAME,
            source={"database": staging},
            fields={**RESPOND_IO["fields"], "company": "company"},
        )
        accepted = frozenset({"database"})
        for told in (
            (await here.plan(NAME, accept=accepted)).brake,
            (await here.run(NAME, accept=accepted)).error,
        ):
            assert "brake rewrites: the run would have changed most fields" in str(told)
            assert "at 20 of 20 known contacts" in str(told)
        assert here.requests(NAME) == sent
        report = await here.run(NAME, accept=accepted | {"rewrites"})
        assert (report.status, report.contacts["applied"]) == ("done", 20)


@pytest.mark.asyncio
async def test_a_changed_mapping_is_meant_and_so_is_a_field_that_changes_everywhere(
    database: str, tmp_path: Path
) -> None:
    fields = {**RESPOND_IO["fields"], "company": {"from": "company", "default": "none"}}
    async with people(
        database, tmp_path, {NAME: {**RESPOND_IO, "fields": fields}}
    ) as here:
        await here.add(range(1, 21))
        await here.run(NAME)
        await here.source.execute("UPDATE crm.people SET company = 'Acme'")
        assert (await here.run(NAME)).contacts["applied"] == 20, "one field of three"
        here.configure(NAME, fields={**fields, "firstName": "company", "phone": "name"})
        assert (await here.run(NAME)).contacts["applied"] == 20, "the mapping says so"
        await here.source.execute(
            "UPDATE crm.people SET company = 'Other', name = name || ' and more'"
        )
        report = await here.run(NAME)
        assert "brake rewrites" in str(report.error)
        assert (await here.run(NAME, contacts=("1",))).contacts["applied"] == 1


@pytest.mark.asyncio
async def test_a_source_that_doubled_is_stopped_and_one_that_begins_is_not(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {NAME: RESPOND_IO}) as here:
        here.configure_engine(batch_size=200)
        rows = 0
        for more in (5, 35, 60, 40, 60):
            await here.add(range(rows + 1, rows + more + 1))
            rows += more
            assert (await here.run(NAME)).status == "done", rows
        await here.add(range(rows + 1, 2 * rows + 1))
        report = await here.run(NAME)
        assert "brake creates" in str(report.error)
        assert "the source has 400 rows, 200 more than the 200" in str(report.error)
