-- The reason why a contact is not in step and not tried any more. Every report counts it without reading outcomes.

ALTER TABLE syncengine.sync_state ADD COLUMN standing text;  -- dead_letter, gone, unsupported, suppressed, opted_out
CREATE INDEX sync_state_by_standing ON syncengine.sync_state (destination, standing) WHERE standing IS NOT NULL;

UPDATE syncengine.sync_state SET standing = CASE
    WHEN code IN ('suppressed', 'forgotten') THEN 'suppressed'
    WHEN code = 'opted_out' THEN 'opted_out'
    WHEN code IN ('delete', 'remove_tag', 'leave_list') THEN 'unsupported'
    ELSE 'dead_letter' END
WHERE status IN ('dead', 'suppressed', 'removed') AND code IS NOT NULL;

-- For a contact in step only its last outcome shows that a part of it could not be expressed.
UPDATE syncengine.sync_state AS s SET standing = 'unsupported'
FROM (
    SELECT DISTINCT ON (r.destination, o.contact_id) r.destination, o.contact_id, o.outcome
    FROM syncengine.sync_outcome AS o JOIN syncengine.sync_run AS r USING (run_id)
    ORDER BY r.destination, o.contact_id, o.run_id DESC
) AS last
WHERE s.status = 'synced' AND last.outcome = 'unsupported'
  AND (s.destination, s.contact_id) = (last.destination, last.contact_id);
