-- What each run changed at each contact. Beside sync_known the only table with personal data: its rows are kept for
-- keep_changes, and an erasure deletes them.

-- One row a run and contact, however many steps, calls and attempts it took: the first old value, the last new one.
CREATE TABLE syncengine.sync_change (
    run_id       bigint NOT NULL REFERENCES syncengine.sync_run ON DELETE CASCADE,  -- the run that sent it
    contact_id   text COLLATE "C" NOT NULL,
    effect       text NOT NULL,                    -- created (proved new), linked, updated, deleted
    fields       jsonb NOT NULL DEFAULT '{}',      -- {name: {old, new}}; no old: not known; null: empty
    tags_added   text[] NOT NULL DEFAULT '{}',
    tags_removed text[] NOT NULL DEFAULT '{}',
    external_id  text COLLATE "C",
    at           timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (run_id, contact_id)
);
CREATE INDEX sync_change_by_contact ON syncengine.sync_change (contact_id, run_id);

-- Patterns of the fields that are empty at the vendor for certain. Any other field that is not in "fields" is not known.
ALTER TABLE syncengine.sync_known ADD COLUMN empty jsonb;

-- Stable for the user's own SQL.
CREATE VIEW syncengine.changes AS
    SELECT r.destination, c.run_id, c.contact_id, c.effect, c.fields, c.tags_added, c.tags_removed, c.external_id, c.at
    FROM syncengine.sync_change AS c JOIN syncengine.sync_run AS r USING (run_id);
