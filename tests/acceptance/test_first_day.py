"""The first sync, interrupted several times, and continued.

Brakes ask for consent only where something is really unexpected.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from syncengine import app
from syncengine.cli.exits import exit_code
from syncengine.sandbox.faults import FaultKind, Rule
from syncengine.sandbox.twins.twin import Seed
from tests.support.command_process import until
from tests.support.people_project import CHARLES, RESPOND_IO, People, people

NAME = "charles"
MANY = 5000
BUSY = {**CHARLES, "in_flight": 16}
NEW_KEYS = "UPDATE crm.people SET id = id + 100000"
LOW = {"brakes": {"creates": {"at_least": 10}}}
"""So that growth of ten contacts may be a surprise."""


@pytest.mark.asyncio
async def test_the_five_steps_on_5000_rows_need_no_consent_though_interrupted(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {NAME: BUSY}) as here:
        here.configure_engine(batch_size=500)
        await here.add(range(1, MANY + 1))
        for verb in ("check", "plan"):
            code, said = await here.command(verb)
            assert code == 0, said
        code, said = await here.command("run", "--contact", "1")
        assert (code, set(here.held(NAME))) == (0, {1}), said
        await _interrupted(here, after=1500, by=signal.SIGINT, code=130)
        await _interrupted(here, after=1500, by=signal.SIGKILL, code=-signal.SIGKILL)
        await here.source.execute(
            "UPDATE syncengine.sync_lease "
            "SET expires_at = clock_timestamp() - interval '1 hour'"
        )
        assert 2500 < len(here.held(NAME)) < MANY
        code, said = await here.command("run")
        assert code == 0, said
        assert here.held(NAME).keys() == set(range(1, MANY + 1))
        report = await here.run(NAME)
        assert (report.status, report.requests) == ("done", 0)

        sent = here.requests(NAME)
        await here.source.execute(NEW_KEYS)
        code, said = await here.command("run")
        assert (code, here.requests(NAME)) == (2, sent)
        assert (
            "5000 of these (100.0%) are no longer in the source, and 5000 that "
            "are not known"
        ) in said


async def _interrupted(
    here: People, *, after: int, by: signal.Signals, code: int
) -> None:
    """Start a run, and signal the process to end while a request is under way."""
    here.fail(NAME, Rule(FaultKind.HOLD_BEFORE_COMMIT, after=after, times=1))
    command = here.start("run")
    holds = here.sandbox.holds(NAME)
    assert await command.comes_to(holds.wait_for(1)), command.said()
    os.kill(command.pid, by)
    if by is not signal.SIGKILL:
        await until(lambda: "Stopping" in command.said())
        holds.release()
    assert await command.ended() == code, command.said()
    holds.release()
    here.heal(NAME)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("number", "options"),
    [(1, {}), (5, {}), (50, {}), (50, {"limit": 1}), (50, {"backfill": True})],
    ids=["1", "5", "50", "limited", "backfill"],
)
async def test_other_keys_stop_a_run_of_any_size_before_its_first_request(
    database: str, tmp_path: Path, number: int, options: dict[str, Any]
) -> None:
    async with people(database, tmp_path, {NAME: CHARLES}) as here:
        await here.add(range(1, number + 1))
        await here.run(NAME)
        sent = here.requests(NAME)
        await here.source.execute(NEW_KEYS)
        plan, report = await here.plan(NAME, **options), await here.run(NAME, **options)
        for told in (plan.brake, report.error):
            assert told is not None
            assert "brake creates: " in told
            assert f"{number} of these (100.0%) are no longer in the source" in told
            assert f"and {number} that are not known" in told
            assert "--accept creates" in told
        assert (report.status, exit_code(report), here.requests(NAME)) == (
            "refused",
            2,
            sent,
        )
        again = await here.run(NAME, **options)
        assert (again.status, here.requests(NAME)) == ("refused", sent), (
            "a refused run is no comparison"
        )

        accepted = await here.run(NAME, accept=frozenset({"creates"}))
        assert (accepted.status, accepted.actions) == ("done", {"upsert": number})
        assert (await here.run(NAME)).requests == 0


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "first", [{"contacts": ("1",)}, {"limit": 8}], ids=["one contact", "a limit"]
)
async def test_other_keys_in_the_midst_of_a_first_sync_are_a_surprise_too(
    database: str, tmp_path: Path, first: dict[str, Any]
) -> None:
    async with people(database, tmp_path, {NAME: CHARLES}) as here:
        await here.add(range(1, 31))
        await here.run(NAME, **first)
        sent = here.requests(NAME)
        await here.source.execute(NEW_KEYS)
        report = await here.run(NAME)
        assert (report.status, here.requests(NAME)) == ("refused", sent)
        assert "brake creates" in str(report.error)


@pytest.mark.asyncio
async def test_some_who_leave_while_others_come_are_no_change_of_keys(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {NAME: CHARLES}) as here:
        await here.add(range(1, 6))
        await here.run(NAME)
        await here.remove([1, 2])
        await here.add([6, 7])
        report = await here.run(NAME)
        assert (report.status, report.actions) == ("done", {"upsert": 2})
        await here.add(range(11, 51))
        assert (await here.run(NAME)).status == "done"
        await here.remove(range(11, 20))
        await here.add(range(51, 60))
        assert (await here.run(NAME)).status == "done"
        assert here.held(NAME).keys() >= {6, 7, *range(20, 60)}


@pytest.mark.asyncio
async def test_who_comes_back_is_no_newcomer(database: str, tmp_path: Path) -> None:
    async with people(
        database, tmp_path, {"respond_io": {**RESPOND_IO, "where": "opted_in"}}
    ) as here:
        await here.add(range(1, 41))
        await here.change(1, opted_in=False)
        await here.source.execute("UPDATE crm.people SET opted_in = id <= 20")
        await here.run("respond_io")
        await here.source.execute("UPDATE crm.people SET opted_in = true")
        await here.run("respond_io")
        for first_half in (True, False):
            await here.source.execute(
                "UPDATE crm.people SET opted_in = (id <= 20) = $1", first_half
            )
            report = await here.run("respond_io", accept=frozenset({"shrunk_source"}))
            assert (report.status, report.requests) == ("done", 0)


@pytest.mark.asyncio
async def test_a_vendor_that_refused_everything_on_the_first_night_holds_nobody(
    database: str, tmp_path: Path
) -> None:
    async with people(
        database, tmp_path, {"respond_io": {**RESPOND_IO, "on_removed": "untag"}}
    ) as here:
        await here.add(range(1, 201))
        right, here.environ["RESPOND_IO_TOKEN"] = (
            here.environ["RESPOND_IO_TOKEN"],
            "mistyped",
        )
        for _ in range(2):
            report = await here.run("respond_io")
            assert (report.status, report.requests) == ("halted", 1)
        here.environ["RESPOND_IO_TOKEN"] = right
        await here.remove(range(1, 151))
        await here.source.execute(NEW_KEYS)
        report = await here.run("respond_io")
        assert (report.status, report.actions) == ("done", {"create": 50}), (
            "nobody left whom the vendor held"
        )


@pytest.mark.asyncio
async def test_growth_is_measured_against_what_a_run_last_compared(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {NAME: {**CHARLES, **LOW}}) as here:
        await here.add(range(1, 21))
        await here.run(NAME, contacts=("1",))
        assert (await here.run(NAME, limit=4)).status == "done"
        assert (await here.run(NAME)).actions == {"upsert": 15}, "a first sync goes on"
        await here.add(range(21, 31))
        assert (await here.run(NAME)).status == "done", "half as many again"

        await here.add(range(31, 56))
        sent = here.requests(NAME)
        for _ in range(2):
            plan, report = await here.plan(NAME), await here.run(NAME)
            assert (report.status, here.requests(NAME)) == ("refused", sent)
            for told in (plan.brake, report.error):
                assert told is not None
                assert "would have created 25 contacts, while 30 are known here" in told
                assert (
                    "the source has 55 rows, 25 more than the 30 it had when a "
                    "run last compared it"
                ) in told
                assert (
                    f"`syncengine run -d {NAME} --accept creates` lets it pass "
                    "this once"
                ) in told
        assert (await here.run(NAME, limit=3)).status == "done", "three are no surprise"
        assert (await here.run(NAME, contacts=("40",))).status == "done"
        report = await here.run(NAME)
        assert "would have created 21 contacts, while 34 are known here" in str(
            report.error
        )
        assert "the source has 55 rows, 25 more than the 30" in str(report.error), (
            "the limit decided nothing"
        )
        here.fail(NAME, Rule(FaultKind.ERROR_HTML, after=2))
        halted = await here.run(NAME, accept=frozenset({"creates"}))
        here.heal(NAME)
        assert (
            halted.contacts["applied"],
            exit_code(await here.run(NAME, retry_of=halted.run_id)),
        ) == (2, 0)
        assert (await here.run(NAME)).requests == 0


@pytest.mark.asyncio
async def test_what_was_accepted_once_goes_on_after_an_interruption(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {NAME: {**CHARLES, **LOW}}) as here:
        await here.add(range(1, 21))
        await here.run(NAME)
        await here.add(range(21, 61))
        here.fail(NAME, Rule(FaultKind.ERROR_HTML, after=5))
        halted = await here.run(NAME, accept=frozenset({"creates"}))
        assert (halted.status, halted.contacts["applied"]) == ("halted", 5)
        here.heal(NAME)
        report = await here.run(NAME)
        assert (report.status, report.contacts["applied"]) == ("done", 35)


@pytest.mark.asyncio
async def test_a_source_that_grows_day_by_day_is_no_surprise(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {NAME: {**CHARLES, **LOW}}) as here:
        rows = 20
        await here.add(range(1, rows + 1))
        await here.run(NAME)
        for _ in range(4):
            more = rows * 4 // 10
            await here.add(range(rows + 1, rows + more + 1))
            rows += more
            assert (await here.run(NAME)).actions == {"upsert": more}


@pytest.mark.asyncio
async def test_a_where_that_was_widened_is_growth_and_a_new_destination_is_none(
    database: str, tmp_path: Path
) -> None:
    narrow = {**CHARLES, **LOW, "where": "id <= 20"}
    async with people(database, tmp_path, {NAME: narrow}) as here:
        await here.add(range(1, 61))
        await here.run(NAME)
        here.configure(NAME, where="id <= 60")
        report = await here.run(NAME)
        assert report.status == "refused"
        assert "the source has 60 rows, 40 more than the 20" in str(report.error)
        assert "where" in str(report.error)
        here.configure("second", **{**RESPOND_IO, **LOW})
        assert (await here.run("second")).actions == {"create": 60}
        here.configure(NAME, where="id > 20")
        report = await here.run(NAME)
        assert (
            "20 of these (100.0%) are no longer in the source, and 40 that are "
            "not known"
        ) in str(report.error)


@pytest.mark.asyncio
async def test_those_an_adopted_account_does_not_hold_are_no_surprise(
    database: str, tmp_path: Path
) -> None:
    async with people(
        database, tmp_path, {"respond_io": {**RESPOND_IO, **LOW, "match_on": ["phone"]}}
    ) as here:
        await here.add(range(1, 61))
        twin = here.sandbox.twin("respond_io")
        twin.seed(
            [
                Seed({"phone": f"+49151{number:07}", "crm_id": str(number)}, ())
                for number in range(1, 11)
            ],
            0.0,
        )
        (adopted,) = await app.adopt(here.config, ("respond_io",))
        assert adopted.linked == 10
        report = await here.run("respond_io")
        assert (report.status, report.actions["create"]) == ("done", 50)


@pytest.mark.asyncio
async def test_a_retry_judges_other_keys_as_well(database: str, tmp_path: Path) -> None:
    async with people(database, tmp_path, {NAME: CHARLES}) as here:
        await here.add(range(1, 21))
        await here.run(NAME)
        died = await here.source.fetchval(
            "INSERT INTO syncengine.sync_run (destination, account, kind, epoch, "
            "status) VALUES ('charles', 'charles', 'sync', 1, 'died') "
            "RETURNING run_id"
        )
        await here.source.execute(NEW_KEYS)
        for number, (kind, first) in enumerate(
            (("removals", 1), ("changes", 100001)), 1
        ):
            await here.source.execute(
                "INSERT INTO syncengine.sync_batch (run_id, number, kind, "
                "contact_ids) VALUES ($1, $2, $3, $4)",
                died,
                number,
                kind,
                [str(each) for each in range(first, first + 20)],
            )
        sent = here.requests(NAME)
        report = await here.run(NAME, retry_of=died)
        assert (report.status, here.requests(NAME)) == ("refused", sent)
        assert (
            f"`syncengine retry {died} --accept creates` lets it pass this once"
            in str(report.error)
        )
