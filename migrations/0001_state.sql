-- The state of syncengine. Only sync_known holds personal data.

CREATE TABLE syncengine.sync_destination (
    destination  text COLLATE "C" PRIMARY KEY,
    account      text COLLATE "C" NOT NULL,
    vendor       text NOT NULL,
    base_url     text NOT NULL,
    identity     jsonb NOT NULL,                   -- account settings that are no secrets
    source       text NOT NULL,                    -- what it reads, without credentials
    remembered_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE syncengine.sync_lease (
    account      text COLLATE "C" PRIMARY KEY,
    holder       text NOT NULL,                    -- host and process, for people
    epoch        bigint NOT NULL,                  -- the fence: grows with every new holder
    expires_at   timestamptz NOT NULL,             -- once released: when that was
    released     boolean NOT NULL,
    ledger       jsonb                             -- slots still taken at a clean release
);

CREATE TABLE syncengine.sync_run (
    run_id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    destination  text COLLATE "C" NOT NULL,
    account      text COLLATE "C" NOT NULL,
    kind         text NOT NULL,
    retry_of     bigint,
    epoch        bigint NOT NULL,
    status       text NOT NULL DEFAULT 'running',  -- running, done, incomplete, halted, stopped, refused
    started_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at     timestamptz,
    totals       jsonb NOT NULL DEFAULT '{}',
    error        text
);
CREATE INDEX sync_run_by_destination ON syncengine.sync_run (destination, run_id);

CREATE TABLE syncengine.sync_batch (
    run_id       bigint NOT NULL REFERENCES syncengine.sync_run ON DELETE CASCADE,
    number       integer NOT NULL,
    kind         text NOT NULL,                    -- removals (worked first), changes
    contact_ids  text[] NOT NULL,
    status       text NOT NULL DEFAULT 'waiting',  -- waiting, done
    totals       jsonb NOT NULL DEFAULT '{}',
    error        text,
    PRIMARY KEY (run_id, number)
);

-- Slim: read whole by every diff.
CREATE TABLE syncengine.sync_state (
    destination    text COLLATE "C" NOT NULL,
    contact_id     text COLLATE "C" NOT NULL,
    contact_number bigint,                         -- the contact id of integer keys, for joins in key order
    source_hash    bigint,                         -- acknowledged version of the row; null: planned again
    status         text NOT NULL,                  -- pending, synced, rejected, dead, removed
    rejections     smallint NOT NULL DEFAULT 0,
    rejected_hash  bigint,                         -- the version that was refused
    external_id    text COLLATE "C",
    code           text,                           -- why it was rejected
    synced_at      timestamptz,
    PRIMARY KEY (destination, contact_id)
) WITH (fillfactor = 80);
-- Not partial: the diff asks whether a contact without a number is left. Nothing included: it would end HOT updates.
CREATE INDEX sync_state_by_number ON syncengine.sync_state (destination, contact_number);
CREATE INDEX sync_state_by_external_id ON syncengine.sync_state (external_id, destination) WHERE external_id IS NOT NULL;
CREATE INDEX sync_state_by_code ON syncengine.sync_state (destination, code) WHERE code IS NOT NULL;

CREATE TABLE syncengine.sync_known (
    destination  text COLLATE "C" NOT NULL,
    contact_id   text COLLATE "C" NOT NULL,
    match_field  text,
    match_key    text,
    fields       jsonb NOT NULL DEFAULT '{}',
    tags         jsonb NOT NULL DEFAULT '[]',      -- held there, set by us
    found_tags   jsonb NOT NULL DEFAULT '[]',      -- held there, set by others
    pending      jsonb,                            -- the intent: sent, or about to be, without an outcome yet
    pending_at   timestamptz,                      -- when the last of it may have been sent; null: before its lease ended
    PRIMARY KEY (destination, contact_id)
) WITH (fillfactor = 80);

CREATE TABLE syncengine.sync_key (
    account      text COLLATE "C" NOT NULL,
    destination  text COLLATE "C" NOT NULL,
    contact_id   text COLLATE "C" NOT NULL,
    contact_number bigint,
    key_hash     bytea NOT NULL,                   -- of field and value
    since        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (destination, contact_id, key_hash)
);
CREATE INDEX sync_key_by_hash ON syncengine.sync_key (account, key_hash);

CREATE TABLE syncengine.sync_outcome (
    run_id       bigint NOT NULL REFERENCES syncengine.sync_run ON DELETE CASCADE,
    contact_id   text COLLATE "C" NOT NULL,
    batch        integer NOT NULL,
    outcome      text NOT NULL,                    -- applied, rejected, deferred, unsupported, unknown
    actions      text[] NOT NULL DEFAULT '{}',
    requests     integer NOT NULL DEFAULT 0,
    code         text,
    message      text,
    http_status  smallint,
    unsupported  jsonb,
    at           timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (run_id, contact_id)
);

CREATE TABLE syncengine.sync_quota (
    account      text COLLATE "C" NOT NULL,
    quota        text NOT NULL,
    minute       timestamptz NOT NULL,
    reserved     integer NOT NULL,
    PRIMARY KEY (account, quota, minute)
);

-- Stable for the user's own SQL.
CREATE VIEW syncengine.external_ids AS
    SELECT destination, contact_id, external_id, synced_at
    FROM syncengine.sync_state
    WHERE external_id IS NOT NULL;
