-- What an undo took back of a contact, so that no later run sends it again while the row and the meaning of the mapping
-- are the same: names of fields and tags, and a fingerprint. The values are in sync_known.

CREATE TABLE syncengine.sync_taken_back (
    destination  text COLLATE "C" NOT NULL,
    contact_id   text COLLATE "C" NOT NULL,
    undone       bigint NOT NULL,                  -- the run that was taken back
    run_id       bigint NOT NULL,                  -- the undo
    version      bigint NOT NULL,                  -- of the row and the mapping's meaning; 0: it has no row
    fields       text[] NOT NULL DEFAULT '{}',     -- lists among them, as lists.ID
    tags_off     text[] NOT NULL DEFAULT '{}',     -- tags that the contact lost again
    tags_on      text[] NOT NULL DEFAULT '{}',     -- tags that it was given back
    whole        boolean NOT NULL DEFAULT false,   -- it was created, and deleted again
    PRIMARY KEY (destination, contact_id)
);

ALTER TABLE syncengine.sync_run ADD COLUMN undo_of bigint;  -- of an undo: the run whose changes it takes back
