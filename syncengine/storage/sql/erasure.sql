-- name: begin
INSERT INTO syncengine.sync_erasure (contact_hash, destination, contact_id, status)
SELECT sha256((SELECT salt FROM syncengine.sync_salt) || convert_to($1, 'UTF8')), destination, $2, 'open'
FROM unnest($3::text[]) AS t (destination)
ORDER BY destination
ON CONFLICT (contact_hash, destination) DO UPDATE SET
    contact_id = excluded.contact_id, status = 'open', requested_at = clock_timestamp(), ended_at = NULL

-- name: end
UPDATE syncengine.sync_erasure
SET status = $4, receipt = $5, contact_id = CASE WHEN $4 = 'open' THEN contact_id END,
    ended_at = CASE WHEN $4 <> 'open' THEN clock_timestamp() END
WHERE contact_hash = sha256((SELECT salt FROM syncengine.sync_salt) || convert_to($1, 'UTF8'))
  AND destination = $2 AND ($3 = contact_id OR contact_id IS NULL)

-- name: outcome
SELECT outcome, coalesce(code, '') AS code, coalesce(message, '') AS message
FROM syncengine.sync_outcome WHERE run_id = $1 AND contact_id = $2

-- name: forget_known
DELETE FROM syncengine.sync_known WHERE destination = $1 AND contact_id = $2

-- name: forget_keys
DELETE FROM syncengine.sync_key WHERE destination = $1 AND contact_id = $2

-- name: forget_outcomes
DELETE FROM syncengine.sync_outcome AS o USING syncengine.sync_run AS r
WHERE r.run_id = o.run_id AND r.destination = $1 AND o.contact_id = $2

-- name: forget_state
DELETE FROM syncengine.sync_state WHERE destination = $1 AND contact_id = $2

-- name: open
SELECT DISTINCT contact_id FROM syncengine.sync_erasure
WHERE destination = $1 AND status = 'open' ORDER BY contact_id LIMIT $2
