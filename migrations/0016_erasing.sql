-- Vendor contacts whose deletion was asked for, and that the vendor may delete some time later. Until then an upsert
-- still reaches them, and what it writes is lost.

CREATE TABLE syncengine.sync_erasing (
    account      text COLLATE "C" NOT NULL,
    external_id  text COLLATE "C" NOT NULL,
    asked_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (account, external_id)
);
