-- Contacts that were refused alike. A group consists of all contacts with one fingerprint whose rejections are not counted
-- one by one any more. Three contacts make a group, and it stays one when some of them leave it. Contacts of which the
-- vendor did not take the same values are a group as well; they are in step, and have no code.

-- name: groups
-- The group that was tried longest ago comes first: not all may be tried in one run.
SELECT refusal, max(code) AS code, count(*) AS contacts
FROM syncengine.sync_state
WHERE destination = $1 AND refusal IS NOT NULL AND rejections = 0 AND standing IS NOT NULL
GROUP BY refusal ORDER BY max(tried_in) NULLS FIRST, refusal

-- name: members
SELECT contact_id, status = 'removed' AS removal
FROM syncengine.sync_state
WHERE destination = $1 AND refusal = $2 AND rejections = 0 AND standing IS NOT NULL
ORDER BY tried_in, contact_number NULLS LAST, contact_id OFFSET $3 LIMIT $4

-- name: leave_alone
-- Makes groups of contacts that were refused alike, $4 of them at a time. A rejected_hash of 0 stands for a removal, which
-- has no source row (see planning.refusals). Pending contacts are those of a run that was refused as a whole, which so
-- proved nothing about a single contact. A contact that may have been sent something unknown before is looked up by one
-- more run first.
WITH alike AS (
    SELECT refusal FROM syncengine.sync_state
    WHERE destination = $1 AND refusal IS NOT NULL
    GROUP BY refusal HAVING count(*) >= $2),
chosen AS (
    SELECT s.contact_id FROM syncengine.sync_state AS s JOIN alike USING (refusal)
    WHERE s.destination = $1 AND s.rejected_hash IS NOT NULL
      AND (s.status IN ('rejected', 'dead', 'removed') AND s.rejections > 0
           OR s.status = 'pending' AND s.tried_in = $3)
      AND (s.rejections > 1 OR NOT EXISTS (
          SELECT FROM syncengine.sync_known AS k
          WHERE (k.destination, k.contact_id) = (s.destination, s.contact_id) AND k.pending IS NOT NULL))
    LIMIT $4)
UPDATE syncengine.sync_state AS s
SET status = CASE WHEN s.rejected_hash = 0 THEN 'removed' ELSE 'dead' END, source_hash = NULL, rejections = 0,
    standing = 'dead_letter'
FROM chosen
WHERE s.destination = $1 AND s.contact_id = chosen.contact_id

-- name: is_left_alone
-- True where contacts are left alone for a refusal that this run has not tried.
SELECT EXISTS (
    SELECT FROM syncengine.sync_state
    WHERE destination = $1 AND refusal = $2 AND rejections = 0 AND standing IS NOT NULL AND tried_in < $3)

-- name: relabel
-- The vendor refuses a group in other words now: its contacts get the new fingerprint and code, $5 of them at a time.
UPDATE syncengine.sync_state
SET refusal = $3, code = $4
WHERE destination = $1 AND contact_id IN (
    SELECT contact_id FROM syncengine.sync_state
    WHERE destination = $1 AND refusal = $2 AND rejections = 0 AND standing IS NOT NULL LIMIT $5)

-- name: revive
-- Contacts of groups whose probe passed are planned again. FOR UPDATE in key order, as all writers lock these rows.
WITH chosen AS (
    SELECT contact_id, status <> 'synced' AND rejected_hash = 0 AS removal FROM syncengine.sync_state
    WHERE destination = $1 AND contact_id IN (
        SELECT contact_id FROM syncengine.sync_state
        WHERE destination = $1 AND refusal = ANY ($2::bigint[]) AND tried_in < $3
          AND (status IN ('rejected', 'dead', 'removed') OR status = 'synced' AND standing = 'unsupported')
        LIMIT $4)
    ORDER BY contact_id FOR UPDATE)
UPDATE syncengine.sync_state AS s
SET status = 'pending', source_hash = NULL, rejections = 0, standing = NULL,
    rejected_hash = CASE WHEN s.status = 'synced' THEN s.source_hash ELSE s.rejected_hash END
FROM chosen
WHERE s.destination = $1 AND s.contact_id = chosen.contact_id
RETURNING s.contact_id, chosen.removal

-- name: put_back
-- Undoes revive for contacts that were not tried after all, since a brake stopped them.
UPDATE syncengine.sync_state
SET status = CASE WHEN code IS NULL THEN 'synced' WHEN rejected_hash = 0 THEN 'removed' ELSE 'dead' END,
    source_hash = CASE WHEN code IS NULL THEN rejected_hash END,
    rejected_hash = CASE WHEN code IS NOT NULL THEN rejected_hash END,
    standing = CASE WHEN code IS NULL THEN 'unsupported' ELSE 'dead_letter' END
WHERE destination = $1 AND contact_id IN (
    SELECT contact_id FROM syncengine.sync_state
    WHERE destination = $1 AND refusal = ANY ($2::bigint[]) AND tried_in < $3 AND status = 'pending'
      AND rejections = 0 AND rejected_hash IS NOT NULL
    LIMIT $4)

-- name: refused_alike
-- The groups, the largest first, each with one of its contacts and the words with which it was refused last.
SELECT g.contacts, g.code, last.contact_id, last.message
FROM (SELECT refusal, max(code) AS code, count(*) AS contacts
      FROM syncengine.sync_state
      WHERE destination = $1 AND refusal IS NOT NULL AND rejections = 0 AND standing IS NOT NULL AND status <> 'synced'
      GROUP BY refusal ORDER BY count(*) DESC, refusal LIMIT $2) AS g
CROSS JOIN LATERAL (
    SELECT s.contact_id, o.message
    FROM syncengine.sync_state AS s
    LEFT JOIN syncengine.sync_outcome AS o
        ON o.run_id = s.tried_in AND o.contact_id = s.contact_id AND o.code IN (s.code, 'all_refused')
    WHERE s.destination = $1 AND s.refusal = g.refusal AND s.rejections = 0 AND s.standing IS NOT NULL
    ORDER BY o.message IS NULL, s.tried_in DESC, s.contact_number NULLS LAST, s.contact_id LIMIT 1) AS last
ORDER BY g.contacts DESC, g.refusal

-- name: dropped_alike
-- The groups of which the vendor did not take the same values, the largest first, each with one of its contacts and
-- what was not done of it when it was tried last.
SELECT g.contacts, g.refusal, last.contact_id, last.unsupported
FROM (SELECT refusal, count(*) AS contacts
      FROM syncengine.sync_state
      WHERE destination = $1 AND refusal IS NOT NULL AND rejections = 0 AND standing IS NOT NULL AND status = 'synced'
      GROUP BY refusal ORDER BY count(*) DESC, refusal LIMIT $2) AS g
CROSS JOIN LATERAL (
    SELECT s.contact_id, o.unsupported
    FROM syncengine.sync_state AS s
    LEFT JOIN syncengine.sync_outcome AS o ON o.run_id = s.tried_in AND o.contact_id = s.contact_id
    WHERE s.destination = $1 AND s.refusal = g.refusal AND s.rejections = 0 AND s.standing IS NOT NULL
      AND s.status = 'synced'
    ORDER BY o.unsupported IS NULL, s.tried_in DESC, s.contact_number NULLS LAST, s.contact_id LIMIT 1) AS last
ORDER BY g.contacts DESC, g.refusal

-- name: dead_letters
-- A page of all dead letters, by code and contact. $6: the run since which they were last tried.
SELECT contact_id, coalesce(code, '') AS code, status = 'removed' AS removal
FROM syncengine.sync_state
WHERE destination = $1 AND standing = 'dead_letter' AND ($2::text IS NULL OR coalesce(code, '') = $2)
  AND ($4::text IS NULL OR (coalesce(code, ''), contact_id) > ($3::text, $4))
  AND ($6::bigint IS NULL OR coalesce(failed_in, tried_in) >= $6)
ORDER BY coalesce(code, ''), contact_id LIMIT $5

-- name: first_run_since
SELECT min(run_id) FROM syncengine.sync_run WHERE destination = $1 AND started_at >= $2

-- name: dead_codes
SELECT code, count(*) AS contacts FROM syncengine.sync_state
WHERE destination = $1 AND standing = 'dead_letter' AND code IS NOT NULL
GROUP BY code ORDER BY count(*) DESC, code
