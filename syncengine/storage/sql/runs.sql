-- name: remembered
SELECT account, vendor, base_url, identity, source, source_database, consent, looks_up OR looks_first AS looks_up, resync
FROM syncengine.sync_destination WHERE destination = $1

-- name: remember
INSERT INTO syncengine.sync_destination
    (destination, account, vendor, base_url, identity, source, source_database, looks_first)
VALUES ($1, $2, $3, $4, $5::jsonb, $6, $7, (SELECT restores > 0 FROM syncengine.sync_self))
ON CONFLICT (destination) DO UPDATE SET
    account = excluded.account, vendor = excluded.vendor, base_url = excluded.base_url,
    identity = excluded.identity, source = excluded.source,
    source_database = coalesce(excluded.source_database, sync_destination.source_database),
    remembered_at = clock_timestamp()

-- name: remember_consent
UPDATE syncengine.sync_destination SET consent = $2::jsonb WHERE destination = $1

-- name: held_back
SELECT contact_id FROM syncengine.sync_state
WHERE destination = $1 AND contact_id = ANY ($2::text[])
  AND (status = 'removed' AND code IS DISTINCT FROM 'suppressed' OR standing = 'opted_out')

-- name: held_elsewhere
-- Contacts that others than $1 have in the account, had at its last run, or let go of for somebody as $1 did. Who opted
-- out there is none of them.
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

-- name: ask_former_vendor
-- Erasures that have begun cannot be finished at the former account any more: a person has to ask for them there.
UPDATE syncengine.sync_erasure AS e
SET status = 'impossible', receipt = '', contact_id = NULL, ended_at = clock_timestamp(),
    to_ask = format('the account was exchanged before it was deleted there: ask %s (%s) to delete contact %s',
                    d.vendor, d.base_url, s.external_id)
FROM syncengine.sync_destination AS d JOIN syncengine.sync_state AS s USING (destination)
WHERE d.destination = $1 AND e.destination = $1 AND e.status = 'open'
  AND s.contact_id = e.contact_id AND s.external_id IS NOT NULL

-- name: drop_known
DELETE FROM syncengine.sync_known WHERE destination = $1

-- name: drop_keys
DELETE FROM syncengine.sync_key WHERE destination = $1

-- name: drop_waits
DELETE FROM syncengine.sync_wait WHERE destination = $1

-- name: drop_ids
-- Contacts that are suppressed or were removed stay so. All others are new to the account, whatever the former vendor
-- refused.
UPDATE syncengine.sync_state
SET external_id = NULL, given_up = NULL, gone = false, rejections = 0, refusal = NULL, tried_in = NULL,
    rejected_hash = CASE status WHEN 'suppressed' THEN rejected_hash END,
    status = CASE WHEN status IN ('suppressed', 'removed') THEN status ELSE 'pending' END,
    source_hash = CASE status WHEN 'suppressed' THEN source_hash END,
    code = CASE WHEN status = 'suppressed' OR code = 'suppressed' THEN code END,
    standing = CASE WHEN status = 'suppressed' OR code = 'suppressed' THEN standing END
WHERE destination = $1

-- name: look_everybody_up
UPDATE syncengine.sync_destination SET looks_up = true, compared_rows = NULL WHERE destination = $1

-- name: looked_up
UPDATE syncengine.sync_destination SET looks_up = false WHERE destination = $1

-- name: died
UPDATE syncengine.sync_run SET status = 'died', ended_at = clock_timestamp(),
       error = 'the process ended without finishing this run; the runs after it settle what it left'
WHERE destination = $1 AND status = 'running'

-- name: break_off
UPDATE syncengine.sync_run SET status = 'halted', ended_at = clock_timestamp(), error = $3
WHERE destination = $1 AND epoch = $2 AND status = 'running'

-- name: let_go_unmade
-- Deletes the match keys of contacts that the last run judged but did not reach, new ones or ones that were removed
-- before: once their rows are gone no diff finds them, and no other contact would ever get the keys.
DELETE FROM syncengine.sync_key AS k
USING (SELECT unnest(b.contact_ids) AS contact_id
       FROM syncengine.sync_batch AS b
       WHERE b.status = 'waiting'
         AND b.run_id = (SELECT max(run_id) FROM syncengine.sync_run WHERE destination = $1)) AS unmade
WHERE k.destination = $1 AND k.contact_id = unmade.contact_id
  AND NOT EXISTS (SELECT FROM syncengine.sync_state AS s
                  WHERE s.destination = k.destination AND s.contact_id = k.contact_id AND s.status <> 'removed')

-- name: no_longer_waiting
DELETE FROM syncengine.sync_wait AS w
WHERE w.destination = $1
  AND NOT EXISTS (SELECT FROM syncengine.sync_state AS s
                  WHERE s.destination = w.destination AND s.contact_id = w.contact_id
                    AND s.status = 'dead' AND s.code IN ('key_held', 'ambiguous_match'))

-- name: former_accounts
SELECT DISTINCT account FROM syncengine.sync_destination WHERE destination = ANY ($1::text[]) AND account <> $2
ORDER BY account

-- name: move_destinations
-- The account has another name now. All of its destinations move together: those that moved would else not see the
-- contacts that the others own.
UPDATE syncengine.sync_destination SET account = $2 WHERE destination = ANY ($1::text[]) AND account <> $2

-- name: move_keys
UPDATE syncengine.sync_key SET account = $2 WHERE destination = ANY ($1::text[]) AND account <> $2

-- name: move_credentials
UPDATE syncengine.sync_credentials SET account = $2
WHERE account = $1
  AND NOT EXISTS (SELECT FROM syncengine.sync_credentials WHERE account = $2)
  AND NOT EXISTS (SELECT FROM syncengine.sync_destination WHERE account = $1)

-- name: drop_credentials
-- The account got another key along with another name: nobody uses the former ones any more.
DELETE FROM syncengine.sync_credentials
WHERE account = $1 AND account <> $2 AND NOT EXISTS (SELECT FROM syncengine.sync_destination WHERE account = $1)

-- name: move_quota
-- Requests sent under a name that no destination has any more still count at the vendor.
WITH moved AS (
    DELETE FROM syncengine.sync_quota
    WHERE account = $1 AND NOT EXISTS (SELECT FROM syncengine.sync_destination WHERE account = $1)
    RETURNING quota, minute, reserved)
INSERT INTO syncengine.sync_quota AS was (account, quota, minute, reserved)
SELECT $2, quota, minute, reserved FROM moved
ON CONFLICT (account, quota, minute) DO UPDATE SET reserved = was.reserved + excluded.reserved

-- name: move_erasing
WITH moved AS (
    DELETE FROM syncengine.sync_erasing
    WHERE account = $1 AND NOT EXISTS (SELECT FROM syncengine.sync_destination WHERE account = $1)
    RETURNING external_id, asked_at)
INSERT INTO syncengine.sync_erasing (account, external_id, asked_at)
SELECT $2, external_id, asked_at FROM moved
ON CONFLICT (account, external_id) DO NOTHING

-- name: move_runs
-- A limit that is configured later counts the requests of these runs too.
UPDATE syncengine.sync_run SET account = $2
WHERE account = $1 AND NOT EXISTS (SELECT FROM syncengine.sync_destination WHERE account = $1)

-- name: is_remembered
SELECT EXISTS (SELECT FROM syncengine.sync_destination WHERE account = $1)

-- name: remembered_elsewhere
SELECT destination, account FROM syncengine.sync_destination
WHERE destination = ANY ($1::text[]) AND account <> $2
ORDER BY destination

-- name: look_again
-- The other contacts that the last run did not reach are planned again. Where a row had changed when it was judged and
-- was restored since, its match keys were judged by the changed row, and no diff would find it.
UPDATE syncengine.sync_state AS s
SET source_hash = NULL, rejected_hash = CASE WHEN s.status <> 'dead' THEN s.rejected_hash END
FROM (SELECT unnest(b.contact_ids) AS contact_id
      FROM syncengine.sync_batch AS b
      WHERE b.status = 'waiting'
        AND b.run_id = (SELECT max(run_id) FROM syncengine.sync_run WHERE destination = $1)) AS unmade
WHERE s.destination = $1 AND s.contact_id = unmade.contact_id
  AND s.status <> 'removed' AND (s.source_hash IS NOT NULL OR s.status = 'dead')

-- name: start
INSERT INTO syncengine.sync_run (destination, account, kind, retry_of, epoch)
VALUES ($1, $2, $3, $4, $5) RETURNING run_id

-- name: finish
UPDATE syncengine.sync_run SET status = $2, ended_at = clock_timestamp(), totals = $3::jsonb, error = $4
WHERE run_id = $1

-- name: run
SELECT run_id, destination, kind, status FROM syncengine.sync_run WHERE run_id = $1

-- name: unmade
-- The contacts of a run that did not succeed: without an outcome, or with one that is to be tried again.
SELECT DISTINCT b.kind, c.contact_id
FROM syncengine.sync_batch AS b
CROSS JOIN LATERAL unnest(b.contact_ids) AS c (contact_id)
LEFT JOIN syncengine.sync_outcome AS o ON o.run_id = b.run_id AND o.contact_id = c.contact_id
WHERE b.run_id = $1 AND ($2::integer IS NULL OR b.number = $2)
  AND (o.outcome IN ('rejected', 'deferred', 'unknown', 'gone') OR (o.outcome IS NULL AND b.status <> 'done'))
ORDER BY 1, 2

-- name: last_run
SELECT max(run_id) FROM syncengine.sync_run

-- name: last_batch
SELECT coalesce(max(number), 0) FROM syncengine.sync_batch WHERE run_id = $1

-- name: add_batch
-- The same batch may come twice: the answer to its commit was lost.
INSERT INTO syncengine.sync_batch (run_id, number, kind, contact_ids) VALUES ($1, $2, $3, $4)
ON CONFLICT (run_id, number) DO NOTHING

-- name: next_batch
SELECT number, kind, contact_ids FROM syncengine.sync_batch
WHERE run_id = $1 AND status = 'waiting' AND (kind <> 'removals', number) > ($2::boolean, $3::integer)
ORDER BY kind <> 'removals', number LIMIT 1

-- name: finish_batch
UPDATE syncengine.sync_batch SET status = 'done', totals = $3::jsonb, error = $4 WHERE run_id = $1 AND number = $2

-- name: waiting_contacts
SELECT coalesce(sum(cardinality(contact_ids)), 0)::bigint FROM syncengine.sync_batch
WHERE run_id = $1 AND status = 'waiting'

-- name: known_contacts
-- Contacts that the vendor is known to hold. For the others something was planned, refused or sent without an answer.
SELECT count(*) FROM syncengine.sync_state
WHERE destination = $1 AND status <> 'removed' AND external_id IS NOT NULL

-- name: leavers
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

-- name: earlier_leavers
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

-- name: number_of_earlier_leavers
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

-- name: holds_contacts
SELECT EXISTS (
    SELECT FROM syncengine.sync_destination AS d JOIN syncengine.sync_state AS s USING (destination)
    WHERE d.account = $1 AND s.external_id IS NOT NULL)

-- name: former_owners
-- Destinations of an account that are not configured any more and own contacts there. None where $3 owns contacts.
SELECT d.destination, count(*) AS number
FROM syncengine.sync_destination AS d JOIN syncengine.sync_state AS s USING (destination)
WHERE d.account = $1 AND NOT d.destination = ANY ($2::text[]) AND s.status <> 'removed' AND s.external_id IS NOT NULL
  AND NOT EXISTS (SELECT FROM syncengine.sync_state AS mine
                  WHERE mine.destination = $3 AND mine.status <> 'removed' AND mine.external_id IS NOT NULL)
GROUP BY d.destination ORDER BY d.destination

-- name: compared_rows
SELECT compared_rows FROM syncengine.sync_destination WHERE destination = $1

-- name: note_compared_rows
UPDATE syncengine.sync_destination SET compared_rows = $2
WHERE destination = $1 AND compared_rows IS DISTINCT FROM $2

-- name: remembered_meaning
SELECT meaning FROM syncengine.sync_destination WHERE destination = $1

-- name: remember_meaning
UPDATE syncengine.sync_destination SET meaning = $2::jsonb
WHERE destination = $1 AND meaning IS DISTINCT FROM $2::jsonb

-- name: holders
-- Contacts that the vendor is known to hold, as in known_contacts. Distrusted values count: brakes judge by what was
-- known.
SELECT held.key AS field, count(*) AS number
FROM syncengine.sync_known AS k
JOIN syncengine.sync_state AS s USING (destination, contact_id)
CROSS JOIN LATERAL jsonb_each(
    CASE WHEN (k.pending -> 'distrusted')::boolean THEN k.pending -> 'fields' ELSE '{}' END || k.fields) AS held
WHERE k.destination = $1 AND held.key = ANY ($2::text[]) AND held.value <> 'null'
  AND s.status <> 'removed' AND s.external_id IS NOT NULL
GROUP BY held.key

-- name: waiting
SELECT s.contact_id, w.owner_destination || '/' || w.owner_contact_id AS owner, count(*) OVER () AS number
FROM syncengine.sync_wait AS w
JOIN syncengine.sync_state AS s ON (s.destination, s.contact_id) = (w.destination, w.contact_id)
WHERE w.destination = $1 AND s.status = 'dead'
ORDER BY s.contact_number NULLS LAST, s.contact_id LIMIT $2

-- name: dead_letters
SELECT contact_id, count(*) OVER () AS number FROM syncengine.sync_state AS s
WHERE destination = $1 AND code IS NOT NULL AND status = 'dead' AND NOT (refusal IS NOT NULL AND rejections = 0)
  AND NOT EXISTS (SELECT FROM syncengine.sync_wait AS w
                  WHERE w.destination = s.destination AND w.contact_id = s.contact_id)
ORDER BY contact_number NULLS LAST, contact_id LIMIT $2

-- name: gone
SELECT contact_id, count(*) OVER () AS number FROM syncengine.sync_state
WHERE destination = $1 AND standing = 'gone'
ORDER BY contact_number NULLS LAST, contact_id LIMIT $2

-- name: noteworthy
-- Without those that stand since they were refused alike, unless $2: these are told of together.
SELECT contact_id, outcome, coalesce(code, '') AS code, coalesce(message, '') AS message, unsupported
FROM syncengine.sync_outcome AS o
WHERE run_id = $1 AND outcome NOT IN ('applied', 'probed')
  AND ($2 OR NOT EXISTS (
      SELECT FROM syncengine.sync_run AS r JOIN syncengine.sync_state AS s USING (destination)
      WHERE r.run_id = $1 AND s.contact_id = o.contact_id
        AND s.refusal IS NOT NULL AND s.rejections = 0 AND s.standing IS NOT NULL AND s.status <> 'synced'))
ORDER BY array_position(ARRAY['rejected', 'unknown', 'deferred', 'unsupported'], outcome), length(contact_id), contact_id LIMIT $3

-- name: noteworthy_number
SELECT count(*) FROM syncengine.sync_outcome AS o
WHERE run_id = $1 AND outcome NOT IN ('applied', 'probed')
  AND ($2 OR NOT EXISTS (
      SELECT FROM syncengine.sync_run AS r JOIN syncengine.sync_state AS s USING (destination)
      WHERE r.run_id = $1 AND s.contact_id = o.contact_id
        AND s.refusal IS NOT NULL AND s.rejections = 0 AND s.standing IS NOT NULL AND s.status <> 'synced'))
