-- The vendor contact that one who left gave up to a newcomer, until the newcomer has written to it. If it never does and
-- leaves as well, the former owner has it back: it still holds what was written about that one.

ALTER TABLE syncengine.sync_state ADD COLUMN given_up text COLLATE "C";
CREATE INDEX sync_state_by_given_up ON syncengine.sync_state (given_up) WHERE given_up IS NOT NULL;
