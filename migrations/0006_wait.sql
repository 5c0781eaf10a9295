-- Who cannot have a match key before another contact lets go of it at the vendor, and what that one held when this was
-- judged: once it holds something else, the contact that waits is tried again.

CREATE TABLE syncengine.sync_wait (
    destination       text COLLATE "C" NOT NULL,
    contact_id        text COLLATE "C" NOT NULL,
    owner_destination text COLLATE "C" NOT NULL,
    owner_contact_id  text COLLATE "C" NOT NULL,
    fields            text[] NOT NULL,             -- the names of its match keys
    held              bytea NOT NULL,              -- salted hash of the owner's vendor id and of what it held there
    PRIMARY KEY (destination, contact_id)
);
