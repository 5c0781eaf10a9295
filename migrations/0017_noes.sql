-- Opt-outs that a vendor showed when it was last looked at: a contact that is deleted there and created again still has
-- them.

ALTER TABLE syncengine.sync_known ADD COLUMN noes jsonb NOT NULL DEFAULT '{}';
