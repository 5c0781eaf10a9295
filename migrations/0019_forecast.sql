-- What a run expected of itself right before its first request: calls, requests, and until when the limits make them last.

ALTER TABLE syncengine.sync_run ADD COLUMN forecast jsonb;
