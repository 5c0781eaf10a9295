"""Drastic changes stop a run before its first request.

The message says what would have happened, and the run passes once that is accepted.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from syncengine.cli.exits import exit_code
from syncengine.sandbox.faults import FaultKind, Rule
from tests.support.people_project import CHARLES, HUBSPOT, RESPOND_IO, People, people

_UNTAG: Mapping[str, Mapping[str, Any]] = {
    "respond_io": {**RESPOND_IO, "on_removed": "untag"}
}
_DELETE: Mapping[str, Mapping[str, Any]] = {
    "charles": {**CHARLES, "on_removed": "delete"}
}
_EVERYBODY = 20


async def _in_step(here: People, *names: str) -> dict[str, int]:
    """Sync everybody, and return the number of requests so far by twin."""
    await here.add(range(1, _EVERYBODY + 1), tags=["vip"])
    for report in (await here.runs(*names)).values():
        assert exit_code(report) == 0
    return _requests(here)


def _requests(here: People) -> dict[str, int]:
    return {name: here.requests(name) for name in ("charles", "respond_io")}


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("destinations", "would"),
    [(_UNTAG, "removed our tags from 10 contacts"), (_DELETE, "deleted 10 contacts")],
    ids=["untag", "delete"],
)
async def test_many_removals_send_nothing_until_that_is_accepted(
    database: str,
    tmp_path: Path,
    destinations: Mapping[str, Mapping[str, Any]],
    would: str,
) -> None:
    (name,) = destinations
    async with people(database, tmp_path, destinations) as here:
        sent = await _in_step(here)
        await here.remove(range(1, 11))
        await here.change(20, name="Somebody else")
        for verb in ("run", "plan"):
            code, said = await here.command(verb)
            assert (code, _requests(here)) == (2, sent)
            assert (
                f"{name}: brake removals: 10 of 20 known contacts (50.0%) left "
                "the source"
            ) in said
            assert f"the run would have {would}. The brake allows up to 5%" in said
            assert (
                f"`syncengine run -d {name} --accept removals` lets it pass this once"
                in said
            )
            assert f"{here.destination_file(name)}: brakes.removals" in said
            assert "Nothing was sent" in said
        run_id, status, error = await here.one(
            "SELECT run_id, status, error FROM syncengine.sync_run "
            "ORDER BY run_id DESC LIMIT 1"
        )
        assert (status, "brake removals" in error) == ("refused", True)
        code, said = await here.command("retry", str(run_id))
        assert (code, "stopped before it sent anything" in said) == (2, True)

        code, said = await here.command("run", "-d", name, "--accept", "removals")
        assert code == 0
        states = await here.states(name)
        assert {
            number for number, row in states.items() if row["status"] == "removed"
        } == set(range(1, 11))
        assert (await here.run(name)).requests == 0, (
            "what was accepted once is done, and trips no brake again"
        )


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("settings", "leave", "status"),
    [
        ({}, 9, "done"),  # fewer than the least number
        ({"at_least": 9}, 9, "refused"),
        ({"at_least": 1, "share": 0.45}, 9, "done"),  # just the share
        ({"at_least": 1, "share": 0.44}, 9, "refused"),
    ],
)
async def test_the_brake_for_removals_knows_a_share_and_a_number(
    database: str, tmp_path: Path, settings: dict[str, float], leave: int, status: str
) -> None:
    destination = {
        **RESPOND_IO,
        "on_removed": "untag",
        "brakes": {"removals": settings},
    }
    async with people(database, tmp_path, {"respond_io": destination}) as here:
        await _in_step(here)
        await here.remove(range(1, leave + 1))
        assert (await here.run("respond_io")).status == status


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("leave", "untagged"), [(15, 11), (_EVERYBODY, 16)], ids=["many", "all"]
)
async def test_contacts_without_a_tag_of_ours_do_not_count_as_untagged(
    database: str, tmp_path: Path, leave: int, untagged: int
) -> None:
    async with people(database, tmp_path, _UNTAG) as here:
        await _in_step(here)
        for number in range(1, 6):
            await here.change(number, tags=[])
        assert exit_code(await here.run("respond_io")) == 0
        await here.source.execute(
            """UPDATE syncengine.sync_known SET pending = jsonb_build_object('creates', false, 'deletes', false,
               'keys', '[]'::jsonb, 'fields', '{}'::jsonb, 'add_tags', '["vip"]'::jsonb, 'remove_tags', '[]'::jsonb)
               WHERE contact_id = '1'"""
        )
        sent = _requests(here)
        await here.remove(range(1, leave + 1))
        report = await here.run("respond_io")
        assert (report.status, _requests(here)) == ("refused", sent)
        assert f"would have removed our tags from {untagged} contacts" in str(
            report.error
        )
        accepted = await here.run(
            "respond_io", accept=frozenset({"empty_source", "removals"})
        )
        assert (exit_code(accepted), accepted.actions["remove_tags"]) == (0, untagged)


@pytest.mark.asyncio
async def test_removals_that_change_nothing_at_the_vendor_need_no_brake(
    database: str, tmp_path: Path
) -> None:
    destination = {**_UNTAG["respond_io"], "brakes": {"shrunk_source": {"share": 0.5}}}
    async with people(database, tmp_path, {"respond_io": destination}) as here:
        await here.add(range(1, _EVERYBODY + 1))
        await here.run("respond_io")
        await here.remove(range(1, 11))
        marked = "10 contacts that left the source are marked as removed"
        assert marked in (await here.plan("respond_io")).remarks[-1]
        report = await here.run("respond_io")
        assert (report.status, report.requests) == ("done", 0)
        assert marked in report.remarks[0]
        assert (await here.run("respond_io")).remarks == ()


@pytest.mark.asyncio
async def test_removals_that_are_ignored_need_no_brake(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {"respond_io": RESPOND_IO}) as here:
        sent = await _in_step(here)
        await here.remove(range(1, 10))
        report = await here.run("respond_io")
        assert (report.status, exit_code(report), _requests(here)) == ("done", 0, sent)


@pytest.mark.asyncio
@pytest.mark.parametrize("on_removed", ["ignore", "untag", "delete"])
async def test_an_empty_source_stops_the_run_whatever_on_removed_says(
    database: str, tmp_path: Path, on_removed: str
) -> None:
    async with people(
        database, tmp_path, {"charles": {**CHARLES, "on_removed": on_removed}}
    ) as here:
        sent = await _in_step(here)
        here.configure("charles", where="opted_in AND name LIKE 'Nobody%'")
        report = await here.run("charles")
        assert (report.status, exit_code(report), _requests(here)) == (
            "refused",
            2,
            sent,
        )
        assert report.error is not None
        assert (
            "brake empty_source: the source is empty, while 20 contacts are known here"
            in report.error
        )
        assert (
            "`syncengine run -d charles --accept empty_source` lets it pass this once"
            in report.error
        )
        assert f"{here.destination_file('charles')}: where" in report.error

        report = await here.run("charles", accept=frozenset({"removals"}))
        assert (report.status, _requests(here)) == ("refused", sent), (
            "another brake was accepted"
        )
        report = await here.run("charles", accept=frozenset({"empty_source"}))
        assert exit_code(report) == 0
        assert {row["status"] for row in (await here.states("charles")).values()} == {
            "removed"
        }
        assert bool(here.held("charles")) == (on_removed != "delete")


@pytest.mark.asyncio
async def test_a_first_run_over_an_empty_source_is_nothing_drastic(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, _UNTAG) as here:
        report = await here.run("respond_io")
        assert (report.status, exit_code(report), report.requests) == ("done", 0, 0)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("name", "keys", "words"),
    [
        (
            "account",
            {"account": "another"},
            "account was respond_io and is now another",
        ),
        (
            "source",
            {"source": {"table": "crm.others"}},
            "source was crm.people by id and is now crm.others by id",
        ),
        (
            "settings",
            {"settings": {**CHARLES["settings"], "source_type": "others"}},
            "settings.source_type was tests and is now others",
        ),
        ("base_url", {}, "base_url was http"),
        ("vendor", {**RESPOND_IO}, "vendor was charles and is now respond_io"),
    ],
)
async def test_another_destination_than_the_one_recorded_stops_until_accepted(
    database: str, tmp_path: Path, name: str, keys: dict[str, Any], words: str
) -> None:
    destination = CHARLES if name in ("settings", "vendor") else RESPOND_IO
    async with people(database, tmp_path, {"respond_io": destination}) as here:
        sent = await _in_step(here)
        await here.source.execute("CREATE TABLE crm.others AS TABLE crm.people")
        await here.change(1, name="Somebody else")
        here.configure("respond_io", **keys)
        if name == "base_url":
            here.environ["RESPOND_IO_URL"] = here.environ["RESPOND_IO_URL"].replace(
                "127.0.0.1", "localhost"
            )
        for verb in ("run", "plan", "run"):
            code, said = await here.command(verb)
            assert (code, _requests(here)) == (2, sent), said
            assert f"respond_io: {words}" in said
            assert str(here.destination_file("respond_io")) in said
            assert f"--accept {name}" in said
            assert "Nothing was sent" in said

        if name == "vendor":
            return  # everything else about it has changed too; it was remembered, and that is all there is to prove
        code, said = await here.command("run", "--accept", name)
        assert code == 0, said
        code, said = await here.command("run", "--json")
        assert (code, '"requests":0' in said) == (0, True), (
            "it remembers what was accepted"
        )


@pytest.mark.asyncio
async def test_one_destination_s_brake_holds_up_no_other(
    database: str, tmp_path: Path
) -> None:
    charles = {**CHARLES, "brakes": {"shrunk_source": {"share": 0.5}}}
    async with people(database, tmp_path, {**_UNTAG, "charles": charles}) as here:
        await _in_step(here)
        await here.remove(range(1, 11))
        await here.change(20, name="Somebody else")
        reports = await here.runs()
        assert (reports["respond_io"].status, reports["respond_io"].requests) == (
            "refused",
            0,
        )
        assert (reports["charles"].status, reports["charles"].contacts["applied"]) == (
            "done",
            1,
        )


@pytest.mark.asyncio
async def test_a_brake_that_there_is_not_cannot_be_accepted(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, _UNTAG) as here:
        assert await here.command("run", "--accept", "removal") == (
            2,
            (
                'syncengine: --accept: "removal" is neither a brake nor a change that '
                "can be "
                'accepted; did you mean "removals"?\n'
            ),
        )


@pytest.mark.asyncio
async def test_a_retry_trips_the_brakes_of_a_run_that_never_came_to_them(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, _DELETE) as here:
        sent = await _in_step(here)
        await here.remove(range(1, 11))
        died = await here.source.fetchval(
            "INSERT INTO syncengine.sync_run (destination, account, kind, epoch, "
            "status) VALUES ('charles', 'charles', 'sync', 1, 'died') "
            "RETURNING run_id"
        )
        await here.source.execute(
            "INSERT INTO syncengine.sync_batch (run_id, number, kind, contact_ids) "
            "VALUES ($1, 1, 'removals', $2)",
            died,
            [str(number) for number in range(1, 11)],
        )
        code, said = await here.command("retry", str(died))
        assert (code, _requests(here)) == (2, sent)
        assert "would have deleted 10 contacts" in said
        assert (
            f"`syncengine retry {died} --accept removals` lets it pass this once"
            in said
        )
        code, said = await here.command("retry", str(died), "--accept", "removals")
        assert (code, set(here.held("charles"))) == (0, set(range(11, 21)))


_JOINING = "/memberships/add$"


async def _killed_before_lists(here: People) -> str:
    """Kill a run that has created contacts, with nobody on a list; return its number."""
    holds = here.sandbox.holds("hubspot")
    here.fail("hubspot", Rule(FaultKind.HOLD_BEFORE_COMMIT, path=_JOINING))
    command = here.start("run")
    assert await command.comes_to(holds.wait_for(1)), command.said()
    await command.kill()
    here.heal("hubspot")
    holds.release()
    return await _newest_run(here)


async def _without_a_scope(here: People) -> str:
    """Run where lists may not be written; return the run's number."""
    here.fail("hubspot", Rule(FaultKind.REFUSE, path=_JOINING, status=403))
    code, said = await here.command("run")
    assert code == 1, said
    here.heal("hubspot")
    return await _newest_run(here)


async def _newest_run(here: People) -> str:
    (run_id,) = await here.one("SELECT max(run_id) FROM syncengine.sync_run")
    return str(run_id)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("interrupt", "goes_on"),
    [(_killed_before_lists, "retry"), (_without_a_scope, "run")],
)
async def test_an_interrupted_first_sync_goes_on_and_a_mass_move_does_not(
    database: str,
    tmp_path: Path,
    interrupt: Callable[[People], Awaitable[str]],
    goes_on: str,
) -> None:
    keys = {**HUBSPOT, "lists": {"columns": {"42": "opted_in"}}}
    async with people(database, tmp_path, {"hubspot": keys}, ("hubspot",)) as here:
        here.configure_engine(lease_ttl="1s")
        await here.add(range(1, 81))
        await here.add(range(81, 161), opted_in=False)
        run_id = await interrupt(here)
        states = await here.states("hubspot")
        for number in range(1, 81):
            created, in_step = (
                states[number]["external_id"],
                states[number]["synced_at"],
            )
            assert (created is None, in_step) == (False, None)
        code, said = await here.command("plan")
        assert (code, "brake" in said) == (0, False), said
        again = ["retry", run_id] if goes_on == "retry" else ["run"]
        code, said = await here.command(*again)
        assert code == 0, said
        assert (await here.run("hubspot")).requests == 0

        await here.source.execute("UPDATE crm.people SET opted_in = true")
        would = 'would have put 80 of 160 known contacts on list "42"'
        code, said = await here.command("run")
        assert (code, would in said) == (2, True), said
        here.fail("hubspot", Rule(FaultKind.REFUSE, path=_JOINING, status=403))
        assert (await here.run("hubspot", accept=frozenset({"lists"}))).requests
        here.heal("hubspot")
        refused = await here.run("hubspot")
        assert would in str(refused.error), "unfinished, yet in step before"
