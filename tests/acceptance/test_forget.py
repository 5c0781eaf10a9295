"""``forget`` erases one contact everywhere, with a receipt for each destination.

It survives a crash half-way.
"""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from syncengine import app
from syncengine.cli.exits import exit_code
from syncengine.model.erasure import Erased, Receipt
from syncengine.sandbox.faults import FaultKind, Rule
from tests.support.command_process import locked
from tests.support.people_project import (
    CHARLES,
    CHARTMOGUL,
    DM_CHAMP,
    RESPOND_IO,
    People,
    people,
)

TWINS = ("charles", "chartmogul", "respond_io")
ALL = {"charles": CHARLES, "chartmogul": CHARTMOGUL, "respond_io": RESPOND_IO}
TRACES = (
    "sync_known",
    "sync_state",
    "sync_outcome",
    "sync_change",
    "sync_key",
    "sync_wait",
)


async def forgotten(here: People, contact: str = "1") -> dict[str, Receipt]:
    receipts = await app.forget(here.config, contact)
    return {receipt.destination: receipt for receipt in receipts}


async def traces(here: People, contact: str = "1") -> list[str]:
    """Return the tables that still know the contact."""
    knowing: list[str] = []
    for table in (*TRACES, "sync_erasure"):
        count = await here.source.fetchval(
            f"SELECT count(*) FROM syncengine.{table} WHERE contact_id = $1", contact
        )
        if count:
            knowing.append(table)
    return knowing


async def free_the_lease(here: People) -> None:
    """Let the lease of a killed process run out, which takes its time otherwise."""
    await here.source.execute(
        "UPDATE syncengine.sync_lease SET expires_at = clock_timestamp() "
        "WHERE NOT released"
    )


@pytest.mark.asyncio
async def test_every_destination_gives_its_receipt_and_nothing_is_left_here(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, ALL, twins=TWINS) as here:
        await here.add([1, 2])
        await here.runs()
        external_id = here.held("respond_io")[1]["id"]
        receipts = await forgotten(here)
        statuses = {name: receipt.status for name, receipt in receipts.items()}
        assert statuses == {
            "charles": Erased.SCHEDULED,
            "chartmogul": Erased.DONE,
            "respond_io": Erased.IMPOSSIBLE,
        }
        assert "contacts-cleanup" in receipts["charles"].message
        assert receipts["respond_io"].message == (
            "respond_io's API cannot delete: "
            f"ask them to delete contact {external_id}, and quote the law"
        )
        assert here.held("charles").keys() == {2}
        assert here.held("chartmogul").keys() == {2}
        again = await forgotten(here)
        # charles has accepted the deletion, and does not report its end.
        assert again["charles"] == receipts["charles"]
        assert again["respond_io"] == receipts["respond_io"]
        assert await traces(here) == []
        assert await traces(here, "2") != []


@pytest.mark.parametrize(
    ("contact", "name"), [("a\nb", "a b"), ("", "''")], ids=["two lines", "nothing"]
)
@pytest.mark.asyncio
async def test_an_odd_id_is_named_on_one_line(
    contact: str, name: str, database: str, tmp_path: Path
) -> None:
    destination = {
        **RESPOND_IO,
        "source": {"table": "crm.texts"},
        "fields": {"crm_id": "number", "firstName": "name"},
    }
    destination.pop("tags")
    async with people(database, tmp_path, {"respond_io": destination}) as here:
        await here.source.execute(
            "CREATE TABLE crm.texts (id text PRIMARY KEY, number integer, name text)"
        )
        await here.source.execute(
            "INSERT INTO crm.texts VALUES ($1, 1, 'Anna'), ('other', 1, 'Bea')", contact
        )
        _, said = await here.command("run")
        assert f"contact {name}" in said
        _, said = await here.command("run", "--contact", contact)
        assert f"contact {name}" in said
        _, said = await here.command("show", contact)
        assert f"respond_io, contact {name}: " in said
        _, said = await here.command("forget", contact)
        (line,) = (each for each in said.splitlines() if not each.startswith("{"))
        assert line.startswith(f"respond_io, contact {name}: ")


@pytest.mark.asyncio
async def test_a_restored_row_is_not_created_again(
    database: str, tmp_path: Path
) -> None:
    async with people(
        database, tmp_path, {"chartmogul": CHARTMOGUL}, twins=["chartmogul"]
    ) as here:
        await here.add([1, 2])
        await here.run("chartmogul")
        await forgotten(here)
        report = await here.run("chartmogul")
        assert (report.contacts["suppressed"], report.requests) == (1, 0)
        await here.change(1, name="Restored")
        report = await here.run("chartmogul")
        assert (report.contacts["suppressed"], report.requests) == (1, 0)
        assert here.held("chartmogul").keys() == {2}
        assert await here.command(
            "suppress", "--contact", "1", "--lift", "--forgotten"
        ) == (0, "lifted: 1 of 1\n")
        await here.run("chartmogul")
        assert here.held("chartmogul").keys() == {1, 2}


@pytest.mark.asyncio
async def test_who_was_never_sent_is_done_at_once_and_stays_away(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {"charles": CHARLES}) as here:
        await here.add([1])
        receipts = await forgotten(here)
        assert receipts["charles"].message == "nothing is known of it there"
        assert here.requests("charles") == 0
        assert (await here.run("charles")).contacts["suppressed"] == 1


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "kind", [FaultKind.HOLD_BEFORE_COMMIT, FaultKind.HOLD_AFTER_COMMIT]
)
async def test_a_crash_half_way_is_finished_by_asking_again(
    database: str, tmp_path: Path, kind: FaultKind
) -> None:
    name = "chartmogul"
    async with people(
        database, tmp_path, {name: CHARTMOGUL, "respond_io": RESPOND_IO}, twins=TWINS
    ) as here:
        await here.add([1])
        await here.runs()
        # The process is killed when its DELETE is at the vendor, right before or right
        # after the contact is deleted there.
        here.fail(name, Rule(kind, method="DELETE"))
        command = here.start("forget", "1")
        await here.sandbox.holds(name).wait_for(1)
        await command.kill()
        here.heal(name)
        here.sandbox.holds(name).release()
        await free_the_lease(here)

        await here.change(1, name="New")
        # Until the deletion is confirmed, nothing is sent to the contact.
        report = await here.run(name)
        assert report.requests == 0
        assert "`syncengine forget 1` finishes it" in report.remarks[0]
        receipts = await forgotten(here)
        assert receipts[name].status is Erased.DONE
        assert await traces(here) == []
        assert here.sandbox.contacts(name) == []


@pytest.mark.asyncio
@pytest.mark.parametrize("name", ["charles", "dm_champ", "chartmogul"])
async def test_what_was_answered_before_a_crash_is_found_by_asking_again(
    database: str, tmp_path: Path, name: str
) -> None:
    """The process is killed when the deletion is recorded and its receipt is not."""
    silenced = {
        **DM_CHAMP,
        "settings": {**DM_CHAMP["settings"], "delete_as": "silenced"},
    }
    destinations = {
        "charles": CHARLES,
        "dm_champ": silenced,
        "chartmogul": CHARTMOGUL,
    }
    files = {name: destinations[name]}
    async with people(database, tmp_path, files, twins=[name]) as here:
        await here.add([1, 2])
        await here.run(name)
        uninterrupted = (await forgotten(here, "2"))[name]
        external_id = (await here.states(name))[1]["external_id"]
        here.fail(name, Rule(FaultKind.HOLD_AFTER_COMMIT, times=1))
        command = here.start("forget", "1")
        await here.sandbox.holds(name).wait_for(1)
        # The lock stops the process exactly between the vendor's answer, which it has
        # recorded, and the receipt.
        async with locked(database, "syncengine.sync_erasure") as receipt_waits:
            here.sandbox.holds(name).release()
            await receipt_waits()
            await command.kill()
        await free_the_lease(here)
        receipt = (await forgotten(here))[name]
        assert receipt.status is uninterrupted.status
        assert "nothing is known" not in receipt.message
        if name == "dm_champ":
            assert receipt.message == (
                f"dm_champ keeps part of it: ask them to delete contact {external_id}"
            )
        assert (await forgotten(here))[name].status is uninterrupted.status
        assert await traces(here) == []


@pytest.mark.asyncio
async def test_a_vendor_in_trouble_leaves_it_open(
    database: str, tmp_path: Path
) -> None:
    name = "chartmogul"
    async with people(database, tmp_path, {name: CHARTMOGUL}, twins=[name]) as here:
        await here.add([1])
        await here.run(name)
        here.fail(name, Rule(FaultKind.ERROR_HTML, status=503))
        receipt = (await forgotten(here))[name]
        assert (receipt.status, exit_code(receipt)) == (Erased.OPEN, 1)
        assert "tries again" in receipt.message
        here.heal(name)
        here.environ["CHARTMOGUL_KEY"] = "not-this-key"
        receipt = (await forgotten(here))[name]
        assert "settings.api_key" in receipt.message
        here.environ["CHARTMOGUL_KEY"] = "sandbox-key"
        assert (await forgotten(here))[name].status is Erased.DONE
        assert (await forgotten(here))[name].message == "nothing is known of it there"


@pytest.mark.asyncio
async def test_a_create_whose_answer_was_lost_is_found_and_deleted(
    database: str, tmp_path: Path
) -> None:
    name = "chartmogul"
    async with people(database, tmp_path, {name: CHARTMOGUL}, twins=[name]) as here:
        await here.add([1])
        here.fail(name, Rule(FaultKind.HOLD_AFTER_COMMIT, method="POST"))
        command = here.start("run")
        await here.sandbox.holds(name).wait_for(1)
        await command.kill()
        here.heal(name)
        here.sandbox.holds(name).release()
        await free_the_lease(here)
        assert len(here.sandbox.contacts(name)) == 1
        assert (await forgotten(here))[name].status is Erased.DONE
        assert here.sandbox.contacts(name) == []
        assert await traces(here) == []


@pytest.mark.asyncio
async def test_the_command_prints_receipts(database: str, tmp_path: Path) -> None:
    async with people(database, tmp_path, ALL, twins=TWINS) as here:
        await here.add([1, 2])
        await here.runs()
        code, said = await here.command("forget", "1")
        lines = [line for line in said.splitlines() if ", contact 1: " in line]
        assert (code, len(lines)) == (1, 3)
        assert "chartmogul, contact 1: done: deleted there" in said
        code, said = await here.command("forget", "2", "--json")
        receipts = [
            orjson.loads(line)
            for line in said.splitlines()
            if line.startswith('{"destination":"')
        ]
        assert [(each["destination"], each["status"]) for each in receipts] == [
            ("charles", "scheduled"),
            ("chartmogul", "done"),
            ("respond_io", "impossible"),
        ]


@pytest.mark.asyncio
async def test_what_a_person_has_to_ask_for_stays_open_until_it_is_confirmed(
    database: str, tmp_path: Path
) -> None:
    name = "respond_io"
    async with people(
        database, tmp_path, {name: RESPOND_IO, "charles": CHARLES}
    ) as here:
        await here.add([1, 2])
        await here.runs()
        first = (await forgotten(here))[name]
        assert (first.status, exit_code(first)) == (Erased.IMPOSSIBLE, 1)
        assert (await forgotten(here))[name] == first, "asked twice, it says the same"
        code, said = await here.command("forget", "1")
        assert (code, first.message in said) == (1, True)

        code, said = await here.command("forget", "1", "--confirmed")
        assert code == 2
        assert "name the destination whose vendor confirmed it" in said
        code, said = await here.command("forget", "1", "--confirmed", "-d", "charles")
        assert code == 2
        message = (
            "no erasure of contact 1 at charles waits for a confirmation; "
            f"one does at {name}"
        )
        assert message in said
        code, said = await here.command("forget", "1", "-d", name)
        assert (code, "goes with --confirmed only" in said) == (2, True)
        assert (await forgotten(here))[name] == first

        command = f"`syncengine forget 1 --confirmed -d {name}`"
        assert f"{command} closes it" in first.full_message
        external_id = str(here.held(name)[1]["id"])
        here.sandbox.twin(name).screen(0.0).delete(external_id)
        code, said = await here.command("forget", "1", "--confirmed", "-d", name)
        assert (code, f"{name}, contact 1: done: confirmed" in said) == (0, True)
        again = (await forgotten(here))[name]
        assert (again.status, exit_code(again)) == (Erased.DONE, 0)
        assert again.message == "nothing is known of it there"
        # The vendor's id was kept only for as long as somebody had to quote it.
        rows = await here.source.fetch(
            "SELECT t::text FROM syncengine.sync_erasure AS t"
        )
        assert not [row for row in rows if external_id in row[0]]
        code, _ = await here.command("forget", "1", "--confirmed", "-d", name)
        assert code == 2


@pytest.mark.asyncio
async def test_a_contact_forgotten_a_second_time_is_asked_for_under_both_ids(
    database: str, tmp_path: Path
) -> None:
    name = "respond_io"
    async with people(database, tmp_path, {name: RESPOND_IO}) as here:
        await here.add([1])
        await here.run(name)
        first = (await forgotten(here))[name]
        await here.command("suppress", "--contact", "1", "--lift", "--forgotten")
        here.sandbox.reset(name)
        await here.add([2])
        await here.run(name, contacts=("2",))
        await here.run(name)
        second = (await forgotten(here))[name]
        assert second.status is Erased.IMPOSSIBLE
        assert first.message in second.message
        assert str(here.held(name)[1]["id"]) in second.message
        assert str(here.held(name)[1]["id"]) not in first.message


@pytest.mark.asyncio
@pytest.mark.parametrize("vendor", ["respond_io", "chartmogul"])
async def test_a_destination_without_a_file_is_erased_here_and_asked_for(
    database: str, tmp_path: Path, vendor: str
) -> None:
    """Even a vendor that could delete cannot be asked without a file."""
    async with people(database, tmp_path, ALL, twins=TWINS) as here:
        await here.add([1, 2, 3])
        await here.runs()
        external_id = here.held(vendor)[1]["id"]
        here.destination_file(vendor).unlink()
        checked = {check.area: check for check in await app.check(here.config)}
        assert "there is no file for it" in checked[f"{vendor}: file"].message
        receipts = await forgotten(here)
        receipt = receipts[vendor]
        assert (receipt.status, exit_code(receipt)) == (Erased.IMPOSSIBLE, 1)
        beginning = f"no configuration for {vendor}: ask {vendor} ("
        assert receipt.message.startswith(beginning)
        assert receipt.message.endswith(f"to delete contact {external_id}")
        assert await traces(here) == []
        assert await traces(here, "2") != []
        assert (await forgotten(here))[vendor] == receipt, (
            "asked twice, it says the same"
        )
        assert (await here.command("forget", "1", "--confirmed", "-d", vendor))[0] == 0
        assert (await forgotten(here))[vendor].status is Erased.DONE
        nobody = await forgotten(here, "never there")
        assert vendor not in nobody


@pytest.mark.asyncio
async def test_a_destination_without_a_file_is_left_open_while_a_run_works_on_it(
    database: str, tmp_path: Path
) -> None:
    name = "respond_io"
    async with people(
        database, tmp_path, {name: RESPOND_IO, "charles": CHARLES}
    ) as here:
        await here.add([1])
        await here.runs()
        here.destination_file(name).unlink()
        await here.source.execute(
            "UPDATE syncengine.sync_lease "
            "SET released = false, expires_at = "
            "clock_timestamp() + interval '1 hour' WHERE account = $1",
            name,
        )
        receipt = (await forgotten(here))[name]
        assert (receipt.status, exit_code(receipt)) == (Erased.OPEN, 1)
        assert await traces(here) != []
        await free_the_lease(here)
        assert (await forgotten(here))[name].status is Erased.IMPOSSIBLE
        assert await traces(here) == []
