-- What is asked of a database before there is a configuration for it. No value of a row leaves the database: only
-- numbers of values do.

-- name: tables
-- The tables and views that may hold contacts. A partition is a part of its table.
SELECT format('%I.%I', n.nspname, c.relname) AS name,
       c.relkind::text AS kind,
       CASE WHEN c.relkind = 'p' THEN parts.rows WHEN c.relkind IN ('v', 'f') THEN NULL
            ELSE nullif(c.reltuples, -1) END::bigint AS rows,
       coalesce(parts.pages, c.relpages) * current_setting('block_size')::bigint AS size,
       has_schema_privilege(n.oid, 'USAGE') AND has_any_column_privilege(c.oid, 'SELECT') AS readable,
       ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute AS a
             WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum) AS columns
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN LATERAL (
    SELECT sum(nullif(leaf.reltuples, -1)) AS rows, sum(leaf.relpages)::bigint AS pages
    FROM pg_partition_tree(c.oid) AS tree JOIN pg_catalog.pg_class AS leaf ON leaf.oid = tree.relid
    WHERE c.relkind = 'p' AND tree.isleaf
) AS parts ON c.relkind = 'p'
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND NOT c.relispartition
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'syncengine')
  AND n.nspname NOT LIKE 'pg\_%'
ORDER BY 1
LIMIT 2000;

-- name: drawing
-- How some rows of the relation $1 are drawn, as a fragment behind its name. The first rows of a large table are its
-- oldest, and may be unlike the others: so blocks are drawn at random, for about ten times the rows that are needed.
SELECT CASE WHEN c.relkind IN ('r', 'm') AND c.reltuples > 100000
            THEN format('TABLESAMPLE SYSTEM (%s)', round((1000000 / c.reltuples)::numeric, 6)) ELSE '' END
FROM pg_catalog.pg_class AS c WHERE c.oid = $1;

-- name: keys
-- What indexes and constraints say of each column of the relation $1.
WITH alone AS (
    SELECT i.indkey[0] AS number, i.indisprimary, i.indisunique
    FROM pg_catalog.pg_index AS i
    WHERE i.indrelid = $1 AND i.indnkeyatts = 1 AND i.indpred IS NULL AND i.indisvalid AND i.indisready
)
SELECT a.attname::text AS name,
       NOT a.attnotnull AS nullable,
       EXISTS (SELECT FROM alone WHERE number = a.attnum AND indisprimary) AS is_primary,
       EXISTS (SELECT FROM alone WHERE number = a.attnum AND indisunique) AS is_unique,
       EXISTS (SELECT FROM pg_catalog.pg_index AS i
               WHERE i.indrelid = $1 AND i.indisprimary AND a.attnum = ANY (i.indkey)) AS in_primary_key,
       has_column_privilege($1::oid, a.attnum, 'SELECT') AS readable
FROM pg_catalog.pg_attribute AS a
WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped;

-- name: pieces
-- Fragments that read the columns $1 under the alias $2: each under a name of its own, and as a numbered text.
SELECT string_agg(format('%s.%I AS c%s', $2::text, name, position), ', ' ORDER BY position) AS columns,
       string_agg(format('(%s, pg_catalog.left(c%s::text, 200))', position, position), ', ' ORDER BY position) AS texts
FROM unnest($1::text[]) WITH ORDINALITY AS asked (name, position);

-- name: sample
-- Numbers of the values in some rows. Only the beginning of a long value is looked at.
SELECT number,
       pg_catalog.count(*) AS rows,
       pg_catalog.count(*) FILTER (WHERE value ~ '\S') AS values,
       pg_catalog.count(DISTINCT value) FILTER (WHERE value ~ '\S') AS distinct_values,
       pg_catalog.count(*) FILTER (WHERE value ~ '^\s*[^@\s]+@[^@\s]+\.[^@\s]+\s*$') AS emails,
       pg_catalog.count(*) FILTER (WHERE value ~ '^[-\s\d+()./]{{6,30}}$' AND value !~ '^\s*\d{{4}}-\d\d-\d\d'
                                     AND value ~ '(\d\D*){{6}}') AS phones,
       pg_catalog.count(*) FILTER (WHERE value ~ '^\s*\(?(\+|00)[-\s\d()./]{{7,30}}$') AS international,
       pg_catalog.count(*) FILTER (WHERE value ~ '^\s*\(?\d{{3}}\)?[-.\s]\s?\d{{3}}[-.\s]\d{{4}}\s*$') AS north_american,
       pg_catalog.count(*) FILTER (WHERE value ~ '^\s*\d{{4}}-\d\d-\d\d') AS dates
FROM (SELECT {columns} FROM {relation} {drawing} LIMIT 1000) AS some_rows
CROSS JOIN LATERAL (VALUES {texts}) AS each_value (number, value)
GROUP BY number;
