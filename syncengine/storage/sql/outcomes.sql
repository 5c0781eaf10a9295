-- name: ended_in
SELECT contact_id, outcome, coalesce(code, '') AS code, coalesce(message, '') AS message, unsupported
FROM syncengine.sync_outcome WHERE run_id = $1 AND contact_id = ANY ($2::text[])

-- name: last_ended
SELECT o.outcome, coalesce(o.code, '') AS code, coalesce(o.message, '') AS message, o.unsupported
FROM syncengine.sync_run AS r JOIN syncengine.sync_outcome AS o USING (run_id)
WHERE r.destination = $1 AND o.contact_id = $2
ORDER BY r.run_id DESC LIMIT 1
