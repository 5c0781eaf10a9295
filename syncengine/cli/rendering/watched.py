"""View of ``watch``: each destination's newest run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from syncengine.cli.rendering.layout import duration, with_numbers
from syncengine.cli.rendering.live import LiveRow, progress_line
from syncengine.model.progress import RunSnapshot, RunWait
from syncengine.model.reports import RunStatus
from syncengine.model.watching import WatchReport, WatchState
from syncengine.model.work import RunKind

_OLD_NEWS = 60.0
"""Seconds after which it is remarked on that a run writes nothing. It writes every five
seconds, and every thirty where its process has hundreds of runs."""
_STYLES = {
    RunStatus.DONE: "green",
    RunStatus.INCOMPLETE: "yellow",
    RunStatus.STOPPED: "yellow",
}
"""Colours by status; all others are red."""
_DIED = (
    "its process died: nobody renews its lease. The next run settles what it sent, and "
    "goes on"
)


def watched_rows(reports: Sequence[WatchReport]) -> list[LiveRow]:
    """Return the rows of the view."""
    return [_row(report) for report in reports]


def _row(report: WatchReport) -> LiveRow:
    name = _name(report)
    match report.state:
        case WatchState.NEVER_RAN:
            return LiveRow(name, state="never ran", is_over=True)
        case WatchState.DIED:
            state = f"died, {_ago(report)}" if report.ended_at else "died"
            return LiveRow(
                name, report.snapshot, state, "red", _died(report), is_over=True
            )
        case WatchState.ENDED:
            return _ended_row(report)
        case WatchState.RUNNING:
            if report.snapshot is None:
                return LiveRow(name, state="preparing")
            snapshot = _until_now(report.snapshot, report.age)
            note = _old_news(report)
            return LiveRow(name, snapshot, note=note, note_style="yellow")


def _ended_row(report: WatchReport) -> LiveRow:
    state = f"{report.status}, {_ago(report)}"
    note = report.error or ""
    if report.snapshot is None and not note:
        # A run of an earlier version wrote no progress, but how it ended.
        numbers = {name: number for name, number in report.contacts.items() if number}
        note = with_numbers(numbers)
    style = _STYLES.get(report.status, "red") if report.status else ""
    return LiveRow(_name(report), report.snapshot, state, style, note, is_over=True)


def _name(report: WatchReport) -> str:
    """Return the destination; with the kind of its run where that is no sync."""
    if report.kind in (None, RunKind.SYNC):
        return report.destination
    return f"{report.destination} ({report.kind})"


def _died(report: WatchReport) -> str:
    return f"run {report.run_id}: {_DIED}"


def _old_news(report: WatchReport) -> str:
    if report.age < _OLD_NEWS:
        return ""
    return f"it has written nothing for {duration(report.age)}; {report.holder} runs it"


def _ago(report: WatchReport) -> str:
    """Return how long ago the run ended, in the largest unit alone."""
    if report.ended_at is None:
        return ""
    seconds = max(0.0, (report.now - report.ended_at).total_seconds())
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"


def _until_now(snapshot: RunSnapshot, age: float) -> RunSnapshot:
    """Return a snapshot of earlier with its times as they are by now."""
    left = snapshot.seconds_left
    if left is not None:
        left = max(0.0, left - age)
    return replace(
        snapshot,
        seconds=snapshot.seconds + age,
        seconds_left=left,
        waiting=_wait_now(snapshot.waiting, age),
    )


def _wait_now(wait: RunWait | None, age: float) -> RunWait | None:
    if wait is None or wait.seconds is None:
        return wait
    # It was seconds at the moment of the snapshot.
    left = wait.seconds - age
    return RunWait(wait.reason, left) if left > 0 else None


def watched_line(report: WatchReport) -> str:
    """Return what is seen of a destination in one line, for pipes and files."""
    row = _row(report)
    if report.state is WatchState.RUNNING and row.snapshot is not None:
        line = progress_line(row.destination, row.snapshot)
        return f"{line}; {row.note}" if row.note else line
    parts = [row.state]
    if report.run_id is not None:
        parts.insert(0, f"run {report.run_id}")
    if report.contacts:
        numbers = {name: number for name, number in report.contacts.items() if number}
        parts.append(with_numbers(numbers) or "nothing to do")
    if report.error:
        parts.append(report.error)
    if report.state is WatchState.DIED:
        parts.append(_DIED)
    return f"{row.destination}: {', '.join(parts)}"
