-- The request that a person has to make to a vendor whose API cannot erase. It is kept until a person confirms it.

ALTER TABLE syncengine.sync_erasure ADD COLUMN to_ask text NOT NULL DEFAULT '';

UPDATE syncengine.sync_erasure
SET to_ask = 'the vendor''s API could not delete: ask them to delete this contact (its id there was not kept)'
WHERE status = 'impossible';
