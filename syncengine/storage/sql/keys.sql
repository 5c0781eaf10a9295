-- name: let_go
-- A row may be gone or changed while the run works, and be restored before the next run. Without its key the contact is
-- not in step any more, so its hash is cleared for the next diff to find it.
WITH gone AS (
    DELETE FROM syncengine.sync_key AS k
    WHERE k.destination = $1 AND k.contact_id = ANY ($2::text[])
      AND NOT EXISTS (SELECT FROM unnest($3::text[], $4::bytea[]) AS c (contact_id, key_hash)
                      WHERE c.contact_id = k.contact_id AND c.key_hash = k.key_hash)
    RETURNING k.contact_id)
UPDATE syncengine.sync_state AS s
SET source_hash = NULL, rejected_hash = CASE WHEN s.status <> 'dead' THEN s.rejected_hash END
WHERE s.destination = $1 AND s.contact_id IN (SELECT contact_id FROM gone)

-- name: claim
-- A later claim comes after the existing ones, even if the clock was set back.
INSERT INTO syncengine.sync_key (account, destination, contact_id, contact_number, key_hash, since)
SELECT $1, $2, contact_id, contact_number, key_hash, greatest(now(), (
    SELECT max(k.since) + interval '1 microsecond'
    FROM syncengine.sync_key AS k WHERE k.account = $1 AND k.key_hash = t.key_hash))
FROM unnest($3::text[], $4::bigint[], $5::bytea[]) AS t (contact_id, contact_number, key_hash)
ORDER BY contact_id, key_hash
ON CONFLICT (destination, contact_id, key_hash) DO NOTHING

-- name: losers
-- Among the claimants of a key the one with an external id wins, and among several of these the first to claim it;
-- else the one with the lowest contact id.
SELECT DISTINCT ON (mine.contact_id) mine.contact_id, winner.contact_id AS winner, winner.destination
FROM syncengine.sync_key AS mine
CROSS JOIN LATERAL (
    SELECT k.destination, k.contact_id
    FROM syncengine.sync_key AS k
    LEFT JOIN syncengine.sync_state AS s USING (destination, contact_id)
    WHERE k.account = $1 AND k.key_hash = mine.key_hash
    ORDER BY (s.external_id IS NULL), CASE WHEN s.external_id IS NOT NULL THEN k.since END,
             k.contact_number NULLS LAST, k.contact_id, k.destination
    LIMIT 1) AS winner
WHERE mine.destination = $2 AND mine.contact_id = ANY ($3::text[])
  AND (winner.destination, winner.contact_id) <> (mine.destination, mine.contact_id)
ORDER BY mine.contact_id

-- name: owner_instead
-- As losers, for one contact that would claim these keys now: what the state says that it claims does not count.
SELECT winner.contact_id AS winner
FROM unnest($5::bytea[]) AS mine (key_hash)
CROSS JOIN LATERAL (
    SELECT k.destination, k.contact_id
    FROM (SELECT destination, contact_id, contact_number, since
          FROM syncengine.sync_key
          WHERE account = $1 AND key_hash = mine.key_hash AND (destination, contact_id) <> ($2, $3)
          UNION ALL
          SELECT $2::text COLLATE "C", $3::text COLLATE "C", $4::bigint, coalesce(
              (SELECT since FROM syncengine.sync_key
               WHERE destination = $2 AND contact_id = $3 AND key_hash = mine.key_hash),
              statement_timestamp())) AS k
    LEFT JOIN syncengine.sync_state AS s USING (destination, contact_id)
    ORDER BY (s.external_id IS NULL), CASE WHEN s.external_id IS NOT NULL THEN k.since END,
             k.contact_number NULLS LAST, k.contact_id, k.destination
    LIMIT 1) AS winner
WHERE (winner.destination, winner.contact_id) <> ($2, $3)
LIMIT 1

-- name: dead_duplicates
-- Contacts that were refused since another one has their match key.
SELECT contact_id FROM syncengine.sync_state
WHERE destination = $1 AND code = 'duplicate_match_key' AND status = 'dead'
