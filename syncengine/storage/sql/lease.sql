-- name: look
-- FOR UPDATE: waits for fenced writes that are under way, and keeps two processes from taking the same lease. since:
-- seconds that passed since it ran out, negative as long as it runs.
SELECT epoch, released, ledger, expires_at > clock_timestamp() AS runs, expires_at,
       extract(epoch FROM clock_timestamp() - expires_at)::float8 AS since, ttl, holder
FROM syncengine.sync_lease WHERE account = $1 FOR UPDATE

-- name: first
-- No row means that another process has inserted it meanwhile.
INSERT INTO syncengine.sync_lease (account, holder, epoch, expires_at, ttl, released)
VALUES ($1, $2, 1, clock_timestamp() + make_interval(secs => $3), $3, false)
ON CONFLICT (account) DO NOTHING RETURNING epoch

-- name: take
-- The new epoch is what fences the former holder off.
UPDATE syncengine.sync_lease
SET holder = $2, epoch = epoch + 1, expires_at = clock_timestamp() + make_interval(secs => $3), ttl = $3,
    released = false, ledger = NULL
WHERE account = $1 RETURNING epoch

-- name: renew
-- A lease that has run out is not revived, even if nobody took it. No row: it is lost.
UPDATE syncengine.sync_lease SET expires_at = clock_timestamp() + make_interval(secs => $3)
WHERE account = $1 AND epoch = $2 AND NOT released AND expires_at > clock_timestamp() RETURNING epoch

-- name: end
-- Its holder has died, whatever the clock says: it has not renewed the lease since it was looked at.
UPDATE syncengine.sync_lease SET expires_at = clock_timestamp()
WHERE account = $1 AND epoch = $2 AND expires_at = $3 AND NOT released

-- name: release
-- The ledger is what the next holder has to know of the requests that were sent last.
UPDATE syncengine.sync_lease SET released = true, expires_at = clock_timestamp(), ledger = $3::jsonb
WHERE account = $1 AND epoch = $2 AND NOT released RETURNING epoch

-- name: fence_off
-- Nobody holds it. A process that was frozen while it did finds another epoch when it wakes up.
UPDATE syncengine.sync_lease SET epoch = epoch + 1 WHERE account = $1
