"""The report of ``status``."""

from __future__ import annotations

from collections.abc import Sequence

from syncengine.app.counted import counted
from syncengine.cli.rendering.layout import (
    print_line,
    print_table,
    table_with,
    with_numbers,
)
from syncengine.cli.rendering.live import progress_line
from syncengine.cli.rendering.standing import print_standing
from syncengine.model.reports import RunStatus, with_gone
from syncengine.model.status import LastRun, StatusReport
from syncengine.model.work import Standing

_IN_STEP = {True: "yes", False: "no", None: "-"}


def print_statuses(reports: Sequence[StatusReport]) -> None:
    """Print the last run of each destination, and what a person should know besides."""
    table = table_with("destination", "run", "kind", "status", "started", "in step")
    for report in reports:
        run = report.last_run
        if run is None:
            table.add_row(report.destination, "-", "-", "never ran", "-", "-")
            continue
        # In the time zone of whoever reads it.
        started = run.started_at.astimezone().strftime("%Y-%m-%d %H:%M")
        table.add_row(
            report.destination,
            str(run.run_id),
            run.kind,
            run.status,
            started,
            _in_step(report),
        )
    print_table(table)
    for report in reports:
        _print_details(report)


def _in_step(report: StatusReport) -> str:
    """Return such as ``yes``, or ``yes, but for 12, 5 held back`` after an undo."""
    in_step = _IN_STEP[report.in_step]
    left_alone = sum(report.standing.values())
    if report.in_step and left_alone:
        in_step += f", but for {left_alone}"
    if report.held_back:
        in_step += f", {report.held_back} held back"
    return in_step


def _print_details(report: StatusReport) -> None:
    name = report.destination
    if report.last_run is not None:
        _print_last_run(name, report.last_run)
    _print_whole_run(report)
    _print_present_run(report)
    print_standing(name, report.standing)
    for reason, codes in report.standing_codes.items():
        # Of others the code says no more than the reason.
        if reason is Standing.DEAD_LETTER:
            print_line(f"{name}: dead letters by code: {with_numbers(codes)}")
    _print_held_back(report)
    _print_alerts(report)
    if report.open_erasures:
        forgotten = counted(
            report.open_erasures, "forgotten contact", "forgotten contacts"
        )
        print_line(
            f"{name}: {forgotten} not erased there yet: `syncengine forget ID` tries "
            "again, or tells what to ask the vendor"
        )


def _print_last_run(name: str, run: LastRun) -> None:
    """Print the numbers of the last run, and its error."""
    shown = {key: number for key, number in with_gone(run.contacts).items() if number}
    # All contacts that the run had to do with: the others are parts of that number.
    all_of_them = shown.pop("changed", 0)
    if all_of_them:
        concerned = counted(all_of_them, "contact", "contacts")
        outcomes = with_numbers(shown) if shown else "none reached"
        print_line(f"{name}: {outcomes}, of {concerned} to do")
    elif shown:
        print_line(f"{name}: {with_numbers(shown)}")
    if run.error:
        print_line(run.error, style="bold")


def _print_whole_run(report: StatusReport) -> None:
    """Print why a destination is not in step, or that is not known, after a part."""
    last, whole = report.last_run, report.whole_run
    if last is None or last.status is not RunStatus.DONE or report.in_step:
        return
    if whole is None:
        told = "no run has looked at all contacts yet"
    elif whole < last.run_id:
        told = (
            f"run {whole} was the newest that looked at all contacts, and it, or one "
            "since, left some behind"
        )
    else:
        return
    name = report.destination
    print_line(f"{name}: {told}: `syncengine run -d {name}` looks at all of them")


def _print_present_run(report: StatusReport) -> None:
    """Print who works on the account now, or that the process which did has died."""
    name, run = report.destination, report.last_run
    if report.lease is not None:
        print_line(f"{name}: {report.lease.holder} works on its account now")
    if report.progress is not None:
        print_line(progress_line(name, report.progress))
    is_noted = run is not None and run.ended_at is not None
    # Of one that the next run has found and noted, the error says so.
    if run is not None and run.status is RunStatus.DIED and not is_noted:
        print_line(
            f"{name}: run {run.run_id} died: its process is gone. The next run settles "
            "what it sent, and goes on"
        )


def _print_held_back(report: StatusReport) -> None:
    """Print at how many contacts the vendor does not hold what the row says."""
    if report.held_back:
        contacts = counted(report.held_back, "contact", "contacts")
        print_line(
            f"{report.destination}: {contacts} held back: an undo took something back "
            "that no run sends again before their row or the mapping changes. "
            "`syncengine why ID` names it"
        )


def _print_alerts(report: StatusReport) -> None:
    if report.alerts:
        kinds = ", ".join(kind.value for kind in report.alerts.values())
        print_line(f"{report.destination}: alert: {kinds}")
    if report.undelivered_alerts:
        messages = counted(report.undelivered_alerts, "message", "messages")
        print_line(
            f"{report.destination}: {messages} about alerts not delivered yet: "
            "`syncengine alerts` says why"
        )
