"""Contacts that move between destinations of one account, or are in several."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from syncengine import app
from syncengine.cli.exits import exit_code
from syncengine.config.loading import read_config
from syncengine.sandbox.faults import FaultKind, Rule
from syncengine.sandbox.twins.charles.twin import CharlesTwin
from tests.support.people_project import (
    CHARLES,
    CHARTMOGUL,
    DM_CHAMP,
    RESPOND_IO,
    People,
    people,
)

_VENDORS: Mapping[str, tuple[Mapping[str, Any], str]] = {
    "charles": (CHARLES, "delete"),
    "chartmogul": (CHARTMOGUL, "delete"),
    "respond_io": (RESPOND_IO, "untag"),
    "dm_champ": ({**DM_CHAMP, "lists": {"from": "tags"}}, "untag"),
}
"""Vendor to a mapping, and to what happens to removed contacts."""
_WRITTEN = {name: {"upsert" if name == "charles" else "update": 1} for name in _VENDORS}
_LOOSE = {"removals": {"at_least": 100}, "shrunk_source": {"at_least": 100}}


def _two(vendor: str, **keys: Any) -> dict[str, dict[str, Any]]:
    """Configure two destinations of one account.

    Contacts that opted in are in ``one``, the others in ``two``.
    """
    mapping, on_removed = _VENDORS[vendor]
    shared = {
        **mapping,
        "account": "shop",
        "on_removed": on_removed,
        "brakes": _LOOSE,
        **keys,
    }
    return {
        "one": {**shared, "where": "opted_in"},
        "two": {**shared, "where": "not opted_in"},
    }


async def _move(here: People, number: int) -> None:
    row = await here.one("SELECT opted_in FROM crm.people WHERE id = $1", number)
    await here.change(number, opted_in=not row["opted_in"])


async def _synced(here: People) -> None:
    """Sync six contacts, three in each destination."""
    await here.add(range(1, 7), tags=["vip", "new"])
    for number in (4, 5, 6):
        await _move(here, number)
    for name in ("one", "two"):
        assert exit_code(await here.run(name)) == 0


async def _runs(here: People, times: int = 3) -> None:
    for _ in range(times):
        reports = await here.runs()
    assert {exit_code(report) for report in reports.values()} == {0}
    assert sum(report.requests for report in reports.values()) == 0, (
        "nothing is left to do"
    )


def _there(here: People, vendor: str) -> dict[int, tuple[object, list[str]]]:
    """Return each contact's id and tags at the vendor."""
    return {
        number: (each["id"], sorted(each["tags"]))
        for number, each in here.held(vendor).items()
    }


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "number", [2, 5], ids=["to the later one", "to the earlier one"]
)
@pytest.mark.parametrize("vendor", sorted(_VENDORS))
async def test_a_contact_that_moves_keeps_its_copy(
    database: str, tmp_path: Path, vendor: str, number: int
) -> None:
    async with people(database, tmp_path, _two(vendor), twins=(vendor,)) as here:
        await _synced(here)
        before = _there(here, vendor)
        await _move(here, number)
        await _runs(here)
        assert _there(here, vendor) == before
        owner = "two" if number == 2 else "one"
        states = await here.states(owner)
        assert (states[number]["status"], states[number]["external_id"]) == (
            "synced",
            str(before[number][0]),
        )
        await here.change(number, name="New name")
        report = await here.run(owner)
        assert (exit_code(report), dict(report.actions)) == (0, _WRITTEN[vendor])
        assert "New name" in str(here.held(vendor)[number]["fields"])


@pytest.mark.asyncio
@pytest.mark.parametrize("vendor", ["charles", "chartmogul"])
async def test_a_contact_that_leaves_all_destinations_is_deleted(
    database: str, tmp_path: Path, vendor: str
) -> None:
    async with people(database, tmp_path, _two(vendor), twins=(vendor,)) as here:
        await _synced(here)
        await _move(here, 2)
        await _runs(here)
        await here.remove([2, 3, 6])
        await _runs(here)
        assert here.held(vendor).keys() == {1, 4, 5}


@pytest.mark.asyncio
async def test_who_moved_and_waits_to_be_taken_over_keeps_nobody_from_a_limited_run(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, _two("charles"), twins=("charles",)) as here:
        await _synced(here)
        await _move(here, 2)
        await here.run("one")
        await here.add([7])
        report = await here.run("one", limit=1)
        assert (exit_code(report), report.contacts["applied"]) == (0, 1)
        assert 7 in here.held("charles")
        await _runs(here)


@pytest.mark.asyncio
@pytest.mark.parametrize("vendor", ["charles", "chartmogul"])
async def test_where_only_the_former_destination_runs_nothing_is_deleted(
    database: str, tmp_path: Path, vendor: str
) -> None:
    async with people(database, tmp_path, _two(vendor), twins=(vendor,)) as here:
        await _synced(here)
        before = _there(here, vendor)
        await _move(here, 2)
        plan = await here.plan("one")
        assert plan.actions == {}
        _, said = await here.command("show", "2", "-d", "one")
        assert (
            "sends nothing about it: another destination of the account selects it"
            in " ".join(said.split())
        )
        for _ in range(2):
            report = await here.run("one")
            assert (exit_code(report), report.requests) == (0, 0)
        assert _there(here, vendor) == before
        await _runs(here)
        assert _there(here, vendor) == before


@pytest.mark.asyncio
async def test_another_row_with_the_same_match_key_keeps_the_copy(
    database: str, tmp_path: Path
) -> None:
    destinations = _two("dm_champ")
    for keys in destinations.values():
        del keys["lists"]
    async with people(database, tmp_path, destinations, twins=("dm_champ",)) as here:
        await _synced(here)
        before = _there(here, "dm_champ")
        phone = (await here.one("SELECT phone FROM crm.people WHERE id = 2"))["phone"]
        await here.remove([2])
        await here.add([9], tags=["vip", "new"], opted_in=False)
        await here.change(9, phone=phone)
        report = await here.run("one")
        assert (exit_code(report), report.requests) == (0, 0)
        await _runs(here)
        after = _there(here, "dm_champ")
        assert after == before
        assert (await here.states("two"))[9]["external_id"] == before[2][0]


@pytest.mark.asyncio
async def test_untagging_takes_away_only_what_the_other_destination_does_not_want(
    database: str, tmp_path: Path
) -> None:
    destinations = _two("respond_io")
    destinations["two"]["tags"] = {"from": "others"}
    async with people(database, tmp_path, {}, twins=("respond_io",)) as here:
        await here.source.execute(
            "ALTER TABLE crm.people ADD others text[] DEFAULT '{vip,two}'"
        )
        for name, keys in destinations.items():
            here.configure(name, **keys)
        await _synced(here)
        await _move(here, 2)
        report = await here.run("one")
        assert (exit_code(report), dict(report.actions)) == (0, {"remove_tags": 1})
        assert _there(here, "respond_io")[2][1] == ["vip"]
        await _runs(here)
        assert _there(here, "respond_io")[2][1] == ["two", "vip"]


@pytest.mark.asyncio
async def test_a_destination_that_cannot_be_asked_keeps_everything(
    database: str, tmp_path: Path
) -> None:
    async with people(
        database, tmp_path, _two("chartmogul"), twins=("chartmogul",)
    ) as here:
        await _synced(here)
        before = _there(here, "chartmogul")
        await _move(here, 2)
        await here.remove([3])
        here.configure("two", where="no_such_column")
        report = await here.run("one")
        assert (exit_code(report), report.requests, report.contacts["deferred"]) == (
            1,
            0,
            2,
        )
        assert "two.yaml" in report.noteworthy[0].message
        assert (
            "nothing is deleted or untagged before it can"
            in report.noteworthy[0].message
        )

        here.configure("two", where="not opted_in", settings={"base_url": "${MISSING}"})
        (report,) = await app.run(
            read_config(here.file, here.environ), ("one",), app.RunRequest()
        )
        assert (exit_code(report), report.requests, report.contacts["deferred"]) == (
            1,
            0,
            2,
        )
        assert "two.yaml cannot be used" in report.noteworthy[0].message
        assert _there(here, "chartmogul") == before

        here.configure("two", settings=CHARTMOGUL["settings"])
        await _runs(here)
        assert _there(here, "chartmogul") == {
            number: before[number] for number in before if number != 3
        }


@pytest.mark.asyncio
@pytest.mark.parametrize("vendor", ["charles", "chartmogul"])
async def test_a_deletion_whose_answer_was_lost_is_settled_before_the_contact_moves(
    database: str, tmp_path: Path, vendor: str
) -> None:
    async with people(database, tmp_path, _two(vendor), twins=(vendor,)) as here:
        await _synced(here)
        row = await here.one("SELECT name, phone FROM crm.people WHERE id = 2")
        await here.remove([2])
        here.fail(vendor, Rule(FaultKind.RESET, when="after", method="DELETE"))
        await here.run("one")
        here.heal(vendor)
        assert here.held(vendor).keys() == {1, 3, 4, 5, 6}
        await here.add([2], opted_in=False, **row)
        await _runs(here)
        held = here.held(vendor)
        assert held.keys() == {1, 2, 3, 4, 5, 6}
        assert (await here.states("two"))[2]["external_id"] == str(held[2]["id"])


@pytest.mark.asyncio
async def test_what_another_destination_of_the_account_owns_is_not_written_over(
    database: str, tmp_path: Path
) -> None:
    shop: dict[str, Any] = {
        **CHARLES,
        "account": "shop",
        "on_removed": "delete",
        "brakes": _LOOSE,
    }
    other = {**shop, "fields": {**CHARLES["fields"], "first_name": "phone"}}
    async with people(
        database, tmp_path, {"one": shop, "two": other}, twins=("charles",)
    ) as here:
        await here.add([1, 2], tags=["vip"])
        await here.run("one")
        before = here.held("charles")
        one, two = here.destination_file("one"), here.destination_file("two")
        code, said = await here.command("check")
        assert code == 0
        told = (
            f"first_name: {two} of the same account maps it in another way than {one}"
        )
        assert told in " ".join(said.split())
        for night in range(4):
            report = await here.run("two")
            assert report.requests == 0
            told = (
                f"{two} and {one} want different values of first_name for 2 contacts "
                "of the account, such as contact 1"
            )
            assert any(told in remark for remark in report.remarks) is (night < 3)
            assert (await here.run("one")).requests == 0
        assert (exit_code(report), report.contacts["rejected"]) == (0, 0)
        assert here.held("charles") == before
        assert {row["status"] for row in (await here.states("two")).values()} == {
            "dead"
        }

        here.configure("one", where="id <> 1")
        assert (await here.run("one")).requests == 0
        report = await here.run("two")
        assert (exit_code(report), report.contacts["applied"]) == (0, 1)
        after = here.held("charles")
        assert after[1]["id"] == before[1]["id"]
        assert after[1]["fields"]["first_name"] == before[1]["fields"][
            "phone_numbers.main"
        ][0].replace("49", "+49", 1)
        assert after[2] == before[2]
        await _runs(here)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "name", ["one", "two"], ids=["back where it was", "in the other"]
)
async def test_an_erasure_under_way_is_waited_for(
    database: str, tmp_path: Path, name: str
) -> None:
    async with people(database, tmp_path, _two("charles"), twins=("charles",)) as here:
        await _synced(here)
        here.sandbox.twin("charles").configure({"erasure_delay": 3600.0})
        former = here.held("charles")[2]["id"]
        row = await here.one("SELECT name, phone FROM crm.people WHERE id = 2")
        await here.remove([2])
        assert dict((await here.run("one")).actions) == {"delete": 1}
        await here.add([2], opted_in=name == "one", **row)
        for _ in range(4):
            report = await here.run(name)
            assert (exit_code(report), report.contacts["deferred"]) == (1, 1)
            assert "whose erasure was asked for before" in report.noteworthy[0].message

        twin = here.sandbox.twin("charles")
        assert isinstance(twin, CharlesTwin)
        twin.store.account.erase_at = dict.fromkeys(twin.store.account.erase_at, 0.0)
        await _runs(here)
        held = here.held("charles")
        assert held.keys() == {1, 2, 3, 4, 5, 6}
        assert held[2]["id"] != former
        assert (await here.states(name))[2]["external_id"] == held[2]["id"]


@pytest.mark.asyncio
async def test_no_brake_counts_contacts_that_moved_to_another_destination(
    database: str, tmp_path: Path
) -> None:
    async with people(
        database, tmp_path, _two("chartmogul"), twins=("chartmogul",)
    ) as here:
        for name in ("one", "two"):
            here.configure(name, brakes=None)
        here.configure_engine(batch_size=100)
        await here.add(range(1, 41))
        await here.source.execute("UPDATE crm.people SET opted_in = id <= 20")
        await here.runs()
        before = _there(here, "chartmogul")
        await here.source.execute("UPDATE crm.people SET opted_in = id <= 5")
        assert (await here.plan("one")).brake is None
        report = await here.run("one")
        assert (exit_code(report), report.error, report.requests) == (0, None, 0)
        await _runs(here)
        assert _there(here, "chartmogul") == before

        await here.remove([1, *range(6, 21)])
        report = await here.run("two")
        assert (exit_code(report), "15 of 35 known contacts" in str(report.error)) == (
            2,
            True,
        )


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "match_on", [["crm_id"], ["crm_id", "phone"]], ids=["one key", "two keys"]
)
async def test_contacts_that_change_places_between_two_files_do_so_in_one_run(
    database: str, tmp_path: Path, match_on: list[str]
) -> None:
    async with people(
        database, tmp_path, _two("respond_io", match_on=match_on), twins=("respond_io",)
    ) as here:
        await _synced(here)
        before = _there(here, "respond_io")
        await _move(here, 2)
        await _move(here, 5)
        for name in ("one", "two"):
            plan = await here.plan(name)
            assert (plan.error, plan.brake, plan.rejected) == (None, None, {})
        reports = await here.runs()
        assert {
            name: (exit_code(report), report.error) for name, report in reports.items()
        } == {
            "one": (0, None),
            "two": (0, None),
        }
        assert _there(here, "respond_io") == before
        assert await _in_step(here, "one") == {1, 3, 5}
        assert await _in_step(here, "two") == {2, 4, 6}
        assert sum(report.requests for report in (await here.runs()).values()) == 0


@pytest.mark.asyncio
async def test_a_contact_whose_former_destination_has_to_settle_it_first_is_deferred(
    database: str, tmp_path: Path
) -> None:
    keys = {"match_on": ["crm_id", "phone"]}
    async with people(
        database, tmp_path, _two("respond_io", **keys), twins=("respond_io",)
    ) as here:
        await _synced(here)
        before = _there(here, "respond_io")
        await here.source.execute(
            "UPDATE syncengine.sync_state SET status = 'suppressed' "
            "WHERE destination = 'two' AND contact_id = '5'"
        )
        await _move(here, 5)
        report = await here.run("one")
        assert (report.contacts["deferred"], report.contacts["rejected"]) == (1, 0)
        (note,) = report.noteworthy
        assert (note.contact_id, note.code) == ("5", "not_let_go")
        assert "belongs to contact two/5 of the same account" in note.message
        assert "the next run here takes it over" in note.message
        await _runs(here)
        assert _there(here, "respond_io") == before
        assert (await here.states("one"))[5]["status"] == "synced"


async def _in_step(here: People, name: str) -> set[int]:
    """Return the contacts that a destination has in step."""
    states = await here.states(name)
    return {number for number, row in states.items() if row["status"] == "synced"}
