-- name: stay
-- The transaction is idle while diffs and rows are read on other connections, so it may be idle for any time.
SELECT set_config('idle_in_transaction_session_timeout', '0', true)

-- name: make_claims
CREATE TEMPORARY TABLE planned_key (  -- what a run would claim
    account text COLLATE "C" NOT NULL,
    destination text COLLATE "C" NOT NULL,
    contact_id text COLLATE "C" NOT NULL,
    contact_number bigint,
    key_hash bytea,                                -- null: the contact would claim nothing
    since timestamptz NOT NULL,
    reached boolean NOT NULL DEFAULT false         -- would have an external id by now
)

-- name: index_by_hash
CREATE INDEX planned_key_by_hash ON pg_temp.planned_key (account, key_hash)

-- name: index_by_contact
CREATE INDEX planned_key_by_contact ON pg_temp.planned_key (destination, contact_id)

-- name: make_view
CREATE TEMPORARY VIEW asked_key AS  -- the claims as they would stand: planned ones, and those of all other contacts
SELECT account, destination, contact_id, contact_number, key_hash, since, reached
FROM pg_temp.planned_key WHERE key_hash IS NOT NULL
UNION ALL
SELECT account, destination, contact_id, contact_number, key_hash, since, false
FROM syncengine.sync_key AS k
WHERE NOT EXISTS (SELECT FROM pg_temp.planned_key AS p
                  WHERE p.destination = k.destination AND p.contact_id = k.contact_id)

-- name: claim
INSERT INTO pg_temp.planned_key (account, destination, contact_id, contact_number, key_hash, since)
SELECT $1, $2, t.contact_id, t.contact_number, t.key_hash, coalesce(k.since, statement_timestamp())
FROM unnest($3::text[], $4::bigint[], $5::bytea[]) AS t (contact_id, contact_number, key_hash)
LEFT JOIN syncengine.sync_key AS k
    ON k.destination = $2 AND k.contact_id = t.contact_id AND k.key_hash = t.key_hash

-- name: release
-- As release_keys in renaming.sql: contacts of destinations without a file claim nothing any more.
INSERT INTO pg_temp.planned_key (account, destination, contact_id, contact_number, key_hash, since)
SELECT DISTINCT k.account, k.destination, k.contact_id, k.contact_number, NULL::bytea, statement_timestamp()
FROM syncengine.sync_key AS k
WHERE k.account = $1 AND k.destination = ANY ($2::text[])

-- name: reach
UPDATE pg_temp.planned_key SET reached = true WHERE destination = $1 AND contact_id = ANY ($2::text[])

-- name: losers
-- As in keys.sql.
SELECT DISTINCT ON (mine.contact_id) mine.contact_id, winner.contact_id AS winner
FROM pg_temp.asked_key AS mine
CROSS JOIN LATERAL (
    SELECT k.destination, k.contact_id
    FROM pg_temp.asked_key AS k
    LEFT JOIN syncengine.sync_state AS s USING (destination, contact_id)
    CROSS JOIN LATERAL (SELECT k.reached OR s.external_id IS NOT NULL AS owns) AS o
    WHERE k.account = $1 AND k.key_hash = mine.key_hash
    ORDER BY NOT o.owns, CASE WHEN o.owns THEN k.since END,
             k.contact_number NULLS LAST, k.contact_id, k.destination
    LIMIT 1) AS winner
WHERE mine.destination = $2 AND mine.contact_id = ANY ($3::text[])
  AND (winner.destination, winner.contact_id) <> (mine.destination, mine.contact_id)
ORDER BY mine.contact_id

-- name: dead_duplicates
SELECT s.contact_id FROM syncengine.sync_state AS s
WHERE s.destination = $1 AND s.code = 'duplicate_match_key' AND s.status = 'dead'
  AND NOT EXISTS (SELECT FROM pg_temp.planned_key AS p
                  WHERE p.destination = s.destination AND p.contact_id = s.contact_id)
