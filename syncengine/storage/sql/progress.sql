-- name: write
-- The time is for the run's own clock, which goes by the database's.
UPDATE syncengine.sync_run SET progress = $2::jsonb WHERE run_id = $1 AND status = 'running'
RETURNING clock_timestamp() AS now

-- name: write_minutes
-- Whole counts of each minute, so that a write whose answer was lost may come twice.
INSERT INTO syncengine.sync_run_minute (run_id, minute, requests, throttled, outcomes, codes)
SELECT $1, each.minute, each.requests, each.throttled, each.outcomes::jsonb, each.codes::jsonb
FROM unnest($2::timestamptz[], $3::integer[], $4::integer[], $5::text[], $6::text[])
     AS each (minute, requests, throttled, outcomes, codes)
ON CONFLICT (run_id, minute) DO UPDATE
SET requests = excluded.requests, throttled = excluded.throttled,
    outcomes = excluded.outcomes, codes = excluded.codes
