"""Table of one contact: the source, what we know, and the vendor's copy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import orjson
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from syncengine.cli.terminal import out
from syncengine.model.contact_ids import name_of
from syncengine.model.copies import Copy, ShowReport
from syncengine.model.http import Json


def print_shown(reports: Sequence[ShowReport]) -> None:
    """Print a table for each destination, and the remarks on it."""
    for report in reports:
        where = f" as {report.external_id}" if report.external_id else ""
        out.print(
            Text(
                f"{report.destination}, contact {name_of(report.contact_id)}: {report.status}{where}",
                style="bold",
            )
        )
        if report.source or report.known or report.vendor:
            out.print(_table(report))
        for name, value in report.details.items():
            out.print(f"  {name}: {_text(value)}", markup=False, soft_wrap=True)
        for remark in report.remarks:
            out.print(f"  {remark}", markup=False, soft_wrap=True)
        if report.next_run:
            out.print(f"  the next run {report.next_run}", markup=False, soft_wrap=True)


def _table(report: ShowReport) -> Table:
    copies = (report.source, report.known, report.vendor)
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for title in ("field", "source asks for", "last known", "vendor holds"):
        table.add_column(title, overflow="fold")
    for name in dict.fromkeys(name for copy in copies if copy for name in copy.fields):
        table.add_row(
            Text(name), *(_cell(copy.fields if copy else None, name) for copy in copies)
        )
    table.add_row("tags", *(Text(_tags(copy)) for copy in copies))
    return table


def _cell(fields: Mapping[str, Json] | None, name: str) -> Text:
    if fields is None or name not in fields:
        return Text("-", style="dim")
    return Text(_text(fields[name]))


def _tags(copy: Copy | None) -> str:
    return "-" if copy is None else ", ".join(copy.tags) or "(none)"


def _text(value: Json) -> str:
    if value is None:
        return "(none)"
    return value if isinstance(value, str) else orjson.dumps(value).decode()
