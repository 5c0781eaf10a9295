-- name: fence
-- The lease must still be ours. FOR SHARE keeps it so until this transaction ends: a takeover updates the row, and waits.
-- Writers of the same run do not wait for each other.
SELECT epoch, expires_at > clock_timestamp() AS runs
FROM syncengine.sync_lease WHERE account = $1 FOR SHARE

-- name: load
-- given_up and taken_by: the vendor contact that this contact had before another one took it over. taken_by names the
-- taker as long as it has not written there, since it may still give the vendor contact back. $4: the run, where changes
-- are kept; its changes come along, and those of the runs that sent what is pending, which may be settled now.
SELECT s.contact_id, s.status, s.source_hash, s.rejections, s.rejected_hash, s.external_id, s.gone, s.refusal, s.code, s.standing,
       s.synced_at IS NOT NULL AS was_in_step, k.match_field, k.match_key, k.fields, k.tags, k.found_tags, k.noes, k.empty, k.pending,
       CASE WHEN k.pending_at > clock_timestamp() THEN 0  -- the clock was set back since
            ELSE extract(epoch FROM clock_timestamp() - k.pending_at)::float8 END AS pending_age,
       CASE WHEN taker.contact_id IS NULL THEN s.given_up END AS given_up,
       CASE WHEN taker.destination = s.destination AND taker.status = 'pending' THEN taker.contact_id END AS taken_by,
       changed.changes
FROM syncengine.sync_state AS s
LEFT JOIN syncengine.sync_known AS k USING (destination, contact_id)
LEFT JOIN LATERAL (
    SELECT o.destination, o.contact_id, o.status
    FROM syncengine.sync_state AS o
    JOIN syncengine.sync_destination AS d ON d.destination = o.destination AND d.account = $3
    WHERE s.given_up IS NOT NULL AND o.external_id = s.given_up AND o.status IN ('pending', 'synced')
    LIMIT 1
) AS taker ON true
LEFT JOIN LATERAL (
    SELECT jsonb_agg(jsonb_build_array(c.run_id, c.effect, c.fields, c.tags_added, c.tags_removed, c.external_id)) AS changes
    FROM syncengine.sync_change AS c
    WHERE c.contact_id = s.contact_id AND c.run_id = ANY (
        ARRAY[$4::bigint, (k.pending ->> 'run')::bigint]
        || ARRAY(SELECT (sent.sender ->> 0)::bigint FROM jsonb_each(k.pending -> 'senders') AS sent (part, sender)))
) AS changed ON $4 IS NOT NULL
WHERE s.destination = $1 AND s.contact_id = ANY ($2::text[])

-- name: intend_state
-- The contact may have been removed or a dead letter: until the intent is settled, every diff has to find it. So a
-- crash between the request and the record loses nothing.
INSERT INTO syncengine.sync_state (destination, contact_id, contact_number, status)
SELECT $1, contact_id, contact_number, 'pending'
FROM unnest($2::text[], $3::bigint[]) AS t (contact_id, contact_number)
ORDER BY contact_id
ON CONFLICT (destination, contact_id) DO UPDATE SET source_hash = NULL, status = 'pending', standing = NULL

-- name: intend_known
-- What is about to be sent, while all that was known before stays.
INSERT INTO syncengine.sync_known (destination, contact_id, pending)
SELECT $1, contact_id, pending::jsonb
FROM unnest($2::text[], $3::text[]) AS t (contact_id, pending)
ORDER BY contact_id
ON CONFLICT (destination, contact_id) DO UPDATE SET pending = excluded.pending, pending_at = NULL

-- name: record_state
-- gone and given_up stay until the contact has a vendor contact again; tried_in keeps the last run with a refusal.
-- failed_in and failing_since: the last and the first run in which a contact fell short; null once it is in step.
INSERT INTO syncengine.sync_state AS s
    (destination, contact_id, contact_number, external_id, source_hash, status, rejections, rejected_hash, code,
     standing, gone, refusal, tried_in, synced_at, failed_in, failing_since)
SELECT $1, contact_id, contact_number, external_id, source_hash, status, rejections, rejected_hash, code, standing,
       status = 'gone' AND external_id IS NULL, refusal, tried_in,
       CASE WHEN status = 'synced' THEN clock_timestamp() END,
       CASE WHEN coalesce(code, standing) IS NOT NULL THEN $13::bigint END,
       CASE WHEN coalesce(code, standing) IS NOT NULL THEN $13::bigint END
FROM unnest($2::text[], $3::bigint[], $4::text[], $5::bigint[], $6::text[], $7::smallint[], $8::bigint[], $9::text[],
            $10::text[], $11::bigint[], $12::bigint[])
     AS t (contact_id, contact_number, external_id, source_hash, status, rejections, rejected_hash, code, standing,
           refusal, tried_in)
ORDER BY contact_id
ON CONFLICT (destination, contact_id) DO UPDATE SET
    external_id = excluded.external_id, source_hash = excluded.source_hash, status = excluded.status,
    rejections = excluded.rejections, rejected_hash = excluded.rejected_hash, code = excluded.code,
    standing = excluded.standing, refusal = excluded.refusal, tried_in = coalesce(excluded.tried_in, s.tried_in),
    gone = excluded.gone OR s.gone AND excluded.external_id IS NULL,
    given_up = CASE WHEN excluded.external_id IS NULL THEN s.given_up END,
    synced_at = coalesce(excluded.synced_at, s.synced_at),
    failed_in = CASE WHEN excluded.failed_in IS NULL AND excluded.status = 'synced' THEN NULL
                     ELSE coalesce(excluded.failed_in, s.failed_in) END,
    failing_since = CASE WHEN excluded.failed_in IS NULL AND excluded.status = 'synced' THEN NULL
                         ELSE coalesce(s.failing_since, excluded.failing_since) END

-- name: record_known
-- The age of a pending note is stored as a time of this database's clock, which all runs share.
INSERT INTO syncengine.sync_known
    (destination, contact_id, match_field, match_key, fields, tags, found_tags, noes, empty, pending, pending_at)
SELECT $1, contact_id, match_field, match_key, fields::jsonb, tags::jsonb, found_tags::jsonb, noes::jsonb, empty::jsonb,
       pending::jsonb, clock_timestamp() - make_interval(secs => age)
FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[],
            $11::float8[])
     AS t (contact_id, match_field, match_key, fields, tags, found_tags, noes, empty, pending, age)
ORDER BY contact_id
ON CONFLICT (destination, contact_id) DO UPDATE SET
    match_field = excluded.match_field, match_key = excluded.match_key, fields = excluded.fields,
    tags = excluded.tags, found_tags = excluded.found_tags, noes = excluded.noes, empty = excluded.empty,
    pending = excluded.pending, pending_at = excluded.pending_at

-- name: remember_opt_outs
-- Of contacts that the vendor still has, as far as is known.
INSERT INTO syncengine.sync_known (destination, contact_id, noes)
SELECT $1, t.contact_id, t.noes::jsonb
FROM unnest($2::text[], $3::text[]) AS t (contact_id, noes)
JOIN syncengine.sync_state AS s ON (s.destination, s.contact_id) = ($1, t.contact_id) AND s.external_id IS NOT NULL
ORDER BY t.contact_id
ON CONFLICT (destination, contact_id) DO UPDATE SET noes = excluded.noes

-- name: forget_known
DELETE FROM syncengine.sync_known WHERE destination = $1 AND contact_id = ANY ($2::text[])

-- name: record_outcome
-- A contact may end twice in a run, when it waited for another one. Its requests are added up, for the counts of quotas.
-- The changes ($11 and on) go along in the same round trip. Each row is written whole, in place of what it was, so that
-- it does no harm to write it twice. A run that sent what is settled only now may have been pruned since: then its change
-- would be, too.
WITH changed AS (
    INSERT INTO syncengine.sync_change
        (run_id, contact_id, effect, fields, tags_added, tags_removed, external_id)
    SELECT t.run_id, contact_id, effect, fields::jsonb, added::text[], removed::text[], external_id
    FROM unnest($11::bigint[], $12::text[], $13::text[], $14::text[], $15::text[], $16::text[], $17::text[])
         AS t (run_id, contact_id, effect, fields, added, removed, external_id)
    WHERE t.run_id = $1 OR EXISTS (SELECT FROM syncengine.sync_run AS r WHERE r.run_id = t.run_id FOR KEY SHARE)
    ORDER BY t.run_id, contact_id
    ON CONFLICT (run_id, contact_id) DO UPDATE SET
        effect = excluded.effect, fields = excluded.fields, tags_added = excluded.tags_added,
        tags_removed = excluded.tags_removed, external_id = excluded.external_id, at = clock_timestamp()
)
INSERT INTO syncengine.sync_outcome
    (run_id, contact_id, batch, outcome, actions, requests, code, message, http_status, unsupported)
SELECT $1, contact_id, batch, outcome, coalesce(string_to_array(nullif(actions, ''), ','), '{}'), requests, code, message,
       http_status, unsupported::jsonb
FROM unnest($2::text[], $3::integer[], $4::text[], $5::text[], $6::integer[], $7::text[], $8::text[], $9::smallint[],
            $10::text[])
     AS t (contact_id, batch, outcome, actions, requests, code, message, http_status, unsupported)
ORDER BY contact_id
ON CONFLICT (run_id, contact_id) DO UPDATE SET
    batch = excluded.batch, outcome = excluded.outcome, actions = excluded.actions,
    requests = syncengine.sync_outcome.requests + excluded.requests,
    code = excluded.code, message = excluded.message, http_status = excluded.http_status,
    unsupported = excluded.unsupported, at = clock_timestamp()

-- name: drop_changes
-- What these contacts had changed in these runs, and ended as it had begun.
DELETE FROM syncengine.sync_change AS c
USING unnest($1::bigint[], $2::text[]) AS t (run_id, contact_id)
WHERE (c.run_id, c.contact_id) = (t.run_id, t.contact_id)

-- name: lock_vendor_contact
-- Two contacts may find the same vendor contact at the same moment: without this lock neither would see the other as
-- its owner.
SELECT pg_advisory_xact_lock(hashtextextended('syncengine link ' || $1::text || ' ' || $2::text, 0))

-- name: owner
-- A removed contact is back in the source when a waiting batch of this run contains it: it was read together with its
-- vendor contact, and will write that again, so the vendor contact is not free. A contact that took a vendor contact
-- over, never wrote to it and is not about to (refused, suppressed) returns it to its former owner.
SELECT s.destination, s.contact_id, s.status,
       k.fields, k.tags, k.found_tags, k.pending,
       s.status = 'removed' AND NOT (s.destination = $3 AND EXISTS (
           SELECT FROM syncengine.sync_batch AS b
           WHERE b.run_id = $5 AND b.status = 'waiting' AND b.kind = 'changes' AND s.contact_id = ANY (b.contact_ids)
       )) OR s.status NOT IN ('removed', 'pending', 'synced') AND EXISTS (
           SELECT FROM syncengine.sync_state AS mine
           WHERE (mine.destination, mine.contact_id) = ($3, $4) AND mine.given_up = $2
       ) AS gone
FROM syncengine.sync_state AS s
JOIN syncengine.sync_destination AS d ON d.destination = s.destination AND d.account = $1
LEFT JOIN syncengine.sync_known AS k ON (k.destination, k.contact_id) = (s.destination, s.contact_id)
WHERE s.external_id = $2 AND (s.destination, s.contact_id) <> ($3, $4)
ORDER BY s.status = 'removed'
LIMIT 1
FOR UPDATE OF s

-- name: owners
-- Contacts that own these vendor contacts, but for ($3, $4) itself. $5: removed owners do not count.
SELECT s.external_id, s.destination || '/' || s.contact_id AS owner
FROM syncengine.sync_state AS s
JOIN syncengine.sync_destination AS d ON d.destination = s.destination AND d.account = $1
WHERE s.external_id = ANY ($2::text[]) AND (s.destination, s.contact_id) <> ($3, $4)
  AND (s.status <> 'removed' OR NOT $5)
ORDER BY s.destination, s.contact_id

-- name: overwritten
-- A contact in step is planned again; any other one is, or is left alone whatever its vendor contact holds.
UPDATE syncengine.sync_state
SET source_hash = NULL, status = CASE WHEN status = 'synced' THEN 'pending' ELSE status END
WHERE destination = $1 AND contact_id = $2 AND external_id = $3
RETURNING true

-- name: gone
-- Contacts that were deleted at the vendor and are still wanted: all of the destination, or those of this run's batches.
SELECT s.contact_id FROM syncengine.sync_state AS s
WHERE s.destination = $1 AND s.standing = 'gone'
  AND ($2 OR s.contact_id IN (SELECT unnest(b.contact_ids) FROM syncengine.sync_batch AS b WHERE b.run_id = $3))
ORDER BY s.contact_number NULLS LAST, s.contact_id

-- name: in_step
-- A few contacts that the vendor held when they were last written, the newest first, to check by whether the account is
-- still the same. Contacts that a re-sync made pending count as well. Those that were created by this run, or by one that
-- was halted, prove nothing: they are there whichever account it is.
SELECT s.contact_id FROM syncengine.sync_state AS s
WHERE s.destination = $1 AND s.external_id IS NOT NULL AND s.contact_id <> $2
  AND (s.status = 'synced' OR s.status = 'pending' AND EXISTS (
      SELECT FROM syncengine.sync_known AS k
      WHERE (k.destination, k.contact_id) = (s.destination, s.contact_id) AND (k.pending -> 'distrusted')::boolean))
  AND NOT EXISTS (SELECT FROM syncengine.sync_run AS r JOIN syncengine.sync_outcome AS o USING (run_id)
                  WHERE r.destination = $1 AND (r.run_id = $4 OR r.status NOT IN ('done', 'incomplete'))
                    AND o.contact_id = s.contact_id AND o.actions && ARRAY['create', 'upsert'])
ORDER BY synced_at DESC NULLS LAST, contact_id LIMIT $3

-- name: allow_recreation
-- Contacts that were deleted at the vendor are planned again, and may be created anew.
UPDATE syncengine.sync_state SET gone = false, status = 'pending', source_hash = NULL, standing = NULL
WHERE destination = $1 AND contact_id = ANY ($2::text[]) AND external_id IS NULL

-- name: give_up
-- The former owner may have the vendor contact back until something is written there about the new owner. A removed owner
-- is not a dead letter any more: its removal is done with. One that was refused or suppressed stays what it was.
UPDATE syncengine.sync_state
SET external_id = NULL, given_up = external_id, standing = CASE WHEN status <> 'removed' THEN standing END
WHERE destination = $1 AND contact_id = $2

-- name: written_to
-- These vendor contacts were written to for their present owners: a former owner does not get one back any more.
UPDATE syncengine.sync_state AS s SET given_up = NULL
FROM syncengine.sync_destination AS d
WHERE d.destination = s.destination AND d.account = $1 AND s.given_up = ANY ($2::text[])

-- name: own
-- A new owner's claims on its match keys come after those of owners in step, which would not be judged again. The
-- claims of a refused contact, which only has to be settled, come after all others: the contact with its key must keep
-- it.
WITH behind AS (
    UPDATE syncengine.sync_key AS mine
    SET since = greatest(mine.since, (
        SELECT max(k.since) + interval '1 microsecond'
        FROM syncengine.sync_key AS k
        LEFT JOIN syncengine.sync_state AS s ON (s.destination, s.contact_id) = (k.destination, k.contact_id)
        WHERE k.account = mine.account AND k.key_hash = mine.key_hash
          AND (k.destination, k.contact_id) <> (mine.destination, mine.contact_id)
          AND (NOT $5 OR s.external_id IS NOT NULL AND s.status = 'synced')))
    WHERE mine.destination = $1 AND mine.contact_id = $2
      AND NOT EXISTS (SELECT FROM syncengine.sync_state AS s
                      WHERE s.destination = $1 AND s.contact_id = $2 AND s.external_id IS NOT NULL))
INSERT INTO syncengine.sync_state (destination, contact_id, contact_number, status, external_id)
VALUES ($1, $2, $3, 'pending', $4)
ON CONFLICT (destination, contact_id) DO UPDATE SET
    external_id = excluded.external_id, given_up = NULL, gone = false, status = 'pending', source_hash = NULL, standing = NULL

-- name: set_match_key
-- The match key under which the vendor contact was found.
INSERT INTO syncengine.sync_known (destination, contact_id, match_field, match_key)
VALUES ($1, $2, $3, $4)
ON CONFLICT (destination, contact_id) DO UPDATE SET match_field = excluded.match_field, match_key = excluded.match_key

-- name: set_found_tags
-- Tags that the vendor contact had before us, which are never removed.
INSERT INTO syncengine.sync_known (destination, contact_id, found_tags) VALUES ($1, $2, $3::jsonb)
ON CONFLICT (destination, contact_id) DO UPDATE SET found_tags = excluded.found_tags

-- name: pending
SELECT pending FROM syncengine.sync_known WHERE destination = $1 AND contact_id = $2

-- name: set_pending
-- Replaces the note of what is unknown by one that says more.
INSERT INTO syncengine.sync_known (destination, contact_id, pending)
VALUES ($1, $2, $3::jsonb)
ON CONFLICT (destination, contact_id) DO UPDATE SET pending = excluded.pending

-- name: erasing
-- Vendor contacts whose deletion was asked for. Some vendors show them for a while longer.
INSERT INTO syncengine.sync_erasing (account, external_id)
SELECT $1, external_id FROM syncengine.sync_state
WHERE destination = $2 AND contact_id = ANY ($3::text[]) AND external_id IS NOT NULL
ORDER BY external_id
ON CONFLICT (account, external_id) DO UPDATE SET asked_at = clock_timestamp()

-- name: erased_long_ago
-- No vendor shows a deleted contact for that long.
DELETE FROM syncengine.sync_erasing WHERE account = $1 AND asked_at < clock_timestamp() - interval '30 days'

-- name: is_erasing
SELECT EXISTS (SELECT FROM syncengine.sync_erasing
               WHERE account = $1 AND external_id = $2 AND asked_at > clock_timestamp() - make_interval(secs => $3))
