-- name: standing
-- Contacts that are not tried any more, by reason.
SELECT standing, count(*) AS number FROM syncengine.sync_state
WHERE destination = $1 AND standing IS NOT NULL GROUP BY standing

-- name: standing_among
SELECT standing, count(*) AS number FROM syncengine.sync_state
WHERE destination = $1 AND contact_id = ANY ($2::text[]) AND standing IS NOT NULL GROUP BY standing

-- name: standing_of
SELECT standing FROM syncengine.sync_state WHERE destination = $1 AND contact_id = $2
