"""What a run under way writes about itself, and shows to its caller."""

from __future__ import annotations

import asyncio
from pathlib import Path

import orjson
import pytest

from syncengine import app
from syncengine.app import live_run
from syncengine.model.progress import RunSnapshot, snapshot_from
from syncengine.sandbox.faults import FaultKind, Rule
from tests.support.command_process import until_true
from tests.support.people_project import RESPOND_IO, people, refusing

_HELD = Rule(FaultKind.HOLD_BEFORE_COMMIT, after=3, times=1)
_ONE = {
    "respond_io": {
        **RESPOND_IO,
        "find_first": True,
        "in_flight": 1,
        "limits": [{"calls": 1000, "per": "1s"}],
    }
}
_HAS_WRITTEN = (
    "SELECT (progress->>'requests')::integer = 3 FROM syncengine.sync_run "
    "WHERE status = 'running'"
)


class Snapshots:
    """A caller that keeps what it is shown."""

    def __init__(self) -> None:
        self.seen: list[RunSnapshot] = []
        self.told: list[tuple[str, ...]] = []

    def started(self, destination: str, total: int) -> None:
        self.told.append(("started", destination, str(total)))

    def advanced(self, destination: str, contacts: int, requests: int) -> None: ...

    def updated(self, destination: str, snapshot: RunSnapshot) -> None:
        del destination
        self.seen.append(snapshot)

    def finished(self, destination: str) -> None:
        self.told.append(("finished", destination))


@pytest.mark.asyncio
async def test_a_run_writes_down_how_far_it_is_and_what_each_minute_brought(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_run, "WRITTEN_EVERY", 0.01)
    async with people(database, tmp_path, _ONE) as here:
        await here.add(range(1, 9))
        here.fail("respond_io", refusing(1))
        await here.run("respond_io", contacts=("1",))
        here.fail("respond_io", _HELD)
        shown = Snapshots()
        run = asyncio.create_task(
            app.run(here.config, (), app.RunRequest(), progress=shown)
        )
        await here.sandbox.holds("respond_io").wait_for(1)
        await until_true(here.source, _HAS_WRITTEN)
        under_way = await here.one("SELECT * FROM syncengine.sync_run WHERE run_id = 2")
        here.sandbox.holds("respond_io").release()
        (report,) = await run

        progress = snapshot_from(orjson.loads(under_way["progress"]))
        assert progress is not None
        assert (progress.done, progress.total, progress.requests) == (1, 8, 3)
        assert (progress.last_minute, progress.outcomes) == (3, {"applied": 1})
        assert progress.limit is not None
        assert progress.limit.calls == 1000
        assert progress.seconds_left is None, "too early to say anything"
        assert abs((progress.at - under_way["started_at"]).total_seconds()) < 30

        assert report.status == "done"
        last = await here.one("SELECT * FROM syncengine.sync_run WHERE run_id = 2")
        assert orjson.loads(last["progress"])["done"] == 8
        assert shown.seen[-1].done == 8
        assert shown.seen[-1].outcomes == {"applied": 8}
        assert shown.told == [
            ("started", "respond_io", "8"),
            ("finished", "respond_io"),
        ]
        minutes = await here.source.fetch(
            "SELECT run_id, sum(requests) AS requests, "
            "sum((outcomes->>'applied')::integer) AS applied, "
            "max(codes::text) AS codes, "
            "bool_and(minute = date_trunc('minute', minute)) AS whole "
            "FROM syncengine.sync_run_minute GROUP BY 1 ORDER BY 1"
        )
        assert [row["requests"] for row in minutes] == [2, report.requests]
        assert orjson.loads(minutes[0]["codes"]) == {"http_422": 1}
        assert (minutes[1]["applied"], minutes[1]["whole"]) == (8, True)


@pytest.mark.asyncio
async def test_no_run_fails_because_its_progress_cannot_be_written(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, _ONE) as here:
        await here.add(range(1, 9))
        await here.source.execute("DROP TABLE syncengine.sync_run_minute")
        report = await here.run("respond_io")
        assert (report.status, report.contacts["applied"]) == ("done", 8)
