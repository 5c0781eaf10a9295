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
SELECT contact_id FROM syncengine.sync_state
WHERE destination = $1 AND contact_id = ANY ($2::text[]) AND external_id IS NOT NULL AND status <> 'removed'
ORDER BY contact_id

-- name: of_external_ids
SELECT contact_id, external_id FROM syncengine.sync_state
WHERE destination = $1 AND external_id = ANY ($2::text[]) AND status <> 'removed'

-- name: count
SELECT count(*) FROM syncengine.sync_state
WHERE destination = $1 AND external_id IS NOT NULL AND status <> 'removed'
