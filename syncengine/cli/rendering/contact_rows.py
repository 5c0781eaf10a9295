"""Columns of ``export``."""

from __future__ import annotations

from syncengine.cli.rendering.rows import Row, TableColumn
from syncengine.cli.rendering.run_list import local_time
from syncengine.model.contact_ids import name_of


def _left_alone(row: Row) -> str:
    """Return such as ``dead_letter (http_422)``; the code alone if it is tried again."""
    standing, code = row["standing"], row["code"]
    if standing is None or code in (None, standing):
        return standing or code or ""
    return f"{standing} ({code})"


COLUMNS = (
    TableColumn("destination"),
    TableColumn("contact", words=name_of, is_folded=True),
    TableColumn("external_id", "external id"),
    TableColumn("status"),
    TableColumn("standing", "why", of_row=_left_alone, is_folded=True),
    TableColumn("since_run_id", "since run", side="right", is_wide=True),
    TableColumn("synced_at", "last in step", words=local_time, is_wide=True),
)
VALUES = (
    TableColumn("fields", is_folded=True),
    TableColumn("tags", is_folded=True),
)
