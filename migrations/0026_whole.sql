-- Whether a run looked at all contacts of its destination: `status` goes by the newest one that did. Of runs before this
-- migration it is not known whether they were restricted by --contact, --limit or --removed: they count as whole.

ALTER TABLE syncengine.sync_run ADD COLUMN whole boolean NOT NULL DEFAULT true;
UPDATE syncengine.sync_run SET whole = false WHERE kind IN ('retry', 'undo') OR plan_id IS NOT NULL;
