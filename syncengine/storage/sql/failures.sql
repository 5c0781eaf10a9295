-- name: of_run
-- A page of the contacts that fell short in a run, by code and contact, each with how it stands now. LATERAL with a limit
-- asks for the state of each by its key, whatever the planner thinks of the tables' sizes. listed: it has an outcome in one
-- of the later runs $7; that an undo ($8) took something back, or skipped it, says nothing of the failure.
SELECT o.contact_id, o.outcome, coalesce(o.code, '') AS code, o.message, o.http_status, o.requests, o.unsupported, o.at,
       o.run_id, s.status, s.standing, s.rejections, s.failing_since, s.grouped,
       coalesce((SELECT true FROM syncengine.sync_outcome AS later
                 WHERE later.run_id = ANY ($7::bigint[]) AND later.contact_id = o.contact_id
                   AND (later.run_id <> ALL ($8::bigint[]) OR later.outcome NOT IN ('applied', 'probed', 'suppressed'))
                 LIMIT 1), false) AS listed
FROM syncengine.sync_outcome AS o
LEFT JOIN LATERAL (
    SELECT status, standing, rejections, failing_since, refusal IS NOT NULL AND rejections = 0 AS grouped
    FROM syncengine.sync_state WHERE destination = $2 AND contact_id = o.contact_id LIMIT 1
) AS s ON true
WHERE o.run_id = $1 AND o.outcome NOT IN ('applied', 'probed', 'suppressed')
  AND ($3::text IS NULL OR coalesce(o.code, '') = $3)
  AND ($5::text IS NULL OR (coalesce(o.code, ''), o.contact_id) > ($4::text, $5))
ORDER BY coalesce(o.code, ''), o.contact_id LIMIT $6

-- name: standing
-- A page of the contacts that stand for one reason, by code and contact, each with the outcome of its last try. listed:
-- the pages of the runs $7, of which $8 are undos, have it already.
SELECT s.contact_id, o.outcome, coalesce(s.code, '') AS code, o.message, o.http_status, o.requests, o.unsupported, o.at,
       coalesce(s.failed_in, s.tried_in) AS run_id, s.status, s.standing, s.rejections, s.failing_since,
       s.refusal IS NOT NULL AND s.rejections = 0 AS grouped,
       coalesce((SELECT mine.outcome NOT IN ('applied', 'probed', 'suppressed') FROM syncengine.sync_outcome AS mine
                 WHERE mine.run_id = ANY ($7::bigint[]) AND mine.contact_id = s.contact_id
                   AND (mine.run_id <> ALL ($8::bigint[]) OR mine.outcome NOT IN ('applied', 'probed', 'suppressed'))
                 ORDER BY mine.run_id DESC LIMIT 1), false) AS listed
FROM syncengine.sync_state AS s
LEFT JOIN LATERAL (
    SELECT outcome, message, http_status, requests, unsupported, at FROM syncengine.sync_outcome
    WHERE run_id = coalesce(s.failed_in, s.tried_in) AND contact_id = s.contact_id LIMIT 1
) AS o ON true
WHERE s.destination = $1 AND s.standing = $2
  AND ($3::text IS NULL OR coalesce(s.code, '') = $3)
  AND ($5::text IS NULL OR (coalesce(s.code, ''), s.contact_id) > ($4::text, $5))
ORDER BY coalesce(s.code, ''), s.contact_id LIMIT $6

-- name: runs_since_whole
-- The newest run of a destination that looked at all contacts and is over, and those since that worked on some of them,
-- the newest first.
SELECT run_id, kind FROM syncengine.sync_run
WHERE destination = $1 AND kind <> ALL ($2::text[]) AND status NOT IN ('refused', 'held', 'running')
  AND run_id >= coalesce(
      (SELECT run_id FROM syncengine.sync_run
       WHERE destination = $1 AND whole AND kind <> ALL ($2::text[]) AND status NOT IN ('refused', 'held', 'running')
       ORDER BY run_id DESC LIMIT 1), 0)
-- Where no run ever looks at all contacts, as with plan files alone, there may be many.
ORDER BY run_id DESC LIMIT 1000

-- name: run_under_way
SELECT run_id, kind FROM syncengine.sync_run
WHERE destination = $1 AND kind <> ALL ($2::text[]) AND status = 'running' ORDER BY run_id DESC LIMIT 1

-- name: waiting_batches
SELECT number FROM syncengine.sync_batch WHERE run_id = $1 AND status = 'waiting' ORDER BY number

-- name: unreached
-- The contacts of a batch that a run did not come to. They have no outcome. Left out: whoever has one in a later run of
-- $4, or fell short in one of these, which lists it. That an undo ($5) took something back or skipped it does not count.
SELECT c.contact_id, s.status, s.standing, s.rejections, s.failing_since, s.grouped
FROM syncengine.sync_batch AS b
CROSS JOIN LATERAL unnest(b.contact_ids) AS c (contact_id)
LEFT JOIN LATERAL (
    SELECT status, standing, rejections, failing_since, refusal IS NOT NULL AND rejections = 0 AS grouped
    FROM syncengine.sync_state WHERE destination = $3 AND contact_id = c.contact_id LIMIT 1
) AS s ON true
WHERE b.run_id = $1 AND b.number = $2
  AND NOT EXISTS (SELECT FROM syncengine.sync_outcome AS o WHERE o.run_id = $1 AND o.contact_id = c.contact_id)
  AND NOT coalesce((SELECT o.run_id > $1 OR o.outcome NOT IN ('applied', 'probed', 'suppressed')
                    FROM syncengine.sync_outcome AS o
                    WHERE o.run_id = ANY ($4::bigint[]) AND o.contact_id = c.contact_id
                      AND (o.run_id <> ALL ($5::bigint[]) OR o.outcome NOT IN ('applied', 'probed', 'suppressed'))
                    ORDER BY o.run_id DESC LIMIT 1), false)
ORDER BY c.contact_id
