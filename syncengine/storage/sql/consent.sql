-- name: suppressed
-- Returns those of these contacts that a suppression names, by any of their subjects, with the reason. Also those with a
-- phone or an address of a contact that was suppressed or forgotten by its id: that may be the same person under another
-- id. A contact that was in step before is somebody else, and so is one that somebody has declared to be.
WITH asked AS (
    SELECT t.contact_id, sha256(own.salt || convert_to(t.subject, 'UTF8')) AS subject_hash
    FROM unnest($1::text[], $2::text[]) AS t (contact_id, subject) CROSS JOIN syncengine.sync_salt AS own),
alike AS MATERIALIZED (  -- mostly empty, so the search through every destination below is done for few contacts
    SELECT DISTINCT asked.contact_id
    FROM asked JOIN syncengine.sync_suppressed_value AS v USING (subject_hash)
    JOIN syncengine.sync_suppression AS s ON s.subject_hash = v.contact_hash)
SELECT DISTINCT ON (named.contact_id) named.contact_id, named.reason
FROM (
    SELECT asked.contact_id, s.reason, 1 AS rank
    FROM asked JOIN syncengine.sync_suppression AS s USING (subject_hash)
    UNION ALL
    SELECT alike.contact_id, 'same_person', 2 FROM alike
    WHERE NOT EXISTS (SELECT FROM syncengine.sync_other_person AS o CROSS JOIN syncengine.sync_salt AS own
                      WHERE o.contact_hash = sha256(own.salt || convert_to('contact:' || alike.contact_id, 'UTF8')))
      AND NOT EXISTS (SELECT FROM syncengine.sync_destination AS d JOIN syncengine.sync_state AS there USING (destination)
                      WHERE there.contact_id = alike.contact_id AND there.synced_at IS NOT NULL)
) AS named
ORDER BY named.contact_id, named.rank, named.reason

-- name: named_by
-- Every suppression that names one of these subjects.
SELECT DISTINCT s.kind, s.reason
FROM unnest($1::text[]) AS t (subject)
JOIN syncengine.sync_suppression AS s
  ON s.subject_hash = sha256((SELECT salt FROM syncengine.sync_salt) || convert_to(subject, 'UTF8'))
ORDER BY s.kind, s.reason

-- name: suppress
-- DISTINCT, since one statement may not write the same row twice.
INSERT INTO syncengine.sync_suppression (subject_hash, kind, reason, salted)
SELECT DISTINCT sha256(own.salt || convert_to(subject, 'UTF8')), split_part(subject, ':', 1), $2, own.fingerprint
FROM unnest($1::text[]) AS t (subject) CROSS JOIN syncengine.sync_salt AS own
ORDER BY 1
ON CONFLICT (subject_hash) DO UPDATE SET reason = excluded.reason
WHERE sync_suppression.reason <> excluded.reason AND excluded.reason = 'forgotten'
RETURNING kind

-- name: forgotten_among
-- Those of these subjects that name a forgotten contact.
SELECT subject FROM unnest($1::text[]) AS t (subject)
JOIN syncengine.sync_suppression AS s
  ON s.subject_hash = sha256((SELECT salt FROM syncengine.sync_salt) || convert_to(subject, 'UTF8'))
WHERE s.reason = 'forgotten'
ORDER BY subject

-- name: lift
-- Whoever names only the phone or the address of a forgotten contact does not take its erasure back: the values by which
-- the person is recognised stay.
WITH named AS (
    SELECT sha256((SELECT salt FROM syncengine.sync_salt) || convert_to(subject, 'UTF8')) AS subject_hash
    FROM unnest($1::text[]) AS t (subject)),
values_too AS (
    DELETE FROM syncengine.sync_suppressed_value AS v USING named
    WHERE named.subject_hash = v.contact_hash
       OR named.subject_hash = v.subject_hash AND NOT EXISTS (
           SELECT FROM syncengine.sync_suppression AS f
           WHERE f.subject_hash = v.contact_hash AND f.reason = 'forgotten'))
DELETE FROM syncengine.sync_suppression AS s USING named WHERE s.subject_hash = named.subject_hash
RETURNING s.kind

-- name: are_other_people
-- Notes that these contacts are other people than those who have the same phone or address and were suppressed. Returns
-- those who were held back for that.
WITH noted AS (
    INSERT INTO syncengine.sync_other_person (contact_hash)
    SELECT DISTINCT sha256(own.salt || convert_to('contact:' || contact_id, 'UTF8'))
    FROM unnest($1::text[]) AS t (contact_id) CROSS JOIN syncengine.sync_salt AS own
    ON CONFLICT DO NOTHING)
SELECT DISTINCT s.contact_id
FROM syncengine.sync_destination AS d JOIN syncengine.sync_state AS s USING (destination)
WHERE s.contact_id = ANY ($1::text[]) AND s.status = 'suppressed' AND s.code = 'same_person'

-- name: no_other_people
-- A contact that is suppressed itself counts as a person of its own again.
DELETE FROM syncengine.sync_other_person
WHERE contact_hash IN (
    SELECT sha256((SELECT salt FROM syncengine.sync_salt) || convert_to('contact:' || contact_id, 'UTF8'))
    FROM unnest($1::text[]) AS t (contact_id))

-- name: note_values
-- DISTINCT, since one statement may not write the same row twice; in key order, as all writers lock these rows.
INSERT INTO syncengine.sync_suppressed_value (subject_hash, contact_hash, kind)
SELECT DISTINCT sha256(own.salt || convert_to(t.subject, 'UTF8')), sha256(own.salt || convert_to(t.contact, 'UTF8')),
       split_part(t.subject, ':', 1)
FROM unnest($1::text[], $2::text[]) AS t (contact, subject) CROSS JOIN syncengine.sync_salt AS own
ORDER BY 1, 2
ON CONFLICT DO NOTHING

-- name: known_values
-- All values of these contacts at every destination: known, about to be sent, and match keys.
SELECT k.contact_id, value.field, value.value
FROM syncengine.sync_destination AS d JOIN syncengine.sync_known AS k USING (destination)
CROSS JOIN LATERAL (
    SELECT key AS field, value::text FROM jsonb_each(k.fields)
    UNION ALL SELECT key, value::text FROM jsonb_each(coalesce(k.pending -> 'fields', '{}'))
    UNION ALL SELECT k.match_field, to_jsonb(k.match_key)::text WHERE k.match_field IS NOT NULL) AS value
WHERE k.contact_id = ANY ($1::text[])

-- name: without_values
-- Contacts of the state whose suppression names their id alone: no phone or address of theirs was noted with it.
SELECT DISTINCT s.contact_id
FROM syncengine.sync_state AS s CROSS JOIN syncengine.sync_salt AS own
JOIN syncengine.sync_suppression AS t
  ON t.subject_hash = sha256(own.salt || convert_to('contact:' || s.contact_id, 'UTF8'))
WHERE NOT EXISTS (SELECT FROM syncengine.sync_suppressed_value AS v WHERE v.contact_hash = t.subject_hash)

-- name: stranded
-- Suppressions by id alone, without those of the contacts $1.
SELECT count(*) FILTER (WHERE s.reason = 'suppressed') AS suppressed,
       count(*) FILTER (WHERE s.reason = 'forgotten') AS forgotten
FROM syncengine.sync_suppression AS s
WHERE s.kind = 'contact'
  AND NOT EXISTS (SELECT FROM syncengine.sync_suppressed_value AS v WHERE v.contact_hash = s.subject_hash)
  AND s.subject_hash NOT IN (
      SELECT sha256((SELECT salt FROM syncengine.sync_salt) || convert_to(t.contact, 'UTF8'))
      FROM unnest($1::text[]) AS t (contact))

-- name: plan_again
-- Every contact that was passed over is planned again, since its state does not show which suppression named it: one
-- that remains passes it over again. A contact that was removed meanwhile is planned too: it was neither untagged nor
-- deleted.
UPDATE syncengine.sync_state
SET source_hash = NULL, standing = NULL, status = CASE status WHEN 'removed' THEN 'pending' ELSE status END
WHERE status = 'suppressed' OR (status = 'removed' AND code = 'suppressed')

-- name: count_change
-- A copy of the state that was made before this change is recognised by a smaller number.
UPDATE syncengine.sync_self SET consents = consents + 1

-- name: foreign_salt
-- True where suppressions or erasures were hashed with another salt, or where this database has none.
SELECT own.fingerprint IS NULL
    OR EXISTS (SELECT FROM syncengine.sync_suppression WHERE salted IS NULL)
    OR EXISTS (SELECT FROM syncengine.sync_suppression WHERE salted < own.fingerprint)
    OR EXISTS (SELECT FROM syncengine.sync_suppression WHERE salted > own.fingerprint)
    OR EXISTS (SELECT FROM syncengine.sync_erasure WHERE salted IS NULL)
    OR EXISTS (SELECT FROM syncengine.sync_erasure WHERE salted < own.fingerprint)
    OR EXISTS (SELECT FROM syncengine.sync_erasure WHERE salted > own.fingerprint)
FROM (SELECT (SELECT fingerprint FROM syncengine.sync_salt) AS fingerprint) AS own

-- name: by_salt
-- Suppressions and erasures, and those of them that were hashed with another salt than this database has.
SELECT count(*) AS number,
       count(*) FILTER (WHERE salted IS DISTINCT FROM (SELECT fingerprint FROM syncengine.sync_salt)) AS foreign
FROM (SELECT salted FROM syncengine.sync_suppression
      UNION ALL SELECT salted FROM syncengine.sync_erasure) AS hashed

-- name: counts
SELECT kind, reason, count(*) AS number, max(since) AS latest FROM syncengine.sync_suppression
GROUP BY kind, reason ORDER BY kind, reason

-- name: own_salt
-- Locked, so that nothing is hashed with another salt while this one is exchanged.
SELECT salt FROM syncengine.sync_salt FOR UPDATE

-- name: nothing_hashed
-- True where the salt may be exchanged, since nothing was hashed with it that could not be hashed again.
SELECT NOT EXISTS (SELECT FROM syncengine.sync_suppression) AND NOT EXISTS (SELECT FROM syncengine.sync_erasure)
   AND NOT EXISTS (SELECT FROM syncengine.sync_suppressed_value)

-- name: lock_hashed
-- Lets others read, and lets none of them write until the import has ended.
LOCK TABLE syncengine.sync_suppression, syncengine.sync_erasure IN EXCLUSIVE MODE

-- name: take_salt
UPDATE syncengine.sync_salt SET salt = $1

-- name: forget_credentials
-- They were hashed with the former salt; the next run notes them again.
DELETE FROM syncengine.sync_credentials

-- name: forget_other_people
-- They were hashed with the former salt, and are asked about again.
DELETE FROM syncengine.sync_other_person

-- name: all_suppressions
SELECT encode(subject_hash, 'hex') AS subject_hash, kind, reason, since FROM syncengine.sync_suppression
ORDER BY subject_hash

-- name: all_values
SELECT encode(subject_hash, 'hex') AS subject_hash, encode(contact_hash, 'hex') AS contact_hash, kind
FROM syncengine.sync_suppressed_value ORDER BY subject_hash, contact_hash

-- name: all_erasures
SELECT encode(contact_hash, 'hex') AS contact_hash, destination, CASE status WHEN 'open' THEN contact_id END AS contact_id,
       status, receipt, to_ask, requested_at, ended_at
FROM syncengine.sync_erasure ORDER BY contact_hash, destination

-- name: import_suppressions
-- A suppression that is there stays; at most it becomes a tombstone.
INSERT INTO syncengine.sync_suppression (subject_hash, kind, reason, since, salted)
SELECT DISTINCT ON (t.subject_hash) decode(t.subject_hash, 'hex'), t.kind, t.reason, t.since, own.fingerprint
FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[]) AS t (subject_hash, kind, reason, since)
CROSS JOIN syncengine.sync_salt AS own
ORDER BY t.subject_hash, t.reason
ON CONFLICT (subject_hash) DO UPDATE SET reason = excluded.reason
WHERE sync_suppression.reason <> excluded.reason AND excluded.reason = 'forgotten'
RETURNING kind

-- name: import_values
-- DISTINCT ON, since a file may name a row twice and one statement may not write it twice.
INSERT INTO syncengine.sync_suppressed_value (subject_hash, contact_hash, kind)
SELECT DISTINCT ON (t.subject_hash, t.contact_hash) decode(t.subject_hash, 'hex'), decode(t.contact_hash, 'hex'), t.kind
FROM unnest($1::text[], $2::text[], $3::text[]) AS t (subject_hash, contact_hash, kind)
ORDER BY t.subject_hash, t.contact_hash
ON CONFLICT DO NOTHING
RETURNING kind

-- name: import_erasures
-- An erasure that is there stays as it is: this state knows more of it than an old file does.
INSERT INTO syncengine.sync_erasure
    (contact_hash, destination, contact_id, status, receipt, to_ask, requested_at, ended_at, salted)
SELECT DISTINCT ON (t.contact_hash, t.destination)
       decode(t.contact_hash, 'hex'), t.destination, t.contact_id, t.status, t.receipt, t.to_ask, t.requested_at,
       t.ended_at, own.fingerprint
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[], $8::timestamptz[])
     AS t (contact_hash, destination, contact_id, status, receipt, to_ask, requested_at, ended_at)
CROSS JOIN syncengine.sync_salt AS own
ORDER BY t.contact_hash, t.destination
ON CONFLICT (contact_hash, destination) DO NOTHING
RETURNING destination

-- name: forgotten_here
-- Contacts with a tombstone of which there are data all the same: a restore brought them back.
SELECT DISTINCT s.contact_id
FROM syncengine.sync_state AS s CROSS JOIN syncengine.sync_salt AS own
JOIN syncengine.sync_suppression AS t
  ON t.subject_hash = sha256(own.salt || convert_to('contact:' || s.contact_id, 'UTF8')) AND t.reason = 'forgotten'
ORDER BY s.contact_id LIMIT $1
