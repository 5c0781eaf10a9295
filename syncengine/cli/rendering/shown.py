"""The report of ``show``: one contact in the source, the state and at the vendor."""

from __future__ import annotations

from collections.abc import Sequence

import orjson
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from syncengine.cli.rendering.layout import explain_left_out, print_line, print_table
from syncengine.model.contact_ids import name_of
from syncengine.model.copies import Copy, ShowReport
from syncengine.model.http import Json

_STATUSES = {
    # The state has no such contact. In other reports "unknown" is an outcome.
    "unknown": "not known here",
    "pending": "not finished",
    "dead": "dead letter",
    "opted_out": "opted out",
}
"""Words for those statuses of the JSON that say something else to people."""


def print_shown(reports: Sequence[ShowReport]) -> None:
    """Print a table for each destination, and the remarks on it."""
    for report in reports:
        print_line(_headline(report), style="bold")
        if report.source or report.known or report.vendor:
            print_table(_table(report))
        for name, value in report.details.items():
            print_line(f"  {name}: {_text(value)}")
        for remark in report.remarks:
            print_line(f"  {remark}")
        explain_left_out(report.remarks)
        if report.next_run:
            print_line(f"  the next run {report.next_run}")


def _headline(report: ShowReport) -> str:
    """Return such as ``charles, contact 7: synced as 5f0c``."""
    title = f"{report.destination}, contact {name_of(report.contact_id)}"
    status = _STATUSES.get(report.status, report.status)
    headline = f"{title}: {status}"
    if report.external_id:
        headline += f" as {report.external_id}"
    return headline


def _table(report: ShowReport) -> Table:
    """Return the three copies of a contact side by side, a line for each field."""
    copies = (report.source, report.known, report.vendor)
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for title in ("field", "source", "last known", "vendor now"):
        table.add_column(title, overflow="fold")
    # A dictionary, to have each name once, in the order in which the copies name them.
    names: dict[str, None] = {}
    for copy in copies:
        if copy is not None:
            names |= dict.fromkeys(copy.fields)
    # Cells are Text, in which rich looks for no markup: they hold what others wrote.
    for name in names:
        cells = [_cell(copy, name) for copy in copies]
        table.add_row(Text(name), *cells)
    table.add_row("tags", *[Text(_tags(copy)) for copy in copies])
    return table


def _cell(copy: Copy | None, name: str) -> Text:
    """Return the value of a field; a dash where there is no copy, or none in it."""
    if copy is None or name not in copy.fields:
        return Text("-", style="dim")
    return Text(_text(copy.fields[name]))


def _tags(copy: Copy | None) -> str:
    if copy is None:
        return "-"
    return ", ".join(copy.tags) or "(none)"


def _text(value: Json) -> str:
    """Return a value for people: texts without quotes, anything else as JSON."""
    if value is None:
        return "(none)"
    if isinstance(value, str):
        return value
    return orjson.dumps(value).decode()
