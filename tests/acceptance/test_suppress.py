"""Nothing is sent to contacts that are suppressed or opted out.

That holds for what a run has planned already, too.
"""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import Any

import orjson
import pytest

from syncengine import app
from syncengine.cli.exits import exit_code
from syncengine.errors import ConfigError
from syncengine.model.consent import Subject, SubjectKind
from syncengine.model.work import Standing
from syncengine.sandbox.faults import FaultKind, Rule
from tests.support.people_project import RESPOND_IO, People, people

NAME = "respond_io"
CONTACT_1 = Subject(SubjectKind.CONTACT, "1")
TABLES = (
    "sync_suppression",
    "sync_erasure",
    "sync_outcome",
    "sync_batch",
    "sync_run",
    "sync_state",
)


def phone(number: int) -> str:
    return f"+49151{number:07}"


async def suppressed(here: People, *subjects: Subject) -> None:
    assert (await app.suppress(here.config, subjects)).changed == len(subjects)


@pytest.mark.asyncio
@pytest.mark.parametrize("by", ["contact", "phone", "email"])
async def test_who_is_suppressed_gets_nothing_and_costs_nothing(
    database: str, tmp_path: Path, by: str
) -> None:
    fields = {**RESPOND_IO["fields"], "email": "name"}
    async with people(
        database, tmp_path, {NAME: {**RESPOND_IO, "fields": fields}}
    ) as here:
        await here.add([1, 2], name="somebody@example.org")
        await here.change(2, name="else@example.org")
        subjects = {
            "contact": CONTACT_1,
            "phone": Subject(SubjectKind.PHONE, phone(1).lstrip("+")),
            "email": Subject(SubjectKind.EMAIL, "somebody@example.org"),
        }
        subject = subjects[by]
        await suppressed(here, subject)
        report = await here.run(NAME)
        assert exit_code(report) == 0
        assert (report.contacts["applied"], report.contacts["suppressed"]) == (1, 1)
        assert here.held(NAME).keys() == {2}
        assert (await here.plan(NAME)).requests == 0
        again = await here.run(NAME)
        assert (again.requests, again.contacts["suppressed"]) == (0, 0)

        lifted = await app.lift(here.config, [subject])
        assert lifted.changed == 1
        assert exit_code(await here.run(NAME)) == 0
        assert here.held(NAME).keys() == {1, 2}


@pytest.mark.asyncio
async def test_not_even_a_removal_is_sent(database: str, tmp_path: Path) -> None:
    async with people(
        database, tmp_path, {NAME: {**RESPOND_IO, "on_removed": "untag"}}
    ) as here:
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
async def test_a_lifted_suppression_does_not_count_as_suppressed(
    database: str, tmp_path: Path
) -> None:
    """They are planned again, and are counted neither as suppressed nor as in step."""
    async with people(
        database, tmp_path, {NAME: {**RESPOND_IO, "on_removed": "untag"}}
    ) as here:
        await here.add([1, 2, 3], tags=["vip"])
        await here.run(NAME)
        subjects = [CONTACT_1, Subject(SubjectKind.CONTACT, "3")]
        await suppressed(here, *subjects)
        await here.change(1, name="New")
        await here.remove([3])
        assert (await here.run(NAME)).standing == {Standing.SUPPRESSED: 2}
        await app.lift(here.config, subjects)
        assert (await here.plan(NAME)).standing == {}
        assert (await here.run(NAME, contacts=("2",))).standing == {}
        report = await here.run(NAME)
        assert (report.contacts["applied"], report.standing) == (2, {})


@pytest.mark.asyncio
async def test_what_a_run_has_planned_is_not_sent_once_somebody_is_suppressed(
    database: str, tmp_path: Path
) -> None:
    """The suppression comes while the contact's look-up is under way.

    Its create must not follow.
    """
    async with people(database, tmp_path, {NAME: RESPOND_IO}) as here:
        await here.add([1])
        # The plan is made, and the answer of its look-up waits at the vendor.
        here.fail(NAME, Rule(FaultKind.HOLD_AFTER_COMMIT, method="GET", times=1))
        command = here.start("run", "--json")
        await here.sandbox.holds(NAME).wait_for(1)
        await suppressed(here, CONTACT_1)
        here.sandbox.holds(NAME).release()
        assert await command.ended() == 0, command.said()
        assert [entry.method for entry in here.sandbox.journal(NAME).log] == ["GET"]
        assert (await here.states(NAME))[1]["status"] == "suppressed"


@pytest.mark.asyncio
async def test_a_lost_create_of_somebody_suppressed_stays_noted(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {NAME: RESPOND_IO}) as here:
        await here.add([1])
        # The create is carried out and its answer lost, and no look-up finds that out
        # in the same run.
        here.fail(
            NAME,
            Rule(FaultKind.RESET, method="POST", when="after", times=1),
            Rule(FaultKind.ERROR_HTML, method="GET", after=2),
        )
        await here.run(NAME)
        here.heal(NAME)
        await suppressed(here, CONTACT_1)
        requests = here.requests(NAME)
        await here.run(NAME)
        assert here.requests(NAME) == requests
        await app.lift(here.config, [CONTACT_1])
        assert exit_code(await here.run(NAME)) == 0
        assert len(here.sandbox.contacts(NAME)) == 1


@pytest.mark.asyncio
async def test_a_column_says_who_has_opted_out(database: str, tmp_path: Path) -> None:
    async with people(
        database, tmp_path, {NAME: {**RESPOND_IO, "opted_out": "gone"}}
    ) as here:
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
async def test_a_column_is_asked_once_more_before_each_request(
    database: str, tmp_path: Path
) -> None:
    async with people(
        database, tmp_path, {NAME: {**RESPOND_IO, "opted_out": "gone"}}
    ) as here:
        await here.source.execute("ALTER TABLE crm.people ADD COLUMN gone boolean")
        await here.add([1])
        here.fail(NAME, Rule(FaultKind.HOLD_AFTER_COMMIT, method="GET", times=1))
        command = here.start("run", "--json")
        await here.sandbox.holds(NAME).wait_for(1)
        await here.change(1, gone=True)
        here.sandbox.holds(NAME).release()
        assert await command.ended() == 0, command.said()
        assert here.sandbox.contacts(NAME) == []


@pytest.mark.asyncio
@pytest.mark.parametrize("change", ["opted out and not selected any more", "deleted"])
async def test_contacts_removed_in_mid_run_are_not_sent_where_a_column_has_opt_outs(
    database: str, tmp_path: Path, change: str
) -> None:
    """One change of the row may set the column and fail ``where``.

    Then the column cannot be read any more.
    """
    destination = {
        **RESPOND_IO,
        "opted_out": "gone",
        "where": "opted_in",
        "on_removed": "untag",
    }
    async with people(database, tmp_path, {NAME: destination}) as here:
        await here.source.execute("ALTER TABLE crm.people ADD COLUMN gone boolean")
        await here.add([1, 2])
        here.fail(NAME, Rule(FaultKind.HOLD_AFTER_COMMIT, method="GET", times=1))
        command = here.start("run", "--json", "--contact", "1")
        await here.sandbox.holds(NAME).wait_for(1)
        if change == "deleted":
            await here.remove([1])
        else:
            await here.source.execute(
                "UPDATE crm.people SET gone = true, opted_in = false WHERE id = 1"
            )
        here.sandbox.holds(NAME).release()
        assert await command.ended() == 0, command.said()
        assert here.sandbox.contacts(NAME) == []
        codes = await here.source.fetch(
            "SELECT outcome, code FROM syncengine.sync_outcome"
        )
        assert [tuple(row) for row in codes] == [("suppressed", "left_source")]
        # Nobody knows yet why the contact is gone: the next run finds out.
        assert (await here.states(NAME))[1]["status"] == "pending"
        report = await here.run(NAME)
        assert (exit_code(report), report.contacts["applied"]) == (0, 1)
        assert here.held(NAME).keys() == {2}
        # And it is not put off for ever.
        assert (await here.run(NAME)).contacts["changed"] == 0


@pytest.mark.asyncio
async def test_who_leaves_once_it_was_created_is_removed_by_the_next_run(
    database: str, tmp_path: Path
) -> None:
    destination = {**RESPOND_IO, "opted_out": "gone", "on_removed": "untag"}
    async with people(database, tmp_path, {NAME: destination}) as here:
        await here.source.execute("ALTER TABLE crm.people ADD COLUMN gone boolean")
        # More tags than one request takes, so that the first call for them is followed
        # by a second one.
        await here.add([1, 2], tags=[f"t{number}" for number in range(15)])
        here.fail(
            NAME, Rule(FaultKind.HOLD_AFTER_COMMIT, method="POST", after=1, times=1)
        )
        command = here.start("run", "--json", "--contact", "1")
        await here.sandbox.holds(NAME).wait_for(1)
        await here.remove([1])
        here.sandbox.holds(NAME).release()
        assert await command.ended() == 0, command.said()
        # Without its id, the next run could not remove it.
        external_id = here.held(NAME)[1]["id"]
        assert (await here.states(NAME))[1]["external_id"] == external_id
        assert len(here.held(NAME)[1]["tags"]) == 10
        report = await here.run(NAME, accept=frozenset({"creates"}))
        assert (exit_code(report), report.contacts["applied"]) == (0, 2)
        assert (here.held(NAME)[1]["tags"], len(here.held(NAME)[2]["tags"])) == ([], 15)
        assert (await here.run(NAME)).contacts["changed"] == 0


@pytest.mark.asyncio
async def test_a_lost_create_of_a_contact_removed_in_mid_run_stays_noted(
    database: str, tmp_path: Path
) -> None:
    destination = {
        **RESPOND_IO,
        "opted_out": "gone",
        "on_removed": "untag",
        "in_flight": 1,
    }
    async with people(database, tmp_path, {NAME: destination}) as here:
        await here.source.execute("ALTER TABLE crm.people ADD COLUMN gone boolean")
        await here.add([2], tags=["vip"])
        here.fail(
            NAME,
            Rule(FaultKind.RESET, method="POST", when="after", times=1),
            Rule(FaultKind.ERROR_HTML, method="GET", after=1),
        )
        await here.run(NAME)
        assert here.held(NAME).keys() == {2}
        here.heal(NAME)
        # While the run works on contact 1, contact 2 with its lost create is removed.
        await here.add([1])
        here.fail(NAME, Rule(FaultKind.HOLD_AFTER_COMMIT, method="GET", times=1))
        command = here.start("run", "--json")
        await here.sandbox.holds(NAME).wait_for(1)
        await here.remove([2])
        requests = here.requests(NAME)
        here.sandbox.holds(NAME).release()
        assert await command.ended() == 0, command.said()
        assert here.requests(NAME) == requests + 1, "the create of the other contact"
        pending = await here.source.fetchval(
            "SELECT pending FROM syncengine.sync_known WHERE contact_id = '2'"
        )
        assert orjson.loads(pending)["creates"] is True
        report = await here.run(NAME, accept=frozenset({"creates"}))
        assert exit_code(report) == 0, report
        # It was found by a look-up, and untagged as a removed contact.
        assert here.held(NAME)[2]["tags"] == []
        assert (await here.run(NAME)).contacts["changed"] == 0


@pytest.mark.asyncio
async def test_a_column_that_is_no_boolean_is_refused(
    database: str, tmp_path: Path
) -> None:
    async with people(
        database, tmp_path, {NAME: {**RESPOND_IO, "opted_out": "name"}}
    ) as here:
        await here.add([1])
        report = await here.run(NAME)
        assert (exit_code(report), report.requests) == (2, 0)
        assert 'opted_out: column "name" has type text, and has to be boolean' in (
            report.error or ""
        )


@pytest.mark.asyncio
async def test_verify_does_not_read_who_is_suppressed(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {NAME: RESPOND_IO}) as here:
        await here.add([1, 2])
        await here.run(NAME)
        await suppressed(here, CONTACT_1)
        (report,) = await app.verify(here.config, (NAME,))
        assert (report.compared, report.requests) == (1, 1)


@pytest.mark.asyncio
async def test_the_command_takes_phones_from_files_and_keeps_hashes_only(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {NAME: RESPOND_IO}) as here:
        await here.add([1, 2, 3])
        phones = tmp_path / "phones"
        phones.write_text(f"{phone(1)}\n\n0049 151 0000002\n", encoding="utf-8")
        assert await here.command(
            "suppress", "--phones", str(phones), "--contact", "3"
        ) == (0, "suppressed: 3 of 3\n")
        assert await here.command("suppress", "--contact", "3") == (
            0,
            "suppressed: 0 of 1 (1 suppressed already)\n",
        )
        assert (await here.run(NAME)).contacts["suppressed"] == 3
        code, said = await here.command("suppress")
        assert code == 0
        counted = [line.split()[:3] for line in said.splitlines()]
        assert counted[-2:] == [
            ["contact", "suppressed", "1"],
            ["phone", "suppressed", "2"],
        ]
        dump = await dumped(here)
        assert not [number for number in (1, 2) if phone(number).lstrip("+") in dump]
        assert await here.command("suppress", "--phones", str(phones), "--lift") == (
            0,
            "lifted: 2 of 2\n",
        )


@pytest.mark.asyncio
async def test_a_list_with_a_line_that_is_not_surely_read_is_refused_as_a_whole(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {NAME: RESPOND_IO}) as here:
        with pytest.raises(
            ConfigError,
            match="--phones, line 2: is not one phone number; nothing of the list was",
        ):
            app.named((), ("+49151000", "call me"), ())
        with pytest.raises(ConfigError, match="--emails, line 1"):
            app.named((), (), ("nobody",))
        phones = tmp_path / "phones"
        phones.write_bytes(
            b"\xef\xbb\xbfphone;name\r\n"
            b"\r\n"
            b"+491711000001\r\n"
            b"0171 1000002\r\n"
            b"+491711000003;Ann\r\n"
        )
        code, said = await here.command("suppress", "--phones", str(phones))
        assert code == 2
        # Lines are those of the file, so that empty ones count.
        for number in (1, 4, 5):
            assert f"--phones, line {number}: " in said
        assert "line 4: has no country code, and no destination has a region" in said
        assert "1000" not in said
        assert await app.suppressions(here.config) == []
        ids = tmp_path / "ids"
        ids.write_bytes(b"1\r\n2\x00\r\n")
        code, said = await here.command("suppress", "--contacts", str(ids))
        assert code == 2
        assert "--contacts, line 2: holds a control character" in said
        assert await app.suppressions(here.config) == []
        phones.write_text("?\n" * 50, encoding="utf-8")
        code, said = await here.command("suppress", "--phones", str(phones))
        assert (code, said.count("line ")) == (2, 20)
        assert "30 more lines could not be read" in said
        code, said = await here.command("suppress", "--lift")
        assert (code, "nobody is named" in said) == (2, True)


PHONES = {
    1: ("0171 1000001", "+491711000001"),
    2: ("+49 (0)171 1000002", "0171/1000002"),
    3: ("0049 (0)171 1000003", "491711000003"),
    4: ("tel:+49-171-1000004", "\uff10171 1000004"),
    5: ('"+491711000005";', "Tel. 0171 1000005"),
    6: ("491711000006", "\u200b+49 171 1000006"),
    7: ("+491711000007", "0171 1000007 / 030 123456"),
}
"""By contact: one number, as the list and as the source has it."""
EMAILS = {
    8: ('"p8@x.de"', "P8@X.DE"),
    9: ("mailto:p9@x.de", "Ann <p9@x.de>"),
    10: ("p10@x.de;", "p10@x.de\u200b"),
    11: ("p11@m\u00fcller.de", "p11@xn--mller-kva.de"),
}


@pytest.mark.asyncio
@pytest.mark.parametrize("form", ["mapped", "raw"])
async def test_nobody_on_a_list_is_sent_whatever_they_are_written_like(
    database: str, tmp_path: Path, form: str
) -> None:
    phone: Any = {"from": "phone", "as": "e164", "region": "DE", "on_invalid": "skip"}
    email: Any = {"from": "company", "as": "lower"}
    # Where the phone has no region, the one of the fax is used for the list's national
    # numbers.
    fields = {
        "crm_id": "id",
        "phone": "phone",
        "fax": {**phone, "from": "fax"},
        "email": "company",
    }
    if form == "mapped":
        fields |= {"phone": phone, "email": email}
    async with people(
        database, tmp_path, {NAME: {**RESPOND_IO, "fields": fields}}
    ) as here:
        await here.source.execute("ALTER TABLE crm.people ADD COLUMN fax bigint")
        await here.add(range(1, 14))
        for number, (_, value) in PHONES.items():
            await here.change(number, phone=value)
        for number, (_, value) in EMAILS.items():
            await here.change(number, company=value)
        await here.change(12, fax=491711000012)
        lists = {
            "phones": [line for line, _ in PHONES.values()],
            "emails": [line for line, _ in EMAILS.values()],
        }
        lists["phones"].append("0171 1000012")
        for name, lines in lists.items():
            (tmp_path / name).write_text("\r\n".join(lines), encoding="utf-8")
        code, said = await here.command(
            "suppress",
            "--phones",
            str(tmp_path / "phones"),
            "--emails",
            str(tmp_path / "emails"),
        )
        assert code == 0, said
        report = await here.run(NAME)
        assert (report.contacts["suppressed"], report.contacts["applied"]) == (12, 1)
        assert here.held(NAME).keys() == {13}


@pytest.mark.asyncio
async def test_nobody_on_a_list_is_sent_by_tag_or_in_a_text(
    database: str, tmp_path: Path
) -> None:
    phone: Any = {"from": "phone", "as": "e164", "region": "DE", "on_invalid": "skip"}
    fields = {
        "crm_id": "id",
        "phone": phone,
        "name": "name",
        "fax": "fax",
        "extra": "extra",
    }
    async with people(
        database, tmp_path, {NAME: {**RESPOND_IO, "fields": fields}}
    ) as here:
        await here.source.execute(
            "ALTER TABLE crm.people ADD COLUMN fax bigint, ADD COLUMN extra jsonb"
        )
        await here.add(range(1, 10))
        await here.change(1, tags=["vip", "+49 176 1110001"])
        await here.change(2, tags=["no2@nein.de"])
        await here.change(3, fax=1761110003)
        await here.change(4, name="call: +49 176 1110004 thanks")
        await here.change(5, extra='{"491761110005": true}')
        await here.change(6, name='"no6"@nein.de')
        await here.change(7, name="a@x.de|no7@nein.de")
        await here.change(8, name="https://wa.me/491761110008")
        phones, emails = tmp_path / "phones", tmp_path / "emails"
        phones.write_text(
            "".join(f"+49176111000{number}\n" for number in (1, 3, 4, 5, 8)),
            encoding="utf-8",
        )
        emails.write_text(
            "".join(f"no{number}@nein.de\n" for number in (2, 6, 7)), encoding="utf-8"
        )
        code, said = await here.command(
            "suppress", "--phones", str(phones), "--emails", str(emails)
        )
        assert code == 0, said
        report = await here.run(NAME)
        assert (report.contacts["suppressed"], report.contacts["applied"]) == (8, 1)
        assert here.held(NAME).keys() == {9}


@pytest.mark.asyncio
async def test_a_national_number_is_refused_while_a_file_with_its_region_is_unusable(
    database: str, tmp_path: Path
) -> None:
    fields = {
        **RESPOND_IO["fields"],
        "phone": {"from": "phone", "as": "e164", "region": "DE"},
    }
    async with people(
        database, tmp_path, {NAME: {**RESPOND_IO, "fields": fields}}
    ) as here:
        (here.file.parent / "destinations" / "french.yaml").write_text(
            "vendor: nobody\n", encoding="utf-8"
        )
        phones = tmp_path / "phones"
        phones.write_text("+491711000001\n0171 1000002\n", encoding="utf-8")
        code, said = await here.command("suppress", "--phones", str(phones))
        assert code == 2
        message = "line 2: has no country code, and the region of french cannot be read"
        assert message in said
        phones.write_text("+491711000001\n0049 171 1000002\n", encoding="utf-8")
        assert (await here.command("suppress", "--phones", str(phones)))[0] == 0


@pytest.mark.asyncio
async def test_a_list_of_contact_ids_is_read_as_it_looks(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {NAME: RESPOND_IO}) as here:
        await here.add([1, 2, 3, 4, 5])
        ids = tmp_path / "ids"
        ids.write_text(
            '\ufeff1\r\n"2"\r\n\r\n\u200b3\u00a0\r\n4;\r\n', encoding="utf-8"
        )
        code, said = await here.command("suppress", "--contacts", str(ids))
        assert code == 0, said
        assert "4 lines and ids mean 7, since some can be read in several ways." in said
        assert (await here.run(NAME)).contacts["suppressed"] == 4
        assert here.held(NAME).keys() == {5}


@pytest.mark.asyncio
async def test_who_is_named_twice_is_suppressed_once(
    database: str, tmp_path: Path
) -> None:
    fields = {
        **RESPOND_IO["fields"],
        "phone": {"from": "phone", "as": "e164", "region": "DE"},
    }
    async with people(
        database, tmp_path, {NAME: {**RESPOND_IO, "fields": fields}}
    ) as here:
        phones, emails, ids = tmp_path / "phones", tmp_path / "emails", tmp_path / "ids"
        phones.write_text(
            "+491511000001\n0151 1000001\n+491511000001\n", encoding="utf-8"
        )
        emails.write_text("D1@x.de\nd1@x.de\nd2@x.de\n", encoding="utf-8")
        ids.write_text("7\n7\n", encoding="utf-8")
        files = f"--phones {phones} --emails {emails} --contacts {ids}"
        ids_twice = "--contact zz --contact zz --contact 7"
        command = f"suppress {files} {ids_twice}".split()
        code, said = await here.command(*command)
        assert code == 0
        assert said.splitlines() == [
            "suppressed: 5 of 5",
            "11 lines and ids mean 5, since some mean the same person.",
        ]
        code, said = await here.command(*command)
        assert code == 0
        assert said.splitlines()[0] == "suppressed: 0 of 5 (5 suppressed already)"
        code, said = await here.command(*command, "--lift")
        assert code == 0
        assert said.splitlines()[0] == "lifted: 5 of 5"
        assert await app.suppressions(here.config) == []


ENCODINGS = {
    "utf-8": b"",
    "utf-8-sig": b"",
    "utf-16": b"",
    "utf-16-le": codecs.BOM_UTF16_LE,
    "utf-16-be": codecs.BOM_UTF16_BE,
    "utf-32": b"",
}
"""By encoding: the byte order mark, where Python does not write it by itself."""
UNREADABLE = (
    (
        "ann@x.de\r\n".encode("utf-16-le"),
        "looks like UTF-16 without a byte order mark; save it as text in UTF-8",
    ),
    (
        "r\u00e9n\u00e9@x.de\r\n".encode("utf-16-be"),
        "looks like UTF-16 without",
    ),
    (
        "r\u00e9n\u00e9@x.de\n".encode("cp1252"),
        "neither UTF-8 nor UTF-16 with a byte order mark; save it",
    ),
    (
        codecs.BOM_UTF16_LE + b"a\x00n",
        "begins as UTF-16 and does not go on so; save it",
    ),
)
"""Bytes of a list, and the message that refuses them."""


@pytest.mark.asyncio
async def test_a_list_is_read_in_the_encodings_of_spreadsheets(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {NAME: RESPOND_IO}) as here:
        emails = tmp_path / "emails"
        for number, (encoding, mark) in enumerate(ENCODINGS.items()):
            text = f"r\u00e9n\u00e9{number}@x.de\r\nann{number}@x.de\r\n"
            emails.write_bytes(mark + text.encode(encoding))
            assert await here.command("suppress", "--emails", str(emails)) == (
                0,
                "suppressed: 2 of 2\n",
            ), encoding
        for raw, message in UNREADABLE:
            emails.write_bytes(raw)
            code, said = await here.command("suppress", "--emails", str(emails))
            assert code == 2
            assert message in " ".join(said.split())
        emails.write_text("ann@x.de\n*@nein.de\n@nein.de\n", encoding="utf-8")
        code, said = await here.command("suppress", "--emails", str(emails))
        assert (code, said.count("is not one e-mail address")) == (2, 2)
        assert "--emails, line 2" in said
        assert "--emails, line 3" in said


@pytest.mark.asyncio
async def test_the_hashes_of_earlier_versions_hold(
    database: str, tmp_path: Path
) -> None:
    """They are of the digits with country code, or of the address in lower case."""
    async with people(database, tmp_path, {NAME: RESPOND_IO}) as here:
        here.configure(
            NAME,
            fields={
                **RESPOND_IO["fields"],
                "email": {"from": "company", "as": "lower"},
            },
        )
        await here.add([1, 2, 3])
        await here.change(2, company="Ann <ANN@x.de>")
        await here.source.execute(
            "INSERT INTO syncengine.sync_suppression (subject_hash, kind, reason, "
            "salted) SELECT sha256(salt || convert_to(subject, 'UTF8')), "
            "split_part(subject, ':', 1), 'suppressed', fingerprint "
            "FROM syncengine.sync_salt, unnest($1::text[]) AS t (subject)",
            [f"phone:{phone(1).lstrip('+')}", "email:ann@x.de"],
        )
        assert (await here.run(NAME)).contacts["suppressed"] == 2
        assert here.held(NAME).keys() == {3}


async def dumped(here: People) -> str:
    """Return everything in the state but what is known of copies."""
    rows: list[Any] = []
    for table in TABLES:
        rows += await here.source.fetch(f"SELECT t::text FROM syncengine.{table} AS t")
    return "\n".join(row[0] for row in rows)
