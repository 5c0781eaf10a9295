-- name: known_contacts
-- Contacts that the vendor is known to hold. For the others something was planned, refused or sent without an answer.
-- unfinished: those of them that were never in step.
SELECT count(*) AS number, count(*) FILTER (WHERE synced_at IS NULL) AS unfinished FROM syncengine.sync_state
WHERE destination = $1 AND status <> 'removed' AND external_id IS NOT NULL

-- name: contacts_with_value
-- Contacts that the vendor is known to hold, as in known_contacts. Distrusted values count: brakes judge by what was
-- known.
SELECT held.key AS field, count(*) AS number
FROM syncengine.sync_known AS k
JOIN syncengine.sync_state AS s USING (destination, contact_id)
CROSS JOIN LATERAL jsonb_each(
    CASE WHEN (k.pending -> 'distrusted')::boolean THEN k.pending -> 'fields' ELSE '{}' END || k.fields) AS held
WHERE k.destination = $1 AND held.key = ANY ($2::text[]) AND held.value <> 'null'
  AND s.status <> 'removed' AND s.external_id IS NOT NULL
GROUP BY held.key

-- name: waiting
-- Examples of contacts that wait for a match key. Each row also has the number of all of them.
SELECT s.contact_id, w.owner_destination || '/' || w.owner_contact_id AS owner, count(*) OVER () AS number
FROM syncengine.sync_wait AS w
JOIN syncengine.sync_state AS s ON (s.destination, s.contact_id) = (w.destination, w.contact_id)
WHERE w.destination = $1 AND s.status = 'dead'
ORDER BY s.contact_number NULLS LAST, s.contact_id LIMIT $2

-- name: dead_letters
-- Without groups and without contacts that wait: both are reported on their own.
SELECT contact_id, count(*) OVER () AS number FROM syncengine.sync_state AS s
WHERE destination = $1 AND code IS NOT NULL AND status = 'dead' AND NOT (refusal IS NOT NULL AND rejections = 0)
  AND NOT EXISTS (SELECT FROM syncengine.sync_wait AS w
                  WHERE w.destination = s.destination AND w.contact_id = s.contact_id)
ORDER BY contact_number NULLS LAST, contact_id LIMIT $2

-- name: gone
SELECT contact_id, count(*) OVER () AS number FROM syncengine.sync_state
WHERE destination = $1 AND standing = 'gone'
ORDER BY contact_number NULLS LAST, contact_id LIMIT $2
