"""Nothing is sent about who is suppressed or has opted out, whatever a run has planned already."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from syncengine import app
from syncengine.errors import ConfigError
from syncengine.model.consent import Subject, SubjectKind
from syncengine.sandbox.faults import Kind, Rule
from tests.people import RESPOND_IO, People, people

NAME = "respond_io"
CONTACT_1 = Subject(SubjectKind.CONTACT, "1")
TABLES = ("sync_suppression", "sync_erasure", "sync_outcome", "sync_batch", "sync_run", "sync_state")


def phone(number: int) -> str:
    return f"+49151{number:07}"


async def suppressed(here: People, *subjects: Subject) -> None:
    assert (await app.suppress(here.config, subjects)).changed == len(subjects)


@pytest.mark.asyncio
@pytest.mark.parametrize("by", ["contact", "phone", "email"])
async def test_who_is_suppressed_gets_nothing_and_costs_nothing(database: str, tmp_path: Path, by: str) -> None:
    fields = {**RESPOND_IO["fields"], "email": "name"}
    async with people(database, tmp_path, {NAME: {**RESPOND_IO, "fields": fields}}) as here:
        await here.add([1, 2], name="somebody@example.org")
        await here.change(2, name="else@example.org")
        subject = {
            "contact": CONTACT_1,
            "phone": Subject(SubjectKind.PHONE, phone(1).lstrip("+")),
            "email": Subject(SubjectKind.EMAIL, "somebody@example.org"),
        }[by]
        await suppressed(here, subject)
        report = await here.run(NAME)
        assert (report.exit_code, report.contacts["applied"], report.contacts["suppressed"]) == (0, 1, 1)
        assert here.held(NAME).keys() == {2}
        assert (await here.plan(NAME)).requests == 0
        again = await here.run(NAME)
        assert (again.requests, again.contacts["suppressed"]) == (0, 0)

        lifted = await app.lift(here.config, [subject])
        assert lifted.changed == 1
        assert (await here.run(NAME)).exit_code == 0
        assert here.held(NAME).keys() == {1, 2}


@pytest.mark.asyncio
async def test_not_even_a_removal_is_sent(database: str, tmp_path: Path) -> None:
    async with people(database, tmp_path, {NAME: {**RESPOND_IO, "on_removed": "untag"}}) as here:
        await here.add([1, 2], tags=["vip"])
        await here.run(NAME)
        await suppressed(here, CONTACT_1)
        await here.remove([1, 2])
        report = await here.run(NAME, accept=frozenset({"empty_source"}))
        assert (report.contacts["suppressed"], report.contacts["applied"]) == (1, 1)
        held = here.held(NAME)
        assert (held[1]["tags"], held[2]["tags"]) == (["vip"], [])
        assert (await here.run(NAME, accept=frozenset({"empty_source"}))).requests == 0


@pytest.mark.asyncio
async def test_what_a_run_has_planned_is_not_sent_once_somebody_is_suppressed(database: str, tmp_path: Path) -> None:
    """The suppression comes while the contact's look-up is under way: its create must not follow."""
    async with people(database, tmp_path, {NAME: RESPOND_IO}) as here:
        await here.add([1])
        here.fail(NAME, Rule(Kind.HOLD_AFTER_COMMIT, method="GET", times=1))
        command = here.start("run", "--json")
        await here.sandbox.holds(NAME).wait_for(1)
        await suppressed(here, CONTACT_1)
        here.sandbox.holds(NAME).release()
        assert await command.ended() == 0, command.said()
        assert [entry.method for entry in here.sandbox.journal(NAME).log] == ["GET"]
        assert (await here.states(NAME))[1]["status"] == "suppressed"


@pytest.mark.asyncio
async def test_a_lost_create_of_somebody_suppressed_stays_noted(database: str, tmp_path: Path) -> None:
    async with people(database, tmp_path, {NAME: RESPOND_IO}) as here:
        await here.add([1])
        here.fail(
            NAME, Rule(Kind.RESET, method="POST", when="after", times=1), Rule(Kind.ERROR_HTML, method="GET", after=2)
        )
        await here.run(NAME)
        here.heal(NAME)
        await suppressed(here, CONTACT_1)
        requests = here.requests(NAME)
        await here.run(NAME)
        assert here.requests(NAME) == requests
        await app.lift(here.config, [CONTACT_1])
        assert (await here.run(NAME)).exit_code == 0
        assert len(here.sandbox.contacts(NAME)) == 1


@pytest.mark.asyncio
async def test_a_column_says_who_has_opted_out(database: str, tmp_path: Path) -> None:
    async with people(database, tmp_path, {NAME: {**RESPOND_IO, "opted_out": "gone"}}) as here:
        await here.source.execute("ALTER TABLE crm.people ADD COLUMN gone boolean")
        await here.add([1, 2, 3])
        await here.change(1, gone=True)
        await here.change(2, gone=False)
        report = await here.run(NAME)
        assert report.contacts["suppressed"] == 1
        assert here.held(NAME).keys() == {2, 3}
        await here.change(2, gone=True, name="New")
        requests = here.requests(NAME)
        assert (await here.run(NAME)).contacts["suppressed"] == 1
        assert (await here.run(NAME, backfill=True)).contacts["suppressed"] == 0
        assert here.requests(NAME) == requests
        await here.change(1, gone=False)
        await here.run(NAME)
        assert here.held(NAME).keys() == {1, 2, 3}


@pytest.mark.asyncio
async def test_a_column_is_asked_once_more_before_each_request(database: str, tmp_path: Path) -> None:
    async with people(database, tmp_path, {NAME: {**RESPOND_IO, "opted_out": "gone"}}) as here:
        await here.source.execute("ALTER TABLE crm.people ADD COLUMN gone boolean")
        await here.add([1])
        here.fail(NAME, Rule(Kind.HOLD_AFTER_COMMIT, method="GET", times=1))
        command = here.start("run", "--json")
        await here.sandbox.holds(NAME).wait_for(1)
        await here.change(1, gone=True)
        here.sandbox.holds(NAME).release()
        assert await command.ended() == 0, command.said()
        assert here.sandbox.contacts(NAME) == []


@pytest.mark.asyncio
async def test_a_column_that_is_no_boolean_is_refused(database: str, tmp_path: Path) -> None:
    async with people(database, tmp_path, {NAME: {**RESPOND_IO, "opted_out": "name"}}) as here:
        await here.add([1])
        report = await here.run(NAME)
        assert (report.exit_code, report.requests) == (2, 0)
        assert 'opted_out: column "name" has type text, and has to be boolean' in (report.error or "")


@pytest.mark.asyncio
async def test_verify_does_not_read_who_is_suppressed(database: str, tmp_path: Path) -> None:
    async with people(database, tmp_path, {NAME: RESPOND_IO}) as here:
        await here.add([1, 2])
        await here.run(NAME)
        await suppressed(here, CONTACT_1)
        (report,) = await app.verify(here.config, (NAME,))
        assert (report.compared, report.requests) == (1, 1)


@pytest.mark.asyncio
async def test_the_command_takes_phones_from_files_and_keeps_hashes_only(database: str, tmp_path: Path) -> None:
    async with people(database, tmp_path, {NAME: RESPOND_IO}) as here:
        await here.add([1, 2, 3])
        phones = tmp_path / "phones"
        phones.write_text(f"{phone(1)}\n\n0049 151 0000002\n", encoding="utf-8")
        assert await here.command("suppress", "--phones", str(phones), "--contact", "3") == (0, "suppressed: 3 of 3\n")
        assert await here.command("suppress", "--contact", "3") == (
            0,
            "suppressed: 0 of 1; of the others each was suppressed already\n",
        )
        assert (await here.run(NAME)).contacts["suppressed"] == 3
        code, said = await here.command("suppress")
        assert code == 0
        counted = [line.split()[:3] for line in said.splitlines()]
        assert counted[-2:] == [["contact", "suppressed", "1"], ["phone", "suppressed", "2"]]
        dump = await dumped(here)
        assert not [number for number in (1, 2) if phone(number).lstrip("+") in dump]
        assert await here.command("suppress", "--phones", str(phones), "--lift") == (0, "lifted: 2 of 2\n")


@pytest.mark.asyncio
async def test_what_is_no_phone_is_refused_without_repeating_it(database: str, tmp_path: Path) -> None:
    async with people(database, tmp_path, {NAME: RESPOND_IO}) as here:
        with pytest.raises(ConfigError, match="--phones, line 2: is no phone number with its country code"):
            app.named((), ("+49151000", "call me"), ())
        with pytest.raises(ConfigError, match="--emails, line 1"):
            app.named((), (), ("nobody",))
        code, said = await here.command("suppress", "--lift")
        assert (code, "nobody is named" in said) == (2, True)


async def dumped(here: People) -> str:
    """Everything in the state but what is known of copies."""
    rows: list[Any] = []
    for table in TABLES:
        rows += await here.source.fetch(f"SELECT t::text FROM syncengine.{table} AS t")  # noqa: S608 - our own tables
    return "\n".join(row[0] for row in rows)
