-- name: died
-- Its process ended without a word: this statement belongs to the next run, which has the lease.
UPDATE syncengine.sync_run SET status = 'died', ended_at = clock_timestamp(),
       error = 'the process ended without finishing this run; the runs after it settle what it left'
WHERE destination = $1 AND status = 'running'

-- name: break_off
-- Found by the epoch, since the error may have come before the run's id was known.
UPDATE syncengine.sync_run SET status = 'halted', ended_at = clock_timestamp(), error = $3
WHERE destination = $1 AND epoch = $2 AND status = 'running'

-- name: release_keys_of_unreached
-- Deletes the match keys of contacts that the last run judged but did not reach, new ones or ones that were removed
-- before: once their rows are gone no diff finds them, and no other contact would ever get the keys.
DELETE FROM syncengine.sync_key AS k
USING (SELECT unnest(b.contact_ids) AS contact_id
       FROM syncengine.sync_batch AS b
       WHERE b.status = 'waiting'
         AND b.run_id = (SELECT max(run_id) FROM syncengine.sync_run WHERE destination = $1)) AS unmade
WHERE k.destination = $1 AND k.contact_id = unmade.contact_id
  AND NOT EXISTS (SELECT FROM syncengine.sync_state AS s
                  WHERE s.destination = k.destination AND s.contact_id = k.contact_id AND s.status <> 'removed')

-- name: drop_ended_waits
-- Deletes waits of contacts that do not wait any more: they are in step, gone, or refused for another reason.
DELETE FROM syncengine.sync_wait AS w
WHERE w.destination = $1
  AND NOT EXISTS (SELECT FROM syncengine.sync_state AS s
                  WHERE s.destination = w.destination AND s.contact_id = w.contact_id
                    AND s.status = 'dead' AND s.code IN ('key_held', 'ambiguous_match'))

-- name: plan_unreached_again
-- The other contacts that the last run did not reach are planned again. Where a row had changed when it was judged and
-- was restored since, its match keys were judged by the changed row, and no diff would find it.
UPDATE syncengine.sync_state AS s
SET source_hash = NULL, rejected_hash = CASE WHEN s.status <> 'dead' THEN s.rejected_hash END
FROM (SELECT unnest(b.contact_ids) AS contact_id
      FROM syncengine.sync_batch AS b
      WHERE b.status = 'waiting'
        AND b.run_id = (SELECT max(run_id) FROM syncengine.sync_run WHERE destination = $1)) AS unmade
WHERE s.destination = $1 AND s.contact_id = unmade.contact_id
  AND s.status <> 'removed' AND (s.source_hash IS NOT NULL OR s.status = 'dead')

-- name: start
INSERT INTO syncengine.sync_run (destination, account, kind, retry_of, epoch, plan_id, undo_of, whole)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING run_id

-- name: forecast
UPDATE syncengine.sync_run SET forecast = $2::jsonb WHERE run_id = $1

-- name: round_trip
-- Of the newest run that has measured it.
SELECT (totals #>> '{forecast,round_trip}')::float8
FROM (SELECT run_id, totals FROM syncengine.sync_run WHERE destination = $1 ORDER BY run_id DESC LIMIT 20) AS newest
WHERE totals #>> '{forecast,round_trip}' IS NOT NULL ORDER BY run_id DESC LIMIT 1

-- name: finish
UPDATE syncengine.sync_run SET status = $2, ended_at = clock_timestamp(), totals = $3::jsonb, error = $4
WHERE run_id = $1

-- name: run
SELECT run_id, destination, kind, status, undo_of FROM syncengine.sync_run WHERE run_id = $1

-- name: unsuccessful_contacts
-- The contacts of a run that did not succeed: without an outcome, or with one that is to be tried again.
SELECT DISTINCT b.kind, c.contact_id
FROM syncengine.sync_batch AS b
CROSS JOIN LATERAL unnest(b.contact_ids) AS c (contact_id)
LEFT JOIN syncengine.sync_outcome AS o ON o.run_id = b.run_id AND o.contact_id = c.contact_id
WHERE b.run_id = $1 AND ($2::integer IS NULL OR b.number = $2)
  AND (o.outcome IN ('rejected', 'deferred', 'unknown', 'gone') OR (o.outcome IS NULL AND b.status <> 'done'))
ORDER BY 1, 2

-- name: last_run
-- For the message about a run that is not there.
SELECT max(run_id) FROM syncengine.sync_run

-- name: last_batch
SELECT coalesce(max(number), 0) FROM syncengine.sync_batch WHERE run_id = $1

-- name: notes
-- The contacts of a run that did not simply succeed. Those that are left alone in a group are reported with their group, so
-- they are among them only where $2 is true.
SELECT contact_id, outcome, coalesce(code, '') AS code, coalesce(message, '') AS message, unsupported
FROM syncengine.sync_outcome AS o
WHERE run_id = $1 AND outcome NOT IN ('applied', 'probed')
  AND ($2 OR NOT EXISTS (
      SELECT FROM syncengine.sync_run AS r JOIN syncengine.sync_state AS s USING (destination)
      WHERE r.run_id = $1 AND s.contact_id = o.contact_id
        AND s.refusal IS NOT NULL AND s.rejections = 0 AND s.standing IS NOT NULL AND s.status <> 'synced'))
ORDER BY array_position(ARRAY['rejected', 'unknown', 'deferred', 'unsupported'], outcome), length(contact_id), contact_id LIMIT $3

-- name: number_of_notes
-- The number of all contacts that notes would return without a limit.
SELECT count(*) FROM syncengine.sync_outcome AS o
WHERE run_id = $1 AND outcome NOT IN ('applied', 'probed')
  AND ($2 OR NOT EXISTS (
      SELECT FROM syncengine.sync_run AS r JOIN syncengine.sync_state AS s USING (destination)
      WHERE r.run_id = $1 AND s.contact_id = o.contact_id
        AND s.refusal IS NOT NULL AND s.rejections = 0 AND s.standing IS NOT NULL AND s.status <> 'synced'))
