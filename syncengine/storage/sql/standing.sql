-- name: standing
-- Contacts that are not tried any more, by reason.
SELECT standing, count(*) AS number FROM syncengine.sync_state
WHERE destination = $1 AND standing IS NOT NULL GROUP BY standing

-- name: standing_among
SELECT standing, count(*) AS number FROM syncengine.sync_state
WHERE destination = $1 AND contact_id = ANY ($2::text[]) AND standing IS NOT NULL GROUP BY standing

-- name: failed_and_left_alone
-- Contacts that were rejected in a run, or acquitted by it, and are not tried any more: the
-- others are tried again by the next run. alike: those of the rejected that were refused alike.
SELECT count(*) FILTER (WHERE o.outcome = 'rejected') AS rejected,
    count(*) FILTER (WHERE o.outcome = 'rejected' AND s.refusal IS NOT NULL AND s.rejections = 0) AS alike,
    count(*) FILTER (WHERE o.outcome = 'deferred' AND o.code = 'all_refused') AS acquitted
FROM syncengine.sync_outcome AS o
JOIN syncengine.sync_state AS s ON s.destination = $1 AND s.contact_id = o.contact_id
WHERE o.run_id = $2 AND o.outcome IN ('rejected', 'deferred') AND s.standing IS NOT NULL

-- name: standing_of
SELECT standing FROM syncengine.sync_state WHERE destination = $1 AND contact_id = $2
