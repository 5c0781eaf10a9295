-- name: removed_or_opted_out
-- Contacts that are known to be removed or opted out.
SELECT contact_id FROM syncengine.sync_state
WHERE destination = $1 AND contact_id = ANY ($2::text[])
  AND (status = 'removed' AND code IS DISTINCT FROM 'suppressed' OR standing = 'opted_out')

-- name: present_elsewhere
-- Contacts that other destinations of the account have, or had when $1 last ran, or let go of for a third destination as
-- $1 did. Contacts that opted out there do not count.
SELECT DISTINCT s.contact_id
FROM syncengine.sync_state AS mine
JOIN syncengine.sync_destination AS d ON d.account = $2 AND d.destination <> $1
JOIN syncengine.sync_state AS s ON s.destination = d.destination AND s.contact_id = mine.contact_id
WHERE mine.destination = $1 AND mine.contact_id = ANY ($3::text[]) AND s.external_id IS NOT NULL
  AND s.standing IS DISTINCT FROM 'opted_out' AND s.status <> 'suppressed' AND s.code IS DISTINCT FROM 'suppressed'
  AND (s.status <> 'removed' OR s.code = 'moved' AND mine.code = 'moved' OR EXISTS (
      SELECT FROM syncengine.sync_run AS r JOIN syncengine.sync_outcome AS o USING (run_id)
      WHERE r.destination = s.destination AND o.contact_id = s.contact_id AND r.run_id > (
          SELECT max(run_id) FROM syncengine.sync_run WHERE destination = $1 AND status IN ('done', 'incomplete'))))

-- name: count_removed
-- Those of these contacts that the vendor is known to hold; tagged: of them, those that have or may have tags or lists
-- of ours. A removal that was given up and is tried again is one that was not carried out.
SELECT count(*) AS known,
       count(*) FILTER (
           WHERE k.tags <> '[]' OR k.pending -> 'add_tags' <> '[]' OR k.pending -> 'remove_tags' <> '[]'
              OR EXISTS (SELECT FROM jsonb_object_keys(k.fields || coalesce(k.pending -> 'fields', '{}')) AS field (name)
                         WHERE starts_with(field.name, $3))) AS tagged
FROM syncengine.sync_state AS s LEFT JOIN syncengine.sync_known AS k USING (destination, contact_id)
WHERE s.destination = $1 AND s.contact_id = ANY ($2::text[]) AND s.external_id IS NOT NULL
  AND (s.status <> 'removed' OR s.code = 'moved' OR s.standing = 'dead_letter')

-- name: earlier_removed
-- Contacts that left earlier, were not given up, and are at the vendor as far as is known; with tags or lists of ours,
-- or possibly with such, where $2 is true.
SELECT s.contact_id
FROM syncengine.sync_state AS s LEFT JOIN syncengine.sync_known AS k USING (destination, contact_id)
WHERE s.destination = $1 AND s.status = 'removed' AND s.external_id IS NOT NULL AND s.standing IS NULL
  AND s.code IS DISTINCT FROM 'moved'
  AND (NOT $2::boolean OR k.tags <> '[]' OR k.pending -> 'add_tags' <> '[]' OR k.pending -> 'remove_tags' <> '[]'
       OR EXISTS (SELECT FROM jsonb_object_keys(k.fields || coalesce(k.pending -> 'fields', '{}')) AS field (name)
                  WHERE starts_with(field.name, $3)))
ORDER BY s.contact_number NULLS LAST, s.contact_id

-- name: count_earlier_removed
-- The number of the contacts that earlier_removed returns.
SELECT count(*)
FROM syncengine.sync_state AS s LEFT JOIN syncengine.sync_known AS k USING (destination, contact_id)
WHERE s.destination = $1 AND s.status = 'removed' AND s.external_id IS NOT NULL AND s.standing IS NULL
  AND s.code IS DISTINCT FROM 'moved'
  AND (NOT $2::boolean OR k.tags <> '[]' OR k.pending -> 'add_tags' <> '[]' OR k.pending -> 'remove_tags' <> '[]'
       OR EXISTS (SELECT FROM jsonb_object_keys(k.fields || coalesce(k.pending -> 'fields', '{}')) AS field (name)
                  WHERE starts_with(field.name, $3)))

-- name: moved_away
-- Removed contacts that another destination of the account selects, and has not taken over yet.
SELECT contact_id FROM syncengine.sync_state
WHERE destination = $1 AND code = 'moved' AND status = 'removed' AND external_id IS NOT NULL
