-- name: lock
-- One reservation at a time for a quota, until the transaction ends.
SELECT pg_advisory_xact_lock(hashtextextended('syncengine quota ' || $1::text || ' ' || $2::text, 0))

-- name: catch_up
-- Requests of runs that did not keep this quota, since the limit was not configured. Outcomes have their time, at the
-- latest, but not their method, so all requests count. A run that keeps a quota has reserved since it started.
-- Of a quota of items nobody has counted those: a request for many contacts is noted at one of them. Each contact is
-- taken to have been in a request for each of its actions, and in three more to look it up.
INSERT INTO syncengine.sync_quota AS was (account, quota, minute, reserved)
SELECT $1, $2, date_trunc('minute', sent.at, 'UTC'),
       sum(CASE WHEN $2 LIKE '% items' THEN greatest(sent.requests, cardinality(sent.actions) + 3)
                ELSE sent.requests END)
FROM syncengine.sync_run AS run JOIN syncengine.sync_outcome AS sent USING (run_id)
WHERE run.account = $1 AND sent.at > clock_timestamp() - make_interval(secs => $3)
  AND (sent.requests > 0 OR $2 LIKE '% items' AND cardinality(sent.actions) > 0)
  AND run.started_at >= (SELECT coalesce(max(minute) + interval '1 minute', '-infinity')
                         FROM syncengine.sync_quota WHERE account = $1 AND quota = $2)
GROUP BY 3
ON CONFLICT (account, quota, minute) DO UPDATE SET reserved = was.reserved + excluded.reserved

-- name: spent
-- Requests that may fall into a window of $3 seconds that ends now, and the time until there are fewer than $4.
-- 60 seconds are added, since a minute's requests may have been reserved at its very end.
WITH counted AS (
    SELECT minute, sum(reserved) OVER (ORDER BY minute) AS until_then, sum(reserved) OVER () AS spent
    FROM syncengine.sync_quota
    WHERE account = $1 AND quota = $2 AND minute > clock_timestamp() - make_interval(secs => $3 + 60)
)
SELECT coalesce(max(spent), 0)::bigint AS spent,
       extract(epoch FROM min(minute) FILTER (WHERE until_then > spent - $4::bigint)
                          + make_interval(secs => $3 + 60) - clock_timestamp())::float8 AS frees_in
FROM counted

-- name: used
-- Requests that count in a window of $3 seconds, each minute's with its age in seconds. Those of runs that did not keep
-- this quota are among them, as they are once the next run has caught up.
WITH counted AS (
    SELECT minute, reserved FROM syncengine.sync_quota WHERE account = $1 AND quota = $2
    UNION ALL
    SELECT date_trunc('minute', sent.at, 'UTC'),
           CASE WHEN $2 LIKE '% items' THEN greatest(sent.requests, cardinality(sent.actions) + 3)
                ELSE sent.requests END
    FROM syncengine.sync_run AS run JOIN syncengine.sync_outcome AS sent USING (run_id)
    WHERE run.account = $1 AND (sent.requests > 0 OR $2 LIKE '% items' AND cardinality(sent.actions) > 0)
      AND run.started_at >= (SELECT coalesce(max(minute) + interval '1 minute', '-infinity')
                             FROM syncengine.sync_quota WHERE account = $1 AND quota = $2)
)
SELECT extract(epoch FROM clock_timestamp() - minute)::float8 AS age, sum(reserved)::bigint AS requests
FROM counted WHERE minute > clock_timestamp() - make_interval(secs => $3)
GROUP BY minute ORDER BY minute

-- name: reserve
-- By whole minutes of the database's clock, in UTC whatever the session's time zone is.
INSERT INTO syncengine.sync_quota AS was (account, quota, minute, reserved)
VALUES ($1, $2, date_trunc('minute', clock_timestamp(), 'UTC'), $3)
ON CONFLICT (account, quota, minute) DO UPDATE SET reserved = was.reserved + excluded.reserved

-- name: forget
-- Minutes that no window reaches any more.
DELETE FROM syncengine.sync_quota
WHERE account = $1 AND quota = $2 AND minute < clock_timestamp() - make_interval(secs => $3)
