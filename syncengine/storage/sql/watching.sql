-- name: newest_runs
-- Each destination with its newest run, and whether the lease under which that began still runs.
SELECT asked.destination, run.run_id, run.kind, run.status, run.started_at, run.ended_at, run.totals, run.error,
       run.progress, clock_timestamp() AS now,
       CASE WHEN lease.epoch = run.epoch AND NOT lease.released AND lease.expires_at > clock_timestamp()
            THEN lease.holder END AS holder
FROM unnest($1::text[]) AS asked (destination)
LEFT JOIN LATERAL (
    SELECT * FROM syncengine.sync_run WHERE destination = asked.destination ORDER BY run_id DESC LIMIT 1
) AS run ON true
LEFT JOIN syncengine.sync_lease AS lease ON lease.account = run.account
