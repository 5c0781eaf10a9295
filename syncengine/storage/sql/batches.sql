-- name: add_batch
-- The same batch may come twice: the answer to its commit was lost.
INSERT INTO syncengine.sync_batch (run_id, number, kind, contact_ids) VALUES ($1, $2, $3, $4)
ON CONFLICT (run_id, number) DO NOTHING

-- name: next_batch
-- Removals first, then by number. $2 is true once the removals are done with.
SELECT number, kind, contact_ids FROM syncengine.sync_batch
WHERE run_id = $1 AND status = 'waiting' AND (kind <> 'removals', number) > ($2::boolean, $3::integer)
ORDER BY kind <> 'removals', number LIMIT 1

-- name: finish_batch
UPDATE syncengine.sync_batch SET status = 'done', totals = $3::jsonb WHERE run_id = $1 AND number = $2

-- name: waiting_contacts
SELECT coalesce(sum(cardinality(contact_ids)), 0)::bigint FROM syncengine.sync_batch
WHERE run_id = $1 AND status = 'waiting'
