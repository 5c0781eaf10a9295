-- name: suppressed
-- Those of these contacts that a suppression names, by any of their subjects.
SELECT DISTINCT ON (asked.contact_id) asked.contact_id, s.reason
FROM unnest($1::text[], $2::text[]) AS asked (contact_id, subject)
JOIN syncengine.sync_suppression AS s
  ON s.subject_hash = sha256((SELECT salt FROM syncengine.sync_salt) || convert_to(asked.subject, 'UTF8'))
ORDER BY asked.contact_id, s.reason

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

-- name: lift
DELETE FROM syncengine.sync_suppression
WHERE subject_hash IN (
    SELECT sha256((SELECT salt FROM syncengine.sync_salt) || convert_to(subject, 'UTF8'))
    FROM unnest($1::text[]) AS t (subject))
RETURNING kind

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
