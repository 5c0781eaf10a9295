"""Columns of ``export``."""

from __future__ import annotations

from syncengine.cli.rendering.rows import TableColumn
from syncengine.cli.rendering.run_list import local_time
from syncengine.model.contact_ids import name_of
from syncengine.model.http import Json


def _name(value: Json) -> str:
    return name_of(value)


COLUMNS = (
    TableColumn("destination"),
    TableColumn("contact", words=_name),
    TableColumn("external_id", "external id"),
    TableColumn("status"),
    TableColumn("code"),
    TableColumn("standing"),
    TableColumn("since_run_id", "since run", side="right", is_wide=True),
    TableColumn("synced_at", "last in step", words=local_time),
)
VALUES = (TableColumn("fields"), TableColumn("tags"))
