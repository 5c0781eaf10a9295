-- name: salt
-- One salt for all that is hashed. It is made with the state, and leaves it only in a backup or an export of suppressions.
SELECT salt FROM syncengine.sync_salt

-- name: lock
-- Two runs may bring the same key under two names at the same moment: without this lock neither would see the other.
SELECT pg_advisory_xact_lock(hashtextextended('syncengine credentials', 0))

-- name: known
-- The accounts that are known by these keys, each with the destinations that are remembered for it.
SELECT c.account, c.key_hash,
       coalesce(array_agg(d.destination ORDER BY d.destination) FILTER (WHERE d.destination IS NOT NULL), '{}')
           AS destinations
FROM syncengine.sync_credentials AS c
LEFT JOIN syncengine.sync_destination AS d ON d.account = c.account
WHERE c.key_hash = ANY ($1::bytea[])
GROUP BY c.account, c.key_hash

-- name: let_go
-- Deletes rows of accounts that have other keys now, and of names that are not used any more.
DELETE FROM syncengine.sync_credentials WHERE account = ANY ($1::text[])

-- name: keep
-- In the order of the names, as all writers lock these rows.
INSERT INTO syncengine.sync_credentials (account, key_hash)
SELECT account, key_hash FROM unnest($1::text[], $2::bytea[]) AS t (account, key_hash)
ORDER BY account

-- name: key_of
SELECT key_hash FROM syncengine.sync_credentials WHERE account = $1
