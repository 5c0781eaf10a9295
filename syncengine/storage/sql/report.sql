-- name: run
-- A run, and who works on its account now.
SELECT run.*, lease.holder, clock_timestamp() AS read_at
FROM syncengine.sync_run AS run
LEFT JOIN syncengine.sync_lease AS lease
    ON lease.account = run.account AND NOT lease.released AND lease.expires_at > clock_timestamp()
    AND run.status = 'running' AND lease.epoch = run.epoch
WHERE run.run_id = $1

-- name: effects
SELECT effect, count(*) AS contacts FROM syncengine.sync_change WHERE run_id = $1 GROUP BY effect

-- name: changed_fields
-- Where the new value is null, the field is empty now. Fields named tags.NAME are tags of which it was not known whether
-- they were there before.
SELECT field.key AS name, count(*) AS contacts, count(*) FILTER (WHERE field.value -> 'new' = 'null') AS cleared
FROM syncengine.sync_change AS change CROSS JOIN LATERAL jsonb_each(change.fields) AS field
WHERE change.run_id = $1 AND NOT starts_with(field.key, 'tags.')
GROUP BY field.key ORDER BY contacts DESC, name LIMIT $2

-- name: tags_added
SELECT added.tag AS name, count(*) AS contacts
FROM syncengine.sync_change AS change CROSS JOIN LATERAL (
    SELECT unnest(change.tags_added)
    UNION SELECT substr(key, 6) FROM jsonb_each(change.fields)
    WHERE starts_with(key, 'tags.') AND value -> 'new' = 'true'
) AS added (tag)
WHERE change.run_id = $1 GROUP BY added.tag ORDER BY contacts DESC, name LIMIT $2

-- name: tags_removed
SELECT removed.tag AS name, count(*) AS contacts
FROM syncengine.sync_change AS change CROSS JOIN LATERAL (
    SELECT unnest(change.tags_removed)
    UNION SELECT substr(key, 6) FROM jsonb_each(change.fields)
    WHERE starts_with(key, 'tags.') AND value -> 'new' IS DISTINCT FROM 'true'
) AS removed (tag)
WHERE change.run_id = $1 GROUP BY removed.tag ORDER BY contacts DESC, name LIMIT $2

-- name: changed_contacts
-- With values: only for whoever asked for them.
SELECT run_id, contact_id, effect, fields, tags_added, tags_removed, at
FROM syncengine.sync_change WHERE run_id = $1 ORDER BY length(contact_id), contact_id LIMIT $2

-- name: minutes
SELECT minute, requests, throttled, outcomes, codes
FROM syncengine.sync_run_minute WHERE run_id = $1 ORDER BY minute

-- name: failures
-- Contacts that ended alike and did not simply succeed: how many, the first $2 of them, and what was said of the first.
-- Ranked rather than gathered into arrays: they may be millions.
WITH ranked AS (
    SELECT outcome, coalesce(code, '') AS code, contact_id, coalesce(message, '') AS message, unsupported,
           row_number() OVER (PARTITION BY outcome, coalesce(code, '') ORDER BY length(contact_id), contact_id) AS place,
           count(*) OVER (PARTITION BY outcome, coalesce(code, '')) AS contacts
    FROM syncengine.sync_outcome WHERE run_id = $1 AND outcome NOT IN ('applied', 'probed')
)
SELECT outcome, code, max(contacts) AS contacts, array_agg(contact_id ORDER BY place) AS contact_ids,
       (array_agg(message ORDER BY place))[1] AS message, (array_agg(unsupported ORDER BY place))[1] AS unsupported
FROM ranked WHERE place <= $2 GROUP BY outcome, code
ORDER BY array_position(ARRAY['rejected', 'unknown', 'deferred', 'unsupported', 'suppressed'], outcome), contacts DESC, code
LIMIT $3

-- name: standing
-- Standing contacts of a destination now, by reason and code: how many, and the first $2 of each.
WITH ranked AS (
    SELECT standing, coalesce(code, '') AS code, contact_id,
           row_number() OVER (PARTITION BY standing, coalesce(code, '') ORDER BY length(contact_id), contact_id) AS place,
           count(*) OVER (PARTITION BY standing, coalesce(code, '')) AS contacts
    FROM syncengine.sync_state WHERE destination = $1 AND standing IS NOT NULL
)
SELECT standing, code, max(contacts) AS contacts, array_agg(contact_id ORDER BY place) AS contact_ids
FROM ranked WHERE place <= $2 GROUP BY standing, code
ORDER BY array_position(ARRAY['dead_letter', 'gone', 'unsupported', 'suppressed', 'opted_out'], standing), contacts DESC, code
LIMIT $3

-- name: batches
SELECT number, kind, status, cardinality(contact_ids) AS contacts, totals, error
FROM syncengine.sync_batch WHERE run_id = $1 ORDER BY number LIMIT $2

-- name: batch_count
SELECT count(*) FROM syncengine.sync_batch WHERE run_id = $1
