"""Brings the state schema up to date.

Migrations are numbered files of plain SQL. Each is applied once, and never edited
afterwards.

A file is one transaction. One whose first line is ``-- no-transaction`` runs outside of
any, for statements such as ``CREATE INDEX CONCURRENTLY``: it must hold a single
statement, and one that can be repeated, since a crash may come between it and the note
that it ran.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg

from syncengine.errors import SchemaOutdated, StorageError
from syncengine.shipped import shipped
from syncengine.storage.connect import OLDEST, Connection
from syncengine.storage.failures import MIGRATES, explain, state_database
from syncengine.storage.statements import statements

_LOCK = int.from_bytes(
    hashlib.sha256(b"syncengine.sync_migration").digest()[:8], "big", signed=True
)
"""Key of the advisory lock under which migrations are applied: 64 bits of a hash, so
that no other application uses the same number by chance."""
_POLL = 0.1
"""Seconds between two tries."""
_IN_THE_WAY = 300
"""Milliseconds to wait for a table in use, before it is left to its users for a
moment."""
_NO_TRANSACTION = "-- no-transaction"
_TABLE = """
CREATE TABLE IF NOT EXISTS syncengine.sync_migration (
    number     integer PRIMARY KEY,
    name       text NOT NULL,
    checksum   text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
)"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file."""

    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()

    @property
    def in_transaction(self) -> bool:
        return self.sql.split("\n", 1)[0].strip() != _NO_TRANSACTION


@dataclass(frozen=True, slots=True)
class AppliedMigration:
    """One row of ``sync_migration``."""

    number: int
    name: str
    checksum: str


async def migrate(connection: Connection, *, patience: float = 60.0) -> list[str]:
    """Apply the missing files; return the names of those that this call applied.

    Any number of processes may do this at once: each file is applied by one of them.
    Waits up to ``patience`` seconds for another process's file, or for runs that use
    the tables. Raises SchemaOutdated for a schema that no number of files would mend,
    else StorageError.
    """
    _require_version(connection)
    clock = asyncio.get_running_loop().time
    applied_here: list[str] = []
    deadline = clock() + patience
    while True:
        # Read anew each time: another process may have applied some meanwhile.
        missing = await _unapplied(connection)
        if not missing:
            return applied_here
        following = missing[0]
        if await _apply_next(connection, following):
            applied_here.append(following.name)
            deadline = clock() + patience
        elif clock() > deadline:
            raise StorageError(
                f"{following.name} could not be applied: for {patience:g} s another "
                "process has been migrating this database, or using its tables without "
                "a pause. Look for it in pg_stat_activity, and run `syncengine "
                "migrate` again when it is done"
            )
        else:
            await asyncio.sleep(_POLL)


async def pending(connection: Connection) -> list[str]:
    """Return the names of the files not yet applied, in order.

    Raises like ``migrate``; changes nothing.
    """
    _require_version(connection)
    return [migration.name for migration in await _unapplied(connection)]


async def require_current(connection: Connection) -> None:
    """Raise SchemaOutdated unless the schema is exactly this version's.

    Raises StorageError for an encoding other than UTF8.
    """
    missing = await pending(connection)
    if missing:
        last = f" to {missing[-1]}" if len(missing) > 1 else ""
        raise SchemaOutdated(
            f"{state_database()} lacks the migrations {missing[0]}{last}: run "
            "`syncengine migrate`, then start again"
        )


def migrations() -> list[Migration]:
    """Return the files of this version, in order."""
    files = sorted(shipped("migrations").glob("[0-9]*_*.sql"))
    found: list[Migration] = []
    for file in files:
        number = int(file.name.split("_", 1)[0])
        found.append(Migration(number, file.name, file.read_text(encoding="utf-8")))
    return found


def unapplied(
    files: Sequence[Migration], applied: Sequence[AppliedMigration]
) -> list[Migration]:
    """Return the files still to be applied.

    Raises SchemaOutdated where the database was built from other files.
    """
    known = {file.number: file for file in files}
    for row in applied:
        file = known.get(row.number)
        if file is None:
            last = files[-1].name if files else "no migration"
            raise SchemaOutdated(
                f"{state_database()} was brought to {row.name} by a newer syncengine "
                f"than this one, which ends with {last}: use the newer version"
            )
        if (file.name, file.checksum) != (row.name, row.checksum):
            raise SchemaOutdated(
                f"migrations/{file.name} is not the file that was applied to "
                f"{state_database()} as {row.name}. An applied migration must never be "
                "edited: restore it, and put the change into a new file"
            )
    done = {row.number for row in applied}
    return [file for file in files if file.number not in done]


async def _unapplied(connection: Connection) -> list[Migration]:
    # In a transaction, as everything here: asyncpg needs two round trips for a
    # statement with a result, and without one a pooler may send them to two sessions.
    async with _transaction(connection):
        has_table = await connection.fetchval(
            "SELECT to_regclass('syncengine.sync_migration') IS NOT NULL"
        )
        rows: list[asyncpg.Record] = []
        if has_table:
            rows = await connection.fetch(
                "SELECT number, name, checksum FROM syncengine.sync_migration"
            )
    return unapplied(migrations(), [AppliedMigration(**row) for row in rows])


@asynccontextmanager
async def _transaction(connection: Connection) -> AsyncIterator[None]:
    """Run a transaction in which functions and types are those of Postgres itself.

    Column defaults keep the functions that they were created with, so these must not be
    planted ones. A transaction inside another is a savepoint.
    """
    async with connection.transaction():
        await connection.execute(statements("connect")["search_path"])
        yield


async def _apply_next(connection: Connection, migration: Migration) -> bool:
    """Apply a file; False when another process has the lock, or applied it meanwhile.

    Also False when a table that it changes is in use. The lock is tried, never waited
    for: a waiting statement has a snapshot, for which CREATE INDEX CONCURRENTLY in the
    lock's holder would wait in turn.
    """
    try:
        if migration.in_transaction:
            return await _apply_in_transaction(connection, migration)
        return await _apply_alone(connection, migration)
    except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
        # A run uses the table. The migration gives way: all of it was undone, and it is
        # tried again in a moment.
        return False
    except asyncpg.InsufficientPrivilegeError as error:
        raise StorageError(
            f"migrations/{migration.name} may not be applied by this database user: "
            f"{explain(error, MIGRATES)}. Or let an administrator run "
            "CREATE SCHEMA syncengine AUTHORIZATION <that user>, or run "
            "`syncengine migrate` as a user who may"
        ) from None
    except asyncpg.PostgresError as error:
        kept = "nothing of it was kept"
        if not migration.in_transaction:
            kept = "look for what it left, such as an invalid index"
        raise StorageError(
            f"migrations/{migration.name} failed ({kept}): {explain(error)}"
        ) from None


async def _apply_in_transaction(connection: Connection, migration: Migration) -> bool:
    # A transaction's lock cannot outlive the work, and it works through a pooler in
    # transaction mode.
    async with _transaction(connection):
        if not await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", _LOCK):
            return False
        # While a migration waits for a table, all later statements of runs queue behind
        # it. So it does not wait for long, and gives up before Postgres takes the two
        # for a deadlock and ends the run's statement (deadlock_timeout, 1 s by
        # default).
        await connection.execute(f"SET LOCAL lock_timeout = '{_IN_THE_WAY}ms'")
        return await _apply_locked(connection, migration)


async def _apply_alone(connection: Connection, migration: Migration) -> bool:
    # There is no transaction for the lock, so it is the session's. That needs a
    # connection that keeps its session, and so no pooler in transaction mode.
    await connection.execute(statements("connect")["session_search_path"])
    try:
        if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK):
            return False
        try:
            return await _apply_locked(connection, migration)
        finally:
            await connection.execute("SELECT pg_advisory_unlock($1)", _LOCK)
    finally:
        await connection.execute("RESET search_path")


async def _apply_locked(connection: Connection, migration: Migration) -> bool:
    """Apply a file under the lock; return False where another process already did."""
    # Ask first: CREATE SCHEMA IF NOT EXISTS needs the right to create schemas even
    # where there is nothing to create.
    has_schema = await connection.fetchval(
        "SELECT to_regnamespace('syncengine') IS NOT NULL"
    )
    if not has_schema:
        await connection.execute("CREATE SCHEMA syncengine")
    await connection.execute(_TABLE)
    # Ask again: between the first question and the lock, another process may have
    # applied the file.
    still_missing = {file.number for file in await _unapplied(connection)}
    if migration.number not in still_missing:
        return False
    await connection.execute(migration.sql)
    # A savepoint of the migration's own transaction. For a file without one it is a
    # transaction: should the process die before it, the file runs a second time, which
    # such a file has to bear.
    async with _transaction(connection):
        await connection.execute(
            "INSERT INTO syncengine.sync_migration (number, name, checksum) "
            "VALUES ($1, $2, $3)",
            migration.number,
            migration.name,
            migration.checksum,
        )
    return True


def _require_version(connection: Connection) -> None:
    version = connection.get_server_version()
    if version.major < OLDEST:
        raise StorageError(
            f"{state_database()} is Postgres {version.major}.{version.minor}; "
            f"syncengine needs {OLDEST} or newer"
        )
    _require_encoding(connection)


def _require_encoding(connection: Connection) -> None:
    """Raise StorageError unless the encoding is UTF8.

    Every text from a vendor or a source has to fit into the state.
    """
    encoding = connection.get_settings().server_encoding
    if encoding != "UTF8":
        raise StorageError(
            f"{state_database()} has the encoding {encoding}, which cannot hold every "
            "text; it has to be UTF8: CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE "
            "template0"
        )
