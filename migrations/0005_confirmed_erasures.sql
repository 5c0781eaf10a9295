-- What a person has to ask a vendor for whose API cannot erase. It stands until somebody confirms that it was done.

ALTER TABLE syncengine.sync_erasure ADD COLUMN to_ask text NOT NULL DEFAULT '';

UPDATE syncengine.sync_erasure
SET to_ask = 'the vendor''s API could not delete: ask them to delete this contact (its id there was not kept)'
WHERE status = 'impossible';
