"""``syncengine watch`` shows runs of other processes, from the state alone."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import orjson
import pytest

from syncengine.app.verbs.watch import watch
from syncengine.errors import ConfigError
from syncengine.model.watching import WatchReport, WatchState
from syncengine.sandbox.faults import FaultKind, Rule
from tests.support.command_process import until, until_true
from tests.support.people_project import CHARLES, RESPOND_IO, People, people

_BOTH = {"charles": CHARLES, "respond_io": {**RESPOND_IO, "find_first": True}}
_HELD = Rule(FaultKind.HOLD_BEFORE_COMMIT, after=3, times=8)
_TOTAL_IS_WRITTEN = (
    "SELECT (progress->>'total')::integer = 6 FROM syncengine.sync_run "
    "WHERE status = 'running'"
)


async def _seen(here: People) -> dict[str, WatchReport]:
    """Return what somebody sees who watches from here, by destination."""
    moments = watch(here.config, (), once=True, stop=asyncio.Event())
    return {
        each.destination: each async for moment in moments for each in moment.reports
    }


async def _reader(here: People) -> str:
    """Make a role that may select from the schema, and do nothing else at all."""
    role = f"syncengine_test_{os.urandom(4).hex()}"
    await here.source.execute(
        f"CREATE ROLE {role} LOGIN PASSWORD 'sandbox'; "
        f"GRANT USAGE ON SCHEMA syncengine TO {role}; "
        f"GRANT SELECT ON ALL TABLES IN SCHEMA syncengine TO {role}"
    )
    return role


async def _is_shown_as_dead(here: People) -> None:
    """Check that the other verbs say of the last run, too, that its process died."""
    for arguments in (("status", "-d", "respond_io"), ("runs",)):
        _, said = await here.command(*arguments)
        assert "died" in said, said
        assert "running" not in said, said
    _, said = await here.command("status", "-d", "respond_io", "--json")
    dead = orjson.loads(said)
    assert (dead["last_run"]["status"], dead["in_step"]) == ("died", False)
    assert dead["progress"] is None


@pytest.mark.asyncio
async def test_it_shows_a_run_of_another_process_to_its_end_and_its_death(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, _BOTH) as here:
        await here.add(range(1, 7))
        seen = await _seen(here)
        assert {each.state for each in seen.values()} == {WatchState.NEVER_RAN}

        here.fail("respond_io", _HELD)
        run = here.start("run", "-d", "respond_io")
        assert await run.comes_to(here.sandbox.holds("respond_io").wait_for(1))
        assert await run.comes_to(until_true(here.source, _TOTAL_IS_WRITTEN))
        role = await _reader(here)
        try:
            everybody = here.environ["STATE_URL"]
            host = everybody.partition("@")[2] or everybody.partition("//")[2]
            here.environ["STATE_URL"] = f"postgresql://{role}:sandbox@{host}"
            report = (await _seen(here))["respond_io"]
        finally:
            here.environ["STATE_URL"] = everybody
            await here.source.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")
        assert (report.state, report.run_id) == (WatchState.RUNNING, 1)
        assert str(run.pid) in str(report.holder)
        assert report.snapshot is not None
        assert report.snapshot.total == 6

        code, said = await here.command("watch", "--once", "-d", "respond_io")
        assert code == 0
        assert "of 6 contacts" in said

        # Until done: it sees the end of the run, and has the run's exit code.
        watching = here.start("watch", "--until-done", "--interval", "100ms", "--json")
        await until(lambda: watching.said().count("\n") >= 2)
        assert '"running"' in watching.said()
        here.heal("respond_io")
        here.sandbox.holds("respond_io").release()
        assert await run.ended() == 0, run.said()
        assert await watching.ended() == 0, watching.said()
        last = orjson.loads(watching.said().splitlines()[-1])
        assert (last["state"], last["status"]) == ("ended", "done")
        assert last["contacts"]["applied"] == last["progress"]["done"] == 6

        # A run that is killed: its lease is not renewed any more, and runs out.
        await here.change(1, name="Another")
        here.fail("respond_io", Rule(FaultKind.HOLD_BEFORE_COMMIT))
        dying = here.start("run", "-d", "respond_io")
        assert await dying.comes_to(here.sandbox.holds("respond_io").wait_for(1))
        await dying.kill()
        await here.source.execute(
            "UPDATE syncengine.sync_lease SET expires_at = clock_timestamp()"
        )
        code, said = await here.command("watch", "--until-done")
        assert (code, "charles: never ran" in said) == (1, True), said
        assert "respond_io: run 2, died, its process died" in said
        await _is_shown_as_dead(here)

        # Another host has a newer release, whose words are not known here.
        await here.source.execute(
            "UPDATE syncengine.sync_run SET kind = 'replay', status = 'paused'"
        )
        newer = (await _seen(here))["respond_io"].public()
        assert (newer["kind"], newer["status"]) == ("replay", "paused")
        code, said = await here.command("status", "-d", "respond_io")
        assert {"replay", "paused"} <= set(said.split()), said


@pytest.mark.asyncio
async def test_it_ends_with_ctrl_c_and_with_its_reader_and_refuses_nonsense(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, _BOTH) as here:
        watching = here.start("watch", "--interval", "100ms")
        await until(lambda: watching.said().count("charles: never ran") >= 2)
        os.kill(watching.pid, signal.SIGINT)
        assert await watching.ended() == 130
        assert "Traceback" not in watching.said()
        assert "Stopping" not in watching.said(), "nothing of it has to be finished"
        for names, interval, words in (
            ((), "0s", "100ms or more"),
            ((), "soon", "--interval"),
            (("nobody",), "2s", "nobody"),
        ):
            moments = watch(here.config, names, interval=interval, stop=asyncio.Event())
            with pytest.raises(ConfigError, match=words):
                await anext(moments)
