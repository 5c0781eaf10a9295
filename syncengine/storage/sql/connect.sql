-- name: search_path
-- Makes functions, operators and types those of Postgres itself, whatever else was planted in the user's search path.
-- A command and no call of set_config, since a command looks up no name that could be planted. pg_temp is listed at the
-- end, since Postgres would else search it first for tables and types.
SET LOCAL search_path = pg_catalog, pg_temp

-- name: session_search_path
-- The same where there is no transaction: a migration that must run outside of any.
SET search_path = pg_catalog, pg_temp

-- name: pin
-- Settings that decide how values look as text, and how long anything may wait; they end with the transaction, so that
-- a pooler in transaction mode hands the connection on as it was.
SELECT pg_catalog.set_config('TimeZone', 'UTC', true),
       pg_catalog.set_config('DateStyle', 'ISO, YMD', true),
       pg_catalog.set_config('IntervalStyle', 'iso_8601', true),
       pg_catalog.set_config('extra_float_digits', '1', true),
       pg_catalog.set_config('bytea_output', 'hex', true),
       pg_catalog.set_config('standard_conforming_strings', 'on', true),
       pg_catalog.set_config('jit', 'off', true),  -- compiling takes longer than any of our statements gains by it
       pg_catalog.set_config('lock_timeout', '60s', true),
       -- Shorter than lock_timeout: a frozen holder of a lock is ended before a takeover gives up.
       pg_catalog.set_config('idle_in_transaction_session_timeout', '45s', true),
       pg_catalog.set_config('statement_timeout', '300s', true)

-- name: pin_writes
-- An intent has to survive a crash of the server, even where synchronous_commit is off for speed.
SELECT set_config('synchronous_commit', coalesce(nullif(current_setting('synchronous_commit'), 'off'), 'local'), true)

-- name: statement_timeout
-- $1 is a text with its unit, such as 300000ms.
SELECT pg_catalog.set_config('statement_timeout', $1, true)

-- name: begin_reading
-- READ COMMITTED: each statement has its own snapshot, so none outlives its statement and keeps the source from vacuum.
BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY

-- name: begin_writing
BEGIN ISOLATION LEVEL READ COMMITTED

-- name: commit
COMMIT

-- name: undo
ROLLBACK

-- name: end_reading
-- There is nothing to commit. A rollback also undoes what foreign code has set.
ROLLBACK

-- name: unlock
-- Locks of the session that foreign code has taken: a rollback does not release these.
SELECT pg_catalog.pg_advisory_unlock_all()

-- name: attempt
-- After an error, Postgres refuses everything until the end of the transaction, or back to a savepoint.
SAVEPOINT attempt

-- name: undo_attempt
ROLLBACK TO SAVEPOINT attempt

-- name: end_attempt
-- ROLLBACK TO keeps the savepoint; without this, each attempt would leave one behind.
RELEASE SAVEPOINT attempt

-- name: backend
-- The process that carries out this statement. A pooler announces another one when a connection begins.
SELECT pg_catalog.pg_backend_pid()

-- name: discard
-- Prepared statements, settings, temporary tables, LISTENs and advisory locks of the session.
DISCARD ALL
