-- Runs of plan files (`run --plan`): a plan that is run again goes on where its former runs ended.

ALTER TABLE syncengine.sync_run ADD COLUMN plan_id text;  -- null: it sent whatever differed
