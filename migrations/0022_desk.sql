-- What people look up after a run: who fell short, since when, and what became of each contact. Every question is
-- answered page by page, by index alone.

-- The run in which a contact that is not in step was tried last, and the one since which it is not. Null once it is.
ALTER TABLE syncengine.sync_state ADD COLUMN failed_in bigint;
ALTER TABLE syncengine.sync_state ADD COLUMN failing_since bigint;

CREATE INDEX sync_outcome_fell_short ON syncengine.sync_outcome (run_id, (coalesce(code, '')), contact_id)
    WHERE outcome NOT IN ('applied', 'probed', 'suppressed');
CREATE INDEX sync_state_standing_by_code ON syncengine.sync_state
    (destination, standing, (coalesce(code, '')), contact_id) WHERE standing IS NOT NULL;
CREATE INDEX sync_suppression_by_time ON syncengine.sync_suppression (since, subject_hash);
CREATE INDEX sync_erasure_to_do ON syncengine.sync_erasure (destination, requested_at, contact_hash)
    WHERE status = 'open' OR to_ask <> '';
CREATE INDEX sync_erasure_by_destination ON syncengine.sync_erasure (destination, requested_at, contact_hash);

-- Stable for the user's own SQL, like external_ids; described in docs/reference/tables.md.
CREATE VIEW syncengine.latest_runs AS
    SELECT DISTINCT ON (destination)
        destination, run_id, kind, status, started_at, ended_at,
        (totals -> 'contacts' ->> 'applied')::bigint AS applied,
        (totals -> 'contacts' ->> 'rejected')::bigint AS rejected,
        (totals -> 'contacts' ->> 'deferred')::bigint AS deferred,
        (totals -> 'contacts' ->> 'unsupported')::bigint AS unsupported,
        (totals -> 'contacts' ->> 'suppressed')::bigint AS suppressed,
        (totals -> 'contacts' ->> 'unknown')::bigint AS unknown,
        (totals ->> 'requests')::bigint AS requests,
        error
    FROM syncengine.sync_run
    ORDER BY destination, run_id DESC;

CREATE VIEW syncengine.contacts AS
    SELECT destination, contact_id, external_id, status, code, standing, rejections, failing_since, synced_at
    FROM syncengine.sync_state;

CREATE VIEW syncengine.standing AS
    SELECT destination, contact_id, external_id, standing, code, rejections, failing_since,
           coalesce(failed_in, tried_in) AS failed_in
    FROM syncengine.sync_state
    WHERE standing IS NOT NULL;

CREATE VIEW syncengine.outcomes AS
    SELECT r.destination, o.run_id, r.kind, o.contact_id, o.outcome, o.code, o.message, o.http_status, o.requests,
           o.actions, o.at
    FROM syncengine.sync_outcome AS o JOIN syncengine.sync_run AS r USING (run_id);
