-- name: now
SELECT clock_timestamp()

-- name: lock
-- Of two runs that end at the same moment, one waits for the other: so a change is reported once.
SELECT pg_advisory_xact_lock(hashtextextended('syncengine alerts ' || $1::text, 0))

-- name: watch
-- Concerns that are looked at for the first time. Time without a success counts from here.
INSERT INTO syncengine.sync_alert (destination, concern, state)
SELECT $1, concern, 'ok' FROM unnest($2::text[]) AS t (concern)
ORDER BY concern
ON CONFLICT (destination, concern) DO NOTHING

-- name: states
SELECT destination, concern, state, since, run_id, lowest, reported, succeeded_at
FROM syncengine.sync_alert WHERE destination = ANY ($1::text[])
ORDER BY destination, concern

-- name: change
-- $4 is null where the state is a new one.
UPDATE syncengine.sync_alert
SET state = $3, since = coalesce($4, clock_timestamp()), run_id = $5, lowest = $6, reported = $7, succeeded_at = $8
WHERE destination = $1 AND concern = $2

-- name: enqueue
INSERT INTO syncengine.sync_alert_message (target, body)
SELECT target, $2::jsonb FROM unnest($1::text[]) AS t (target)

-- name: died_run
-- The newest run of a destination, where its process ended without a word: nobody holds the lease that it had. With $2
-- the run before that one, which has marked it as died by then.
SELECT run.run_id FROM syncengine.sync_run AS run
LEFT JOIN syncengine.sync_lease AS lease
    ON lease.account = run.account AND lease.epoch = run.epoch AND NOT lease.released
       AND lease.expires_at > clock_timestamp()
WHERE run.destination = $1 AND run.status IN ('running', 'died') AND lease.account IS NULL
  AND run.run_id = (SELECT max(run_id) FROM syncengine.sync_run
                    WHERE destination = $1 AND ($2::bigint IS NULL OR run_id < $2))

-- name: died_runs
-- The same of many destinations; of one whose newest run did not die there is no row.
SELECT newest.destination, newest.run_id
FROM unnest($1::text[]) AS asked (destination)
CROSS JOIN LATERAL (
    SELECT * FROM syncengine.sync_run AS run WHERE run.destination = asked.destination ORDER BY run.run_id DESC LIMIT 1
) AS newest
WHERE newest.status IN ('running', 'died')
  AND NOT EXISTS (SELECT FROM syncengine.sync_lease AS lease
                  WHERE lease.account = newest.account AND lease.epoch = newest.epoch AND NOT lease.released
                    AND lease.expires_at > clock_timestamp())

-- name: lock_deliveries
-- Two processes that claim at the same moment do it one after the other: else the second one, which leaves out what the
-- first has locked, could take a younger message of the same target and deliver it first.
SELECT pg_advisory_xact_lock(hashtextextended('syncengine alerts are delivered', 0))

-- name: claim
-- The oldest messages of each target that are due. Their next attempt is set before this one is made: should the process
-- die in it, another one makes the next. So a message may arrive twice, and none is lost. None overtakes an older one of
-- its target: a recovery that arrives before its alert would leave people with the alert.
UPDATE syncengine.sync_alert_message AS message
SET attempts = attempts + 1,
    next_try_at = clock_timestamp() + least(interval '1 minute' * power(2, least(attempts, 10)), interval '1 hour')
WHERE message_id IN (
    SELECT message_id FROM syncengine.sync_alert_message AS due
    WHERE delivered_at IS NULL AND next_try_at <= clock_timestamp() AND target = ANY ($1::text[])
      AND NOT EXISTS (SELECT FROM syncengine.sync_alert_message AS older
                      WHERE older.target = due.target AND older.message_id < due.message_id
                        AND older.delivered_at IS NULL AND older.next_try_at > clock_timestamp())
    ORDER BY message_id LIMIT $2 FOR UPDATE SKIP LOCKED)
RETURNING message_id, target, body

-- name: delivered
UPDATE syncengine.sync_alert_message SET delivered_at = clock_timestamp(), error = NULL WHERE message_id = $1

-- name: not_delivered
UPDATE syncengine.sync_alert_message SET error = $2 WHERE message_id = $1

-- name: undelivered
SELECT target, count(*) AS number, min(created_at) AS oldest, max(attempts) AS attempts,
       (array_agg(error ORDER BY message_id) FILTER (WHERE error IS NOT NULL))[1] AS error
FROM syncengine.sync_alert_message WHERE delivered_at IS NULL
GROUP BY target ORDER BY target

-- name: prune
-- What was delivered long ago, and what nobody could take for a month: its target is gone.
DELETE FROM syncengine.sync_alert_message WHERE message_id IN (
    SELECT message_id FROM syncengine.sync_alert_message
    WHERE created_at < clock_timestamp() - interval '30 days'
    ORDER BY message_id LIMIT 1000)
