-- name: begin
-- The id is kept only until the erasure has ended; what remains afterwards is its salted hash.
INSERT INTO syncengine.sync_erasure (contact_hash, destination, contact_id, status, salted)
SELECT sha256(own.salt || convert_to($1, 'UTF8')), destination, $2, 'open', own.fingerprint
FROM unnest($3::text[]) AS t (destination) CROSS JOIN syncengine.sync_salt AS own
ORDER BY destination
ON CONFLICT (contact_hash, destination) DO UPDATE SET
    contact_id = excluded.contact_id,
    -- An erasure that the vendor has scheduled stays so, even if it is asked for again.
    status = CASE sync_erasure.status WHEN 'scheduled' THEN 'scheduled' ELSE 'open' END, requested_at = clock_timestamp(), ended_at = NULL

-- name: to_ask
-- The request that a person still has to make to the vendor.
SELECT to_ask FROM syncengine.sync_erasure
WHERE contact_hash = sha256((SELECT salt FROM syncengine.sync_salt) || convert_to($1, 'UTF8')) AND destination = $2

-- name: receipts
SELECT destination, status, receipt, to_ask FROM syncengine.sync_erasure
WHERE contact_hash = sha256((SELECT salt FROM syncengine.sync_salt) || convert_to($1, 'UTF8'))
ORDER BY destination

-- name: confirm
-- A person says that the vendor did what it was asked for.
UPDATE syncengine.sync_erasure
SET status = CASE status WHEN 'impossible' THEN 'done' ELSE status END, receipt = 'confirmed', to_ask = ''
WHERE contact_hash = sha256((SELECT salt FROM syncengine.sync_salt) || convert_to($1, 'UTF8'))
  AND destination = $2 AND to_ask <> ''
RETURNING destination

-- name: unconfigured
-- Destinations not among these that have data of the contact, or were to erase it.
SELECT destination FROM syncengine.sync_state WHERE contact_id = $2 AND NOT destination = ANY ($3::text[])
UNION
SELECT destination FROM syncengine.sync_known WHERE contact_id = $2 AND NOT destination = ANY ($3::text[])
UNION
SELECT destination FROM syncengine.sync_key WHERE contact_id = $2 AND NOT destination = ANY ($3::text[])
UNION
SELECT r.destination
FROM syncengine.sync_outcome AS o JOIN syncengine.sync_run AS r USING (run_id)
WHERE o.contact_id = $2 AND NOT r.destination = ANY ($3::text[])
UNION
SELECT destination FROM syncengine.sync_erasure
WHERE contact_hash = sha256((SELECT salt FROM syncengine.sync_salt) || convert_to($1, 'UTF8'))
  AND NOT destination = ANY ($3::text[])
ORDER BY 1

-- name: known_there
-- The contact as a destination's vendor may have it. in_use: a run is working on the destination's account.
SELECT coalesce(d.vendor, 'its vendor') AS vendor, coalesce(d.base_url, '') AS base_url, s.external_id,
       s.external_id IS NOT NULL OR k.pending IS NOT NULL AS may_be_there,
       coalesce(l.expires_at > clock_timestamp() AND NOT l.released, false) AS in_use
FROM (SELECT $1::text AS destination, $2::text AS contact_id) AS asked
LEFT JOIN syncengine.sync_destination AS d USING (destination)
LEFT JOIN syncengine.sync_state AS s USING (destination, contact_id)
LEFT JOIN syncengine.sync_known AS k USING (destination, contact_id)
LEFT JOIN syncengine.sync_lease AS l ON l.account = d.account

-- name: without_a_file
SELECT destination FROM syncengine.sync_destination WHERE NOT destination = ANY ($1::text[]) ORDER BY destination

-- name: end
-- What a person still has to ask for is kept with any other status, and the contact's id goes unless it is still open.
UPDATE syncengine.sync_erasure
SET status = $4, receipt = $5, to_ask = CASE $4 WHEN 'impossible' THEN $6 ELSE to_ask END, contact_id = CASE WHEN $4 = 'open' THEN contact_id END,
    ended_at = CASE WHEN $4 <> 'open' THEN clock_timestamp() END
WHERE contact_hash = sha256((SELECT salt FROM syncengine.sync_salt) || convert_to($1, 'UTF8'))
  AND destination = $2 AND ($3 = contact_id OR contact_id IS NULL)

-- name: note_to_ask
UPDATE syncengine.sync_erasure SET to_ask = $3
WHERE contact_hash = sha256((SELECT salt FROM syncengine.sync_salt) || convert_to($1, 'UTF8')) AND destination = $2

-- name: outcome
-- The contact's result in this run. Where nothing was left to do, that of an earlier run, which was killed between its
-- deletion and its receipt.
SELECT o.outcome, coalesce(o.code, '') AS code, coalesce(o.message, '') AS message
FROM syncengine.sync_run AS r JOIN syncengine.sync_outcome AS o USING (run_id)
WHERE r.destination = $1 AND r.kind = 'forget' AND o.contact_id = $3 AND (r.run_id = $2 OR o.outcome = 'applied')
ORDER BY r.run_id DESC LIMIT 1

-- name: forget_known
DELETE FROM syncengine.sync_known WHERE destination = $1 AND contact_id = $2

-- name: forget_taken_back
DELETE FROM syncengine.sync_taken_back WHERE destination = $1 AND contact_id = $2

-- name: forget_keys
DELETE FROM syncengine.sync_key WHERE destination = $1 AND contact_id = $2

-- name: forget_waits
-- This contact's own wait only. The waits of others keep naming it until they are tried again: its match key is free.
DELETE FROM syncengine.sync_wait WHERE destination = $1 AND contact_id = $2

-- name: forget_outcomes
DELETE FROM syncengine.sync_outcome AS o USING syncengine.sync_run AS r
WHERE r.run_id = o.run_id AND r.destination = $1 AND o.contact_id = $2

-- name: forget_changes
-- At every destination: the values are the same person's, and none of them is needed to go on with the erasure.
DELETE FROM syncengine.sync_change WHERE contact_id = $1

-- name: forget_state
DELETE FROM syncengine.sync_state WHERE destination = $1 AND contact_id = $2

-- name: open
-- Erasures that were begun and not finished, for reports.
SELECT DISTINCT contact_id FROM syncengine.sync_erasure
WHERE destination = $1 AND status = 'open' ORDER BY contact_id LIMIT $2
