-- What a run in progress writes about itself every few seconds, so that others can watch it.

ALTER TABLE syncengine.sync_run ADD COLUMN progress jsonb;  -- null: it has not written any yet

CREATE TABLE syncengine.sync_run_minute (
    run_id       bigint NOT NULL REFERENCES syncengine.sync_run ON DELETE CASCADE,
    minute       timestamptz NOT NULL,             -- its first second, by the database's clock
    requests     integer NOT NULL DEFAULT 0,       -- answered or given up in this minute
    throttled    integer NOT NULL DEFAULT 0,       -- pauses that a refusal for the rate limit has led to
    outcomes     jsonb NOT NULL DEFAULT '{}',      -- contacts that ended in this minute, by outcome
    codes        jsonb NOT NULL DEFAULT '{}',      -- those that fell short, by code: the most frequent ones
    PRIMARY KEY (run_id, minute)
);
