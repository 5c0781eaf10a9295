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

-- name: drop_taken_back
DELETE FROM syncengine.sync_taken_back WHERE destination = $1

-- name: drop_keys
DELETE FROM syncengine.sync_key WHERE destination = $1

-- name: drop_waits
DELETE FROM syncengine.sync_wait WHERE destination = $1

-- name: drop_ids
-- Contacts that are suppressed or were removed stay so. All others are new to the account: what the former vendor refused
-- does not count there.
UPDATE syncengine.sync_state
SET external_id = NULL, given_up = NULL, gone = false, rejections = 0, refusal = NULL, tried_in = NULL,
    rejected_hash = CASE status WHEN 'suppressed' THEN rejected_hash END,
    status = CASE WHEN status IN ('suppressed', 'removed') THEN status ELSE 'pending' END,
    source_hash = CASE status WHEN 'suppressed' THEN source_hash END,
    code = CASE WHEN status = 'suppressed' OR code = 'suppressed' THEN code END,
    standing = CASE WHEN status = 'suppressed' OR code = 'suppressed' THEN standing END
WHERE destination = $1

-- name: look_everybody_up
-- The account may have some of the contacts already. What was compared before says nothing about it.
UPDATE syncengine.sync_destination SET looks_up = true, compared_rows = NULL WHERE destination = $1

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
-- Only where no destination is left under the former name, and the present one has no credentials yet.
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
-- Vendor contacts whose deletion was asked for, under a name that no destination has any more.
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

-- name: holds_contacts
-- True where some contact of the account has a vendor contact, also a removed one.
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
