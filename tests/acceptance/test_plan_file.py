"""A plan that was approved in a file is what is sent: that, or nothing."""

from __future__ import annotations

import asyncio
import stat
import time
from hashlib import sha256
from pathlib import Path
from random import Random

import pytest

from syncengine import Project, app
from syncengine.errors import ConfigError
from syncengine.model.consent import Subject, SubjectKind
from syncengine.sandbox.faults import FaultKind, Rule
from syncengine.sandbox.twins.twin import Seed
from tests.support.people_project import CHARLES, RESPOND_IO, People, people
from tests.support.plan_files import (
    contacts_of,
    not_as_planned,
    not_sent,
    sent_calls,
)

BOTH = {"charles": CHARLES, "respond_io": RESPOND_IO}
"""A vendor without look-ups, and one with."""
NAME = "respond_io"


async def _changed_people(here: People) -> None:
    """Bring eight people in step, then change, add and remove some."""
    await here.add(range(1, 9), tags=["a"])
    await here.runs()
    await here.add(range(9, 12))
    await here.change(1, name="Other")
    await here.change(2, tags=["b"])


@pytest.mark.asyncio
async def test_a_plan_is_sent_once_and_holds_values_only_when_asked(
    database: str, tmp_path: Path
) -> None:
    file = tmp_path / "plan.json"
    async with people(database, tmp_path / "config", BOTH) as here:
        await _changed_people(here)
        await here.plan_file(file)
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert "Other" not in file.read_text(encoding="utf-8")
        assert _names(tmp_path) == ["config", "plan.json"]

        planned = await here.plan_file(file, shows_values=True)
        lines = contacts_of(file)
        assert lines[NAME, "1"]["values"]["fields"] == {
            "firstName": {"old": "Name 1", "new": "Other"}
        }
        assert lines[NAME, "1"]["why"] == ["row changed"]
        # Not in the plan, and so not sent by it.
        await here.add([12])
        with sent_calls(here.config) as sent:
            reports = await here.run_file(file)
        assert list(not_as_planned(lines, sent)) == []
        assert not_sent(lines, sent) == []
        for name, report in reports.items():
            assert (report.status, report.actions) == ("done", planned[name].actions)
            said = report.remarks[0]
            assert "1 contact that the plan is not about may differ now" in said
            assert 12 not in here.held(name)

        again = await here.run_file(file)
        for report in again.values():
            assert (report.status, report.requests) == ("done", 0)
            assert "nothing is left" in report.remarks[0]


@pytest.mark.asyncio
async def test_whatever_moved_since_refuses_the_run_by_name(
    database: str, tmp_path: Path
) -> None:
    file = tmp_path / "plan.json"
    async with people(database, tmp_path / "config", {NAME: RESPOND_IO}) as here:
        await _changed_people(here)

        async def refused(*words: str) -> None:
            before = here.requests(NAME)
            report = (await here.run_file(file))[NAME]
            assert (report.status, here.requests(NAME)) == ("refused", before)
            for word in words:
                assert word in str(report.error)

        async def planned() -> None:
            assert (await here.plan_file(file))[NAME].ok

        await planned()
        await here.change(1, name="Yet another")
        await refused("contact 1: its row changed", "Make a new plan")

        await planned()
        await here.remove([9])
        await refused("contact 9: the source does not select its row any more")

        await planned()
        here.configure(NAME, fields={**RESPOND_IO["fields"], "email": "company"})
        await refused("the mapping of email")
        here.configure(NAME, fields=RESPOND_IO["fields"])

        await planned()
        here.configure(NAME, where="id < 1000")
        await refused("this changed: where")
        here.configure(NAME, where=None)

        await planned()
        run = await here.run(NAME, contacts=("1",))
        await refused(f"contact 1: it is in step already (run {run.run_id})")

        # A create without an answer: there is something to settle that nobody saw.
        await planned()
        here.fail(NAME, Rule(FaultKind.RESET, "after", method="POST"))
        run = await here.run(NAME, contacts=("10",))
        here.heal(NAME)
        await refused("contact 10: ", f"(run {run.run_id})")

        # A brake that would stop a run of everything stops this one, too.
        await planned()
        await here.remove(range(3, 9))
        here.configure(NAME, brakes={"shrunk_source": {"share": 0, "at_least": 1}})
        await refused("brake shrunk_source", "--plan")
        here.configure(NAME, brakes=None)


@pytest.mark.asyncio
async def test_whoever_said_no_since_is_left_out_by_name(
    database: str, tmp_path: Path
) -> None:
    file = tmp_path / "plan.json"
    out = {**RESPOND_IO, "opted_out": "opted_out"}
    async with people(database, tmp_path / "config", {NAME: out}) as here:
        await here.source.execute(
            "ALTER TABLE crm.people ADD COLUMN opted_out boolean NOT NULL DEFAULT false"
        )
        await _changed_people(here)
        await here.plan_file(file)
        await here.change(1, opted_out=True)
        await app.suppress(here.config, [Subject(SubjectKind.CONTACT, "2")])
        await app.forget(here.config, "9")
        await app.forget(here.config, "10")
        await here.remove([10])
        report = (await here.run_file(file))[NAME]
        named = {each.contact_id: each.code for each in report.noteworthy}
        assert named == {"1": "opted_out", "2": "suppressed", "9": "forgotten"}
        assert (report.status, report.contacts["applied"]) == ("done", 1)
        assert "contact 10 was in the plan" in " ".join(report.remarks)
        assert here.held(NAME)[11]
        assert not {9, 10} & set(here.held(NAME))
        assert here.held(NAME)[1]["fields"]["firstName"] == "Name 1"


@pytest.mark.asyncio
async def test_what_a_look_up_finds_decides_between_the_alternatives(
    database: str, tmp_path: Path
) -> None:
    """What it finds beside these is not sent, and named."""
    file = tmp_path / "plan.json"
    async with people(database, tmp_path / "config", {NAME: RESPOND_IO}) as here:
        await here.add([1, 2, 3, 4])
        await here.run(NAME, contacts=("4",))
        await here.change(4, name="Renamed")
        await here.plan_file(file, shows_values=True)
        here.sandbox.twin(NAME).seed(
            [Seed({"crm_id": "1", "firstName": "Theirs"}, ("vip",))], 0.0
        )
        # Entered anew there: to whose contact that leads, nobody has seen.
        stranger = await here.one(
            "SELECT external_id FROM syncengine.external_ids WHERE contact_id = '4'"
        )
        twin = here.sandbox.twin(NAME)
        twin.screen(time.time()).recreate(stranger["external_id"])
        lines = contacts_of(file)
        with sent_calls(here.config) as sent:
            report = (await here.run_file(file))[NAME]
        named = {each.contact_id: each.code for each in report.noteworthy}
        assert named == {"4": "plan_not_stated"}
        assert report.status == "incomplete"
        assert [call.action for call in sent[NAME, "1"]] == ["update"]
        assert [call.action for call in sent[NAME, "2"]] == ["create"]
        assert list(not_as_planned(lines, sent)) == []
        # The next run deals with it.
        assert (await here.run(NAME)).status == "done"
        assert here.held(NAME)[4]["fields"]["firstName"] == "Renamed"


@pytest.mark.asyncio
async def test_a_row_that_moves_during_the_run_is_not_sent_and_named(
    database: str, tmp_path: Path
) -> None:
    """So is one that vanishes; the others go."""
    file = tmp_path / "plan.json"
    slow = {**RESPOND_IO, "in_flight": 1}
    async with people(database, tmp_path / "config", {NAME: slow}) as here:
        await here.add(range(1, 16))
        await here.plan_file(file)
        here.fail(NAME, Rule(FaultKind.HOLD_AFTER_COMMIT, method="GET", times=1))
        running = asyncio.create_task(here.run_file(file))
        await here.sandbox.holds(NAME).wait_for(1)
        await here.change(15, name="Moved")
        await here.remove([14])
        here.sandbox.holds(NAME).release()
        report = (await running)[NAME]
        named = {each.contact_id: each.code for each in report.noteworthy}
        assert named == {"15": "plan_moved"}
        assert "contact 14 was in the plan" in " ".join(report.remarks)
        assert (report.status, report.contacts["applied"]) == ("incomplete", 13)
        assert not {14, 15} & set(here.held(NAME))
        # The plan does not hold any more; a run without it sends the rest.
        assert "contact 15: its row" in str((await here.run_file(file))[NAME].error)
        assert (await here.run(NAME)).status == "done"
        assert here.held(NAME)[15]["fields"]["firstName"] == "Moved"


@pytest.mark.asyncio
async def test_a_killed_run_of_a_plan_goes_on_with_what_is_left(
    database: str, tmp_path: Path
) -> None:
    file = tmp_path / "plan.json"
    async with people(database, tmp_path / "config", BOTH) as here:
        await _changed_people(here)
        await here.plan_file(file, shows_values=True)
        here.fail("charles", Rule(FaultKind.HOLD_AFTER_COMMIT, after=2))
        here.fail(NAME, Rule(FaultKind.HOLD_AFTER_COMMIT, after=5))
        command = here.start("run", "--plan", str(file))
        for name in BOTH:
            assert await command.comes_to(here.sandbox.holds(name).wait_for(1))
        await command.kill()
        for name in BOTH:
            here.heal(name)
            here.sandbox.holds(name).release()
        await here.source.execute(
            "UPDATE syncengine.sync_lease SET expires_at = clock_timestamp()"
        )
        lines = contacts_of(file)
        with sent_calls(here.config) as sent:
            reports = await here.run_file(file)
        assert {name for name, _ in sent} <= set(BOTH)
        for name, report in reports.items():
            assert (report.status, report.error) == ("done", None)
            assert 0 < report.contacts["applied"] + report.contacts["unsupported"] <= 5
            assert {1, 2, 9, 10, 11} <= set(here.held(name))
        assert set(sent) <= set(lines)
        assert [each.requests for each in (await here.runs()).values()] == [0, 0]


@pytest.mark.asyncio
async def test_a_file_that_is_damaged_or_of_another_kind_is_refused(
    database: str, tmp_path: Path
) -> None:
    file = tmp_path / "plan.json"
    async with people(database, tmp_path / "config", BOTH) as here:
        await here.add([1, 2, 3])
        await here.plan_file(file)
        whole = file.read_bytes()
        other_state = whole.replace(b'"state":"', b'"state":"0')
        damaged = [
            (b"", "is no plan file"),
            (b"{}", "is no plan file"),
            (whole[: len(whole) // 2], "is damaged"),
            (whole[:-30], "is damaged"),
            (whole + b"\n", "is damaged"),
            (whole.replace(b'"contact_id":"1"', b'"contact_id":"4"'), "is damaged"),
            (whole.replace(b'plan":1', b'plan":2'), "has format 2"),
            (other_state, "is damaged"),
            (_sealed_anew(other_state), "of another state"),
            (_sealed_anew(whole.replace(b'"new"', b'"old"')), "is damaged"),
        ]
        for content, word in damaged:
            file.write_bytes(content)
            with pytest.raises(ConfigError, match=word):
                await here.run_file(file)
        assert here.requests(NAME) == 0

        # Only a plan is written over.
        note = tmp_path / "note.txt"
        note.write_text("mine")
        for path in (note, tmp_path / "no" / "plan.json", tmp_path):
            with pytest.raises(ConfigError, match=r"plan file|no folder"):
                await here.plan_file(path)
        assert note.read_text() == "mine"

        # Nor is a plan written that would be refused.
        file.unlink()
        here.configure("charles", brakes={"creates": {"share": 0, "at_least": 1}})
        await here.run("charles", contacts=("1",))
        await here.source.execute("UPDATE syncengine.sync_destination SET source = 'x'")
        reports = await here.plan_file(file)
        assert "was not written" in reports["charles"].remarks[-1]
        assert _names(tmp_path) == ["config", "note.txt"]


def _names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def _sealed_anew(content: bytes) -> bytes:
    """Return a plan with the checksum of what it says now."""
    body, _, seal = content.rpartition(b'"checksum":"')
    checksum = sha256(body).hexdigest().encode()
    return body + b'"checksum":"' + checksum + seal[64:]


@pytest.mark.asyncio
async def test_command_and_python_say_the_same(database: str, tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    async with people(database, tmp_path / "config", BOTH) as here:
        await here.add([1, 2])
        project = Project.load(here.file, environ=here.environ)
        planned = await project.aplan("respond_io", out=file, show_values=True)
        assert planned.of(NAME).actions == {"create": 2}
        options: list[dict[str, object]] = [
            {"backfill": True},
            {"limit": 1},
            {"contacts": ["1"]},
            {"removed": True},
            {"resync": True},
        ]
        for option in options:
            with pytest.raises(ConfigError, match="--plan: sends what the plan says"):
                await project.arun(plan=file, **option)  # type: ignore[arg-type]
        with pytest.raises(ConfigError, match='no plan for destination "charles"'):
            await project.arun("charles", plan=file)
        with pytest.raises(ConfigError, match="cannot be written for a re-sync"):
            await project.aplan(out=file, resync=True)
        with pytest.raises(ConfigError, match="must be a path"):
            await project.arun(plan=1)  # type: ignore[arg-type]
        code, said = await here.command("run", "--plan", str(file), "--json")
        assert (code, said.count('{"destination":"')) == (0, 1)
        assert set(here.held(NAME)) == {1, 2}
        assert here.requests("charles") == 0


@pytest.mark.asyncio
async def test_whatever_moves_a_plan_sends_what_it_says_or_names_why_not(
    database: str, tmp_path: Path
) -> None:
    """Rows, people, runs and the vendor move at random between plan and run."""
    random, file = Random(1), tmp_path / "plan.json"
    refused = sent_some = 0
    async with people(database, tmp_path / "config", BOTH) as here:
        await here.add(range(1, 13), tags=["a"])
        await here.runs()
        for night in range(4):
            first = 20 + 4 * night
            await here.add(range(first, first + 4))
            for number in random.sample(range(1, 13), 4):
                await here.change(number, name=f"N {random.random()}", tags=["b"])
            await here.plan_file(file, shows_values=True)
            lines = contacts_of(file)
            moved = await _move(here, random, first)
            with sent_calls(here.config) as sent:
                reports = await here.run_file(file)
            assert list(not_as_planned(lines, sent)) == []
            for name, report in reports.items():
                sent_there = [each for each in sent if each[0] == name]
                if report.status == "refused":
                    refused += 1
                    assert sent_there == []
                    assert "contact " in str(report.error)
                    continue
                sent_some += 1
                named = {each.contact_id for each in report.noteworthy}
                silent = {
                    contact
                    for vendor, contact in not_sent(lines, sent)
                    if vendor == name
                }
                # A contact that a look-up finds in step needs no call.
                assert silent <= named | {str(each) for each in moved}, report
            await here.runs()
    assert refused, "every plan was sent"
    assert sent_some, "every plan was refused"


async def _move(here: People, random: Random, newcomer: int) -> set[int]:
    """Let something happen; return the contacts that are at a vendor already now."""
    match random.choice(["nothing", "row", "left", "no", "run", "met", "stranger"]):
        case "row":
            await here.change(newcomer, name="Moved")
        case "left":
            await here.remove([newcomer])
        case "no":
            subject = Subject(SubjectKind.CONTACT, str(newcomer))
            await app.suppress(here.config, [subject])
        case "run":
            await here.runs(contacts=(str(newcomer),))
        case "met":
            seed = Seed({"crm_id": str(newcomer), "firstName": "Theirs"}, ())
            here.sandbox.twin(NAME).seed([seed], 0.0)
            return {newcomer}
        case "stranger":
            await here.add([1000 + newcomer])
    return set()
