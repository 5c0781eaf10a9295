"""Reports as tables for people, and as JSON lines for programs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

import orjson
from rich.box import SIMPLE_HEAD
from rich.table import Table

from syncengine.cli.terminal import out
from syncengine.model.contact_ids import name_of
from syncengine.model.http import Json
from syncengine.model.reports import (
    CONTACTS,
    FELL_SHORT,
    Check,
    PlanReport,
    PruneReport,
    RunReport,
)
from syncengine.model.texts import escaped
from syncengine.model.work import Standing

_OTHER = CONTACTS[2:]
_STANDING = {
    Standing.DEAD_LETTER: ("dead letter", "dead letters"),
    Standing.GONE: ("gone at the vendor", "gone at the vendor"),
    Standing.UNSUPPORTED: ("unsupported", "unsupported"),
    Standing.SUPPRESSED: ("suppressed", "suppressed"),
    Standing.OPTED_OUT: ("opted out", "opted out"),
}
"""Words for one and for several contacts of a standing."""


class Public(Protocol):
    """A report that programs may read."""

    def public(self) -> dict[str, Json]: ...


def print_json(reports: Iterable[Public]) -> None:
    """Print one object a line."""
    for report in reports:
        out.print(escaped(orjson.dumps(report.public()).decode()), soft_wrap=True)


def print_runs(reports: Sequence[RunReport]) -> None:
    """Print the results of each destination's run, and the contacts to look at."""
    table = columns(
        "destination", "run", "status", "applied", "not applied", "requests", "time"
    )
    for report in reports:
        table.add_row(
            report.destination,
            "-" if report.run_id is None else str(report.run_id),
            report.status,
            str(report.contacts.get("applied", 0)),
            str(sum(report.contacts.get(name, 0) for name in _OTHER)),
            str(report.requests),
            duration(report.seconds),
        )
    out.print(table)
    for report in reports:
        if report.actions:
            out.print(f"{report.destination}: {counted(report.actions)}", markup=False)
        if other := {
            name: number for name in _OTHER if (number := report.contacts.get(name))
        }:
            out.print(f"{report.destination}: {counted(other)}", markup=False)
        _print_standing(report.destination, report.standing)
        if report.error:
            out.print(report.error, markup=False, style="bold", soft_wrap=True)
        for line in _worth_a_look(report):
            out.print(f"  {report.destination}, {line}", markup=False, soft_wrap=True)
        for remark in report.remarks:
            out.print(f"  {report.destination}: {remark}", markup=False, soft_wrap=True)
        if report.status == "refused":
            out.print(f"  Nothing was sent to {report.destination}.", markup=False)
        else:
            _print_retry(report)


def _print_retry(report: RunReport) -> None:
    """Print which contacts the next run tries again, and how to try them now."""
    again = []
    for name in FELL_SHORT:
        number = report.contacts.get(name, 0)
        if number and name == "rejected":
            again.append(f"{number} rejected (unless left alone)")
        elif number:
            again.append(f"{number} {name}")
    if report.run_id is None or not again:
        return
    out.print(
        f"  {report.destination}: the next run tries again: {', '.join(again)}. "
        f"`syncengine retry {report.run_id}` tries them now.",
        markup=False,
        soft_wrap=True,
    )


def _print_standing(destination: str, standing: Mapping[Standing, int] | None) -> None:
    """Print the numbers of contacts that are not in step and not tried any more."""
    numbers: dict[str, int] = {}
    for each, (one, several) in _STANDING.items():
        number = standing.get(each, 0) if standing else 0
        if number:
            numbers[one if number == 1 else several] = number
    if numbers:
        out.print(
            f"{destination}: left alone until something changes: {counted(numbers)}",
            markup=False,
            soft_wrap=True,
        )


def _worth_a_look(report: RunReport) -> Iterator[str]:
    """Yield a line for each thing that happened, with its contacts."""
    alike: dict[tuple[str, str, str], list[str]] = {}
    for note in report.noteworthy:
        alike.setdefault((note.outcome, note.code, note.message), []).append(
            name_of(note.contact_id)
        )
    for (outcome, code, message), contact_ids in alike.items():
        contacts = "contact" if len(contact_ids) == 1 else "contacts"
        # Some codes say no more than the outcome: "suppressed (suppressed)".
        ended = outcome if code in ("", outcome) else f"{outcome} ({code})"
        yield f"{contacts} {', '.join(contact_ids)}: {ended}: {message}"


def print_plans(reports: Sequence[PlanReport]) -> None:
    """Print what each destination's run would send."""
    table = columns(
        "destination", "contacts", "not sent", "look-ups", "requests", "time"
    )
    for report in reports:
        table.add_row(
            report.destination,
            str(report.contacts),
            str(
                sum(report.rejected.values())
                + sum(report.suppressed.values())
                + report.unsupported
            ),
            str(report.look_ups),
            str(report.requests),
            duration(report.seconds),
        )
    out.print(table)
    for report in reports:
        if report.actions:
            out.print(f"{report.destination}: {counted(report.actions)}", markup=False)
        if report.causes:
            told = "; ".join(
                f"{each.in_words}: {each.contacts}" for each in report.causes
            )
            out.print(
                f"{report.destination}: why: {told}", markup=False, soft_wrap=True
            )
        _print_range(report)
        if report.rejected:
            out.print(
                f"{report.destination}: rejected: {counted(report.rejected)}",
                markup=False,
                soft_wrap=True,
            )
        for told, number in report.invalid.items():
            out.print(
                f"{report.destination}: invalid_value at {number}: {told}",
                markup=False,
                soft_wrap=True,
            )
        if report.suppressed:
            told = counted(report.suppressed)
            out.print(
                f"{report.destination}: nothing is sent about: {told}",
                markup=False,
                soft_wrap=True,
            )
        if report.unsupported:
            out.print(
                f"{report.destination}: {report.unsupported} unsupported", markup=False
            )
        _print_standing(report.destination, report.standing)
        _print_plan_notes(report)
    out.print("Nothing was sent.")


def _print_plan_notes(report: PlanReport) -> None:
    if report.probes:
        many = f"{report.probes} contacts are"
        tried = "1 contact is" if report.probes == 1 else many
        told = (
            f"{report.destination}: {tried} tried as a probe for others that the vendor "
            "refused for the same reason"
        )
        out.print(told, markup=False)
    for remark in report.remarks:
        out.print(f"  {report.destination}: {remark}", markup=False, soft_wrap=True)
    for text in (report.brake, report.error):
        if text:
            out.print(text, markup=False, style="bold", soft_wrap=True)


def _print_range(report: PlanReport) -> None:
    """Print best and worst case where they depend on the contacts at the vendor."""
    if report.requests_least == report.requests_most:
        return
    out.print(
        f"{report.destination}: this assumes that the look-ups find no contact. "
        f"If all are there and in step: {report.requests_least} requests in "
        f"{duration(report.seconds_least)}; at most: {report.requests_most} in "
        f"{duration(report.seconds_most)}.",
        markup=False,
        soft_wrap=True,
    )


def print_pruned(reports: Sequence[PruneReport]) -> None:
    """Print what was deleted."""
    for report in reports:
        days = f"{report.older_than / 86400:g} days"
        if not report.runs + report.batches + report.outcomes + report.quota_minutes:
            out.print(
                f"Nothing was deleted: no run is older than {days}. "
                "The newest run of each destination is always kept.",
                soft_wrap=True,
            )
            continue
        out.print(
            f"Deleted what is older than {days}: {report.runs} runs with {report.batches} batches and "
            f"{report.outcomes} outcomes; {report.quota_minutes} minutes of long limits; {duration(report.seconds)}.",
            soft_wrap=True,
        )


def print_checks(checks: Sequence[Check]) -> None:
    """Print every check in one line, and what to do next."""
    for check in checks:
        mark = "note" if check.note else "ok" if check.ok else "BAD"
        out.print(
            f"{mark:4} {check.area}: {check.message}", markup=False, soft_wrap=True
        )
    bad = sum(not check.ok for check in checks)
    if bad:
        failed = "1 check failed" if bad == 1 else f"{bad} checks failed"
        out.print(
            f"{failed} (BAD above): a run would send nothing there. "
            "Correct what is named, then run `syncengine check` again.",
            soft_wrap=True,
        )
    else:
        out.print(
            "Ready: `syncengine plan` shows what a run would send.", soft_wrap=True
        )


def duration(seconds: float) -> str:
    """Return seconds as a person says them."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def columns(*names: str) -> Table:
    """Return a table that fits into 80 columns: texts left, numbers right."""
    table = Table(
        box=SIMPLE_HEAD, pad_edge=False, show_edge=False, collapse_padding=True
    )
    for name in names:
        text = name in {"destination", "status", "night"}
        table.add_column(
            name,
            justify="left" if text else "right",
            no_wrap=name != "destination",
            overflow="fold",
        )
    return table


def counted(counts: Mapping[str, int]) -> str:
    """Return numbers with their names."""
    return ", ".join(f"{number} {name}" for name, number in counts.items())
