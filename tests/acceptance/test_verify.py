"""``verify`` reports what others did to our contacts at the vendor.

With ``--repair`` the next run mends it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from syncengine import app
from syncengine.app import session
from syncengine.cli.exits import exit_code
from syncengine.engine.verification import Verification
from syncengine.model.calls import Action, Call
from syncengine.model.copies import VerifyReport
from syncengine.sandbox.faults import FaultKind, Rule
from syncengine.sandbox.twins.twin import Seed
from syncengine.testing.benches import over_the_wire
from syncengine.testing.driving import drive
from tests.support.people_project import (
    CHARLES,
    CHARTMOGUL,
    DM_CHAMP,
    RESPOND_IO,
    People,
    people,
)

RESPOND_IO_WHOLE = {
    **RESPOND_IO,
    "on_null": "clear",
    "tags": {"from": "tags", "prefix": "crm:"},
}


async def verified(here: People, name: str, **options: Any) -> VerifyReport:
    (report,) = await app.verify(here.config, (name,), **options)
    return report


def meddle(
    here: People, name: str, number: int, action: Action, **content: Any
) -> None:
    """Write to our contact at the vendor as somebody else."""
    vendor, twin = here.config.chosen((name,))[0].vendor, here.sandbox.twin(name)
    external_id = str(here.held(name)[number]["id"])
    call = Call(action, str(number), external_id=external_id, **content)
    drive(vendor.send(call), lambda request: twin.commit(over_the_wire(request), 0.0))


def filled(contact: dict[str, Any]) -> dict[str, Any]:
    """Return the fields without those that are empty."""
    return {
        **contact,
        "fields": {
            name: value for name, value in contact["fields"].items() if value != ""
        },
    }


def told(report: VerifyReport) -> dict[str, dict[str, tuple[str, ...]]]:
    return {each.contact_id: dict(each.found) for each in report.contacts}


@pytest.mark.asyncio
async def test_what_others_changed_is_reported_and_mended(
    database: str, tmp_path: Path
) -> None:
    name = "respond_io"
    async with people(database, tmp_path, {name: RESPOND_IO_WHOLE}) as here:
        await here.add(range(1, 8), tags=["vip", "old"])
        await here.change(4, phone=None)
        await here.run(name)
        before = here.held(name)
        meddle(here, name, 1, Action.UPDATE, fields={"firstName": "Renamed"})
        meddle(here, name, 2, Action.UPDATE, fields={"phone": ""})
        meddle(here, name, 3, Action.REMOVE_TAGS, remove_tags=("crm:vip",))
        meddle(here, name, 4, Action.UPDATE, fields={"phone": "+4917612345"})
        meddle(here, name, 5, Action.ADD_TAGS, add_tags=("crm:stray", "theirs"))

        requests = here.requests(name)
        report = await verified(here, name)
        assert (report.status, exit_code(report), report.compared, report.drifted) == (
            "done",
            1,
            7,
            5,
        )
        assert report.requests == here.requests(name) - requests == 7
        assert told(report) == {
            "1": {"changed": ("firstName",)},
            "2": {"missing": ("phone",)},
            "3": {"missing_tags": ("crm:vip",)},
            "4": {"extra": ("phone",)},
            "5": {"extra_tags": ("crm:stray",)},
        }
        assert (await here.run(name)).requests == 0

        report = await verified(here, name, repair=True)
        assert (exit_code(report), report.repaired) == (0, 5)
        await here.run(name)
        after = here.held(name)
        assert set(after[5].pop("tags")) - set(before[5].pop("tags")) == {"theirs"}
        assert {number: filled(contact) for number, contact in after.items()} == before
        report = await verified(here, name)
        assert (exit_code(report), report.drifted) == (0, 0)
        assert (await here.run(name)).requests == 0


@pytest.mark.asyncio
async def test_who_was_deleted_there_is_made_again_only_after_repair(
    database: str, tmp_path: Path
) -> None:
    name = "chartmogul"
    async with people(database, tmp_path, {name: CHARTMOGUL}, twins=[name]) as here:
        await here.add(range(1, 4))
        await here.run(name)
        meddle(here, name, 2, Action.DELETE)
        assert told(await verified(here, name)) == {"2": {"gone": ()}}
        await here.run(name)
        assert here.held(name).keys() == {1, 3}
        await verified(here, name, repair=True, recreate=True)
        await here.run(name)
        assert here.held(name).keys() == {1, 2, 3}
        assert (await verified(here, name)).drifted == 0


@pytest.mark.asyncio
async def test_a_vendor_that_lists_is_read_by_pages_and_strangers_are_counted(
    database: str, tmp_path: Path
) -> None:
    name = "chartmogul"
    async with people(database, tmp_path, {name: CHARTMOGUL}, twins=[name]) as here:
        await here.add(range(1, 6))
        await here.run(name)
        await here.source.execute(
            "DELETE FROM syncengine.sync_state WHERE contact_id = '5'"
        )
        requests = here.requests(name)
        report = await verified(here, name)
        assert (report.compared, report.strangers, here.requests(name) - requests) == (
            4,
            1,
            1,
        )


@pytest.mark.asyncio
async def test_a_sample_costs_no_more_than_its_size(
    database: str, tmp_path: Path
) -> None:
    name = "respond_io"
    async with people(database, tmp_path, {name: RESPOND_IO}) as here:
        await here.add(range(1, 30))
        await here.run(name)
        report = await verified(here, name, sample=5)
        assert (report.compared, report.requests, report.status) == (5, 5, "done")
        assert (await verified(here, name, sample=500)).compared == 29


@pytest.mark.asyncio
async def test_unreadable_contacts_are_reported_and_the_others_are_compared(
    database: str, tmp_path: Path
) -> None:
    name = "respond_io"
    async with people(database, tmp_path, {name: RESPOND_IO}) as here:
        await here.add(range(1, 5))
        await here.run(name)
        here.fail(name, Rule(FaultKind.ERROR_HTML, method="GET", times=1, status=502))
        report = await verified(here, name)
        assert (report.status, exit_code(report), report.compared, report.unread) == (
            "incomplete",
            1,
            3,
            1,
        )


@asynccontextmanager
async def champ(database: str, folder: Path, **switches: Any) -> AsyncIterator[People]:
    """Set up six people at a vendor that reads no contact by its own id."""
    async with people(
        database, folder, {"dm_champ": DM_CHAMP}, twins=["dm_champ"]
    ) as here:
        here.sandbox.twin("dm_champ").configure(switches)
        await here.add(range(1, 7), tags=["vip"])
        for number in range(1, 7):
            await here.change(number, company=f"{number}@example.org")
        await here.run("dm_champ")
        yield here


def lose(here: People, number: int) -> None:
    """Remove the contact at the vendor, where the API has no way to."""
    screen = here.sandbox.twin("dm_champ").screen(0.0)
    screen.delete(here.held("dm_champ")[number]["id"])


def replace_by(here: People, number: int, **fields: Any) -> None:
    """Remove the contact, and put somebody else's in its place."""
    lose(here, number)
    here.sandbox.twin("dm_champ").seed(
        [Seed({"externalId": str(900 + number), **fields})], 0.0
    )


@pytest.mark.asyncio
async def test_a_vendor_that_only_finds_is_asked_by_what_it_is_known_to_hold(
    database: str, tmp_path: Path
) -> None:
    name = "dm_champ"
    async with champ(database, tmp_path) as here:
        report = await verified(here, name)
        assert (report.status, exit_code(report), report.compared, report.drifted) == (
            "done",
            0,
            6,
            0,
        )
        assert report.requests == 6

        meddle(here, name, 1, Action.UPDATE, fields={"firstName": "Renamed"})
        meddle(here, name, 2, Action.UPDATE, fields={"email": "other@example.org"})
        lose(here, 3)
        replace_by(here, 4, phoneNumber="+491510000004", firstName="Name 4")
        replace_by(here, 5, phoneNumber="+49159", email="5@example.org")
        before = here.requests(name)
        report = await verified(here, name)
        assert told(report) == {
            "1": {"changed": ("firstName",)},
            "2": {"changed": ("email",)},
            "3": {"gone": ()},
            "4": {"gone": ()},
            "5": {"gone": ()},
        }
        assert (report.compared, exit_code(report)) == (6, 1)
        # Whom the phone does not find, in two more spellings, is looked up by e-mail.
        assert here.requests(name) - before == 6 + 3 + 2 * 2

        report = await verified(here, name, repair=True, recreate=True)
        assert (report.repaired, exit_code(report)) == (5, 0)
        await here.run(name)
        assert (await verified(here, name)).drifted == 0


@pytest.mark.asyncio
async def test_what_a_look_up_does_not_show_is_not_missing(
    database: str, tmp_path: Path
) -> None:
    async with champ(database, tmp_path, lookup_returns="id_only") as here:
        meddle(here, "dm_champ", 1, Action.UPDATE, fields={"firstName": "Renamed"})
        lose(here, 2)
        report = await verified(here, "dm_champ")
        assert (report.compared, told(report)) == (6, {"2": {"gone": ()}})


@pytest.mark.asyncio
async def test_a_contact_that_no_look_up_can_find_for_sure_is_not_called_gone(
    database: str, tmp_path: Path
) -> None:
    async with champ(database, tmp_path) as here:
        await here.source.execute(
            "UPDATE syncengine.sync_known "
            "SET match_field = 'email', match_key = fields->>'email', "
            "fields = fields - 'phoneNumber' WHERE contact_id IN ('1', '2')"
        )
        await here.source.execute(
            "UPDATE syncengine.sync_known "
            "SET match_field = NULL, match_key = NULL, fields = '{}' "
            "WHERE contact_id = '3'"
        )
        # Of those with one address the vendor shows one.
        replace_by(here, 2, phoneNumber="+49159", email="2@example.org")
        report = await verified(here, "dm_champ")
        assert (report.status, exit_code(report), report.compared, report.unread) == (
            "incomplete",
            1,
            4,
            2,
        )
        assert told(report) == {}


@pytest.mark.asyncio
async def test_a_vendor_that_shows_nothing_says_so(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {"charles": CHARLES}) as here:
        await here.add([1])
        await here.run("charles")
        report = await verified(here, "charles")
        assert (report.status, exit_code(report), report.requests) == (
            "unreadable",
            0,
            0,
        )
        assert report.error == "charles: charles shows nothing of what it holds"


@pytest.mark.asyncio
async def test_the_command_prints_names_and_never_values(
    database: str, tmp_path: Path
) -> None:
    name = "respond_io"
    async with people(database, tmp_path, {name: RESPOND_IO_WHOLE}) as here:
        await here.add([1, 2])
        await here.run(name)
        meddle(
            here,
            name,
            1,
            Action.UPDATE,
            fields={"firstName": "Renamed", "phone": "+4917699"},
        )
        code, said = await here.command("verify")
        assert code == 1
        assert (
            "respond_io, contact 1: other values at the vendor in firstName, phone"
            in said
        )
        assert "syncengine verify -d respond_io --repair" in said
        assert not [
            value for value in ("Renamed", "Name 1", "+4917699") if value in said
        ]
        code, said = await here.command("verify", "--repair", "--json")
        assert code == 0
        assert '"contacts":[{"contact":"1","changed":["firstName","phone"]}]' in said


async def _is_released(here: People) -> bool:
    """Return whether the next holder of the account need not wait."""
    (lease,) = await here.source.fetch("SELECT released FROM syncengine.sync_lease")
    released: bool = lease["released"]
    return released


def _broken(*_arguments: Any, **_options: Any) -> Any:
    raise ZeroDivisionError


@pytest.mark.asyncio
async def test_one_that_can_read_no_list_ends_its_run_and_lets_the_account_go(
    database: str, tmp_path: Path
) -> None:
    name = "chartmogul"
    async with people(database, tmp_path, {name: CHARTMOGUL}, twins=[name]) as here:
        await here.add(range(1, 6))
        await here.run(name)
        here.fail(name, Rule(FaultKind.REFUSE, method="GET", status=451))
        report = await verified(here, name)
        assert (report.status, exit_code(report), report.compared) == ("halted", 1, 0)
        assert report.error is not None
        assert "status 451" in report.error
        assert "next run" not in report.error, "it sent nothing that could be settled"
        assert await _is_released(here)
        (run,) = await here.source.fetch(
            "SELECT status FROM syncengine.sync_run ORDER BY run_id DESC LIMIT 1"
        )
        assert run["status"] == "halted"


@pytest.mark.asyncio
async def test_what_breaks_lets_the_account_go_unless_it_has_written_there(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "chartmogul"
    async with people(database, tmp_path, {name: CHARTMOGUL}, twins=[name]) as here:
        await here.add(range(1, 6))
        await here.run(name)
        with monkeypatch.context() as patch:
            patch.setattr(Verification, "_compare", _broken)
            requests = here.requests(name)
            report = await verified(here, name)
        assert (report.status, here.requests(name) - requests) == ("halted", 1)
        assert await _is_released(here)

        await here.change(1, name="Anna")
        with monkeypatch.context() as patch:
            patch.setattr(session, "finish_run", _broken)
            (run,) = (await here.runs(name)).values()
        assert run.status == "halted"
        assert not await _is_released(here)


@pytest.mark.asyncio
async def test_gone_contacts_are_counted_apart(database: str, tmp_path: Path) -> None:
    name = "respond_io"
    async with people(database, tmp_path, {name: RESPOND_IO}) as here:
        await here.add(range(1, 5))
        await here.run(name)
        here.sandbox.twin(name).screen(0.0).delete(
            (await here.states(name))[1]["external_id"]
        )
        await here.change(1, name="New")
        await here.run(name)
        report = await verified(here, name)
        assert (
            report.compared,
            report.drifted,
            report.gone,
            report.public()["gone"],
        ) == (3, 0, 1, 1)
        code, said = await here.command("verify", "-d", name)
        assert (
            code,
            "1 contact not compared: gone, that is deleted or merged at the vendor earlier"
            in said,
        ) == (0, True)
        named = await verified(here, name, contacts=["1"])
        assert (named.compared, named.drifted, named.gone) == (1, 1, 0)
        mending = await verified(here, name, repair=True, recreate=True)
        assert (mending.gone, mending.repaired) == (0, 1)
        await here.run(name)
        assert here.held(name).keys() == {1, 2, 3, 4}
        assert (await verified(here, name)).gone == 0


@pytest.mark.parametrize("name", ["respond_io", "chartmogul"])
@pytest.mark.asyncio
async def test_an_emptied_account_is_said_to_be_one_and_nobody_offers_to_repair_it(
    database: str, tmp_path: Path, name: str
) -> None:
    keys = {"respond_io": RESPOND_IO, "chartmogul": CHARTMOGUL}[name]
    async with people(database, tmp_path, {name: keys}, twins=[name]) as here:
        await here.add(range(1, 5))
        await here.run(name)
        here.sandbox.twin(name).screen(0.0).delete(
            (await here.states(name))[1]["external_id"]
        )
        named = await verified(here, name, contacts=["1"])
        assert (named.drifted, named.error) == (1, None), (
            "of one that was named nothing follows for the account"
        )
        _, said = await here.command("verify", "-d", name)
        assert (
            "--repair` has the next run" in said,
            "leads to another account" in said,
        ) == (True, False)

        here.sandbox.twin(name).screen(0.0).empty()
        code, said = await here.command("verify", "-d", name)
        sentence = (
            f"{name}: the vendor does not have any of the 4 contacts known here that "
            "were looked at: the "
        )
        assert (code, sentence in said, "--repair" in said) == (1, True, False)
        assert "credentials lead to another account, or it was emptied" in str(
            (await verified(here, name)).error
        )
