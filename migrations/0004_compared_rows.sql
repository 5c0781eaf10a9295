-- The source's rows when a run last compared all of it and passed its brakes. Growth is measured against this number.

ALTER TABLE syncengine.sync_destination ADD COLUMN compared_rows bigint;
