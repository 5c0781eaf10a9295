-- name: any
-- Whether anything was taken back at the destination: else no contact is asked for.
SELECT EXISTS (SELECT FROM syncengine.sync_taken_back WHERE destination = $1)

-- name: load
SELECT contact_id, undone, version, fields, tags_off, tags_on, whole, basis::text AS basis
FROM syncengine.sync_taken_back WHERE destination = $1 AND contact_id = ANY ($2::text[])

-- name: keep
-- Several names are one text each, since ``unnest`` would flatten an array of arrays.
INSERT INTO syncengine.sync_taken_back
    (destination, contact_id, undone, run_id, version, fields, tags_off, tags_on, whole, basis)
SELECT $1, contact_id, undone, $2, version,
       ARRAY(SELECT jsonb_array_elements_text(fields::jsonb)), ARRAY(SELECT jsonb_array_elements_text(tags_off::jsonb)),
       ARRAY(SELECT jsonb_array_elements_text(tags_on::jsonb)), whole, basis::jsonb
FROM unnest($3::text[], $4::bigint[], $5::bigint[], $6::text[], $7::text[], $8::text[], $9::boolean[], $10::text[])
     AS t (contact_id, undone, version, fields, tags_off, tags_on, whole, basis)
ORDER BY contact_id
ON CONFLICT (destination, contact_id) DO UPDATE SET
    undone = excluded.undone, run_id = excluded.run_id, version = excluded.version, fields = excluded.fields,
    tags_off = excluded.tags_off, tags_on = excluded.tags_on, whole = excluded.whole,
    basis = excluded.basis

-- name: change
-- What is left of a note belongs to the undo that wrote it.
UPDATE syncengine.sync_taken_back AS kept
SET version = t.version, fields = ARRAY(SELECT jsonb_array_elements_text(t.fields::jsonb)),
    tags_off = ARRAY(SELECT jsonb_array_elements_text(t.tags_off::jsonb)),
    tags_on = ARRAY(SELECT jsonb_array_elements_text(t.tags_on::jsonb)), whole = t.whole, basis = t.basis::jsonb
FROM unnest($2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::boolean[], $8::text[])
     AS t (contact_id, version, fields, tags_off, tags_on, whole, basis)
WHERE kept.destination = $1 AND kept.contact_id = t.contact_id

-- name: drop
DELETE FROM syncengine.sync_taken_back WHERE destination = $1 AND contact_id = ANY ($2::text[])

-- name: changes
-- What a run altered at these contacts.
SELECT contact_id, effect, fields, tags_added, tags_removed, external_id
FROM syncengine.sync_change WHERE run_id = $1 AND contact_id = ANY ($2::text[])

-- name: later
-- What runs of the same destination altered at these contacts after that one, by name alone.
SELECT c.contact_id, c.run_id, r.undo_of AS undone,
       ARRAY(SELECT jsonb_object_keys(c.fields)) AS fields, c.tags_added || c.tags_removed AS tags
FROM syncengine.sync_change AS c JOIN syncengine.sync_run AS r USING (run_id)
WHERE c.contact_id = ANY ($3::text[]) AND c.run_id > $2 AND r.destination = $1
ORDER BY c.contact_id, c.run_id

-- name: contacts
-- Contacts that a run altered, in the order of their ids, after $2.
SELECT contact_id FROM syncengine.sync_change
WHERE run_id = $1 AND ($2::text IS NULL OR contact_id > $2)
  AND ($3::text[] IS NULL OR contact_id = ANY ($3))
ORDER BY contact_id LIMIT $4

-- name: unsettled_contacts
-- Contacts about which a run sent something that has no outcome yet, and of which nothing is known to be changed.
SELECT open.contact_id
FROM syncengine.sync_run AS r
CROSS JOIN LATERAL (
    SELECT o.contact_id FROM syncengine.sync_outcome AS o WHERE o.run_id = r.run_id AND o.outcome = 'unknown'
    UNION
    SELECT unnest(b.contact_ids) FROM syncengine.sync_batch AS b WHERE b.run_id = r.run_id AND b.status = 'waiting'
) AS open
JOIN syncengine.sync_known AS k ON (k.destination, k.contact_id) = (r.destination, open.contact_id)
WHERE r.run_id = $1 AND (k.pending ->> 'run')::bigint = $1
  AND ($2::text IS NULL OR open.contact_id > $2) AND ($3::text[] IS NULL OR open.contact_id = ANY ($3))
  AND NOT EXISTS (SELECT FROM syncengine.sync_change AS c WHERE (c.run_id, c.contact_id) = ($1, open.contact_id))
ORDER BY open.contact_id LIMIT $4

-- name: has_changes
SELECT EXISTS (SELECT FROM syncengine.sync_change WHERE run_id = $1) AS kept,
       EXISTS (SELECT FROM syncengine.sync_outcome WHERE run_id = $1 AND actions <> '{}') AS did_something

-- name: names
-- The names of the fields that a run changed, and whether it changed tags.
SELECT coalesce(array_agg(DISTINCT name ORDER BY name) FILTER (WHERE name NOT LIKE 'tags.%'), '{}') AS fields,
       coalesce(bool_or(name LIKE 'tags.%'), false)
       OR EXISTS (SELECT FROM syncengine.sync_change AS c
                  WHERE c.run_id = $1 AND (c.tags_added <> '{}' OR c.tags_removed <> '{}')) AS tags
FROM syncengine.sync_change AS change CROSS JOIN LATERAL jsonb_object_keys(change.fields) AS name
WHERE change.run_id = $1

-- name: owners_of_changes
-- The earlier runs to which belongs what this run sent again: their answers had been lost.
SELECT DISTINCT c.run_id
FROM syncengine.sync_run AS r
JOIN syncengine.sync_outcome AS o USING (run_id)
JOIN syncengine.sync_change AS c ON c.contact_id = o.contact_id AND c.run_id < r.run_id AND c.at >= r.started_at
JOIN syncengine.sync_run AS owner ON owner.run_id = c.run_id AND owner.destination = r.destination
WHERE r.run_id = $1 ORDER BY c.run_id LIMIT 5

-- name: is_under_way
-- Whether the process of a run may still be at work: it has the lease of its account.
SELECT EXISTS (SELECT FROM syncengine.sync_run AS r JOIN syncengine.sync_lease AS l USING (account)
               WHERE r.run_id = $1 AND r.status = 'running' AND l.epoch = r.epoch
                 AND NOT l.released AND l.expires_at > clock_timestamp())
