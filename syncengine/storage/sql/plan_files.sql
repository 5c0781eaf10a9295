-- What the run of a plan file asks the state: did others move its contacts since, and what did its own former runs do.

-- name: newest_run
-- The newest run of a destination; 0: there was none.
SELECT coalesce(max(run_id), 0) FROM syncengine.sync_run WHERE destination = $1

-- name: former_runs
-- The runs of a plan at a destination, the present one ($3) left out.
SELECT run_id FROM syncengine.sync_run
WHERE destination = $1 AND plan_id = $2 AND run_id <> $3
ORDER BY run_id

-- name: judged
-- Those of the contacts that a former run of the plan has brought to their end.
SELECT DISTINCT o.contact_id FROM syncengine.sync_outcome AS o
WHERE o.run_id = ANY ($1::bigint[]) AND o.contact_id = ANY ($2::text[])
  AND o.outcome NOT IN ('deferred', 'unknown')

-- name: last_ended
-- The last run since the plan was made, other than the present one ($4), that has an outcome of each contact.
SELECT DISTINCT ON (o.contact_id) o.contact_id, o.run_id
FROM syncengine.sync_run AS r
JOIN syncengine.sync_outcome AS o ON o.run_id = r.run_id AND o.contact_id = ANY ($3::text[])
WHERE r.destination = $1 AND r.run_id > $2 AND r.run_id <> $4
ORDER BY o.contact_id, o.run_id DESC

-- name: last_batched
-- The same by the batches, for contacts without an outcome: a run that died may have left none. It reads all batches of
-- these runs, so it is asked about few contacts.
SELECT c.contact_id, max(b.run_id) AS run_id
FROM syncengine.sync_run AS r
JOIN syncengine.sync_batch AS b ON b.run_id = r.run_id AND b.contact_ids && $3::text[]
CROSS JOIN LATERAL unnest(b.contact_ids) AS c (contact_id)
WHERE r.destination = $1 AND r.run_id > $2 AND r.run_id <> $4 AND r.status <> 'refused'
  AND c.contact_id = ANY ($3::text[])
GROUP BY c.contact_id
