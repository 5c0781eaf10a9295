-- name: owners_at
-- The owners of these vendor contacts at destination $1.
SELECT external_id, contact_id FROM syncengine.sync_state
WHERE destination = $1 AND external_id = ANY ($2::text[]) AND status <> 'removed'

-- name: owned_at
-- The vendor contacts that these contacts own at destination $1.
SELECT contact_id, external_id FROM syncengine.sync_state
WHERE destination = $1 AND contact_id = ANY ($2::text[]) AND status <> 'removed' AND external_id IS NOT NULL

-- name: claimants_at
SELECT key_hash, contact_id FROM syncengine.sync_key
WHERE account = $1 AND destination = $2 AND key_hash = ANY ($3::bytea[])

-- name: still_owned_at
-- Contacts that $1 has not let go of. settled: another destination may take the contact over at once, since no create of
-- it is unknown. A suppressed contact is let go only by a run of its own destination, which keeps the reason.
SELECT s.contact_id,
       s.status <> 'suppressed' AND NOT (s.external_id IS NULL AND coalesce((k.pending ->> 'creates')::boolean, false))
           AS settled
FROM syncengine.sync_state AS s LEFT JOIN syncengine.sync_known AS k USING (destination, contact_id)
WHERE s.destination = $1 AND s.contact_id = ANY ($2::text[]) AND s.status <> 'removed'

-- name: hand_over
-- Leaves a contact in the same state as a run of $1 would, once another destination selects it. What is known of it is
-- kept, so the destination that takes its vendor contact over knows its tags, too.
UPDATE syncengine.sync_state
SET status = 'removed', code = 'moved', source_hash = NULL, standing = NULL
WHERE destination = $1 AND contact_id = ANY ($2::text[]) AND status NOT IN ('removed', 'suppressed')

-- name: hand_keys_over
DELETE FROM syncengine.sync_key AS k
WHERE k.destination = $1 AND k.contact_id = ANY ($2::text[])

-- name: shared_contacts
-- Contacts that others than $2 have there, or may have; who owns it now, if anybody, and under which match key.
SELECT DISTINCT ON (s.contact_id) s.contact_id, k.match_field, k.match_key,
       CASE WHEN s.external_id IS NOT NULL AND s.status <> 'removed' THEN s.destination END AS owner
FROM syncengine.sync_destination AS d
JOIN syncengine.sync_state AS s ON s.destination = d.destination AND s.contact_id = ANY ($3::text[])
LEFT JOIN syncengine.sync_known AS k ON (k.destination, k.contact_id) = (s.destination, s.contact_id)
WHERE d.account = $1 AND d.destination <> $2
  AND (s.external_id IS NOT NULL OR (k.pending ->> 'creates')::boolean)
ORDER BY s.contact_id, (s.external_id IS NULL OR s.status = 'removed'), s.destination

-- name: let_go
-- Contacts of $2 that were refused since another destination owned them, which has let go of them meanwhile.
SELECT DISTINCT mine.contact_id
FROM syncengine.sync_state AS mine
JOIN syncengine.sync_destination AS d ON d.account = $1 AND d.destination <> mine.destination
JOIN syncengine.sync_state AS theirs
  ON theirs.destination = d.destination AND theirs.contact_id = mine.contact_id
 AND theirs.status = 'removed' AND theirs.external_id IS NOT NULL
WHERE mine.destination = $2 AND mine.code = 'ambiguous_match' AND mine.status = 'dead' AND mine.external_id IS NULL

-- name: owned_elsewhere
-- Some contacts of a run that were refused since another destination of the account has them, with what it knows.
SELECT o.contact_id, s.destination AS owner, k.fields
FROM syncengine.sync_outcome AS o
JOIN syncengine.sync_destination AS d ON d.account = $1 AND d.destination <> $3
JOIN syncengine.sync_state AS s
  ON s.destination = d.destination AND s.contact_id = o.contact_id
 AND s.status <> 'removed' AND s.external_id IS NOT NULL
JOIN syncengine.sync_known AS k ON (k.destination, k.contact_id) = (s.destination, s.contact_id)
WHERE o.run_id = $2 AND o.outcome = 'rejected'
  AND o.code IN ('ambiguous_match', 'duplicate_match_key', 'key_held')
ORDER BY o.contact_id LIMIT $4
