-- Whom nothing is sent about, and what became of those who asked to be forgotten. Hashes instead of personal data.

CREATE TABLE syncengine.sync_salt (
    salt         bytea NOT NULL
);
CREATE UNIQUE INDEX sync_salt_is_one ON syncengine.sync_salt ((true));
INSERT INTO syncengine.sync_salt
SELECT sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));

CREATE TABLE syncengine.sync_suppression (
    subject_hash bytea PRIMARY KEY,                -- salted, of a contact id, a phone or an e-mail address
    kind         text NOT NULL,                    -- contact, phone, email
    reason       text NOT NULL,                    -- suppressed, forgotten (a tombstone)
    since        timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE syncengine.sync_erasure (
    contact_hash bytea NOT NULL,                   -- as in sync_suppression
    destination  text COLLATE "C" NOT NULL,
    contact_id   text COLLATE "C",                 -- until the erasure is through here
    status       text NOT NULL,                    -- open, done, scheduled, impossible
    receipt      text NOT NULL DEFAULT '',         -- what the vendor said, or what to ask it
    requested_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at     timestamptz,
    PRIMARY KEY (contact_hash, destination)
);
