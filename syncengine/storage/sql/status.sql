-- name: status
-- Each destination with its last run, the lease of its account as long as that runs, and its open erasures.
-- sent_status: how the newest run ended that brings contacts in step. whole_run, whole_status: the newest of them that
-- looked at all contacts. parts_fell_short: one about some contacts, after that, did not do everything.
-- holds_lease: the lease under which the last run began is still its own; otherwise its process is gone.
SELECT asked.destination, run.run_id, run.kind, run.status, run.started_at, run.ended_at, run.totals, run.error,
       CASE WHEN run.status = 'running' THEN run.progress END AS progress,
       EXISTS (SELECT FROM syncengine.sync_lease AS own WHERE own.account = run.account AND own.epoch = run.epoch
               AND NOT own.released AND own.expires_at > clock_timestamp()) AS holds_lease,
       (SELECT sent.status FROM syncengine.sync_run AS sent
        WHERE sent.destination = asked.destination AND sent.kind <> ALL ($3::text[])
        ORDER BY sent.run_id DESC LIMIT 1) AS sent_status,
       whole.run_id AS whole_run, whole.status AS whole_status,
       EXISTS (SELECT FROM syncengine.sync_run AS part
               WHERE part.destination = asked.destination AND part.kind <> ALL ($3::text[])
               AND part.run_id > coalesce(whole.run_id, 0)
               AND part.status NOT IN ('done', 'refused', 'held', 'running')) AS parts_fell_short,
       lease.holder, lease.expires_at,
       (SELECT count(*) FROM syncengine.sync_erasure AS erasure
        WHERE erasure.destination = asked.destination AND (erasure.status = 'open' OR erasure.to_ask <> '')) AS erasures
FROM unnest($1::text[], $2::text[]) AS asked (destination, account)
LEFT JOIN LATERAL (
    SELECT * FROM syncengine.sync_run WHERE destination = asked.destination ORDER BY run_id DESC LIMIT 1
) AS run ON true
LEFT JOIN LATERAL (
    SELECT run_id, status FROM syncengine.sync_run
    WHERE destination = asked.destination AND whole AND kind <> ALL ($3::text[]) ORDER BY run_id DESC LIMIT 1
) AS whole ON true
LEFT JOIN syncengine.sync_lease AS lease
    ON lease.account = asked.account AND NOT lease.released AND lease.expires_at > clock_timestamp()

-- name: standing
SELECT destination, standing, coalesce(code, '') AS code, count(*) AS number FROM syncengine.sync_state
WHERE destination = ANY ($1::text[]) AND standing IS NOT NULL GROUP BY destination, standing, coalesce(code, '')

-- name: alerts
-- The alerts that stand at each destination.
SELECT destination, concern, state FROM syncengine.sync_alert
WHERE destination = ANY ($1::text[]) AND state <> 'ok' ORDER BY destination, concern

-- name: undelivered_alerts
SELECT body ->> 'destination' AS destination, count(*) AS number FROM syncengine.sync_alert_message
WHERE delivered_at IS NULL AND body ->> 'destination' = ANY ($1::text[]) GROUP BY 1

-- name: held_back
-- Contacts of which an undo took something back. $3 are the parts that are mapped as they were, of the destinations $2
-- whose mapping is known: where none is, the hold has ended. Their rows may have changed: the next run finds that out.
SELECT note.destination, count(*) AS number FROM syncengine.sync_taken_back AS note
WHERE note.destination = ANY ($1::text[])
  AND (note.whole OR note.basis = '{}' OR note.destination <> ALL ($2::text[])
       OR EXISTS (SELECT FROM jsonb_each_text(note.basis) AS part (name, making)
                  WHERE jsonb_build_array(note.destination, part.name, part.making) = ANY ($3::text[]::jsonb[])))
GROUP BY note.destination

-- name: held_parts
-- What was taken back at each destination, as the notes name it.
SELECT DISTINCT note.destination, part.name
FROM syncengine.sync_taken_back AS note CROSS JOIN LATERAL jsonb_object_keys(note.basis) AS part (name)
WHERE note.destination = ANY ($1::text[])
