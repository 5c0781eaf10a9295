-- How long a lease lasts from its last renewal. One that runs for longer was renewed before the clock was set back.

ALTER TABLE syncengine.sync_lease ADD COLUMN ttl float8;
