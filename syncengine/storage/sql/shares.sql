-- name: owners_at
SELECT external_id, contact_id FROM syncengine.sync_state
WHERE destination = $1 AND external_id = ANY ($2::text[]) AND status <> 'removed'

-- name: owned_at
SELECT contact_id, external_id FROM syncengine.sync_state
WHERE destination = $1 AND contact_id = ANY ($2::text[]) AND status <> 'removed' AND external_id IS NOT NULL

-- name: claimants_at
SELECT key_hash, contact_id FROM syncengine.sync_key
WHERE account = $1 AND destination = $2 AND key_hash = ANY ($3::bytea[])

-- name: met
SELECT DISTINCT s.contact_id
FROM syncengine.sync_destination AS d
JOIN syncengine.sync_state AS s ON s.destination = d.destination AND s.contact_id = ANY ($3::text[])
LEFT JOIN syncengine.sync_known AS k ON (k.destination, k.contact_id) = (s.destination, s.contact_id)
WHERE d.account = $1 AND d.destination <> $2
  AND (s.external_id IS NOT NULL OR (k.pending ->> 'creates')::boolean)
