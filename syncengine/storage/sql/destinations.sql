-- name: remembered
SELECT account, vendor, base_url, identity, source, source_database, consent, looks_up OR looks_first AS looks_up, resync
FROM syncengine.sync_destination WHERE destination = $1

-- name: remember
-- A destination that is new to a restored state looks up before it creates: the state may have lost what it had.
INSERT INTO syncengine.sync_destination
    (destination, account, vendor, base_url, identity, source, source_database, looks_first)
VALUES ($1, $2, $3, $4, $5::jsonb, $6, $7, (SELECT restores > 0 FROM syncengine.sync_self))
ON CONFLICT (destination) DO UPDATE SET
    account = excluded.account, vendor = excluded.vendor, base_url = excluded.base_url,
    identity = excluded.identity, source = excluded.source,
    source_database = coalesce(excluded.source_database, sync_destination.source_database),
    remembered_at = clock_timestamp()

-- name: remember_consent
UPDATE syncengine.sync_destination SET consent = $2::jsonb WHERE destination = $1

-- name: looked_up
UPDATE syncengine.sync_destination SET looks_up = false WHERE destination = $1

-- name: compared_rows
SELECT compared_rows FROM syncengine.sync_destination WHERE destination = $1

-- name: note_compared_rows
UPDATE syncengine.sync_destination SET compared_rows = $2
WHERE destination = $1 AND compared_rows IS DISTINCT FROM $2

-- name: remembered_meaning
SELECT meaning FROM syncengine.sync_destination WHERE destination = $1

-- name: remember_meaning
UPDATE syncengine.sync_destination SET meaning = $2::jsonb
WHERE destination = $1 AND meaning IS DISTINCT FROM $2::jsonb
