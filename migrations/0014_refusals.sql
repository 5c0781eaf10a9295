-- What a contact was refused with, as a fingerprint: the same for all that the vendor refused in the same words. Three
-- or more of them stand together, and one of them is tried each night.

ALTER TABLE syncengine.sync_state ADD COLUMN refusal bigint;
ALTER TABLE syncengine.sync_state ADD COLUMN tried_in bigint;  -- the run that last tried it and was refused
CREATE INDEX sync_state_by_refusal ON syncengine.sync_state (destination, refusal, tried_in) WHERE refusal IS NOT NULL;
