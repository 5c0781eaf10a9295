-- What is wrong at each destination right now, and the messages about it. Neither holds a value of a contact.

-- One row for each destination and concern: run (how the last whole run ended), standing, stale.
CREATE TABLE syncengine.sync_alert (
    destination  text COLLATE "C" NOT NULL,
    concern      text NOT NULL,
    state        text NOT NULL,                    -- ok, or the kind of alert (failed, halted, ...)
    since        timestamptz NOT NULL DEFAULT clock_timestamp(),
    run_id       bigint,                           -- the run that brought it about; no reference: runs are pruned
    lowest       bigint,                           -- of standing: the smallest number of contacts seen
    reported     bigint,                           -- of standing: the number that the last alert reported
    succeeded_at timestamptz,                      -- of run: the end of the last whole run that was done
    PRIMARY KEY (destination, concern)
);

-- Messages, written in the transaction of the change that they report, and kept until they are delivered.
CREATE TABLE syncengine.sync_alert_message (
    message_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    target       text COLLATE "C" NOT NULL,        -- its name in the configuration; never its address
    body         jsonb NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    attempts     smallint NOT NULL DEFAULT 0,
    next_try_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    delivered_at timestamptz,
    error        text                              -- why the last attempt failed
);
CREATE INDEX sync_alert_message_undelivered ON syncengine.sync_alert_message (target, message_id)
    WHERE delivered_at IS NULL;
