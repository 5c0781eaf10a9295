"""A state as many nights leave it behind, filled in by SQL.

It is made for what reads the state: pages, reports, metrics. One run of the destination
``whatsapp_de`` concerned everybody, and much of it failed.
"""

from __future__ import annotations

from dataclasses import dataclass

import asyncpg

BIG = "whatsapp_de"
"""The destination with all the contacts."""
OTHERS = ("crm_de", "newsletter_fr", "überall")
QUIET = "never_ran"
CODES = ("http_422", "invalid_value", "duplicate_match_key", "key_held", "http_400")

_FILL = """
INSERT INTO syncengine.sync_destination (destination, account, vendor, base_url, identity, source)
SELECT name, name || '_account', 'respond_io', 'https://vendor.example', '{}', 'crm.contacts'
FROM unnest($1::text[]) AS name
"""

_OLD_RUNS = """
INSERT INTO syncengine.sync_run (destination, account, kind, epoch, status, started_at, ended_at, totals, error)
SELECT name, name || '_account', CASE number % 9 WHEN 3 THEN 'retry' WHEN 7 THEN 'verify' ELSE 'sync' END, number,
       CASE number % 5 WHEN 1 THEN 'incomplete' WHEN 3 THEN 'halted' ELSE 'done' END,
       now() - make_interval(days => 40 - number), now() - make_interval(days => 40 - number, mins => -12),
       '{"contacts": {"changed": 40, "applied": 38, "rejected": 2, "deferred": 0, "unsupported": 0, "suppressed": 0,
         "unknown": 0}, "standing": {"dead_letter": 3, "gone": 1, "unsupported": 0, "suppressed": 2, "opted_out": 0},
         "actions": {"create": 10, "update": 28}, "calls": 41, "requests": 80, "throttled": 0, "seconds": 720.0}',
       CASE number % 5 WHEN 3 THEN name || ': settings.token: the vendor refuses the key (401)' END
FROM unnest($1::text[]) AS name CROSS JOIN generate_series(1, 36) AS number
ORDER BY number
"""

_BIG_RUN = """
INSERT INTO syncengine.sync_run (destination, account, kind, epoch, status, started_at, ended_at, totals, progress)
VALUES ($1, $1 || '_account', 'backfill', 100, 'incomplete', now() - interval '26 hours', now() - interval '1 hour',
        jsonb_build_object(
            'contacts', jsonb_build_object(
                'changed', $2::bigint, 'applied', $2 * 7 / 10, 'rejected', $2 / 5, 'deferred', $2 * 9 / 100,
                'unknown', $2 / 100, 'unsupported', 0, 'suppressed', 0),
            'standing', jsonb_build_object('dead_letter', $2 / 10, 'gone', $2 / 20, 'unsupported', $2 / 20,
                                           'suppressed', $2 / 200, 'opted_out', $2 / 200),
            'actions', jsonb_build_object('create', $2 / 10, 'update', $2 * 6 / 10),
            'calls', $2, 'requests', $2 + 312, 'throttled', 2, 'seconds', 90000.0),
        '{"limit": {"calls": 200, "per": 60.0, "method": null, "text": "200 a minute"}, "done": 10, "total": 10}')
RETURNING run_id
"""

_RUNNING = """
INSERT INTO syncengine.sync_run (destination, account, kind, epoch, progress, started_at)
SELECT $1, $1 || '_account', 'sync', 200, jsonb_build_object(
    'at', now(), 'seconds', 300.0, 'done', 740, 'total', 2000, 'outcomes', '{"applied": 700, "rejected": 40}'::jsonb,
    'requests', 990, 'throttled', 1, 'last_minute', 196,
    'limit', '{"calls": 200, "per": 60.0, "method": null, "text": "200 a minute"}'::jsonb,
    'waiting', null, 'seconds_left', 384, 'codes', '{"http_422": 40}'::jsonb), now() - interval '5 minutes'
RETURNING run_id
"""

_LEASE = """
INSERT INTO syncengine.sync_lease (account, holder, epoch, expires_at, released)
VALUES ($1 || '_account', 'sync-1 (process 4711)', 200, now() + interval '1 hour', false)
"""

_STATES = """
INSERT INTO syncengine.sync_state (
    destination, contact_id, contact_number, source_hash, status, rejections, external_id, code, standing, tried_in,
    synced_at)
SELECT $1, id::text, id, id,
       CASE WHEN id % 20 IN (1, 2) THEN 'dead' WHEN id % 20 = 3 THEN 'gone' ELSE 'synced' END,
       CASE WHEN id % 20 IN (1, 2) THEN 3 ELSE 0 END, 'vendor-' || id,
       CASE WHEN id % 20 IN (1, 2) THEN ($3::text[])[1 + id / 20 % 5] WHEN id % 20 = 4 THEN 'remove_tag'
            WHEN id % 200 = 5 THEN 'suppressed' WHEN id % 200 = 6 THEN 'opted_out' END,
       CASE WHEN id % 20 IN (1, 2) THEN 'dead_letter' WHEN id % 20 = 3 THEN 'gone' WHEN id % 20 = 4 THEN 'unsupported'
            WHEN id % 200 = 5 THEN 'suppressed' WHEN id % 200 = 6 THEN 'opted_out' END,
       CASE WHEN id % 20 IN (1, 2) THEN $4::bigint END, now() - interval '2 hours'
FROM generate_series(1, $2::bigint) AS id
"""

_KNOWN = """
INSERT INTO syncengine.sync_known (destination, contact_id, match_field, match_key, fields, tags)
SELECT $1, id::text, 'phone', '+49151' || lpad(id::text, 7, '0'),
       jsonb_build_object('phone', '+49151' || lpad(id::text, 7, '0'), 'firstName', 'Ada ' || id), '["crm:vip"]'
FROM generate_series(1, $2::bigint) AS id
"""

_OUTCOMES = """
INSERT INTO syncengine.sync_outcome (run_id, contact_id, batch, outcome, actions, requests, code, message, http_status)
SELECT $1, id::text, 1 + id / 500,
       CASE WHEN id % 100 < 70 THEN 'applied' WHEN id % 100 < 90 THEN 'rejected' WHEN id % 100 < 99 THEN 'deferred'
            ELSE 'unknown' END,
       CASE WHEN id % 100 < 70 THEN '{update}'::text[] ELSE '{}' END, 1,
       CASE WHEN id % 100 < 70 THEN NULL WHEN id % 100 < 90 THEN ($3::text[])[1 + id % 5]
            WHEN id % 100 < 99 THEN 'unavailable' ELSE 'no_answer' END,
       CASE WHEN id % 100 >= 70 THEN 'PUT /contact/{id}: the vendor said no; correct the row or the mapping' END,
       CASE WHEN id % 100 BETWEEN 70 AND 89 THEN 422 END
FROM generate_series(1, $2::bigint) AS id
"""

_CHANGES = """
INSERT INTO syncengine.sync_change (run_id, contact_id, effect, fields, tags_added, tags_removed, external_id)
SELECT $1, id::text, CASE WHEN id % 7 = 0 THEN 'created' ELSE 'updated' END,
       jsonb_build_object('firstName', jsonb_build_object('old', 'Ada', 'new', 'Ada ' || id))
       || CASE WHEN id % 3 = 0 THEN '{"custom.city": {"old": "Köln", "new": null}}'::jsonb ELSE '{}' END,
       CASE WHEN id % 4 = 0 THEN '{crm:vip}'::text[] ELSE '{}' END,
       CASE WHEN id % 11 = 0 THEN '{crm:trial}'::text[] ELSE '{}' END, 'vendor-' || id
FROM generate_series(1, $2::bigint) AS id WHERE id % 100 < 70
"""

_MINUTES = """
INSERT INTO syncengine.sync_run_minute (run_id, minute, requests, throttled, outcomes, codes)
SELECT $1, date_trunc('minute', now()) - make_interval(mins => $2 - number),
       CASE WHEN number % 50 = 7 THEN 40 ELSE 190 + number % 10 END, CASE WHEN number % 50 = 7 THEN 1 ELSE 0 END,
       jsonb_build_object('applied', 140, 'rejected', number % 30), '{"http_422": 12}'
FROM generate_series(1, $2::integer) AS number
"""

_BATCHES = """
INSERT INTO syncengine.sync_batch (run_id, number, kind, contact_ids, status, totals)
SELECT $1, number, 'changes', ARRAY(SELECT generate_series(number * 500, number * 500 + 499)::text), 'done',
       '{"applied": 350, "rejected": 100, "deferred": 50}'
FROM generate_series(1, $2::integer) AS number
"""


@dataclass(frozen=True, slots=True)
class DeskState:
    """What was filled in."""

    contacts: int
    big_run: int
    """The run that concerned everybody."""
    running: int
    """A run that is under way."""


async def fill(
    connection: asyncpg.Connection[asyncpg.Record], contacts: int
) -> DeskState:
    """Fill a migrated, empty state with so many contacts."""
    await connection.execute(_FILL, [BIG, *OTHERS, QUIET])
    await connection.execute(_OLD_RUNS, [BIG, *OTHERS])
    big_run = await connection.fetchval(_BIG_RUN, BIG, contacts)
    running = await connection.fetchval(_RUNNING, OTHERS[0])
    await connection.execute(_LEASE, OTHERS[0])
    await connection.execute(_STATES, BIG, contacts, CODES, big_run)
    await connection.execute(_KNOWN, BIG, contacts)
    await connection.execute(_OUTCOMES, big_run, contacts, CODES)
    await connection.execute(_CHANGES, big_run, contacts)
    await connection.execute(_MINUTES, big_run, min(1500, contacts))
    await connection.execute(_MINUTES, running, 5)
    await connection.execute(_BATCHES, big_run, contacts // 500)
    await connection.execute("ANALYZE")
    return DeskState(contacts, big_run, running)
