-- Statements that name {relation} or another table of the user run with the user's search_path; the others find only
-- Postgres's own functions and operators.

-- name: named
-- The relation of a name; null where there is none.
SELECT pg_catalog.to_regclass($1)::oid;

-- name: relation
-- A relation, quoted for use.
SELECT c.relkind::text AS kind,
       format('%I.%I', n.nspname, c.relname) AS relation,
       quote_ident(c.relname) AS alias
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.oid = $1;

-- name: definitions
-- The definitions of the views behind a relation, including views that others are built on.
WITH RECURSIVE behind AS (
    SELECT $1::oid AS oid
    UNION
    SELECT d.refobjid
    FROM behind
    JOIN pg_catalog.pg_class AS c ON c.oid = behind.oid AND c.relkind = 'v'  -- a materialized view holds rows
    JOIN pg_catalog.pg_rewrite AS r ON r.ev_class = c.oid
    JOIN pg_catalog.pg_depend AS d ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = r.oid
         AND d.refclassid = 'pg_catalog.pg_class'::regclass
)
SELECT format('%I.%I', n.nspname, c.relname) AS name, pg_get_viewdef(c.oid) AS sql
FROM behind
JOIN pg_catalog.pg_class AS c ON c.oid = behind.oid AND c.relkind = 'v'
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
ORDER BY 1;

-- name: code_of_others
-- The owner of foreign code that runs where the relation $1 is read: in a view, a policy or a foreign table. No row:
-- there is no such code, or the reader may not read the state anyway.
SELECT pg_get_userbyid(c.relowner)::text AS owner, current_user::text AS reader
FROM pg_catalog.pg_class AS c
WHERE c.oid = $1 AND (c.relkind IN ('v', 'f') OR c.relrowsecurity) AND pg_get_userbyid(c.relowner) <> current_user
  -- A name in a schema that the role may not use cannot even be looked up.
  AND CASE WHEN has_schema_privilege(to_regnamespace('syncengine'), 'USAGE')
           THEN has_table_privilege(to_regclass('syncengine.sync_known'), 'SELECT') END;

-- name: relations
-- The names that a misspelt one may mean.
SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) AS name
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'syncengine')
  AND n.nspname NOT LIKE 'pg\_%'
ORDER BY 1
LIMIT 2000;

-- name: columns
-- The columns' expressions in the hash and in the values. $1 names, $2 types, $3 the relation's alias, $4 the salt.
--
-- Hashed as they are: types of which two equal values are the same to a reader. All others are hashed as text, for want
-- of a hash function (json, xml, money, point) or because their equality hides a change: citext ignores case, intervals
-- take a month for 30 days, an enum is hashed by a number that survives the renaming of its label. Text is compared
-- byte by byte, whatever the column's collation.
--
-- In the values a numeric is text, since JSON readers make it a float; so are its arrays. char(n) loses its padding.
WITH RECURSIVE asked AS (
    SELECT position, type, format('%s.%I', $3::text, name) AS reference, format_type(type, NULL) AS type_name
    FROM unnest($1::text[], $2::oid[]) WITH ORDINALITY AS asked (name, type, position)
), seen AS (  -- through domains and arrays
    SELECT position, type, false AS is_array, 0 AS depth FROM asked
    UNION ALL
    SELECT seen.position, CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.typelem END, seen.is_array OR t.typtype <> 'd',
           seen.depth + 1
    FROM seen
    JOIN pg_catalog.pg_type AS t ON t.oid = seen.type
    LEFT JOIN pg_catalog.pg_type AS element ON element.oid = t.typelem AND element.typarray = t.oid
    WHERE t.typtype = 'd' OR element.oid IS NOT NULL
), core AS (  -- the last type seen
    SELECT DISTINCT ON (position) position, type::regtype AS type, is_array FROM seen ORDER BY position, depth DESC
), parts AS (
    SELECT position,
           CASE
               WHEN core.type IN ('boolean'::regtype, 'smallint', 'integer', 'bigint', 'numeric', 'real',
                                  'double precision', 'date', 'time', 'timestamp', 'timestamptz', 'uuid', 'bytea',
                                  'jsonb') THEN reference
               WHEN core.type IN ('text'::regtype, 'varchar') THEN reference || ' COLLATE "C"'
               ELSE reference || '::text COLLATE "C"'
           END AS hashed,
           CASE
               WHEN core.type IN ('numeric'::regtype, 'bpchar')
               THEN reference || CASE WHEN is_array THEN '::text[]' ELSE '::text' END
               ELSE reference
           END AS value,
           asked.type_name,
           t.typname::text AS core_name,
           t.typtype::text AS core_class,
           core.is_array
    FROM asked
    JOIN core USING (position)
    JOIN pg_catalog.pg_type AS t ON t.oid = core.type
)
SELECT format('pg_catalog.hash_record_extended(ROW(%L::text%s), 0)', $4::text,
              string_agg(', ' || hashed, '' ORDER BY position)) AS hash,
       coalesce(array_agg(value ORDER BY position), '{}') AS values,
       coalesce(array_agg(type_name ORDER BY position), '{}') AS type_names,
       coalesce(array_agg(core_name ORDER BY position), '{}') AS core_names,
       coalesce(array_agg(core_class ORDER BY position), '{}') AS core_classes,
       coalesce(array_agg(is_array ORDER BY position), '{}') AS arrays
FROM parts;

-- name: key
-- Properties of the key. $1 its name, $2 its type, $3 the relation's alias, $4 the relation, or 0 for a query.
WITH RECURSIVE seen AS (  -- through domains
    SELECT $2::oid AS type
    UNION ALL
    SELECT t.typbasetype FROM seen JOIN pg_catalog.pg_type AS t ON t.oid = seen.type AND t.typtype = 'd'
), base AS (
    SELECT t.oid::regtype AS type
    FROM seen JOIN pg_catalog.pg_type AS t ON t.oid = seen.type AND t.typtype <> 'd'
), attribute AS (
    SELECT a.*,
           CASE l.collprovider
               WHEN 'b' THEN true
               WHEN 'c' THEN l.collcollate IN ('C', 'POSIX')
               WHEN 'd' THEN (
                   -- datlocprovider came with Postgres 15
                   SELECT CASE coalesce(to_jsonb(d) ->> 'datlocprovider', 'c')
                              WHEN 'b' THEN true
                              WHEN 'c' THEN d.datcollate IN ('C', 'POSIX')
                          END
                   FROM pg_catalog.pg_database AS d WHERE d.datname = current_database())
           END AS bytewise
    FROM pg_catalog.pg_attribute AS a
    LEFT JOIN pg_catalog.pg_collation AS l ON l.oid = a.attcollation
    WHERE a.attrelid = $4 AND a.attname = $1 AND NOT a.attisdropped
), described AS (
    SELECT format('%s.%I', $3::text, $1::text) AS key,
           base.type,
           format('%I.%I', n.nspname, t.typname) AS type_name,  -- regtype's `character` would mean character(1)
           CASE
               WHEN base.type IN ('smallint'::regtype, 'integer', 'bigint') THEN 'number'
               WHEN base.type = 'uuid'::regtype THEN 'uuid'
               WHEN base.type IN ('text'::regtype, 'varchar') AND attribute.bytewise
                    AND getdatabaseencoding() IN ('UTF8', 'SQL_ASCII', 'LATIN1') THEN 'text'
               ELSE 'other'
           END AS kind,
           attribute.*
    FROM base
    JOIN pg_catalog.pg_type AS t ON t.oid = base.type
    JOIN pg_catalog.pg_namespace AS n ON n.oid = t.typnamespace
    LEFT JOIN attribute ON true
), usable AS (  -- a btree that the key leads, in the type's own order
    SELECT i.indisunique AND i.indnkeyatts = 1 AS is_unique
    FROM attribute
    JOIN pg_catalog.pg_index AS i
      ON i.indrelid = attribute.attrelid AND i.indkey[0] = attribute.attnum
     AND i.indcollation[0] = attribute.attcollation
     AND i.indisvalid AND i.indisready AND i.indpred IS NULL
    JOIN pg_catalog.pg_opclass AS o ON o.oid = i.indclass[0]
    JOIN pg_catalog.pg_opfamily AS f ON f.oid = o.opcfamily AND f.opfname IN ('integer_ops', 'uuid_ops', 'text_ops')
    JOIN pg_catalog.pg_am AS m ON m.oid = f.opfmethod AND m.amname = 'btree'
    -- the index of a table does not cover the tables that inherit from it; that of a partitioned table does
    WHERE NOT EXISTS (
        SELECT FROM pg_catalog.pg_inherits AS h JOIN pg_catalog.pg_class AS c ON c.oid = h.inhparent
        WHERE h.inhparent = attribute.attrelid AND c.relkind <> 'p')
)
SELECT key,
       type_name,
       kind,
       contact_id,
       -- Python compares UTF-8 bytes; "C" compares the bytes of the database's own encoding.
       CASE WHEN getdatabaseencoding() IN ('UTF8', 'SQL_ASCII', 'LATIN1') THEN contact_id || ' COLLATE "C"'
            ELSE format('pg_catalog.convert_to(%s, %L)', contact_id, 'UTF8') END AS text_order,
       EXISTS (SELECT FROM usable) AS is_indexed,
       EXISTS (SELECT FROM usable WHERE is_unique) AS is_unique,
       coalesce((SELECT abs(s.correlation) > 0.8
                 FROM pg_catalog.pg_stats AS s
                 JOIN pg_catalog.pg_class AS c ON c.relname = s.tablename
                 JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace AND n.nspname = s.schemaname
                 WHERE c.oid = attrelid AND s.attname = described.attname
                 ORDER BY s.inherited DESC LIMIT 1), kind = 'number') AS in_key_order,
       coalesce(NOT attnotnull, true) AS is_nullable,
       pg_is_in_recovery() AS on_replica
FROM described
CROSS JOIN LATERAL (
    SELECT CASE WHEN type = 'numeric'::regtype THEN format('pg_catalog.trim_scale(%s)::text', key) ELSE key || '::text' END
) AS canonical (contact_id);

-- name: every_column
SELECT * FROM {relation};

-- name: selected
-- Fails where ``where`` cannot be used.
SELECT FROM {relation} WHERE {where} LIMIT 0;

-- name: probe
-- Fails where key, hash or values cannot be read; rights are checked when it runs.
SELECT {contact_id}, {hash}, {values} FROM {relation} WHERE {where} LIMIT 0;

-- name: json_members
-- The number of flat lists among some rows with a value. json and not jsonb, since a text may contain an escape that
-- jsonb refuses.
SELECT count(*) AS looked_at,
       count(*) FILTER (WHERE CASE
           WHEN json_typeof(value) = 'array' THEN NOT EXISTS (
               SELECT FROM json_array_elements(value) AS item (value)
               WHERE json_typeof(item.value) IN ('object', 'array', 'boolean'))
           ELSE false
       END) AS lists
FROM (
    SELECT {column}::json AS value FROM {relation}
    WHERE {where} AND json_typeof({column}::json) <> 'null'
    LIMIT 1000
) AS first_rows;

-- name: row_security_off
-- To the end of the transaction, a statement whose rows a policy would filter is an error instead.
SELECT pg_catalog.set_config('row_security', 'off', true);

-- name: nothing
SELECT FROM {relation} LIMIT 0;

-- name: any_row
-- True where the relation has any row, selected by ``where`` or not.
SELECT EXISTS (SELECT FROM {relation});

-- name: selects_any
SELECT EXISTS (SELECT FROM {relation} WHERE {where});

-- name: some_contacts
SELECT {contact_id} AS contact_id FROM {relation} WHERE {where} AND {key} IS NOT NULL LIMIT $1;

-- name: tried
-- Computes something of the rows between $1 and $2. The condition is there twice: once for an index to find the rows,
-- and once in a CASE, so that nothing is computed of other rows first.
SELECT pg_catalog.count({tried}) FROM {relation}
WHERE {within} AND CASE WHEN {within} THEN {selected} ELSE false END;

-- name: key_within
-- The key after $3 others in the range between $1 and $2.
SELECT {contact_id} FROM {relation} WHERE {within} ORDER BY {place} OFFSET $3 LIMIT 1;

-- name: counts
-- Numbers of the selected rows, those without a key, those whose key is longer than $1, and the repeated keys.
-- Everything that a run reads of a row is computed, so that what fails there fails here.
SELECT coalesce(sum(number), 0)::bigint AS rows,
       coalesce(sum(number) FILTER (WHERE contact_id IS NULL), 0)::bigint AS nulls,
       coalesce(sum(number) FILTER (WHERE char_length(contact_id) > $1), 0)::bigint AS long_keys,
       count(*) FILTER (WHERE number > 1 AND contact_id IS NOT NULL) AS repeated,
       coalesce(sum(computed), 0)::bigint AS computed
FROM (
    SELECT ({contact_id}) COLLATE "C" AS contact_id, count(*) AS number,
           pg_catalog.count({hash}) + pg_catalog.count({text_order}) AS computed
    FROM {relation} WHERE {where} GROUP BY 1
) AS keys;

-- name: counts_of_unique
-- The same where an index admits no key twice: nothing is sorted or hashed.
SELECT pg_catalog.count(*) AS rows,
       pg_catalog.count(*) - pg_catalog.count({key}) AS nulls,
       pg_catalog.count(*) FILTER (WHERE char_length({contact_id}) > $1) AS long_keys,
       0::bigint AS repeated,
       pg_catalog.count({hash}) + pg_catalog.count({text_order}) AS computed
FROM {relation} WHERE {where};

-- name: rows
-- Current rows of contacts. The values of a row that is too long to be sent are left out: a batch of such rows would
-- not fit into memory.
SELECT {contact_id} AS contact_id, {hash} AS source_hash,
       (SELECT CASE WHEN char_length(row) <= $2 THEN row END FROM (SELECT {values} OFFSET 0) AS fresh (row)) AS "values"
FROM {relation}
WHERE {where} AND {key} {equals} ANY ($1::text[]::{key_type}[]);

-- name: rows_by_text
-- The same where a contact id is no text of the key's type (any more).
SELECT {contact_id} AS contact_id, {hash} AS source_hash,
       (SELECT CASE WHEN char_length(row) <= $2 THEN row END FROM (SELECT {values} OFFSET 0) AS fresh (row)) AS "values"
FROM {relation}
WHERE {where} AND {contact_id} OPERATOR(pg_catalog.=) ANY ($1::text[]);

-- name: long_keys
-- Rows whose keys are too long to be stored: the contact id and the hash. $1 the length of the longest key that is
-- stored, $2 the characters of a longer one that are shown, $3 the length of a contact id that stands for a longer key.
SELECT left(key, $2) || '...' || encode(sha256(convert_to(key, 'UTF8')), 'hex') AS contact_id, hash AS source_hash
FROM (
    SELECT {contact_id} AS key, {hash} AS hash FROM {relation}
    WHERE {where} AND (char_length({contact_id}) > $1
                       OR char_length({contact_id}) = $3 AND {contact_id} ~ '^.{{40}}[.]{{3}}[0-9a-f]{{64}}$')
) AS held;

-- name: database_name
SELECT pg_catalog.current_database()
