-- What a hold back rests on: a fingerprint of each column of the row and of the own mapping of each field and tag, so that
-- it ends with these alone, and not with another field's mapping.

ALTER TABLE syncengine.sync_taken_back ADD COLUMN basis jsonb NOT NULL DEFAULT '{}';
