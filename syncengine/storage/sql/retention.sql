-- name: expired_runs
-- Runs that ended more than $1 seconds ago, but for the newest of each destination.
SELECT run_id FROM syncengine.sync_run AS run
WHERE status <> 'running' AND ended_at < clock_timestamp() - make_interval(secs => $1)
  AND run_id < (SELECT max(run_id) FROM syncengine.sync_run AS newer WHERE newer.destination = run.destination)
ORDER BY run_id

-- name: outcomes
-- A slice of a run's outcomes, in key order after $2, so that rows deleted before are not scanned again.
WITH slice AS (
    SELECT contact_id FROM syncengine.sync_outcome
    WHERE run_id = $1 AND ($2::text IS NULL OR contact_id > $2)
    ORDER BY contact_id LIMIT $3
), gone AS (
    DELETE FROM syncengine.sync_outcome AS outcome USING slice
    WHERE outcome.run_id = $1 AND outcome.contact_id = slice.contact_id
    RETURNING outcome.contact_id
)
SELECT (SELECT count(*) FROM gone) AS deleted, (SELECT max(contact_id) FROM slice) AS last

-- name: batches
WITH slice AS (
    SELECT number FROM syncengine.sync_batch
    WHERE run_id = $1 AND ($2::integer IS NULL OR number > $2)
    ORDER BY number LIMIT $3
), gone AS (
    DELETE FROM syncengine.sync_batch AS batch USING slice
    WHERE batch.run_id = $1 AND batch.number = slice.number
    RETURNING batch.number
)
SELECT (SELECT count(*) FROM gone) AS deleted, (SELECT max(number) FROM slice) AS last

-- name: runs_with_changes
-- Runs that ended more than $1 seconds ago and have changes still; of one destination, where $2 names it.
SELECT r.run_id FROM syncengine.sync_run AS r
WHERE r.status <> 'running' AND coalesce(r.ended_at, r.started_at) < clock_timestamp() - make_interval(secs => $1)
  AND ($2::text IS NULL OR r.destination = $2)
  AND EXISTS (SELECT FROM syncengine.sync_change AS c WHERE c.run_id = r.run_id)
ORDER BY r.run_id

-- name: changes
WITH slice AS (
    SELECT contact_id FROM syncengine.sync_change
    WHERE run_id = $1 AND ($2::text IS NULL OR contact_id > $2)
    ORDER BY contact_id LIMIT $3
), gone AS (
    DELETE FROM syncengine.sync_change AS change USING slice
    WHERE change.run_id = $1 AND change.contact_id = slice.contact_id
    RETURNING change.contact_id
)
SELECT (SELECT count(*) FROM gone) AS deleted, (SELECT max(contact_id) FROM slice) AS last

-- name: run
DELETE FROM syncengine.sync_run WHERE run_id = $1 RETURNING run_id

-- name: minutes
WITH gone AS (
    DELETE FROM syncengine.sync_quota
    WHERE (account, quota, minute) IN (
        SELECT account, quota, minute FROM syncengine.sync_quota
        WHERE minute < clock_timestamp() - make_interval(secs => $1)
        ORDER BY account, quota, minute LIMIT $2)
    RETURNING minute
)
SELECT count(*) FROM gone
