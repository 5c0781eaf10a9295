-- name: suppressions
-- A page of all suppressions, the newest first. $1 and $2: where the page before ended.
SELECT encode(subject_hash, 'hex') AS subject, kind, reason, since FROM syncengine.sync_suppression
WHERE $1::timestamptz IS NULL OR (since, subject_hash) < ($1, decode($2, 'hex'))
ORDER BY since DESC, subject_hash DESC LIMIT $3

-- name: asked
-- The suppressions that concern each asked subject: those of the subject itself, and those of a contact that is known to
-- have this phone or address (kind contact).
SELECT t.number, s.kind, s.reason, s.since
FROM unnest($1::integer[], $2::text[]) AS t (number, subject) CROSS JOIN syncengine.sync_salt AS own
CROSS JOIN LATERAL (
    SELECT kind, reason, since FROM syncengine.sync_suppression
    WHERE subject_hash = sha256(own.salt || convert_to(t.subject, 'UTF8'))
    UNION
    SELECT c.kind, c.reason, c.since
    FROM syncengine.sync_suppressed_value AS v
    JOIN syncengine.sync_suppression AS c ON c.subject_hash = v.contact_hash
    WHERE v.subject_hash = sha256(own.salt || convert_to(t.subject, 'UTF8'))
) AS s
ORDER BY t.number, s.since, s.kind

-- name: erasures_to_do
-- A page of a destination's erasures that somebody has to finish, the oldest first.
SELECT encode(contact_hash, 'hex') AS subject, destination, contact_id, status, receipt, to_ask, requested_at, ended_at
FROM syncengine.sync_erasure
WHERE destination = $1 AND (status = 'open' OR to_ask <> '')
  AND ($2::timestamptz IS NULL OR (requested_at, contact_hash) > ($2, decode($3, 'hex')))
ORDER BY requested_at, contact_hash LIMIT $4

-- name: erasures_done
-- A page of the others, the newest first.
SELECT encode(contact_hash, 'hex') AS subject, destination, contact_id, status, receipt, to_ask, requested_at, ended_at
FROM syncengine.sync_erasure
WHERE destination = $1 AND NOT (status = 'open' OR to_ask <> '')
  AND ($2::timestamptz IS NULL OR (requested_at, contact_hash) < ($2, decode($3, 'hex')))
ORDER BY requested_at DESC, contact_hash DESC LIMIT $4

-- name: erasing_destinations
-- Destinations with erasures, also those without a file.
WITH RECURSIVE found AS (
    (SELECT destination FROM syncengine.sync_erasure ORDER BY destination LIMIT 1)
    UNION ALL
    SELECT (SELECT e.destination FROM syncengine.sync_erasure AS e
            WHERE e.destination > found.destination ORDER BY e.destination LIMIT 1)
    FROM found WHERE found.destination IS NOT NULL)
SELECT destination FROM found WHERE destination IS NOT NULL
