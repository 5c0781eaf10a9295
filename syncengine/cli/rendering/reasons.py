"""The report of ``why``: one contact at each destination, field by field."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from syncengine.app.counted import counted
from syncengine.cli.rendering.layout import explain_left_out, print_line, print_table
from syncengine.cli.rendering.rows import in_words
from syncengine.cli.rendering.run_list import local_time
from syncengine.model.contact_ids import name_of
from syncengine.model.desk import FieldReason, WhyReport, iso


def print_reasons(reports: Sequence[WhyReport]) -> None:
    """Print for each destination how the contact stands, why, and what comes next."""
    for report in reports:
        print_line(_headline(report), style="bold")
        for line in _facts(report):
            print_line(f"  {line}")
        if report.fields:
            print_table(_table(report.fields, show_values=report.shows_values))
        for remark in report.remarks:
            print_line(f"  {remark}")
        explain_left_out([_said(report), *report.remarks])


def _headline(report: WhyReport) -> str:
    """Return such as ``charles, contact 7: dead as 5f0c``."""
    status = {"unknown": "not known here", "dead": "dead letter"}.get(
        report.status, report.status
    )
    headline = f"{report.destination}, contact {name_of(report.contact_id)}: {status}"
    if report.external_id:
        headline += f" as {report.external_id}"
    return headline


def _facts(report: WhyReport) -> list[str]:
    facts: list[str] = []
    if report.synced_at is not None:
        facts.append(f"last in step: {local_time(iso(report.synced_at))}")
    if report.since_run_id is not None:
        since = f"not in step since run {report.since_run_id}"
        if report.rejections:
            since += f", rejected {counted(report.rejections, 'time', 'times')}"
        if report.code:
            since += f" ({report.code})"
        facts.append(since)
    last = report.last
    if last is not None:
        when = local_time(iso(last.at))
        facts.append(f"run {last.run_id} ({last.kind}, {when}): {_said(report)}")
    if report.next_run:
        facts.append(f"the next run {report.next_run}")
    # What the next run does often says already why.
    if report.reason and report.reason not in report.next_run:
        facts.append(f"because: {report.reason}")
    return facts


def _said(report: WhyReport) -> str:
    """Return how the last try ended, in the vendor's words where it has some."""
    last = report.last
    if last is None:
        return ""
    said = last.outcome or "changed"
    if last.code and last.code != last.outcome:
        said += f" ({last.code})"
    if last.actions:
        said += f": {', '.join(last.actions)}"
    return f"{said}: {last.message}" if last.message else said


def _table(fields: Sequence[FieldReason], *, show_values: bool) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    titles = ["field", "source and last sent", "last changed", "run", "next run"]
    if show_values:
        titles += ["source", "last sent"]
    for title in titles:
        table.add_column(title, overflow="fold")
    for each in fields:
        cells = [
            each.name,
            each.state,
            local_time(iso(each.changed_at)),
            "-" if each.run_id is None else str(each.run_id),
            "sent" if each.is_sent_next else "-",
        ]
        if show_values:
            cells += [in_words(each.source) or "-", in_words(each.last_sent) or "-"]
        # Cells are Text, in which rich looks for no markup: they hold what others
        # wrote.
        table.add_row(*map(Text, cells))
    return table
