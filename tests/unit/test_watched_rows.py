"""What ``watch`` says of each state that a run may be in."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rich.console import Console

from syncengine.cli.exits import code_of_watched
from syncengine.cli.rendering.live import LiveRows
from syncengine.cli.rendering.watched import watched_line, watched_rows
from syncengine.model.progress import RunSnapshot, RunWait, WaitReason, snapshot_from
from syncengine.model.reports import RunStatus
from syncengine.model.watching import WatchReport, WatchState, watch_state
from syncengine.model.work import RunKind

NOW = datetime(2026, 11, 28, 2, 30, tzinfo=UTC)


def seen(state: WatchState, status: RunStatus, **facts: Any) -> WatchReport:
    usual = {"run_id": 7, "kind": RunKind.SYNC, "started_at": NOW, **facts}
    return WatchReport(
        destination="leads", state=state, now=NOW, status=status, **usual
    )


def under_way(age: float, **facts: Any) -> WatchReport:
    at = NOW - timedelta(seconds=age)
    snapshot = RunSnapshot(at=at, seconds=100.0, done=5, total=10, **facts)
    return seen(
        WatchState.RUNNING, RunStatus.RUNNING, snapshot=snapshot, holder="crm-1"
    )


def shown(report: WatchReport) -> str:
    console = Console(file=io.StringIO(), width=80, highlight=False)
    with console.capture() as captured:
        console.print(LiveRows(watched_rows([report])))
    return captured.get()


@pytest.mark.parametrize(
    ("status", "holds_lease", "state"),
    [
        (None, False, WatchState.NEVER_RAN),
        (RunStatus.RUNNING, True, WatchState.RUNNING),
        (RunStatus.RUNNING, False, WatchState.DIED),
        (RunStatus.DIED, True, WatchState.DIED),
        (RunStatus.DONE, True, WatchState.ENDED),
        (RunStatus.HALTED, False, WatchState.ENDED),
    ],
)
def test_the_state_of_a_run(
    status: RunStatus | None, *, holds_lease: bool, state: WatchState
) -> None:
    assert watch_state(status, holds_lease=holds_lease) is state


def test_what_was_written_seconds_ago_is_shown_as_it_is_by_now() -> None:
    wait = RunWait(WaitReason.THROTTLED, 25.0)
    report = under_way(4.0, waiting=wait, seconds_left=50.0)
    assert "waits 21 s" in shown(report)
    assert "46 s left" in shown(report)
    report = under_way(26.0, waiting=wait, seconds_left=50.0)
    assert "waits" not in shown(report), "it is over by now"
    assert "has written nothing" not in shown(report)
    report = under_way(125.0, waiting=RunWait(WaitReason.DATABASE))
    assert "it has written nothing for 2 min 5 s; crm-1 runs it" in shown(report)
    assert "it has written nothing for 2 min 5 s" in watched_line(report)


@pytest.mark.parametrize(
    ("ago", "words"),
    [
        (timedelta(seconds=8), "8 s ago"),
        (timedelta(minutes=59), "59 min ago"),
        (timedelta(hours=3, minutes=20), "3 h ago"),
        (timedelta(days=2), "2 d ago"),
    ],
)
def test_the_result_of_the_last_run(ago: timedelta, words: str) -> None:
    report = seen(
        WatchState.ENDED,
        RunStatus.HALTED,
        ended_at=NOW - ago,
        error="the key was withdrawn",
        contacts={"applied": 3, "rejected": 0},
    )
    assert f"halted, {words}" in shown(report)
    assert "the key was withdrawn" in shown(report)
    assert watched_line(report) == (
        f"leads: run 7, halted, {words}, 3 applied, the key was withdrawn"
    )
    assert code_of_watched(report) == 1


def test_a_run_of_an_earlier_version_and_one_that_is_no_sync() -> None:
    report = seen(
        WatchState.ENDED,
        RunStatus.DONE,
        ended_at=NOW,
        kind=RunKind.VERIFY,
        contacts={"applied": 3},
    )
    assert "leads (verify)  done, 0 s ago" in shown(report)
    assert "3 applied" in shown(report)
    assert code_of_watched(report) == 0
    assert "leads  preparing" in shown(
        seen(WatchState.RUNNING, RunStatus.RUNNING, holder="crm-1")
    )


def test_words_of_a_newer_release_are_shown_as_they_are() -> None:
    report = seen(
        WatchState.ENDED, RunStatus("paused"), ended_at=NOW, kind=RunKind("replay")
    )
    assert "leads (replay)  paused, 0 s ago" in shown(report)
    assert code_of_watched(report) == 1
    public = report.public()
    assert (public["kind"], public["status"]) == ("replay", "paused")

    snapshot = RunSnapshot(at=NOW, total=10, waiting=RunWait(WaitReason.QUOTA, 25.0))
    stored = snapshot.public()
    stored["waiting"] = {"reason": "holiday", "until": stored["waiting"]["until"]}
    read = snapshot_from(stored)
    assert read is not None
    assert read.public() == stored
    assert "holiday" in shown(replace(under_way(0.0), snapshot=read))
