"""Columns of ``history``."""

from __future__ import annotations

from syncengine.cli.rendering.rows import TableColumn, in_words
from syncengine.cli.rendering.run_list import local_time
from syncengine.model.http import Json


def _values(value: Json) -> str:
    """Return such as ``city: Bonn -> Köln``; a question mark for what was not known."""
    pairs: list[str] = []
    for name, pair in value.items():
        old = in_words(pair["old"]) or "(none)" if "old" in pair else "?"
        new = in_words(pair.get("new")) or "(none)"
        pairs.append(f"{name}: {old} -> {new}")
    return ", ".join(pairs)


COLUMNS = (
    TableColumn("at", "when", words=local_time),
    TableColumn("run_id", "run", side="right"),
    TableColumn("destination"),
    TableColumn("kind", is_wide=True),
    TableColumn("outcome"),
    TableColumn("code"),
    TableColumn("effect"),
    TableColumn("changed"),
    TableColumn("tags_added", "tags added", is_wide=True),
    TableColumn("tags_removed", "tags removed", is_wide=True),
    TableColumn("message"),
)
VALUES = TableColumn("values", words=_values)
