-- The vendor contact that a removed contact gave up to a new one, until the new one has written to it. If that never
-- happens and the new one is removed, refused or suppressed as well, the former owner gets the vendor contact back: it
-- still has what was written about the former owner.

ALTER TABLE syncengine.sync_state ADD COLUMN given_up text COLLATE "C";
CREATE INDEX sync_state_by_given_up ON syncengine.sync_state (given_up) WHERE given_up IS NOT NULL;
