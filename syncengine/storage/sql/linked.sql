-- name: after
-- Contacts with a vendor contact of their own, in the order of their ids.
SELECT contact_id FROM syncengine.sync_state
WHERE destination = $1 AND contact_id > $2 AND external_id IS NOT NULL AND status <> 'removed'
ORDER BY contact_id LIMIT $3

-- name: sample
-- The order of a salted hash is as good as chance, and needs no more memory than the sample.
SELECT contact_id FROM syncengine.sync_state
WHERE destination = $1 AND external_id IS NOT NULL AND status <> 'removed'
ORDER BY hashtextextended(contact_id, $2) LIMIT $3

-- name: among
-- Those of these contacts that have a vendor contact.
SELECT contact_id FROM syncengine.sync_state
WHERE destination = $1 AND contact_id = ANY ($2::text[]) AND external_id IS NOT NULL AND status <> 'removed'
ORDER BY contact_id

-- name: known_longest_and_last
-- Contacts that the vendor held when they were last written.
WITH in_step AS (
    SELECT s.contact_id, s.external_id, k.match_field, k.match_key, s.synced_at
    FROM syncengine.sync_state AS s LEFT JOIN syncengine.sync_known AS k USING (destination, contact_id)
    WHERE s.destination = $1 AND s.status = 'synced' AND s.external_id IS NOT NULL
), picked AS (
    (SELECT * FROM in_step ORDER BY synced_at DESC NULLS LAST, contact_id LIMIT 2)
    UNION
    (SELECT * FROM in_step ORDER BY synced_at NULLS LAST, contact_id LIMIT 2)
)
SELECT contact_id, external_id, match_field, match_key FROM picked ORDER BY synced_at DESC NULLS LAST, contact_id

-- name: of_external_ids
-- The owners of these vendor contacts within the destination.
SELECT contact_id, external_id FROM syncengine.sync_state
WHERE destination = $1 AND external_id = ANY ($2::text[]) AND status <> 'removed'

-- name: count
SELECT count(*) FROM syncengine.sync_state
WHERE destination = $1 AND external_id IS NOT NULL AND status <> 'removed'
