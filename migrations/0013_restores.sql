-- What a state needs to be recognised once it was restored or lost.

CREATE TABLE syncengine.sync_self (
    state_id     uuid NOT NULL DEFAULT gen_random_uuid(),
    restores     integer NOT NULL DEFAULT 0,        -- restores that were accepted
    consents     bigint NOT NULL DEFAULT 0          -- changes of the suppressions; grows with each
);
CREATE UNIQUE INDEX sync_self_is_one ON syncengine.sync_self ((true));
INSERT INTO syncengine.sync_self DEFAULT VALUES;

-- The next run distrusts all that is known of the contacts. From then on new contacts are looked up before they are
-- created, whatever find_first says: the state may lack contacts that the vendor has.
ALTER TABLE syncengine.sync_destination ADD COLUMN resync boolean NOT NULL DEFAULT false;
ALTER TABLE syncengine.sync_destination ADD COLUMN looks_first boolean NOT NULL DEFAULT false;

-- Each suppression tells by which salt it was hashed: under another one it would match nobody. No default, so that rows
-- which are restored from an older dump do not pass for hashed by the salt of this database.
ALTER TABLE syncengine.sync_salt ADD COLUMN fingerprint bytea
    GENERATED ALWAYS AS (substring(sha256('\x73796e63656e67696e65'::bytea || salt) FOR 8)) STORED;
ALTER TABLE syncengine.sync_suppression ADD COLUMN salted bytea;
ALTER TABLE syncengine.sync_erasure ADD COLUMN salted bytea;
UPDATE syncengine.sync_suppression SET salted = (SELECT fingerprint FROM syncengine.sync_salt);
UPDATE syncengine.sync_erasure SET salted = (SELECT fingerprint FROM syncengine.sync_salt);
CREATE INDEX sync_suppression_by_salt ON syncengine.sync_suppression (salted);
CREATE INDEX sync_erasure_by_salt ON syncengine.sync_erasure (salted);
