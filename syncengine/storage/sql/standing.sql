-- name: number_standing
-- All of a destination's, or of some of its contacts.
SELECT standing, count(*) AS number FROM syncengine.sync_state
WHERE destination = $1 AND standing IS NOT NULL AND ($2::text[] IS NULL OR contact_id = ANY ($2::text[]))
GROUP BY standing
