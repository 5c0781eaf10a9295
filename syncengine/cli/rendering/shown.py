"""The report of ``show``: one contact in the source, the state and at the vendor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import orjson
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from syncengine.cli.rendering.layout import explain_left_out, print_line, print_table
from syncengine.model.contact_ids import name_of
from syncengine.model.copies import Copy, ShowReport
from syncengine.model.http import Json

_STATUSES = {
    # Otherwise an outcome.
    "unknown": "not known here",
    "pending": "not finished",
    "dead": "dead letter",
    "opted_out": "opted out",
}
"""Words for those statuses of the JSON that say something else to people."""


def print_shown(reports: Sequence[ShowReport]) -> None:
    """Print a table for each destination, and the remarks on it."""
    for report in reports:
        title = f"{report.destination}, contact {name_of(report.contact_id)}"
        linked = f" as {report.external_id}" if report.external_id else ""
        status = _STATUSES.get(report.status, report.status)
        print_line(f"{title}: {status}{linked}", style="bold")
        if report.source or report.known or report.vendor:
            print_table(_table(report))
        for name, value in report.details.items():
            print_line(f"  {name}: {_text(value)}")
        for remark in report.remarks:
            print_line(f"  {remark}")
        explain_left_out(report.remarks)
        if report.next_run:
            print_line(f"  the next run {report.next_run}")


def _table(report: ShowReport) -> Table:
    copies = (report.source, report.known, report.vendor)
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for title in ("field", "source", "last known", "vendor now"):
        table.add_column(title, overflow="fold")
    names = [name for copy in copies if copy is not None for name in copy.fields]
    for name in dict.fromkeys(names):
        cells = [_cell(copy.fields if copy else None, name) for copy in copies]
        table.add_row(Text(name), *cells)
    table.add_row("tags", *[Text(_tags(copy)) for copy in copies])
    return table


def _cell(fields: Mapping[str, Json] | None, name: str) -> Text:
    if fields is None or name not in fields:
        return Text("-", style="dim")
    return Text(_text(fields[name]))


def _tags(copy: Copy | None) -> str:
    if copy is None:
        return "-"
    return ", ".join(copy.tags) or "(none)"


def _text(value: Json) -> str:
    if value is None:
        return "(none)"
    if isinstance(value, str):
        return value
    return orjson.dumps(value).decode()
