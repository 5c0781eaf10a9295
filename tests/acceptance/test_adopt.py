"""Adopt the contacts that an account holds already.

``adopt`` links each by a match key, writes nothing to the vendor, and links nobody it
is not sure of.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from syncengine import app
from syncengine.cli.exits import exit_code
from syncengine.model.copies import AdoptReport
from syncengine.sandbox.faults import FaultKind, Rule
from syncengine.sandbox.twins.twin import Seed
from tests.support.people_project import CHARLES, RESPOND_IO, People, people

NAME = "respond_io"
BY_PHONE = {**RESPOND_IO, "match_on": ["phone"]}


async def adopted(here: People, **options: Any) -> AdoptReport:
    (report,) = await app.adopt(here.config, (NAME,), **options)
    return report


def phone(number: int) -> str:
    return f"+49151{number:07}"


def seed(here: People, number: int, *tags: str, **fields: str) -> str:
    """Create a contact that the account holds before we come; return its id."""
    (external_id,) = here.sandbox.twin(NAME).seed(
        [Seed({"phone": phone(number), **fields}, tags)], 0.0
    )
    return external_id


def writes(here: People) -> list[str]:
    return [
        entry.route for entry in here.sandbox.journal(NAME).log if entry.method != "GET"
    ]


@pytest.mark.asyncio
async def test_who_is_there_is_linked_and_then_only_updated(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {NAME: BY_PHONE}) as here:
        await here.add(range(1, 5), tags=["vip"])
        ids = {
            number: seed(
                here,
                number,
                "vip",
                "theirs",
                crm_id=str(number),
                firstName=f"Name {number}",
            )
            for number in (1, 2)
        }
        ids[3] = seed(here, 3, firstName="Old name")
        report = await adopted(here)
        assert (report.status, exit_code(report)) == ("done", 0)
        assert (report.linked, report.unmatched, report.ambiguous) == (3, 1, 0)
        assert report.requests == here.requests(NAME)
        assert writes(here) == []
        states = await here.states(NAME)
        assert {number: states[number]["external_id"] for number in ids} == ids

        again = await adopted(here)
        assert (again.linked, again.unmatched) == (0, 1)
        assert again.requests < report.requests

        await here.run(NAME)
        assert sorted(writes(here)) == [
            "POST /contact/",
            "POST /contact/{id}/tags",
            "POST /contact/{id}/tags",
            "PUT /contact/{id}",
        ]
        held = here.held(NAME)
        assert {number: held[number]["id"] for number in ids} == ids
        assert set(held[1]["tags"]) == {"theirs", "vip"}

        await here.change(1, tags=[])
        await here.change(3, tags=[])
        await here.run(NAME)
        held = here.held(NAME)
        assert set(held[1]["tags"]) == {"theirs", "vip"}, (
            "a tag that others set is not ours to remove"
        )
        assert held[3]["tags"] == []


@pytest.mark.asyncio
async def test_several_matches_are_listed_and_none_is_chosen(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {NAME: BY_PHONE}) as here:
        await here.add([1])
        twins = sorted((seed(here, 1), seed(here, 1)))
        report = await adopted(here)
        assert (report.linked, report.ambiguous, exit_code(report)) == (0, 1, 1)
        (note,) = report.contacts
        assert (note.contact_id, note.outcome) == ("1", "ambiguous")
        assert note.message == f"2 contacts at the vendor match: {', '.join(twins)}"
        assert await here.states(NAME) == {}


@pytest.mark.asyncio
async def test_one_vendor_contact_has_one_owner(database: str, tmp_path: Path) -> None:
    async with people(
        database, tmp_path, {NAME: {**RESPOND_IO, "match_on": ["crm_id", "phone"]}}
    ) as here:
        await here.add([1])
        external_id = seed(here, 1, crm_id="1")
        await adopted(here)
        await here.add([2])
        await here.change(1, phone=None)
        await here.change(2, phone=phone(1))
        report = await adopted(here)
        assert (report.linked, report.owned) == (0, 1)
        assert (
            report.contacts[0].message == f"{external_id} belongs to {NAME}/1 already"
        )


@pytest.mark.asyncio
@pytest.mark.parametrize("adopts", [True, False])
async def test_a_contact_found_by_a_later_key_is_known_under_that_one(
    database: str, tmp_path: Path, *, adopts: bool
) -> None:
    async with people(
        database, tmp_path, {NAME: {**RESPOND_IO, "match_on": ["crm_id", "phone"]}}
    ) as here:
        await here.add([1])
        seed(here, 1)
        await (adopted(here) if adopts else here.run(NAME))
        held = await here.one(
            "SELECT match_field, match_key FROM syncengine.sync_known"
        )
        assert dict(held) == {"match_field": "phone", "match_key": phone(1)}


@pytest.mark.asyncio
async def test_two_rows_with_one_key_are_reported(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {NAME: BY_PHONE}) as here:
        await here.add([1, 2])
        await here.change(2, phone=phone(1))
        seed(here, 1)
        report = await adopted(here)
        assert (report.linked, report.refused, exit_code(report)) == (1, 1, 1)
        assert report.contacts[0].code == "duplicate_match_key"


@pytest.mark.asyncio
async def test_a_vendor_in_trouble_leaves_contacts_for_the_next_time(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {NAME: BY_PHONE}) as here:
        await here.add([1, 2, 3])
        for number in (1, 2, 3):
            seed(here, number)
        here.fail(NAME, Rule(FaultKind.ERROR_HTML, after=1, times=1))
        report = await adopted(here)
        assert (report.status, report.linked, report.unread, exit_code(report)) == (
            "incomplete",
            2,
            1,
            1,
        )
        assert (await adopted(here)).linked == 1


@pytest.mark.asyncio
async def test_a_wrong_key_halts_and_names_the_setting(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {NAME: BY_PHONE}) as here:
        await here.add([1])
        here.environ["RESPOND_IO_TOKEN"] = "wrong-token"
        report = await adopted(here)
        assert (report.status, exit_code(report)) == ("halted", 1)
        assert "settings.token" in (report.error or "")


@pytest.mark.asyncio
async def test_the_command_lists_what_needs_a_decision(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {NAME: BY_PHONE, "charles": CHARLES}) as here:
        await here.add([1, 2, 3, 4])
        seed(here, 1)
        seed(here, 1)
        await here.change(4, phone=phone(3))
        code, said = await here.command("adopt")
        assert code == 1
        heads, *rows = [
            line.split()
            for line in said.splitlines()
            if line.startswith(("destination", f"{NAME} "))
        ]
        counts = dict(zip(heads, rows[0], strict=False))
        assert {name: counts[name] for name in ("ambiguous", "owned", "rejected")} == {
            "ambiguous": "1",
            "owned": "0",
            "rejected": "1",
        }
        assert "respond_io: rejected: a value is invalid or another row has" in said
        assert "charles: charles has no look-up" in said
        assert (
            "respond_io, contact 1: ambiguous: 2 contacts at the vendor match" in said
        )
        assert "respond_io: unmatched: the next run creates these contacts" in said
        assert "151000" not in said


@pytest.mark.asyncio
async def test_the_report_does_not_say_that_the_next_run_creates_a_deleted_contact(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {NAME: BY_PHONE}) as here:
        await here.add([1, 2, 3])
        await here.run(NAME)
        here.sandbox.twin(NAME).screen(0.0).delete(
            (await here.states(NAME))[1]["external_id"]
        )
        await here.change(1, name="New")
        await here.run(NAME)
        await here.add([4])

        report = await adopted(here)
        assert (report.gone, report.unmatched, report.public()["gone"]) == (1, 1, 1)
        _, said = await here.command("adopt", "-d", NAME)
        assert (
            "1 gone: deleted at the vendor, no contact there has their match keys, and "
            "they are left alone. " in said
        )
        assert f"`syncengine run -d {NAME} --contact ID` creates one again" in said
        await here.run(NAME)
        assert here.held(NAME).keys() == {2, 3, 4}
        here.configure(NAME, on_gone="recreate")
        await here.run(NAME)
        assert (await adopted(here)).gone == 0
        assert here.held(NAME).keys() == {1, 2, 3, 4}
