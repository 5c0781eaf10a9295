"""Columns of lists of runs, and of the batches of a run."""

from __future__ import annotations

from datetime import datetime

from syncengine.cli.rendering.layout import duration, with_numbers
from syncengine.cli.rendering.rows import TableColumn
from syncengine.model.http import Json
from syncengine.model.reports import with_gone


def local_time(value: Json) -> str:
    """Return a moment in the time zone of whoever reads it; a dash for none."""
    if value is None:
        return "-"
    return datetime.fromisoformat(value).astimezone().strftime("%Y-%m-%d %H:%M")


def counted_contacts(value: Json) -> str:
    """Return contacts by outcome, without those that there are none of."""
    shown = {name: number for name, number in with_gone(value).items() if number}
    # That is all of them, and no outcome.
    shown.pop("changed", None)
    return with_numbers(shown) or "-"


RUN_COLUMNS = (
    TableColumn("run_id", "run", side="right"),
    TableColumn("destination"),
    TableColumn("kind"),
    TableColumn("status"),
    TableColumn("started_at", "started", words=local_time),
    TableColumn("seconds", "took", side="right", words=duration),
    TableColumn("contacts", words=counted_contacts, is_folded=True),
    TableColumn("requests", side="right", is_wide=True),
    TableColumn("error", is_folded=True),
)
BATCH_COLUMNS = (
    TableColumn("batch", side="right"),
    TableColumn("kind"),
    TableColumn("status"),
    TableColumn("contacts", side="right"),
    TableColumn("outcomes", words=counted_contacts, is_folded=True),
    TableColumn("error", is_folded=True),
)
