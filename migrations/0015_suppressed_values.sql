-- Phones and e-mail addresses of contacts that were suppressed or forgotten by their id, as salted hashes: by them the
-- person is recognised under another id, once the source has another key.
CREATE TABLE syncengine.sync_suppressed_value (
    subject_hash bytea NOT NULL,
    contact_hash bytea NOT NULL,                   -- the contact's row in sync_suppression
    kind         text NOT NULL,                    -- phone, email
    PRIMARY KEY (subject_hash, contact_hash)
);
CREATE INDEX sync_suppressed_value_by_contact ON syncengine.sync_suppressed_value (contact_hash);

-- Contacts that share a phone or an address with a suppressed one, and are somebody else.
CREATE TABLE syncengine.sync_other_person (
    contact_hash bytea PRIMARY KEY,
    since        timestamptz NOT NULL DEFAULT clock_timestamp()
);
