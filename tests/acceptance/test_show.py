"""``show`` prints one contact as the source, the state and each vendor see it."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from syncengine import app
from syncengine.cli.exits import exit_code
from syncengine.model.consent import Subject, SubjectKind, of_email, of_phone
from syncengine.model.copies import Copy, ShowReport
from syncengine.sandbox.faults import FaultKind, Rule
from tests.support.people_project import BOTH, CHARLES, DM_CHAMP, People, people

NAME = "respond_io"


async def shown(here: People, contact: str = "1") -> dict[str, ShowReport]:
    return {
        report.destination: report
        for report in await app.show(here.config, (), contact)
    }


@pytest.mark.asyncio
async def test_source_state_and_vendor_are_shown_side_by_side(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, BOTH) as here:
        await here.add([1], tags=["vip"])
        await here.runs()
        await here.change(1, name="New")
        reports = await shown(here)
        at_respond_io = reports[NAME]
        fields = {"crm_id": "1", "firstName": "Name 1", "phone": "+491510000001"}
        assert (at_respond_io.status, exit_code(at_respond_io)) == ("synced", 0)
        assert at_respond_io.external_id == here.held(NAME)[1]["id"]
        assert at_respond_io.source == Copy(
            {**fields, "crm_id": 1, "firstName": "New"}, ("vip",)
        )
        assert at_respond_io.known == Copy({**fields, "crm_id": 1}, ("vip",))
        assert at_respond_io.vendor is not None
        assert dict(at_respond_io.vendor.fields).items() >= fields.items()
        assert at_respond_io.vendor.tags == ("vip",)
        at_charles = reports["charles"]
        assert (at_charles.vendor, at_charles.remarks) == (
            None,
            ("charles shows nothing of what it holds",),
        )
        assert at_charles.known is not None


@pytest.mark.asyncio
async def test_a_vendor_that_only_finds_shows_what_its_look_up_tells(
    database: str, tmp_path: Path
) -> None:
    name = "dm_champ"
    async with people(database, tmp_path, {name: DM_CHAMP}, twins=[name]) as here:
        await here.add([1], tags=["vip"])
        await here.run(name)
        await here.change(1, phone="+4915199")
        report = (await shown(here))[name]
        assert (report.status, exit_code(report), report.remarks) == ("synced", 0, ())
        assert report.vendor is not None
        assert report.vendor.fields["phoneNumber"] == "+491510000001"
        assert report.vendor.fields["firstName"] == "Name 1"
        assert (report.vendor.tags, "messages" in report.details) == (("vip",), True)

        await here.source.execute(
            "UPDATE syncengine.sync_state SET external_id = 'another'"
        )
        report = (await shown(here))[name]
        assert (report.vendor, report.remarks) == (
            None,
            ("the vendor has no such contact",),
        )


@pytest.mark.asyncio
async def test_who_is_not_linked_is_looked_up(database: str, tmp_path: Path) -> None:
    async with people(database, tmp_path, {NAME: BOTH[NAME]}) as here:
        await here.add([1, 2])
        await here.run(NAME)
        await here.source.execute(
            "DELETE FROM syncengine.sync_state; DELETE FROM syncengine.sync_known"
        )
        report = (await shown(here))[NAME]
        assert (report.status, report.external_id) == ("unknown", None)
        assert report.vendor is not None
        assert "matches" in report.remarks[0]
        await here.add([3])
        report = (await shown(here, "3"))[NAME]
        assert report.remarks == ("the vendor has no such contact",)


@pytest.mark.asyncio
async def test_a_copy_of_another_contact_is_not_promised_to_be_linked(
    database: str, tmp_path: Path
) -> None:
    by_phone = {**BOTH[NAME], "match_on": ["crm_id", "phone"]}
    async with people(database, tmp_path, {NAME: by_phone}) as here:
        await here.add([1])
        await here.run(NAME)
        await here.add([2], phone="+491510000001")
        report = (await shown(here, "2"))[NAME]
        external_id = here.held(NAME)[1]["id"]
        assert (
            f"the vendor's contact {external_id} matches; it is the copy of contact "
            "respond_io/1, so it is not linked" in report.remarks[-1]
        )


@pytest.mark.asyncio
async def test_a_removed_contact_is_shown_all_the_same(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {NAME: BOTH[NAME]}) as here:
        await here.add([1])
        await here.run(NAME)
        await here.remove([1])
        report = (await shown(here))[NAME]
        assert report.source is None
        assert report.vendor is not None
        assert "the source does not select this contact" in report.remarks[0]
        report = (await shown(here, "no such id"))[NAME]
        assert (report.status, report.vendor) == ("unknown", None)


@pytest.mark.asyncio
async def test_while_a_run_works_the_vendor_is_not_asked(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {NAME: BOTH[NAME]}) as here:
        await here.add([1])
        await here.run(NAME)
        await here.change(1, name="New")
        here.fail(NAME, Rule(FaultKind.HOLD_BEFORE_COMMIT))
        command = here.start("run")
        await here.sandbox.holds(NAME).wait_for(1)
        here.heal(NAME)
        report = (await shown(here))[NAME]
        assert (exit_code(report), report.vendor) == (3, None)
        assert (
            "the vendor was not asked: another run is working on account"
            in report.remarks[0]
        )
        assert report.known is not None
        here.sandbox.holds(NAME).release()
        assert await command.ended() == 0


@pytest.mark.asyncio
async def test_a_vendor_in_trouble_hides_nothing_else(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {NAME: BOTH[NAME]}) as here:
        await here.add([1])
        await here.run(NAME)
        here.fail(NAME, Rule(FaultKind.ERROR_HTML))
        report = (await shown(here))[NAME]
        assert exit_code(report) == 1
        assert "the contact could not be read at the vendor" in report.remarks[0]
        assert report.source is not None
        here.heal(NAME)
        here.environ["RESPOND_IO_TOKEN"] = "wrong-token"
        report = (await shown(here))[NAME]
        assert exit_code(report) == 1
        assert "settings.token" in report.remarks[0]


@pytest.mark.asyncio
async def test_the_command_prints_what_was_asked_for(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, BOTH) as here:
        await here.add([1], tags=["vip"])
        await here.runs()
        code, said = await here.command("show", "1")
        assert code == 0
        assert "respond_io, contact 1: synced as " in said
        assert "firstName" in said
        assert "Name 1" in said
        code, said = await here.command("show", "1", "-d", NAME, "--json")
        told = orjson.loads(said.strip().splitlines()[-1])
        assert (code, told["contact"], told["vendor"]["fields"]["firstName"]) == (
            0,
            "1",
            "Name 1",
        )


@pytest.mark.asyncio
async def test_a_contact_that_may_not_be_sent_is_shown_with_the_reason(
    database: str, tmp_path: Path
) -> None:
    fields = {**BOTH[NAME]["fields"], "email": "company"}
    asked = {**BOTH[NAME], "fields": fields, "opted_out": "gone", "find_first": False}
    async with people(database, tmp_path, {NAME: asked}) as here:
        await here.source.execute("ALTER TABLE crm.people ADD gone boolean")
        await here.add(range(1, 7), company="nobody")
        await here.change(4, company="ann@x.de")
        await here.run(NAME)
        report = (await shown(here, "1"))[NAME]
        assert (report.status, report.remarks, report.next_run) == (
            "synced",
            (),
            "sends nothing: it is in step",
        )

        await here.change(1, name="New")
        assert (await shown(here, "1"))[NAME].next_run == "sends: update"
        await app.suppress(
            here.config,
            [Subject(SubjectKind.CONTACT, "1"), *of_email("Ann <ann@x.de>")],
        )
        await app.suppress(here.config, of_phone("+49 151 0000002", ()))
        await here.change(3, gone=True)
        await app.forget(here.config, "5")
        by = {
            "1": ("suppressed", "suppressed by its contact id"),
            "2": ("suppressed", "suppressed by one of its phone numbers"),
            "3": ("opted_out", 'opted out: column "gone" of the source is true'),
            "4": ("suppressed", "suppressed by one of its e-mail addresses"),
            "5": ("forgotten", "forgotten: no run creates it again or links it"),
        }
        for contact, (status, why) in by.items():
            report = (await shown(here, contact))[NAME]
            assert (report.status, report.next_run, exit_code(report)) == (
                status,
                "sends nothing about it",
                0,
            )
            assert any(remark.startswith(why) for remark in report.remarks), (
                report.remarks
            )
        forgotten = (await shown(here, "5"))[NAME].remarks
        assert (
            "Once they did: `syncengine forget 5 --confirmed -d respond_io`"
            in " ".join(forgotten)
        )

        await here.source.execute(
            "DELETE FROM syncengine.sync_state WHERE contact_id IN ('2', '6')"
        )
        await here.source.execute(
            "DELETE FROM syncengine.sync_known WHERE contact_id IN ('2', '6')"
        )
        report = (await shown(here, "2"))[NAME]
        assert report.remarks[-1].endswith(
            "matches; it is not linked while nothing may be sent about the contact"
        )
        report = (await shown(here, "6"))[NAME]
        assert report.remarks[-1].endswith(
            "matches; a run, or `syncengine adopt`, links it"
        )
        code, said = await here.command("show", "1")
        assert code == 0
        assert "respond_io, contact 1: suppressed as " in said
        assert "the next run sends nothing about it" in said


@pytest.mark.asyncio
async def test_what_the_next_run_would_do_is_shown(
    database: str, tmp_path: Path
) -> None:
    async with people(
        database, tmp_path, {NAME: {**BOTH[NAME], "on_removed": "untag"}}
    ) as here:
        await here.add([1, 2, 3], tags=["vip"])
        assert (await shown(here))[
            NAME
        ].next_run == "looks it up, and if it is not found sends: create, add_tags"
        await here.run(NAME)
        await here.change(1, name="Bad")
        here.fail(NAME, Rule(FaultKind.REFUSE, body='"Bad"', status=422, text="Nope"))
        for _ in range(3):
            await here.run(NAME)
        told = (await shown(here))[NAME]
        assert told.status == "dead"
        assert told.next_run.startswith(
            "leaves it alone until its row or the mapping changes: it is a dead letter"
        )
        await here.change(1, name="Good")
        assert (await shown(here))[NAME].next_run == "sends: update"
        await here.remove([2])
        assert (await shown(here, "2"))[NAME].next_run == "sends: remove_tags"
        here.configure(NAME, source={"table": "crm.nowhere"})
        told = (await shown(here, "3"))[NAME]
        assert (told.next_run, "could not be read" in told.remarks[0]) == ("", True)
        await app.suppress(here.config, [Subject(SubjectKind.CONTACT, "3")])
        assert (await shown(here, "3"))[NAME].status == "suppressed"


@pytest.mark.asyncio
async def test_what_a_vendor_does_not_take_is_shown_and_that_it_is_not_tried(
    database: str, tmp_path: Path
) -> None:
    name = "charles"
    fields = {**CHARLES["fields"], "custom_properties.plan": "company"}
    asked = {**CHARLES, "fields": fields, "on_removed": "untag"}
    async with people(database, tmp_path, {name: asked}, twins=[name]) as here:
        await here.add([1, 2, 3], tags=["vip"], company="gold")
        await here.run(name)
        await here.change(1, tags=[])
        await here.remove([3])
        here.sandbox.twin(name).screen(0.0).undefine_field("custom_properties.plan")
        await here.change(2, company="silver")
        assert (await here.run(name)).contacts["unsupported"] == 3

        untagged = (
            'leaves it as it is: the vendor cannot take tag "vip" away, or did not: '
            "do that there. "
        )
        told = (await shown(here, "1"))[name].next_run
        assert (
            told
            == untagged + "It is not tried again until its row or the mapping changes"
        )
        told = (await shown(here, "3"))[name].next_run
        assert told == untagged + "It is not tried again until it comes back"
        told = (await shown(here, "2"))[name].next_run
        assert told.startswith(
            'leaves it alone: the vendor did not take field "custom_properties.plan": '
        )
        assert told.endswith("`syncengine run -d charles --contact 2` tries it now")
        await here.change(1, name="New")
        assert (await shown(here, "1"))[name].next_run == "sends: upsert"


@pytest.mark.asyncio
async def test_what_stays_unknown_after_the_next_run_is_shown_as_unknown(
    database: str, tmp_path: Path
) -> None:
    name = "charles"
    async with people(database, tmp_path, {name: CHARLES}, twins=[name]) as here:
        await here.add([1])
        await here.run(name)

        async def told(pending: dict[str, object]) -> list[str]:
            nothing = {
                "creates": False,
                "deletes": False,
                "keys": [],
                "add_tags": [],
                "remove_tags": [],
            }
            noted = orjson.dumps({**nothing, **pending}).decode()
            await here.source.execute(
                "UPDATE syncengine.sync_known SET pending = $1::jsonb", noted
            )
            report = (await shown(here))[name]
            return [
                remark
                for remark in report.remarks
                if remark.startswith("an earlier request")
            ]

        kept = (
            'an earlier request got no answer (field "custom_properties.old"): '
            "its outcome stays "
        )
        settles = (
            "an earlier request got no answer: "
            "the next run settles its outcome before anything else"
        )
        old = {"custom_properties.old": "x"}
        first_name = {"first_name": "Other"}
        assert await told({"fields": old}) == [
            kept + "unknown until the same is to be sent again"
        ]
        assert await told({"fields": first_name}) == [settles]
        both = await told({"fields": {**old, **first_name}})
        assert both == [kept + "unknown until the same is to be sent again", settles]
        assert (await shown(here))[name].next_run == "sends: upsert"
