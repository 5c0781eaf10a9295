-- Another party deleted the contact at the vendor, and it has not been found there since. This outlives a status that
-- changes meanwhile (opted out, refused, removed from the source): none of them is a reason to create it again.

ALTER TABLE syncengine.sync_state ADD COLUMN gone boolean NOT NULL DEFAULT false;
