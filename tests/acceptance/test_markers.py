"""A state older than its marker, or another one, is refused until accepted."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from syncengine import app
from syncengine.app.markers import NEW_STATE
from syncengine.cli.exits import exit_code
from syncengine.errors import RunRefused
from syncengine.model.consent import Subject, SubjectKind
from syncengine.model.reports import Check, RunReport
from syncengine.model.work import RunKind
from tests.support.dumps import dump, lose, restore_whole
from tests.support.log_output import events
from tests.support.people_project import BOTH, RESPOND_IO, People, people

pytestmark = pytest.mark.asyncio
NAME = "respond_io"
CONTACT_1 = Subject(SubjectKind.CONTACT, "1")
RESTORED = frozenset({"restored"})


async def test_a_restored_state_is_refused_until_it_is_accepted(
    database: str, tmp_path: Path
) -> None:
    """Then every destination is re-synced once, at its next run."""
    async with people(database, tmp_path / "config", BOTH) as here:
        await here.add(range(1, 4))
        assert _exit_codes(await here.runs()) == {0}
        dump(database, tmp_path / "state.dump")
        # What these runs write is missing in the dump.
        await here.change(1, name="Later")
        newest = await here.runs()
        assert _exit_codes(newest) == {0}
        await restore_whole(database, tmp_path / "state.dump")
        await here.change(1, name="Name 1")
        await _every_verb_is_refused(here, newest)

        plan = await here.plan(NAME, accept=RESTORED)
        assert plan.requests_least <= 3 <= plan.requests
        first = await here.run(NAME, accept=RESTORED)
        assert exit_code(first) == 0
        assert await _kind(here, first.run_id) == RunKind.RESYNC
        # The restored state has "Name 1" as well, and only the re-sync distrusts it.
        assert here.held(NAME)[1]["fields"]["firstName"] == "Name 1"
        # The acceptance is recorded, and charles is re-synced at its next run.
        then = await here.runs()
        assert _exit_codes(then) == {0}
        assert await _kind(here, then["charles"].run_id) == RunKind.RESYNC
        assert await _kind(here, then[NAME].run_id) == RunKind.SYNC
        assert then[NAME].requests == 0
        assert here.held("charles")[1]["fields"]["first_name"] == "Name 1"
        last = await here.runs()
        assert sum(report.requests for report in last.values()) == 0


def _exit_codes(reports: Mapping[str, RunReport]) -> set[int]:
    return {exit_code(report) for report in reports.values()}


async def _every_verb_is_refused(here: People, newest: Mapping[str, RunReport]) -> None:
    """Check that no verb sends anything, and that messages name the lost runs."""
    sent = here.requests(NAME), here.requests("charles")
    refused = await here.runs()
    assert {report.status for report in refused.values()} == {"refused"}
    error = refused[NAME].error or ""
    assert "is older than the last runs from here: it lacks run" in error
    for name, lacking in newest.items():
        message = f"it lacks run {lacking.run_id} of {name}, which began"
        assert message in (refused[name].error or "")
    assert f"{socket.gethostname()} in {_marker(here)})" in error
    assert "syncengine run -d respond_io --accept restored" in error
    assert "is older" in ((await here.plan(NAME)).brake or "")
    verified = await app.verify(here.config, (NAME,))
    assert {report.status for report in verified} == {"refused"}
    receipts = await app.forget(here.config, "3")
    assert {receipt.status for receipt in receipts} == {"open"}
    assert (here.requests(NAME), here.requests("charles")) == sent
    # What forget has recorded of contact 3 would keep the runs from sending it.
    await app.lift(here.config, [Subject(SubjectKind.CONTACT, "3")], forgotten=True)


async def test_a_run_number_that_another_run_has_by_now_is_not_confused(
    database: str, tmp_path: Path
) -> None:
    """Another machine may have run with the restored state first."""
    async with people(database, tmp_path / "config", {NAME: RESPOND_IO}) as here:
        await here.add([1])
        await here.run(NAME)
        dump(database, tmp_path / "state.dump")
        lost = (await here.run(NAME)).run_id
        marker = _marker(here)
        noted = marker.read_bytes()
        await restore_whole(database, tmp_path / "state.dump")
        marker.unlink()
        # The restored sequence gives the number a second time.
        assert (await here.run(NAME)).run_id == lost
        marker.write_bytes(noted)
        told = (await here.run(NAME)).error or ""
        assert f"it lacks run {lost} of {NAME}, which began" in told
        assert f"(the run {lost} that it has began" in told


async def test_a_new_state_says_once_what_comes_first(
    database: str, tmp_path: Path
) -> None:
    """The first day, and the day on which state and markers were lost, look alike."""
    async with people(database, tmp_path / "config", BOTH) as here:
        await here.add([1])
        assert _of_consent(await app.check(here.config)) == [NEW_STATE]
        for verb, times in (("plan", 1), ("run", 1), ("plan", 0), ("run", 0)):
            code, said = await here.command(verb)
            assert (
                code,
                [line["advice"] for line in events(said, "state_is_new")],
            ) == (0, [NEW_STATE] * times), verb
        assert _of_consent(await app.check(here.config)) == []
        await lose(database)
        await app.migrate(here.config)
        await app.suppress(here.config, [CONTACT_1])
        assert _of_consent(await app.check(here.config)) == [], (
            "suppressions were brought back"
        )


async def test_who_has_another_match_key_at_the_vendor_is_created_and_said(
    database: str, tmp_path: Path
) -> None:
    """No look-up finds a contact by a value that the vendor never had."""
    by_phone = {**RESPOND_IO, "match_on": ["phone"]}
    async with people(database, tmp_path / "config", {NAME: by_phone}) as here:
        await here.add([1, 2])
        assert (await here.run(NAME)).remarks == ()
        await here.change(1, phone="+4915199999999")
        await lose(database)
        await app.migrate(here.config)
        report = await here.run(NAME, accept=RESTORED)
        assert (exit_code(report), report.actions.get("create")) == (0, 1)
        assert (
            "1 contact was created after a restore or loss of the state"
            in report.remarks[0]
        )
        created = await here.source.fetch(
            "SELECT contact_id FROM syncengine.sync_outcome WHERE run_id = $1 "
            "AND 'create' = ANY (actions)",
            report.run_id,
        )
        assert [row["contact_id"] for row in created] == ["1"]
        assert (await here.run(NAME, resync=True)).remarks == (), "nobody was created"


def _of_consent(checks: Sequence[Check]) -> list[str]:
    return [check.message for check in checks if check.area == "consent" and check.ok]


async def test_suppressions_alone_are_missed_as_well(
    database: str, tmp_path: Path
) -> None:
    """New ones do not make up for those that are lacking."""
    async with people(database, tmp_path / "config", {NAME: RESPOND_IO}) as here:
        await here.add(range(1, 4))
        assert exit_code(await here.run(NAME)) == 0
        dump(database, tmp_path / "state.dump")
        await app.suppress(here.config, [CONTACT_1])
        await restore_whole(database, tmp_path / "state.dump")
        assert "lacks 1 change of the suppressions" in (
            (await here.run(NAME)).error or ""
        )
        await app.suppress(here.config, [Subject(SubjectKind.CONTACT, "2")])
        await app.suppress(here.config, [Subject(SubjectKind.CONTACT, "3")])
        assert "lacks 1 change of the suppressions" in (
            (await here.run(NAME)).error or ""
        )
        assert exit_code(await here.run(NAME, accept=RESTORED)) == 0
        assert (await here.run(NAME)).requests == 0


async def test_another_machine_does_not_ask_again(
    database: str, tmp_path: Path
) -> None:
    """Each has markers of its own; a restore that was accepted counts for all."""
    async with people(database, tmp_path / "config", {NAME: RESPOND_IO}) as here:
        await here.add(range(1, 4))
        await here.run(NAME)
        dump(database, tmp_path / "state.dump")
        await here.change(1, name="Later")
        await here.run(NAME)
        marker = _marker(here)
        elsewhere = marker.read_bytes()
        await restore_whole(database, tmp_path / "state.dump")
        assert exit_code(await here.run(NAME, accept=RESTORED)) == 0
        marker.write_bytes(elsewhere)
        assert exit_code(await here.run(NAME)) == 0

        await restore_whole(database, tmp_path / "state.dump")
        assert "lacks an accepted restore" in ((await here.run(NAME)).error or "")


@pytest.mark.parametrize("kind", ["restored", "lost"])
async def test_what_ran_elsewhere_meanwhile_is_no_excuse(
    database: str, tmp_path: Path, kind: str
) -> None:
    """A machine that notices the restore refuses, and goes on refusing."""
    async with people(database, tmp_path / "config", {NAME: RESPOND_IO}) as here:
        await here.add(range(1, 4))
        await here.run(NAME)
        dump(database, tmp_path / "state.dump")
        await here.run(NAME)
        marker = _marker(here)
        noted = marker.read_bytes()
        if kind == "lost":
            await lose(database)
            await app.migrate(here.config)
        else:
            await restore_whole(database, tmp_path / "state.dump")
        marker.unlink()
        for _ in range(4):
            assert exit_code(await here.run(NAME)) == 0, "on a machine without a marker"
        for elsewhere in marker.parent.glob("state-*.json"):
            elsewhere.unlink()
        marker.write_bytes(noted)
        for _ in range(3):
            assert (await here.run(NAME)).status == "refused"
            assert {each.status for each in await app.verify(here.config, (NAME,))} == {
                "refused"
            }
        assert exit_code(await here.run(NAME, accept=RESTORED)) == 0
        assert (await here.run(NAME)).requests == 0


async def test_a_lost_state_is_refused(database: str, tmp_path: Path) -> None:
    """Once accepted, contacts are looked up before a create, whatever the file says."""
    careless = {NAME: {**RESPOND_IO, "find_first": False}}
    async with people(database, tmp_path / "config", careless) as here:
        await here.add(range(1, 4))
        assert exit_code(await here.run(NAME)) == 0
        await lose(database)
        await app.migrate(here.config)
        refused = await here.run(NAME)
        assert (exit_code(refused), refused.requests) == (2, 0)
        assert "is another state than the one that respond_io was last run with" in (
            refused.error or ""
        )
        assert exit_code(await here.run(NAME, accept=RESTORED)) == 0
        assert here.held(NAME).keys() == {1, 2, 3}
        await here.add([4])
        new = await here.run(NAME)
        assert exit_code(new) == 0
        assert here.held(NAME).keys() == {1, 2, 3, 4}
        assert (await here.run(NAME)).requests == 0


async def test_an_empty_state_asks_where_nothing_would_be_looked_up(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path / "config", {NAME: RESPOND_IO}) as here:
        here.accepts_empty = False
        await here.add(range(1, 4))
        assert (await here.plan(NAME)).brake is None
        here.configure(NAME, find_first=False)
        assert "no contact is known there" in ((await here.plan(NAME)).brake or "")
        refused = await here.run(NAME)
        assert (exit_code(refused), here.requests(NAME)) == (2, 0)
        assert "--accept empty_state" in (refused.error or "")
        assert exit_code(await here.run(NAME, contacts=("1",))) == 0
        assert exit_code(await here.run(NAME)) == 0, "somebody is known now"


async def test_where_no_marker_can_be_kept_nothing_stops(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path / "config", {NAME: RESPOND_IO}) as here:
        (here.file.parent / ".syncengine").write_text("in the way")
        await here.add([1])
        assert exit_code(await here.run(NAME)) == 0
        with pytest.raises(RunRefused, match="neither a brake nor a change"):
            await here.run(NAME, accept=frozenset({"restore"}))


def _marker(here: People) -> Path:
    (marker,) = (here.file.parent / ".syncengine").glob("state-*.json")
    return marker


async def _kind(here: People, run_id: int | None) -> RunKind:
    row = await here.one(
        "SELECT kind FROM syncengine.sync_run WHERE run_id = $1", run_id
    )
    return RunKind(row["kind"])
