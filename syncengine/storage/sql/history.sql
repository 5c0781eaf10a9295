-- name: of_contact
-- A page of all runs before run $2, the newest first, each with what it did to a contact, if anything. Asking run by run
-- needs no index of the outcomes by contact, which every run would have to keep up. LATERAL with a limit asks by key,
-- whatever the planner thinks of the tables' sizes.
SELECT r.run_id, r.destination, r.kind, r.started_at, o.outcome, o.code, o.message, o.http_status, o.requests, o.actions,
       o.unsupported, coalesce(o.at, c.at) AS at, c.effect, c.fields, c.tags_added, c.tags_removed
FROM (SELECT run_id, destination, kind, started_at FROM syncengine.sync_run
      WHERE $2::bigint IS NULL OR run_id < $2 ORDER BY run_id DESC LIMIT $3) AS r
LEFT JOIN LATERAL (
    SELECT * FROM syncengine.sync_outcome WHERE run_id = r.run_id AND contact_id = $1 LIMIT 1
) AS o ON true
LEFT JOIN LATERAL (
    SELECT * FROM syncengine.sync_change WHERE run_id = r.run_id AND contact_id = $1 LIMIT 1
) AS c ON true
ORDER BY r.run_id DESC

-- name: of_contact_at
-- The same for the runs of the destinations $4.
SELECT r.run_id, r.destination, r.kind, r.started_at, o.outcome, o.code, o.message, o.http_status, o.requests, o.actions,
       o.unsupported, coalesce(o.at, c.at) AS at, c.effect, c.fields, c.tags_added, c.tags_removed
FROM (SELECT run.* FROM unnest($4::text[]) AS asked (destination)
      CROSS JOIN LATERAL (
          SELECT run_id, destination, kind, started_at FROM syncengine.sync_run
          WHERE destination = asked.destination AND ($2::bigint IS NULL OR run_id < $2)
          ORDER BY run_id DESC LIMIT $3
      ) AS run
      ORDER BY run.run_id DESC LIMIT $3) AS r
LEFT JOIN LATERAL (
    SELECT * FROM syncengine.sync_outcome WHERE run_id = r.run_id AND contact_id = $1 LIMIT 1
) AS o ON true
LEFT JOIN LATERAL (
    SELECT * FROM syncengine.sync_change WHERE run_id = r.run_id AND contact_id = $1 LIMIT 1
) AS c ON true
ORDER BY r.run_id DESC

-- name: changes
-- The newest changes of a contact at a destination.
SELECT c.run_id, c.at, c.effect, c.fields, c.tags_added, c.tags_removed
FROM syncengine.sync_change AS c
CROSS JOIN LATERAL (
    SELECT destination FROM syncengine.sync_run WHERE run_id = c.run_id LIMIT 1
) AS r
WHERE c.contact_id = $1 AND r.destination = $2
ORDER BY c.run_id DESC LIMIT $3

-- name: where_known
-- The destinations whose state knows the contact.
SELECT d.destination FROM syncengine.sync_destination AS d
WHERE EXISTS (SELECT FROM syncengine.sync_state AS s WHERE s.destination = d.destination AND s.contact_id = $1)
ORDER BY d.destination

-- name: standing
-- How a contact stands at a destination.
SELECT status, code, standing, rejections, failing_since, synced_at FROM syncengine.sync_state
WHERE destination = $1 AND contact_id = $2
