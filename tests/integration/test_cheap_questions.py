"""Statements that every batch or request waits for read few rows."""

from __future__ import annotations

import asyncpg
import pytest

from syncengine.storage.statements import statements

_FILL = """
INSERT INTO syncengine.sync_destination (destination, account, vendor, base_url,
    identity, source)
SELECT 'd' || d, 'a' || d, 'v', 'https://example.org', '{}', 's'
    FROM generate_series(1, 100) AS d;
INSERT INTO syncengine.sync_state (destination, contact_id, status, synced_at)
SELECT 'd' || d, c::text, 'synced', clock_timestamp()
    FROM generate_series(1, 100) AS d, generate_series(1, 100) AS c;
INSERT INTO syncengine.sync_suppression (subject_hash, kind, reason)
SELECT sha256(c::text::bytea), 'contact', 'suppressed'
    FROM generate_series(1, 1000) AS c;
INSERT INTO syncengine.sync_suppressed_value (subject_hash, contact_hash, kind)
SELECT sha256(('+' || c)::bytea), sha256(c::text::bytea), 'phone'
    FROM generate_series(1, 1000) AS c;
ANALYZE syncengine.sync_destination, syncengine.sync_state, syncengine.sync_suppression;
ANALYZE syncengine.sync_suppressed_value;
"""


@pytest.mark.asyncio
async def test_only_contacts_like_a_suppressed_person_are_searched_at_all_destinations(
    database: str,
) -> None:
    connection = await asyncpg.connect(database)
    try:
        await connection.execute(_FILL)
        ids = [str(number) for number in range(1, 101)]
        subjects = [f"phone:{contact_id}" for contact_id in ids]
        explained = (
            "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) "
            + statements("consent")["suppressed"]
        )
        plan = [row[0] for row in await connection.fetch(explained, ids, subjects)]
    finally:
        await connection.close()
    scans = [
        line for line in plan if "sync_state" in line or "sync_destination" in line
    ]
    assert scans, plan
    assert all("never executed" in line for line in scans), scans
