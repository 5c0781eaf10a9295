"""A destination under a new name, and what removed destinations leave to others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from syncengine import app
from syncengine.cli.exits import exit_code
from syncengine.errors import ConfigError
from syncengine.storage.connect import Pool
from syncengine.storage.state import renaming
from tests.support.log_output import printed
from tests.support.people_project import BOTH, CHARLES, RESPOND_IO, People, people

_LOOSE = {"brakes": {"shrunk_source": {"at_least": 100}, "removals": {"at_least": 100}}}


def _move_file(here: People, old: str, new: str) -> None:
    here.destination_file(old).rename(here.destination_file(new))
    here.destinations[new] = here.destinations.pop(old)


async def _ids(here: People, destination: str) -> dict[int, str]:
    return {
        each: row["external_id"]
        for each, row in (await here.states(destination)).items()
    }


@pytest.mark.asyncio
async def test_contacts_that_a_run_makes_under_the_new_name_meanwhile_stay(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    destinations = {"old": {**RESPOND_IO, "account": "shop"}}
    async with people(database, tmp_path, destinations, twins=("respond_io",)) as here:
        await here.add([1, 2])
        await here.run("old")
        _move_file(here, "old", "new")
        look = renaming.contacts_there

        async def look_and_run(pool: Pool, destination: str) -> int:
            found = await look(pool, destination)
            if not found:
                # A run under the new name comes between the look and the lease.
                accepted = frozenset({"no_file"})
                report = await here.run("new", accept=accepted)
                assert exit_code(report) == 0
            return found

        monkeypatch.setattr(renaming, "contacts_there", look_and_run)
        with pytest.raises(ConfigError, match="new has 2 contacts at the vendor"):
            await app.rename(here.config, "old", "new")
        assert len(await _ids(here, "new")) == 2


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "account", ["shop", None], ids=["named account", "account of its name"]
)
@pytest.mark.parametrize("vendor", sorted(BOTH))
async def test_a_renamed_destination_goes_on_where_it_was(
    database: str, tmp_path: Path, vendor: str, account: str | None
) -> None:
    named = {} if account is None else {"account": account}
    destinations = {"old": {**BOTH[vendor], **named}}
    async with people(database, tmp_path, destinations, twins=(vendor,)) as here:
        await here.add(range(1, 5), tags=["vip"])
        await here.run("old")
        ids = await _ids(here, "old")
        sent = here.requests(vendor)
        _move_file(here, "old", "new")

        code, said = await here.command("run")
        assert (code, "syncengine rename old new" in " ".join(said.split())) == (
            2,
            True,
        )
        code, said = await here.command("rename", "old", "new")
        assert code == 0
        assert said.strip().endswith(
            "old is new from now on, with 4 contacts. Nothing was sent."
        )
        report = await here.run("new")
        assert (exit_code(report), report.contacts["changed"], report.error) == (
            0,
            0,
            None,
        )
        assert await _ids(here, "new") == ids
        assert await here.states("old") == {}
        assert here.requests(vendor) == sent

        await here.change(2, name="New name")
        report = await here.run("new")
        assert (exit_code(report), report.requests, report.contacts["applied"]) == (
            0,
            1,
            1,
        )
        code, said = await here.command("retry", "1")
        assert code == 0, "the runs have the new name, too"


@pytest.mark.asyncio
async def test_every_table_that_names_destinations_is_renamed(
    database: str, tmp_path: Path
) -> None:
    async with people(
        database, tmp_path, {"old": {**RESPOND_IO, "account": "shop"}}
    ) as here:
        await here.add([1, 2, 3])
        await here.change(
            3,
            phone=(await here.one("SELECT phone FROM crm.people WHERE id = 1"))[
                "phone"
            ],
        )
        await here.run("old")
        await here.command("forget", "2")
        await here.source.execute(
            "INSERT INTO syncengine.sync_wait "
            "VALUES ('old', '3', 'old', '1', '{phone}', 'x')"
        )
        columns = await here.source.fetch(
            "SELECT c.table_name, c.column_name FROM information_schema.columns AS c "
            "JOIN information_schema.tables AS t USING (table_schema, table_name) "
            "WHERE c.table_schema = 'syncengine' AND t.table_type = 'BASE TABLE' "
            "AND c.column_name LIKE '%destination'"
        )
        assert len(columns) >= 8

        async def naming(name: str) -> dict[str, int]:
            return {
                f"{table}.{column}": await here.source.fetchval(
                    f"SELECT count(*) FROM syncengine.{table} WHERE {column} = '{name}'"
                )
                for table, column in columns
            }

        before = await naming("old")
        _move_file(here, "old", "new")
        assert (await here.command("rename", "old", "new"))[0] == 0
        assert await naming("new") == before
        assert set((await naming("old")).values()) == {0}


@pytest.mark.asyncio
async def test_a_rename_is_refused_where_it_would_mix_two(
    database: str, tmp_path: Path
) -> None:
    shop = {**RESPOND_IO, "account": "shop"}
    destinations = {
        "one": {**shop, "where": "id < 3"},
        "two": {**shop, "where": "id >= 3"},
    }
    async with people(database, tmp_path, destinations) as here:
        await here.add(range(1, 5))
        await here.runs()
        sent = here.requests("respond_io")

        async def refused(old: str, new: str) -> str:
            with pytest.raises(ConfigError) as error:
                await app.rename(here.config, old, new)
            return str(error.value)

        assert "destination one has a file still" in await refused("one", "two")
        assert "the two names are the same" in await refused("one", "one")
        assert "the state knows no destination three" in await refused("three", "two")
        here.destination_file("one").unlink()
        assert "two has 2 contacts at the vendor itself" in await refused("one", "two")
        here.configure("new", **{**shop, "account": "other"})
        here.destination_file("two").unlink()
        told = await refused("one", "new")
        assert "the account of one is shop" in told
        assert "write account: shop there" in told
        code, said = await here.command("rename", "one", "new", "--json")
        assert (code, printed(said)["exit_code"]) == (2, 2)
        assert here.requests("respond_io") == sent


@pytest.mark.asyncio
async def test_what_a_refused_first_run_wrote_under_the_new_name_is_dropped(
    database: str, tmp_path: Path
) -> None:
    by_phone = {**RESPOND_IO, "account": "shop", "match_on": ["phone"]}
    async with people(database, tmp_path, {"old": by_phone}) as here:
        await here.add([1, 2])
        await here.run("old")
        ids = await _ids(here, "old")
        _move_file(here, "old", "new")
        await here.source.execute(
            "INSERT INTO syncengine.sync_state (destination, contact_id, status) "
            "VALUES ('new', '1', 'dead')"
        )
        assert (await here.command("rename", "old", "new"))[0] == 0
        assert await _ids(here, "new") == ids
        assert (await here.run("new")).requests == 0


@pytest.mark.asyncio
@pytest.mark.parametrize("match_on", [["crm_id"], ["phone"]])
async def test_of_two_files_made_one_the_other_contacts_are_given_over_once_accepted(
    database: str, tmp_path: Path, match_on: list[str]
) -> None:
    shop: dict[str, Any] = {
        **RESPOND_IO,
        "account": "shop",
        "match_on": match_on,
        **_LOOSE,
    }
    destinations = {
        "one": {**shop, "where": "id < 3"},
        "two": {**shop, "where": "id >= 3"},
    }
    async with people(database, tmp_path, destinations) as here:
        await here.add(range(1, 6), tags=["vip"])
        await here.runs()
        before = {
            number: each["id"] for number, each in here.held("respond_io").items()
        }
        here.destination_file("two").unlink()
        here.configure("one", where=None)
        sent = here.requests("respond_io")
        report = await here.run("one")
        assert (exit_code(report), here.requests("respond_io")) == (2, sent)
        assert "3 contacts of this run belong to two of the same account" in str(
            report.error
        )
        assert "`syncengine run -d one --accept no_file`" in str(report.error)
        assert (await here.plan("one")).brake is not None

        plan = await here.plan("one", accept=frozenset({"no_file"}))
        assert (plan.brake, plan.contacts, plan.rejected) == (None, 3, {})
        report = await here.run("one", accept=frozenset({"no_file"}))
        assert (exit_code(report), report.contacts["rejected"]) == (0, 0), report
        assert (
            "taken over from other destinations, with their vendor contacts: "
            "3 contacts of two"
        ) in report.remarks
        assert plan.requests_least <= report.requests <= plan.requests_most
        for _ in range(2):
            report = await here.run("one")
        assert (exit_code(report), report.requests) == (0, 0)
        assert {
            number: each["id"] for number, each in here.held("respond_io").items()
        } == before
        assert await _ids(here, "one") == {
            number: str(each) for number, each in before.items()
        }


@pytest.mark.asyncio
async def test_at_charles_too_an_accepted_missing_file_leads_to_contacts_in_step(
    database: str, tmp_path: Path
) -> None:
    shop: dict[str, Any] = {**CHARLES, "account": "shop", **_LOOSE}
    async with people(database, tmp_path, {"old": shop}, twins=("charles",)) as here:
        await here.add(range(1, 5), tags=["vip"])
        await here.run("old")
        before = {number: each["id"] for number, each in here.held("charles").items()}
        here.destination_file("old").unlink()
        here.configure("new", **shop)
        assert exit_code(await here.run("new")) == 2
        assert (await here.plan("new", accept=frozenset({"no_file"}))).rejected == {}
        report = await here.run("new", accept=frozenset({"no_file"}))
        assert (exit_code(report), report.contacts["rejected"]) == (0, 0)
        assert (await here.run("new")).requests == 0
        assert {
            number: each["id"] for number, each in here.held("charles").items()
        } == before
        assert await _ids(here, "new") == {
            number: str(each) for number, each in before.items()
        }
