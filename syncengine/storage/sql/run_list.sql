-- name: of_all
-- A page of the runs of all destinations, the newest first, before run $1.
-- holds_lease: the lease under which a run began is still its own; otherwise its process is gone.
SELECT run_id, destination, account, kind, retry_of, status, started_at, ended_at, totals, error,
       clock_timestamp() AS now,
       EXISTS (SELECT FROM syncengine.sync_lease AS own WHERE own.account = run.account AND own.epoch = run.epoch
               AND NOT own.released AND own.expires_at > clock_timestamp()) AS holds_lease
FROM syncengine.sync_run AS run WHERE $1::bigint IS NULL OR run_id < $1
ORDER BY run_id DESC LIMIT $2

-- name: of_destinations
-- The same for some destinations: the newest of each, and of these the newest ones.
SELECT run.*, clock_timestamp() AS now,
       EXISTS (SELECT FROM syncengine.sync_lease AS own WHERE own.account = run.account AND own.epoch = run.epoch
               AND NOT own.released AND own.expires_at > clock_timestamp()) AS holds_lease
FROM unnest($3::text[]) AS asked (destination)
CROSS JOIN LATERAL (
    SELECT run_id, destination, account, kind, epoch, retry_of, status, started_at, ended_at, totals, error
    FROM syncengine.sync_run
    WHERE destination = asked.destination AND ($1::bigint IS NULL OR run_id < $1)
    ORDER BY run_id DESC LIMIT $2
) AS run
ORDER BY run.run_id DESC LIMIT $2

-- name: one
SELECT run_id, destination, account, kind, retry_of, status, started_at, ended_at, totals, error,
       clock_timestamp() AS now,
       EXISTS (SELECT FROM syncengine.sync_lease AS own WHERE own.account = run.account AND own.epoch = run.epoch
               AND NOT own.released AND own.expires_at > clock_timestamp()) AS holds_lease
FROM syncengine.sync_run AS run WHERE run_id = $1

-- name: last
-- For the message about a run that is not there.
SELECT max(run_id) FROM syncengine.sync_run

-- name: batches
-- A page of the batches of a run, in their order.
SELECT number, kind, status, cardinality(contact_ids) AS contacts, totals, error
FROM syncengine.sync_batch WHERE run_id = $1 AND number > $2
ORDER BY number LIMIT $3
