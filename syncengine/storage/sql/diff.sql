-- The diff. A contact is a candidate when it has no state but `removed`, or when its hash is not the one acknowledged
-- (for a dead letter: the one refused). So contacts that are `removed` count as if they had no state: back in the
-- source they are candidates, else they are left alone.
--
-- Statements that name {relation} run with the user's search_path. So everything of Postgres's own that is not an exact
-- match is qualified: a function or operator that fits a type better may have been planted in that path.

-- name: lacks_numbers
-- True where some contact has no number to be joined by: it is known under a key that was no integer.
SELECT EXISTS (
    SELECT FROM syncengine.sync_state
    WHERE destination = $1 AND contact_number IS NULL AND status <> 'removed');

-- name: null_keys
SELECT pg_catalog.count(*) FROM {relation} WHERE {where} AND {key} IS NULL;

-- name: bound
-- The last key of the range after $1 with $2 keys of the source; no row: the source ends before.
SELECT {contact_id} FROM {relation}
WHERE {key} IS NOT NULL AND ($1::text IS NULL OR {key} OPERATOR(pg_catalog.>) $1::text::{key_type})
ORDER BY {key} OFFSET $2 - 1 LIMIT 1;

-- name: state_bound_by_number
-- The same for the state, where the source's range has too many of its contacts.
SELECT contact_id FROM syncengine.sync_state
WHERE destination = $1 AND contact_number IS NOT NULL AND ($2::bigint IS NULL OR contact_number > $2)
ORDER BY contact_number OFFSET $3 - 1 LIMIT 1;

-- name: state_bound_by_text
SELECT contact_id FROM syncengine.sync_state
WHERE destination = $1 AND ($2::text IS NULL OR contact_id > $2)
ORDER BY contact_id OFFSET $3 - 1 LIMIT 1;

-- name: range_by_number
-- Differences after $2, up to and with $3. The result is void when known_contacts reaches $5: then the state was cut
-- off. A full join cannot become a nested loop, even where the planner has no statistics of a state that was just
-- filled. (A second ordered aggregate would cost another 5 %.)
SELECT pg_catalog.count(wanted.key) AS source_rows,
       pg_catalog.count(held.contact_number) AS known_contacts,
       pg_catalog.array_agg(wanted.key::text ORDER BY wanted.key)
           FILTER (WHERE wanted.key IS NOT NULL AND ($4 OR wanted.hash IS DISTINCT FROM held.hash)) AS changes,
       pg_catalog.array_agg(held.contact_id)
           FILTER (WHERE wanted.key IS NULL) AS removals
FROM (
    SELECT {key}::bigint AS key, {hash} AS hash
    FROM {relation}
    WHERE {where} AND ($2::bigint IS NULL OR {key} OPERATOR(pg_catalog.>) $2)
      AND ($3::bigint IS NULL OR {key} OPERATOR(pg_catalog.<=) $3)
) AS wanted
FULL JOIN (
    SELECT contact_number, contact_id, CASE WHEN status = 'dead' THEN rejected_hash ELSE source_hash END AS hash
    FROM syncengine.sync_state
    WHERE destination = $1 AND status <> 'removed' AND contact_number IS NOT NULL
      AND ($2::bigint IS NULL OR contact_number > $2) AND ($3::bigint IS NULL OR contact_number <= $3)
    LIMIT $5
) AS held ON held.contact_number = wanted.key;

-- name: range_by_text
SELECT pg_catalog.count(wanted.contact_id) AS source_rows,
       pg_catalog.count(held.contact_id) AS known_contacts,
       pg_catalog.array_agg(wanted.contact_id ORDER BY wanted.contact_id)
           FILTER (WHERE wanted.contact_id IS NOT NULL AND ($4 OR wanted.hash IS DISTINCT FROM held.hash)) AS changes,
       pg_catalog.array_agg(held.contact_id)
           FILTER (WHERE wanted.contact_id IS NULL) AS removals
FROM (
    SELECT ({contact_id}) COLLATE "C" AS contact_id, {hash} AS hash
    FROM {relation}
    WHERE {where}
      AND ($2::text IS NULL OR {key} OPERATOR(pg_catalog.>) $2::text::{key_type})
      AND ($3::text IS NULL OR {key} OPERATOR(pg_catalog.<=) $3::text::{key_type})
) AS wanted
FULL JOIN (
    SELECT contact_id, CASE WHEN status = 'dead' THEN rejected_hash ELSE source_hash END AS hash
    FROM syncengine.sync_state
    WHERE destination = $1 AND status <> 'removed'
      AND ($2::text IS NULL OR contact_id > $2) AND ($3::text IS NULL OR contact_id <= $3)
    LIMIT $5
) AS held ON held.contact_id = wanted.contact_id;

-- name: quoted
-- Literals for the COPY statements, which take no parameters.
SELECT quote_nullable($1::text) AS destination, quote_nullable($2::text) AS low, quote_nullable($3::text) AS high;

-- name: source_stream
SELECT {contact_id}, {hash} FROM {relation} WHERE {where} ORDER BY {order};

-- name: source_stream_range
SELECT {contact_id}, {hash} FROM {relation}
WHERE {where}
  AND ({low} IS NULL OR {key} OPERATOR(pg_catalog.>) {low}::{key_type})
  AND ({high} IS NULL OR {key} OPERATOR(pg_catalog.<=) {high}::{key_type})
ORDER BY {key};

-- name: state_stream_by_number
SELECT contact_id, CASE WHEN status = 'dead' THEN rejected_hash ELSE source_hash END
FROM syncengine.sync_state
WHERE destination = {destination} AND status <> 'removed' AND contact_number IS NOT NULL
  AND ({low} IS NULL OR contact_number > {low}::bigint) AND ({high} IS NULL OR contact_number <= {high}::bigint)
ORDER BY contact_number;

-- name: state_stream_by_text
SELECT contact_id, CASE WHEN status = 'dead' THEN rejected_hash ELSE source_hash END
FROM syncengine.sync_state
WHERE destination = {destination} AND status <> 'removed'
  AND ({low} IS NULL OR contact_id > {low}) AND ({high} IS NULL OR contact_id <= {high})
ORDER BY contact_id;

-- name: known_under_long_keys
-- Contacts whose ids may stand for longer keys, judged by the length of the id.
SELECT contact_id, CASE WHEN status = 'dead' THEN rejected_hash ELSE source_hash END AS hash
FROM syncengine.sync_state
WHERE destination = $1 AND status <> 'removed' AND char_length(contact_id) = $2;
