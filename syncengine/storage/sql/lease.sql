-- name: look
SELECT epoch, released, ledger, expires_at > clock_timestamp() AS runs, expires_at,
       extract(epoch FROM clock_timestamp() - expires_at)::float8 AS since, holder
FROM syncengine.sync_lease WHERE account = $1 FOR UPDATE

-- name: first
INSERT INTO syncengine.sync_lease (account, holder, epoch, expires_at, released)
VALUES ($1, $2, 1, clock_timestamp() + make_interval(secs => $3), false)
ON CONFLICT (account) DO NOTHING RETURNING epoch

-- name: take
UPDATE syncengine.sync_lease
SET holder = $2, epoch = epoch + 1, expires_at = clock_timestamp() + make_interval(secs => $3), released = false,
    ledger = NULL
WHERE account = $1 RETURNING epoch

-- name: renew
UPDATE syncengine.sync_lease SET expires_at = clock_timestamp() + make_interval(secs => $3)
WHERE account = $1 AND epoch = $2 AND NOT released AND expires_at > clock_timestamp() RETURNING epoch

-- name: release
UPDATE syncengine.sync_lease SET released = true, expires_at = clock_timestamp(), ledger = $3::jsonb
WHERE account = $1 AND epoch = $2 AND NOT released RETURNING epoch

-- name: fence_off
UPDATE syncengine.sync_lease SET epoch = epoch + 1 WHERE account = $1
