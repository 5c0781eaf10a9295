-- name: destinations
-- A page of destinations behind $1, each with its last run, the last success and the last count of standing contacts
-- among its newest $3 runs, and who works on its account.
SELECT d.destination AS name, d.account AS at_account, d.vendor, run.*, clock_timestamp() AS read_at,
       lease.holder AS account_holder, CASE WHEN lease.epoch = run.epoch THEN lease.holder END AS holder,
       recent.succeeded_at, recent.counted_in,
       (SELECT counted.totals -> 'standing' FROM syncengine.sync_run AS counted WHERE counted.run_id = recent.counted_in)
           AS standing
FROM (SELECT destination, account, vendor FROM syncengine.sync_destination
      WHERE $1::text IS NULL OR destination > $1 ORDER BY destination LIMIT $2) AS d
LEFT JOIN LATERAL (
    SELECT * FROM syncengine.sync_run WHERE destination = d.destination ORDER BY run_id DESC LIMIT 1
) AS run ON true
LEFT JOIN LATERAL (
    SELECT max(ended_at) FILTER (WHERE status = 'done' AND newest.kind IN ('sync', 'backfill', 'resync')) AS succeeded_at,
           max(run_id) FILTER (WHERE jsonb_typeof(totals #> '{standing,dead_letter}') = 'number') AS counted_in
    FROM (SELECT run_id, kind, status, ended_at, totals FROM syncengine.sync_run
          WHERE destination = d.destination ORDER BY run_id DESC LIMIT $3) AS newest
) AS recent ON true
LEFT JOIN syncengine.sync_lease AS lease
    ON lease.account = d.account AND NOT lease.released AND lease.expires_at > clock_timestamp()
ORDER BY d.destination

-- name: minutes
-- The newest minutes of a run, the newest first.
SELECT minute, requests, throttled, outcomes, codes
FROM syncengine.sync_run_minute WHERE run_id = $1 ORDER BY minute DESC LIMIT $2

-- name: changes
-- What the first $2 changes of a run were about, by kind and name. Names, no values. Fields named tags.NAME are tags of
-- which it was not known whether they were there before.
WITH first AS MATERIALIZED (
    SELECT effect, fields, tags_added, tags_removed FROM syncengine.sync_change
    WHERE run_id = $1 ORDER BY contact_id LIMIT $2
)
SELECT 'effect' AS kind, effect AS name, count(*) AS contacts, 0 AS cleared FROM first GROUP BY effect
UNION ALL
SELECT CASE WHEN NOT starts_with(field.key, 'tags.') THEN 'field'
            WHEN field.value -> 'new' = 'true' THEN 'tag_added' ELSE 'tag_removed' END,
       CASE WHEN starts_with(field.key, 'tags.') THEN substr(field.key, 6) ELSE field.key END,
       count(*), count(*) FILTER (WHERE field.value -> 'new' = 'null')
FROM first CROSS JOIN LATERAL jsonb_each(first.fields) AS field GROUP BY 1, 2
UNION ALL
SELECT 'tag_added', tag, count(*), 0 FROM first CROSS JOIN LATERAL unnest(first.tags_added) AS tag GROUP BY tag
UNION ALL
SELECT 'tag_removed', tag, count(*), 0 FROM first CROSS JOIN LATERAL unnest(first.tags_removed) AS tag GROUP BY tag
ORDER BY contacts DESC, name

-- name: contact
-- How a contact stands at each destination that knows it, among the first $2 of them by name. With $3 what the vendor is
-- known to hold comes along: personal data.
SELECT d.destination, s.status, s.external_id, s.code, s.standing, s.rejections, s.failing_since, s.synced_at,
       known.pending IS NOT NULL AS unsettled, held.undone, held.names,
       CASE WHEN $3 THEN known.fields END AS fields, CASE WHEN $3 THEN known.tags END AS tags
FROM (SELECT destination FROM syncengine.sync_destination ORDER BY destination LIMIT $2) AS d
CROSS JOIN LATERAL (
    SELECT status, external_id, code, standing, rejections, failing_since, synced_at FROM syncengine.sync_state
    WHERE destination = d.destination AND contact_id = $1 LIMIT 1
) AS s
LEFT JOIN LATERAL (
    SELECT fields, tags, pending FROM syncengine.sync_known
    WHERE destination = d.destination AND contact_id = $1 LIMIT 1
) AS known ON true
LEFT JOIN LATERAL (
    SELECT undone, CASE WHEN whole THEN ARRAY['the contact itself'] ELSE '{}' END || fields
           || ARRAY(SELECT 'tag ' || tag FROM unnest(tags_off || tags_on) AS tag ORDER BY tag) AS names
    FROM syncengine.sync_taken_back WHERE destination = d.destination AND contact_id = $1
) AS held ON true
ORDER BY d.destination

-- name: alerts
SELECT destination, concern, state, since FROM syncengine.sync_alert
WHERE $1::text IS NULL OR (destination, concern) > ($1, $2::text)
ORDER BY destination, concern LIMIT $3

-- name: answers
SELECT 1
