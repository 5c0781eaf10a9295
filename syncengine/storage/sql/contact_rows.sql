-- name: contacts
-- A page of a destination's contacts, in the order of their ids.
SELECT contact_id, external_id, status, code, standing, rejections, failing_since, synced_at
FROM syncengine.sync_state
WHERE destination = $1 AND ($2::text IS NULL OR contact_id > $2)
ORDER BY contact_id LIMIT $3

-- name: known
-- What is known of the contacts of a page.
SELECT contact_id, fields, tags, found_tags FROM syncengine.sync_known
WHERE destination = $1 AND contact_id = ANY ($2::text[])
