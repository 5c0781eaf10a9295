-- Contacts that wait for another one's match key at the vendor, with a hash of what the owner had when the wait began.
-- Once the owner has something else, the contact that waits is tried again.

CREATE TABLE syncengine.sync_wait (
    destination       text COLLATE "C" NOT NULL,
    contact_id        text COLLATE "C" NOT NULL,
    owner_destination text COLLATE "C" NOT NULL,
    owner_contact_id  text COLLATE "C" NOT NULL,
    fields            text[] NOT NULL,             -- the names of its match keys
    held              bytea NOT NULL,              -- salted hash of the owner's vendor id and values
    PRIMARY KEY (destination, contact_id)
);
