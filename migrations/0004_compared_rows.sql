-- How many rows the source had when a run last compared all of it and passed its brakes: growth is measured against that.

ALTER TABLE syncengine.sync_destination ADD COLUMN compared_rows bigint;
