-- What each part of the mapping meant when a run last finished about everybody, as fingerprints: where one has changed
-- since, `plan` can tell that the configuration is the cause, and which part of it.

ALTER TABLE syncengine.sync_destination ADD COLUMN meaning jsonb;
