"""What the reading verbs tell, over two destinations and a few nights of theirs."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from syncengine.cli import verbs  # noqa: F401 - registers the verbs
from syncengine.cli.root import main
from syncengine.model.desk import BATCH_NAMES, FAILURE_NAMES, RUN_NAMES
from syncengine.sandbox.faults import FaultKind, Rule
from tests.support.people_project import BOTH, People, people, refusing

_FORMULA = "=cmd|' /C calc'!A0"


class Desk:
    """The command, called in this process, and what it printed."""

    def __init__(self, here: People, capsys: pytest.CaptureFixture[str]) -> None:
        self.here = here
        self._capsys = capsys

    async def say(self, *arguments: str) -> tuple[int, str, str]:
        """Return the exit code of a call, its results, and its messages."""
        config = ["--config", str(self.here.file)]
        self._capsys.readouterr()
        code = await asyncio.to_thread(main, [*config, *arguments])
        said = self._capsys.readouterr()
        return code, said.out, said.err

    async def rows(self, *arguments: str) -> list[dict[str, Any]]:
        """Return the rows of a call that succeeds."""
        code, results, messages = await self.say(*arguments, "--json")
        assert (code, messages) == (0, ""), arguments
        found: list[dict[str, Any]] = json.loads(results)
        return found

    async def refused(self, *arguments: str) -> str:
        """Return the message of a call that is refused."""
        code, results, messages = await self.say(*arguments)
        assert (code, results) == (2, ""), (arguments, messages)
        return messages


@pytest_asyncio.fixture
async def desk(
    database: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Desk]:
    """Two destinations without a run, and the command that reads their state."""
    async with people(database, tmp_path / "project", BOTH) as here:
        for name, value in here.environ.items():
            monkeypatch.setenv(name, value)
        yield Desk(here, capsys)


@pytest.mark.asyncio
async def test_before_the_first_run_everything_says_so(desk: Desk) -> None:
    for verb, words in (("runs", "No run has taken"), ("failures", "none stands")):
        code, results, messages = await desk.say(verb)
        assert (code, results, words in messages) == (0, "", True), messages
        assert await desk.rows(verb) == []
        assert (await desk.say(verb, "--format", "jsonl"))[:2] == (0, "")
        code, results, _ = await desk.say(verb, "--format", "csv")
        assert (code, len(results.splitlines())) == (0, 1)
    assert "no run has taken place yet" in await desk.refused("failures", "1")


@pytest.mark.asyncio
async def test_the_morning_after(desk: Desk) -> None:
    here = desk.here
    await _four_nights(here)
    await _check_runs(desk)
    await _check_failures(desk)


async def _four_nights(here: People) -> None:
    """Run twice four times.

    At respond_io (runs 1, 4, 5, 8) contacts 2 and 3 become dead letters in run 5. At
    charles (2, 3, 6, 7) it is contact 4, and in run 7 the answer about 5 is lost.
    """
    await here.add(range(1, 7), tags=["vip"])
    here.fail("respond_io", refusing(2), refusing(3, _FORMULA, 400))
    here.fail("charles", refusing(4))
    for first in ("respond_io", "charles", "charles", "respond_io"):
        await here.run(first)
    await here.run("respond_io")
    await here.run("charles")
    here.fail("charles", Rule(FaultKind.ERROR_HTML, body="Changed 5"))
    await here.change(5, name="Changed 5")
    await here.run("charles")
    await here.run("respond_io")


async def _check_runs(desk: Desk) -> None:
    found = await desk.rows("runs")
    assert [each["run_id"] for each in found] == [8, 7, 6, 5, 4, 3, 2, 1]
    assert list(found[0]) == list(RUN_NAMES)
    assert (found[1]["status"], found[1]["contacts"]["unknown"]) == ("incomplete", 1)
    assert [each["requests"] for each in found[:3]] == [1, 1, 1]
    assert await desk.rows("runs", "2", "-d", "respond_io") == [found[0], found[3]]
    assert await desk.rows("runs", "--run", "7") == [found[1]]
    batches = await desk.rows("runs", "--run", "1", "--batches")
    assert [list(each) for each in batches] == [list(BATCH_NAMES)] * 2
    counted = [(each["batch"], each["contacts"]) for each in batches]
    assert (counted, batches[0]["outcomes"]["rejected"]) == ([(1, 4), (2, 2)], 2)
    _, table, _ = await desk.say("runs", "--run", "1", "--batches")
    assert "2 applied, 2 rejected" in table
    assert "there is no run 99; the last one was 8" in await desk.refused(
        "runs", "--run", "99"
    )
    assert "leave out the number of runs" in await desk.refused(
        "runs", "3", "--run", "1"
    )
    assert "goes with --run only" in await desk.refused("runs", "--batches")
    assert "no such destination" in await desk.refused("runs", "-d", "nobody")


async def _check_failures(desk: Desk) -> None:
    found = await desk.rows("failures")
    assert list(found[0]) == list(FAILURE_NAMES)
    facts = ("destination", "contact", "outcome", "code", "run_id", "since_run_id")
    assert [tuple(each[name] for name in facts) for each in found] == [
        ("charles", "5", "unknown", "unreachable", 7, None),
        ("charles", "4", "rejected", "http_422", 6, 2),
        ("respond_io", "3", "rejected", "http_400", 5, 1),
        ("respond_io", "2", "rejected", "http_422", 5, 1),
    ]
    standing = [(each["standing"], each["rejections"]) for each in found]
    assert standing == [(None, 0), *[("dead_letter", 3)] * 3]
    assert found[0]["next"] == "nothing: the next run finds out what became of it"
    command = "syncengine retry --dead -d respond_io --code http_400"
    assert f"`{command}` tries all such now" in found[2]["next"]
    assert (found[2]["http_status"], found[2]["requests"]) == (400, 2)
    assert await desk.rows("failures", "-d", "respond_io") == found[2:]
    assert await desk.rows("failures", "--code", "http_422") == [found[1], found[3]]
    # Of an earlier run: what it said, and how the contacts stand by now.
    (first, second) = await desk.rows("failures", "4")
    assert (first["contact"], first["run_id"], first["standing"]) == (
        "3",
        4,
        "dead_letter",
    )
    assert "dead letter" not in second["message"]
    _, text, _ = await desk.say("failures", "4", "--csv")
    names, *lines = csv.reader(io.StringIO(text, newline=""))
    assert (tuple(names), [line[1] for line in lines]) == (FAILURE_NAMES, ["3", "2"])
    assert _FORMULA in text
    _, table, _ = await desk.say("failures")
    assert "respond_io, 1 contact: correct the row: left alone until" in table
    code, results, messages = await desk.say("failures", "--code", "nope")
    assert (code, results) == (0, "")
    assert messages.startswith("No contact fell short with the code nope in the last")
    assert "there is no run 99" in await desk.refused("failures", "99")
    assert 'for destination "respond_io"' in await desk.refused(
        "failures", "4", "-d", "charles"
    )
    assert "contradicts" in await desk.refused("failures", "--csv", "--format=table")
