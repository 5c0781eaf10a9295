-- name: count_at_vendor
-- Contacts of a destination that are at the vendor, or may be.
SELECT count(*) FROM syncengine.sync_state AS s LEFT JOIN syncengine.sync_known AS k USING (destination, contact_id)
WHERE s.destination = $1 AND (s.external_id IS NOT NULL OR (k.pending ->> 'creates')::boolean)

-- name: contacts
SELECT count(*) FROM syncengine.sync_state WHERE destination = $1

-- name: drop_state
DELETE FROM syncengine.sync_state WHERE destination = $1

-- name: drop_known
DELETE FROM syncengine.sync_known WHERE destination = $1

-- name: drop_taken_back
DELETE FROM syncengine.sync_taken_back WHERE destination = $1

-- name: drop_keys
DELETE FROM syncengine.sync_key WHERE destination = $1

-- name: drop_waits
DELETE FROM syncengine.sync_wait WHERE destination = $1 OR owner_destination = $1

-- name: drop_alerts
DELETE FROM syncengine.sync_alert WHERE destination = $1

-- name: rename_alerts
UPDATE syncengine.sync_alert SET destination = $2 WHERE destination = $1

-- name: drop_erasures
-- Of an erasure at both, that of the destination with contacts stays.
DELETE FROM syncengine.sync_erasure AS mine
WHERE mine.destination = $2
  AND EXISTS (SELECT FROM syncengine.sync_erasure AS theirs
              WHERE theirs.destination = $1 AND theirs.contact_hash = mine.contact_hash)

-- name: drop_destination
DELETE FROM syncengine.sync_destination WHERE destination = $1

-- name: rename_destination
UPDATE syncengine.sync_destination SET destination = $2 WHERE destination = $1

-- name: rename_state
UPDATE syncengine.sync_state SET destination = $2 WHERE destination = $1

-- name: rename_known
UPDATE syncengine.sync_known SET destination = $2 WHERE destination = $1

-- name: rename_taken_back
UPDATE syncengine.sync_taken_back SET destination = $2 WHERE destination = $1

-- name: rename_keys
UPDATE syncengine.sync_key SET destination = $2 WHERE destination = $1

-- name: rename_runs
UPDATE syncengine.sync_run SET destination = $2 WHERE destination = $1

-- name: rename_erasures
UPDATE syncengine.sync_erasure SET destination = $2 WHERE destination = $1

-- name: rename_waits
UPDATE syncengine.sync_wait SET destination = $2 WHERE destination = $1

-- name: rename_owners
UPDATE syncengine.sync_wait SET owner_destination = $2 WHERE owner_destination = $1

-- name: release_contacts
-- No source selects the contacts of destinations without a file any more. They count as removed, so another destination's
-- contact with the same match key may take a vendor contact over. Should a file come back, its contacts are compared again.
UPDATE syncengine.sync_state AS s
SET status = 'removed', source_hash = NULL, standing = NULL, code = NULL
FROM syncengine.sync_destination AS d
WHERE d.destination = s.destination AND d.account = $1 AND d.destination = ANY ($2::text[])
  AND s.status <> 'removed'

-- name: release_keys
DELETE FROM syncengine.sync_key AS k
USING syncengine.sync_destination AS d
WHERE d.destination = k.destination AND d.account = $1 AND d.destination = ANY ($2::text[])

-- name: without_file
SELECT destination FROM syncengine.sync_destination
WHERE account = $1 AND NOT destination = ANY ($2::text[]) ORDER BY destination

-- name: in_the_way
-- Contacts of these destinations that some of $1's contacts meet: they have the same id in the same source, or the same
-- match key, and a vendor contact.
WITH met AS (
    SELECT s.destination, s.contact_id
    FROM syncengine.sync_destination AS mine
    JOIN syncengine.sync_destination AS d ON d.source = mine.source AND d.destination = ANY ($2::text[])
    JOIN syncengine.sync_state AS s ON s.destination = d.destination AND s.contact_id = ANY ($3::text[])
    WHERE mine.destination = $1 AND NOT s.contact_id = ANY (ARRAY(
        SELECT own.contact_id FROM syncengine.sync_state AS own
        WHERE own.destination = $1 AND own.contact_id = ANY ($3::text[]) AND own.external_id IS NOT NULL))
    UNION
    SELECT k.destination, k.contact_id
    FROM syncengine.sync_key AS mine
    JOIN syncengine.sync_key AS k ON k.account = mine.account AND k.key_hash = mine.key_hash
    WHERE mine.destination = $1 AND mine.contact_id = ANY ($3::text[]) AND k.destination = ANY ($2::text[])
      AND NOT EXISTS (SELECT FROM syncengine.sync_state AS own
                      WHERE own.destination = $1 AND own.contact_id = mine.contact_id AND own.external_id IS NOT NULL))
SELECT met.destination, count(*) AS number
FROM met JOIN syncengine.sync_state AS s USING (destination, contact_id)
WHERE s.status <> 'removed' AND s.external_id IS NOT NULL
GROUP BY met.destination ORDER BY met.destination
