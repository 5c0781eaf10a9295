-- The credentials by which an account is known, as a salted hash: one key under two account names would be paced twice.

CREATE TABLE syncengine.sync_credentials (
    account     text COLLATE "C" PRIMARY KEY,
    key_hash    bytea NOT NULL UNIQUE,
    since       timestamptz NOT NULL DEFAULT clock_timestamp()
);
