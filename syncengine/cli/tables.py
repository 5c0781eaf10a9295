"""Reports as tables for people, and as JSON lines for programs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import orjson
from rich.table import Table

from syncengine.cli.terminal import out
from syncengine.model.http import Json
from syncengine.model.reports import Check, PlanReport, RunReport


class Public(Protocol):
    """A report that programs may read."""

    def public(self) -> dict[str, Json]: ...


def print_json(reports: Iterable[Public]) -> None:
    """One object a line."""
    for report in reports:
        out.print(orjson.dumps(report.public()).decode(), soft_wrap=True, markup=False)


def print_runs(reports: Sequence[RunReport]) -> None:
    """What each destination's run did, and the contacts to look at."""
    table = Table(title="Runs", title_justify="left")
    for name in ("destination", "run", "status", "applied", "rejected", "deferred", "unsupported", "calls", "requests"):
        table.add_column(name, justify="left" if name in {"destination", "status"} else "right", no_wrap=True)
    table.add_column("seconds", justify="right")
    for report in reports:
        counts = [str(report.contacts.get(name, 0)) for name in ("applied", "rejected", "deferred", "unsupported")]
        run = "-" if report.run_id is None else str(report.run_id)
        table.add_row(
            report.destination,
            run,
            report.status,
            *counts,
            _counted(report.actions) or "0",
            str(report.requests),
            f"{report.seconds:.1f}",
        )
    out.print(table)
    for report in reports:
        if report.error:
            out.print(f"{report.error}", markup=False, style="bold")
        for note in report.noteworthy:
            line = f"  {report.destination}, contact {note.contact_id}: {note.outcome} ({note.code}) {note.message}"
            out.print(line, markup=False)
        if report.status in {"incomplete", "halted", "stopped"} and report.run_id is not None:
            out.print(
                f"  The next run goes on where this one fell short; `syncengine retry {report.run_id}` does it now.",
                markup=False,
            )


def print_plans(reports: Sequence[PlanReport]) -> None:
    """What each destination's run would send."""
    table = Table(title="Plan: nothing was sent", title_justify="left")
    names = ("destination", "contacts", "calls", "rejected", "unsupported", "look-ups", "requests", "at least")
    for name in names:
        table.add_column(name, justify="left" if name == "destination" else "right")
    for report in reports:
        table.add_row(
            report.destination,
            str(report.contacts),
            _counted(report.actions) or "none",
            _counted(report.rejected) or "0",
            str(report.unsupported),
            str(report.look_ups),
            str(report.requests),
            duration(report.seconds),
        )
    out.print(table)
    for report in reports:
        for text in (report.brake, report.error):
            if text:
                out.print(text, markup=False, style="bold")


def print_checks(checks: Sequence[Check]) -> None:
    """Every check in one line."""
    for check in checks:
        out.print(f"{'ok ' if check.ok else 'BAD'} {check.area}: {check.message}", markup=False, soft_wrap=True)


def duration(seconds: float) -> str:
    """Seconds as a person says them."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {name}" for name, number in counts.items())
