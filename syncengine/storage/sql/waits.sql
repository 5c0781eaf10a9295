-- name: keep
-- held is a salted hash of what the owner has now. Once it differs, the wait may be over (see moved). So no value of the
-- owner is stored a second time.
INSERT INTO syncengine.sync_wait (destination, contact_id, owner_destination, owner_contact_id, fields, held)
SELECT $1, t.contact_id, t.owner_destination, t.owner_contact_id, f.fields,
       sha256((SELECT salt FROM syncengine.sync_salt) || convert_to(ROW(
           s.external_id, s.status = 'removed', k.match_field, k.match_key,
           (SELECT jsonb_agg(k.fields -> name ORDER BY name) FROM unnest(f.fields) AS name))::text, 'UTF8'))
FROM unnest($2::text[], $3::text[], $4::text[], $5::text[])
     AS t (contact_id, owner_destination, owner_contact_id, fields)
CROSS JOIN LATERAL (SELECT array(SELECT jsonb_array_elements_text(t.fields::jsonb))) AS f (fields)
LEFT JOIN syncengine.sync_state AS s ON (s.destination, s.contact_id) = (t.owner_destination, t.owner_contact_id)
LEFT JOIN syncengine.sync_known AS k ON (k.destination, k.contact_id) = (t.owner_destination, t.owner_contact_id)
ORDER BY t.contact_id
ON CONFLICT (destination, contact_id) DO UPDATE SET
    owner_destination = excluded.owner_destination, owner_contact_id = excluded.owner_contact_id,
    fields = excluded.fields, held = excluded.held

-- name: kept
-- Waits of contacts that are still refused for the match key of another one.
SELECT w.contact_id, w.owner_destination || '/' || w.owner_contact_id AS owner, w.fields
FROM syncengine.sync_wait AS w
JOIN syncengine.sync_state AS mine ON (mine.destination, mine.contact_id) = (w.destination, w.contact_id)
WHERE w.destination = $1 AND mine.status = 'dead' AND mine.code IN ('key_held', 'ambiguous_match')
ORDER BY mine.contact_number NULLS LAST, w.contact_id

-- name: moved
-- Contacts whose owner is gone, or has other values than those hashed when the wait began (see keep).
SELECT w.contact_id
FROM syncengine.sync_wait AS w
JOIN syncengine.sync_state AS mine ON (mine.destination, mine.contact_id) = (w.destination, w.contact_id)
LEFT JOIN syncengine.sync_state AS s ON (s.destination, s.contact_id) = (w.owner_destination, w.owner_contact_id)
LEFT JOIN syncengine.sync_known AS k ON (k.destination, k.contact_id) = (w.owner_destination, w.owner_contact_id)
WHERE w.destination = $1 AND mine.status = 'dead' AND mine.code IN ('key_held', 'ambiguous_match')
  AND w.held <> sha256((SELECT salt FROM syncengine.sync_salt) || convert_to(ROW(
      s.external_id, s.status = 'removed', k.match_field, k.match_key,
      (SELECT jsonb_agg(k.fields -> name ORDER BY name) FROM unnest(w.fields) AS name))::text, 'UTF8'))
ORDER BY mine.contact_number NULLS LAST, w.contact_id

-- name: blockers
-- The state of these contacts, and for whom they wait themselves, if they do.
SELECT s.destination, s.contact_id, s.status, coalesce(s.code, '') AS code,
       w.owner_destination, w.owner_contact_id
FROM unnest($1::text[], $2::text[]) AS asked (destination, contact_id)
JOIN syncengine.sync_state AS s USING (destination, contact_id)
LEFT JOIN syncengine.sync_wait AS w
    ON (w.destination, w.contact_id) = (s.destination, s.contact_id)
   AND s.status = 'dead' AND s.code IN ('key_held', 'ambiguous_match')
