"""The report of ``run`` and ``retry``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from syncengine.app.counted import worded
from syncengine.cli.rendering.layout import (
    duration,
    explain_left_out,
    print_line,
    print_table,
    table_with,
    with_numbers,
)
from syncengine.cli.rendering.standing import print_standing
from syncengine.model.contact_ids import name_of
from syncengine.model.reports import (
    CONTACTS,
    FELL_SHORT,
    RunReport,
    RunStatus,
    with_gone,
)

_NOT_APPLIED = [
    *(name for name in CONTACTS if name not in ("changed", "applied")),
    "gone",
]
"""Outcomes other than applied. ``changed`` is no outcome: it counts all contacts."""

_LONG = 60.0
"""Seconds of a run whose forecast is worth a line."""


class _Happening(NamedTuple):
    """Something that happened, in the same words, to one or more contacts."""

    outcome: str
    code: str
    message: str


def print_runs(reports: Sequence[RunReport]) -> None:
    """Print the results of each destination's run, and the contacts to look at."""
    table = table_with(
        "destination", "run", "status", "applied", "not applied", "requests", "time"
    )
    for report in reports:
        table.add_row(
            report.destination,
            "-" if report.run_id is None else str(report.run_id),
            report.status,
            str(report.contacts.get("applied", 0)),
            str(sum(_not_applied(report).values())),
            str(report.requests),
            duration(report.seconds),
        )
    print_table(table)
    for report in reports:
        _print_details(report)


def _not_applied(report: RunReport) -> dict[str, int]:
    """Return the numbers of contacts that ended otherwise than applied, by outcome."""
    contacts = with_gone(report.contacts)
    numbers = {name: contacts.get(name, 0) for name in _NOT_APPLIED}
    return {name: number for name, number in numbers.items() if number}


def _print_details(report: RunReport) -> None:
    name = report.destination
    if report.actions:
        print_line(f"{name}: {with_numbers(report.actions)}")
    not_applied = _not_applied(report)
    if not_applied:
        print_line(f"{name}: {with_numbers(not_applied)}")
    _print_forecast(report)
    print_standing(name, report.standing)
    if report.error:
        print_line(report.error, style="bold")
    if report.status is RunStatus.HALTED:
        print_line(
            f"  {name}: its account was halted, so what was not sent yet is deferred"
        )
    for line in _contact_lines(report):
        print_line(f"  {name}, {line}")
    for remark in report.remarks:
        print_line(f"  {name}: {remark}")
    messages = [*(note.message for note in report.noteworthy), *report.remarks]
    explain_left_out(messages)
    # Either nothing was sent, or something was and some of it is tried again; a run
    # that could not begin has no number to retry.
    if report.status is RunStatus.REFUSED:
        print_line(f"  Nothing was sent to {name}.")
    elif report.run_id is not None:
        _print_retry(report)


def _print_forecast(report: RunReport) -> None:
    """Print how right the forecast was, of a run that was expected to last a while."""
    forecast = report.forecast
    if forecast is None or forecast.made is None:
        return
    if forecast.seconds.usual < _LONG:
        return
    made = forecast.made
    print_line(
        f"{report.destination}: expected {forecast.calls} calls, "
        f"{forecast.requests.usual} requests, {duration(forecast.seconds.usual)}; "
        f"made {made.calls}, {made.requests}, {duration(made.seconds)}"
    )


def _print_retry(report: RunReport) -> None:
    """Print which contacts the next run tries again, and how to try them now."""
    name, left_alone = report.destination, report.left_alone
    numbers = {kind: report.contacts.get(kind, 0) for kind in FELL_SHORT}
    numbers["rejected"] -= left_alone
    numbers["deferred"] -= report.acquitted
    again = [f"{number} {kind}" for kind, number in numbers.items() if number > 0]
    if again and report.undo_of is not None:
        print_line(
            f"  {name}: not taken back yet: {', '.join(again)}. Let a run settle what "
            "was sent about them (mend the mapping first), then call `syncengine undo "
            f"{report.undo_of} --yes` again."
        )
    elif again:
        when = "now"
        # Before that it would be halted again, such as by a wait that is not over.
        if report.status is RunStatus.HALTED:
            when = "once that is mended or over"
        print_line(
            f"  {name}: the next run tries again: {', '.join(again)}. "
            f"`syncengine retry {report.run_id}` tries all of them {when}."
        )
    alike = {"rejected": report.left_alone_alike, "deferred": report.acquitted}
    told = [f"{number} {kind}" for kind, number in alike.items() if number > 0]
    if told:
        print_line(
            f"  {name}: refused alike, which counts against none of them: "
            f"{', '.join(told)}. The next run tries one for all, and all once it is "
            "accepted."
        )
    left_alone -= report.left_alone_alike
    if left_alone:
        print_line(
            f"  {name}: left alone until their rows or the mapping change: {left_alone} "
            f"rejected. `syncengine retry --dead -d {name}` tries the dead letters now."
        )


def _contact_lines(report: RunReport) -> Iterator[str]:
    """Yield a line for each thing that happened, with the contacts it happened to."""
    names_by_happening: dict[_Happening, list[str]] = {}
    for note in report.noteworthy:
        happening = _Happening(note.outcome, note.code, note.message)
        names = names_by_happening.setdefault(happening, [])
        names.append(name_of(note.contact_id))
    for happening, names in names_by_happening.items():
        yield _happening_line(happening, names)


def _happening_line(happening: _Happening, names: Sequence[str]) -> str:
    noun = worded(len(names), "contact", "contacts")
    reason = happening.outcome
    # Some codes say no more than the outcome, such as "suppressed".
    if happening.code not in ("", happening.outcome):
        reason += f" ({happening.code})"
    line = f"{noun} {', '.join(names)}: {reason}: {happening.message}"
    if happening.outcome == "unknown":
        line += "; whether the vendor carried it out is not known yet"
    return line
