"""Columns of ``history``."""

from __future__ import annotations

from collections.abc import Iterator

from syncengine.cli.rendering.rows import Row, TableColumn, in_words
from syncengine.cli.rendering.run_list import local_time

_NO_VALUE = "(none)"


def _result(row: Row) -> str:
    """Return such as ``rejected (http_422): the vendor refused it``."""
    result: str = row["outcome"] or "changed"
    if row["code"] and row["code"] != row["outcome"]:
        result += f" ({row['code']})"
    if row["message"]:
        result += f": {row['message']}"
    return result


def _change(row: Row) -> str:
    """Return such as ``updated: city, +vip``; with values where the row has them."""
    if row["effect"] is None:
        return ""
    parts = ", ".join(_parts(row))
    return f"{row['effect']}: {parts}" if parts else str(row["effect"])


def _parts(row: Row) -> Iterator[str]:
    """Yield each field and tag that changed."""
    values = row.get("values") or {}
    for name in row["changed"]:
        pair = values.get(name)
        if pair is None:
            yield name
            continue
        # A question mark stands for what was not known.
        old = "?"
        if "old" in pair:
            old = in_words(pair["old"]) or _NO_VALUE
        new = in_words(pair["new"]) or _NO_VALUE
        yield f"{name}: {old} -> {new}"
    for tag in row["tags_added"]:
        yield f"+{tag}"
    for tag in row["tags_removed"]:
        yield f"-{tag}"


COLUMNS = (
    TableColumn("at", "when", words=local_time),
    TableColumn("run_id", "run", side="right"),
    TableColumn("kind", is_wide=True),
    TableColumn("destination"),
    TableColumn("outcome", "result", of_row=_result, is_folded=True),
    TableColumn("changed", of_row=_change, is_folded=True),
)
VALUES = "values"
"""Public name of the values of fields, which are shown only if asked for."""
