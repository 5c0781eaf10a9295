-- name: pin
-- Settings that decide how values look as text, and how long anything may wait; they end with the transaction, so that
-- a pooler in transaction mode hands the connection on as it was.
SELECT set_config('TimeZone', 'UTC', true),
       set_config('DateStyle', 'ISO, YMD', true),
       set_config('IntervalStyle', 'iso_8601', true),
       set_config('extra_float_digits', '1', true),
       set_config('bytea_output', 'hex', true),
       set_config('jit', 'off', true),  -- compiling takes longer than any of our statements gains by it
       set_config('lock_timeout', '60s', true),
       set_config('idle_in_transaction_session_timeout', '45s', true),  -- a frozen holder goes before a takeover gives up
       set_config('statement_timeout', '300s', true),
       -- An intent has to outlive a crash of the server; whoever has turned that off for speed gets it all the same.
       set_config('synchronous_commit', coalesce(nullif(current_setting('synchronous_commit'), 'off'), 'local'), true);

-- name: statement_timeout
SELECT set_config('statement_timeout', $1, true)
