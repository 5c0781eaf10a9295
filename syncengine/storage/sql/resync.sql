-- A re-sync: the links stay, and all else that is known becomes unknown. The statements may be repeated, so a re-sync
-- that was killed while it went through the contacts begins again.

-- name: begin
-- From here on the next run begins with the re-sync, should this one be killed.
UPDATE syncengine.sync_destination SET resync = true, looks_first = true WHERE destination = $1

-- name: end
UPDATE syncengine.sync_destination SET resync = false WHERE destination = $1

-- name: next_contacts
-- A slice of the contacts, after $2 in the order of their ids.
SELECT contact_id FROM syncengine.sync_state
WHERE destination = $1 AND ($2::text IS NULL OR contact_id > $2)
ORDER BY contact_id LIMIT $3

-- name: distrust_known
-- $3: fields that no later write changes; $4: fields that keep every value; $5: fields that may have a value which is
-- not known, as an object of nulls; $6, $7: opt-out fields, and the text that means opted out.
INSERT INTO syncengine.sync_known (destination, contact_id, fields, tags, pending)
SELECT s.destination, s.contact_id,
       (SELECT coalesce(jsonb_object_agg(f.name, f.value), '{}')
        FROM jsonb_each(coalesce(k.fields, '{}')) AS f (name, value)
        WHERE f.name = ANY ($3::text[] || $4::text[])
           OR EXISTS (SELECT FROM unnest($6::text[], $7::text[]) AS o (name, no)
                      WHERE o.name = f.name AND lower(f.value #>> '{}') = o.no)),
       '[]',
       jsonb_build_object(
           'creates', coalesce(k.pending -> 'creates', 'false'),
           'deletes', coalesce(k.pending -> 'deletes', 'false'),
           'keys', coalesce(k.pending -> 'keys', '[]'),
           'fields', $5::jsonb || (coalesce(k.fields, '{}') - $3::text[]) || coalesce(k.pending -> 'fields', '{}'),
           'add_tags', (SELECT coalesce(jsonb_agg(DISTINCT t.tag ORDER BY t.tag), '[]')
                        FROM jsonb_array_elements(
                            coalesce(k.tags, '[]') || coalesce(k.pending -> 'add_tags', '[]')) AS t (tag)),
           'remove_tags', coalesce(k.pending -> 'remove_tags', '[]'),
           'merged_with', k.pending -> 'merged_with',
           'distrusted', true)
FROM syncengine.sync_state AS s LEFT JOIN syncengine.sync_known AS k USING (destination, contact_id)
WHERE s.destination = $1 AND s.contact_id = ANY ($2::text[]) AND s.external_id IS NOT NULL
ORDER BY s.contact_id
ON CONFLICT (destination, contact_id) DO UPDATE SET
    fields = excluded.fields, tags = excluded.tags, pending = excluded.pending, empty = NULL

-- name: distrust_state
-- Every contact is planned again: those in step, and the refused, whose refusal may have been mended since.
UPDATE syncengine.sync_state
SET source_hash = NULL, rejected_hash = NULL, status = CASE status WHEN 'synced' THEN 'pending' ELSE status END
WHERE destination = $1 AND contact_id = ANY ($2::text[]) AND status <> 'removed'

-- name: state_self
SELECT state_id::text AS state_id, restores, consents,
       coalesce((SELECT max(run_id) FROM syncengine.sync_run), 0) AS newest_run
FROM syncengine.sync_self

-- name: knows_nobody
-- Whether no contact is known at any vendor and nobody is suppressed, as in a new state.
SELECT NOT EXISTS (SELECT FROM syncengine.sync_state)
   AND NOT EXISTS (SELECT FROM syncengine.sync_suppression)

-- name: runs_of
SELECT run_id, started_at::text AS started_at, ended_at::text AS ended_at FROM syncengine.sync_run
WHERE run_id = ANY ($1::bigint[])

-- name: newest_run
SELECT run_id, started_at::text AS started_at, ended_at::text AS ended_at FROM syncengine.sync_run
WHERE destination = $1 ORDER BY run_id DESC LIMIT 1

-- name: accept_restore
-- Once: of the destinations that run side by side each would accept it again.
UPDATE syncengine.sync_self SET restores = $1 + 1 WHERE restores <= $1 RETURNING restores

-- name: resync_all
UPDATE syncengine.sync_destination SET resync = true, looks_first = true
