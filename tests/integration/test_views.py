"""The views for people's own SQL are those of the page that documents them."""

from __future__ import annotations

import re

import asyncpg
import pytest

from tests.support.repository import ROOT

_PAGE = ROOT / "docs" / "reference" / "tables.md"
_VIEW = re.compile(r"\| `syncengine\.(\w+)` \|.*\n\| --- \| --- \|\n((?:\|.*\n)+)")
_COLUMNS = """
SELECT c.table_name, array_agg(c.column_name::text ORDER BY c.column_name) AS columns
FROM information_schema.columns AS c JOIN information_schema.views AS v
    USING (table_schema, table_name)
WHERE c.table_schema = 'syncengine' GROUP BY c.table_name
"""


def _documented() -> dict[str, list[str]]:
    """Return the columns of each view as the page lists them."""
    found: dict[str, list[str]] = {}
    for view, lines in _VIEW.findall(_PAGE.read_text(encoding="utf-8")):
        firsts = [line.split("|")[1] for line in lines.splitlines()]
        found[view] = sorted(re.findall(r"`(\w+)`", " ".join(firsts)))
    return found


@pytest.mark.asyncio
async def test_the_page_and_the_catalog_agree(database: str) -> None:
    connection = await asyncpg.connect(database)
    try:
        rows = await connection.fetch(_COLUMNS)
        assert {row["table_name"]: row["columns"] for row in rows} == _documented()
        for view in _documented():
            await connection.fetch(f"SELECT * FROM syncengine.{view} LIMIT 1")
    finally:
        await connection.close()
