"""The report of ``status``."""

from __future__ import annotations

from collections.abc import Sequence

from syncengine.cli.rendering.layout import (
    print_line,
    print_table,
    table_with,
    with_numbers,
)
from syncengine.cli.rendering.live import progress_line
from syncengine.cli.rendering.standing import print_standing
from syncengine.model.reports import RunStatus
from syncengine.model.status import StatusReport
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
            _IN_STEP[report.in_step],
        )
    print_table(table)
    for report in reports:
        _print_details(report)


def _print_details(report: StatusReport) -> None:
    name = report.destination
    if report.last_run is not None:
        numbers = report.last_run.contacts
        shown = {key: number for key, number in numbers.items() if number}
        if shown:
            print_line(f"{name}: {with_numbers(shown)}")
        if report.last_run.error:
            print_line(report.last_run.error, style="bold")
    if report.lease is not None:
        print_line(f"{name}: {report.lease.holder} works on its account now")
    elif report.last_run is not None and report.last_run.status is RunStatus.RUNNING:
        # Its process died: it neither ended the run nor renews the lease.
        print_line(
            f"{name}: run {report.last_run.run_id} died: no process works on its "
            "account. The next run settles what it sent, and goes on"
        )
    if report.progress is not None and report.lease is not None:
        print_line(progress_line(name, report.progress))
    print_standing(name, report.standing)
    for reason, codes in report.standing_codes.items():
        # Of others the code says no more than the reason.
        if reason is Standing.DEAD_LETTER:
            print_line(f"{name}: dead letters by code: {with_numbers(codes)}")
    _print_alerts(report)
    if report.open_erasures:
        contacts = "contact" if report.open_erasures == 1 else "contacts"
        print_line(
            f"{name}: {report.open_erasures} forgotten {contacts} not erased there "
            "yet: `syncengine forget ID` tries again, or tells what to ask the vendor"
        )


def _print_alerts(report: StatusReport) -> None:
    if report.alerts:
        kinds = ", ".join(kind.value for kind in report.alerts.values())
        print_line(f"{report.destination}: alert: {kinds}")
    if report.undelivered_alerts:
        messages = "message" if report.undelivered_alerts == 1 else "messages"
        print_line(
            f"{report.destination}: {report.undelivered_alerts} {messages} about alerts not delivered "
            "yet: `syncengine alerts` says why"
        )
