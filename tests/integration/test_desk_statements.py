"""Statements of the reading verbs read one page by index, however much there is."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import asyncpg
import orjson
import pytest

from syncengine.storage.statements import statements

_FILL = """
INSERT INTO syncengine.sync_run (destination, account, kind, epoch, status, ended_at)
SELECT 'd' || n % 20, 'a', 'sync', 1, 'done', clock_timestamp()
FROM generate_series(1, 2000) AS n;
INSERT INTO syncengine.sync_destination (destination, account, vendor, base_url,
    identity, source)
SELECT 'd' || n, 'a', 'v', 'https://example.org', '{}', 's'
FROM generate_series(0, 1) AS n;
INSERT INTO syncengine.sync_state (destination, contact_id, status, code, standing,
    failed_in)
SELECT 'd' || d, c::text, CASE WHEN c % 4 = 0 THEN 'dead' ELSE 'synced' END,
       CASE WHEN c % 4 = 0 THEN 'http_' || 400 + c % 20 END,
       CASE WHEN c % 4 = 0 THEN 'dead_letter' END, 1999
FROM generate_series(0, 1) AS d, generate_series(1, 20000) AS c;
INSERT INTO syncengine.sync_outcome (run_id, contact_id, batch, outcome, code)
SELECT 1999, c::text, 1, CASE WHEN c % 4 = 0 THEN 'rejected' ELSE 'applied' END,
       CASE WHEN c % 4 = 0 THEN 'http_' || 400 + c % 20 END
FROM generate_series(1, 20000) AS c;
INSERT INTO syncengine.sync_change (run_id, contact_id, effect)
SELECT 1999, c::text, 'updated' FROM generate_series(1, 20000) AS c;
INSERT INTO syncengine.sync_batch (run_id, number, kind, contact_ids)
SELECT 1999, n, 'changes', '{}' FROM generate_series(1, 3000) AS n;
INSERT INTO syncengine.sync_suppression (subject_hash, kind, reason, since)
SELECT sha256(c::text::bytea), 'contact', 'suppressed', to_timestamp(c)
FROM generate_series(1, 20000) AS c;
INSERT INTO syncengine.sync_erasure (contact_hash, destination, status, to_ask,
    requested_at)
SELECT sha256(c::text::bytea), 'd' || c % 2,
       CASE WHEN c % 100 = 0 THEN 'open' ELSE 'done' END, '', to_timestamp(c)
FROM generate_series(1, 20000) AS c;
INSERT INTO syncengine.sync_known (destination, contact_id)
SELECT 'd1', c::text FROM generate_series(1, 20000) AS c;
ANALYZE syncengine.sync_run, syncengine.sync_state, syncengine.sync_outcome,
    syncengine.sync_batch, syncengine.sync_change, syncengine.sync_suppression,
    syncengine.sync_erasure, syncengine.sync_known;
"""
_NOW = datetime(1970, 1, 1, 3, tzinfo=UTC)
_HASH = "7f" * 32
_PAGE = 300
_ASKED = {
    ("run_list", "of_all"): (1500, _PAGE),
    ("run_list", "of_destinations"): (1500, _PAGE, ["d0", "d1"]),
    ("run_list", "batches"): (1999, 1000, _PAGE),
    ("failures", "of_run"): (
        *(1999, "d1", None, "http_404", "5", _PAGE),
        *([2000], []),
    ),
    ("failures", "standing"): (
        *("d1", "dead_letter", None, "http_404", "5", _PAGE),
        *([1999, 2000], [2000]),
    ),
    ("failures", "runs_since_whole"): ("d1", ["verify"]),
    ("failures", "run_under_way"): ("d1", ["verify"]),
    ("history", "of_contact"): ("77", 2000, _PAGE),
    ("history", "of_contact_at"): ("77", 2000, _PAGE, ["d1"]),
    ("history", "changes"): ("77", "d1", _PAGE),
    ("history", "where_known"): ("77",),
    ("history", "standing"): ("d1", "77"),
    ("contact_rows", "contacts"): ("d1", "5", _PAGE),
    ("contact_rows", "known"): ("d1", [str(n) for n in range(_PAGE)]),
    ("consent_list", "suppressions"): (_NOW, _HASH, _PAGE),
    ("consent_list", "asked"): ([0, 1], ["phone:1", "contact:2"]),
    ("consent_list", "erasures_to_do"): ("d1", _NOW, _HASH, 50),
    ("consent_list", "erasures_done"): ("d1", _NOW, _HASH, _PAGE),
    ("consent_list", "erasing_destinations"): (),
    ("refusals", "dead_letters"): ("d1", None, "http_404", "5", _PAGE, None),
    ("refusals", "dead_letters with a code"): (
        *("d1", "http_404", "http_404", "5", _PAGE),
        None,
    ),
    ("failures", "of_run with a code"): (
        *(1999, "d1", "http_408", "http_408", "5", 100),
        *([2000], []),
    ),
    ("failures", "standing with a code"): (
        *("d1", "dead_letter", "http_408", None, None, 100),
        *([1999, 2000], [2000]),
    ),
}
"""Statements with the arguments of a page in the middle."""
_SMALL = {"sync_salt", "sync_destination", "sync_suppressed_value"}
"""Tables of few rows here, which Postgres may read whole."""


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from _nodes(part)


def _rows_read(node: dict[str, Any]) -> float:
    each = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
    rows: float = each * node["Actual Loops"]
    return rows


@pytest.mark.asyncio
async def test_a_page_in_the_middle_reads_about_a_page(database: str) -> None:
    connection = await asyncpg.connect(database)
    try:
        await connection.execute(_FILL)
        for (file, name), arguments in _ASKED.items():
            text = statements(file)[name.partition(" ")[0]]
            explained = f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {text}"
            found = await connection.fetchval(explained, *arguments)
            (top,) = orjson.loads(found)
            for node in _nodes(top["Plan"]):
                if node.get("Relation Name") in {None, *_SMALL}:
                    continue
                place = f"{file}.{name}: {node['Node Type']} {node['Relation Name']}"
                assert node["Node Type"] != "Seq Scan", place
                # Two destinations may be asked for a page each.
                assert _rows_read(node) <= 2 * _PAGE, (place, _rows_read(node))
    finally:
        await connection.close()
