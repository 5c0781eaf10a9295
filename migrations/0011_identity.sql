-- The source's database is a part of what a destination remembers; null: no run has noted it yet. looks_up: the account
-- was exchanged, and until a run has brought everybody in step no contact is created without a look-up.

ALTER TABLE syncengine.sync_destination ADD COLUMN source_database text;
ALTER TABLE syncengine.sync_destination ADD COLUMN looks_up boolean NOT NULL DEFAULT false;
-- What the files said about consent when a run was last let pass; null: no run has noted it yet.
ALTER TABLE syncengine.sync_destination ADD COLUMN consent jsonb;
