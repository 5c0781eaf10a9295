"""Connections to Postgres that also work through a pooler in transaction mode.

Such a pooler may give every transaction another server connection. So statements are
not cached, every statement runs inside a transaction (asyncpg needs two round trips for
one), and settings are pinned per transaction.

Reading a source runs foreign code: functions behind a view, or functions that were
planted where its names are looked up. So a source has connections of its own, which
never serve the state, and every transaction there is read-only and rolled back at its
end. The rollback also undoes what that code may have set, such as a ``search_path``
with which later statements would find other functions. Statements on the state look up
functions and operators in ``pg_catalog`` alone.
"""

from __future__ import annotations

import asyncio
import getpass
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeAlias
from urllib.parse import parse_qs, urlsplit

import asyncpg
from asyncpg.transaction import Transaction

from syncengine.errors import StorageError
from syncengine.storage.array_types import ConnectionWithArrays
from syncengine.storage.database_url import read_url
from syncengine.storage.failures import CONNECTS, describe, explain, storage_errors
from syncengine.storage.statements import statements

Connection: TypeAlias = (
    "asyncpg.Connection[asyncpg.Record]"
    " | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"
)
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"

APPLICATION = "syncengine"
_GOODBYE = 5.0
"""Seconds to wait for a pool to close."""
OLDEST = 14
"""The first major version that has ``hash_record_extended``."""


class _ReadOnly(ConnectionWithArrays):
    """A connection to a source, whose transactions are all read-only."""

    only_reads = True
    is_direct = False
    """True where the session at the server is ours alone: no pooler lends it to
    others."""

    def transaction(
        self, *, isolation: Any = None, readonly: bool = False, deferrable: bool = False
    ) -> Transaction:
        # Whatever the caller asks for. The database itself then refuses every write,
        # also one of a function behind a view, which no look at the SQL would find.
        del readonly
        return super().transaction(
            isolation=isolation, readonly=True, deferrable=deferrable
        )


async def connect(
    dsn: str, *, read_only: bool = False, application_name: str = APPLICATION
) -> asyncpg.Connection[asyncpg.Record]:
    """Open one connection, which the caller closes.

    Raises StorageError that names host, database and user, and what to do.
    """
    address = read_url(dsn, describe(dsn))
    with _opening(dsn):
        connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(
            address.dsn,
            **address.options(application_name),
            **_options(read_only=read_only),
        )
    try:
        await _check_version(connection)
    except StorageError:
        await connection.close()
        raise
    return connection


@asynccontextmanager
async def open_pool(
    dsn: str,
    *,
    size: int = 4,
    read_only: bool = False,
    application_name: str = APPLICATION,
) -> AsyncIterator[Pool]:
    """Open a pool of at most ``size`` connections, which connect as needed.

    All must be given back before it closes. Raises StorageError as ``connect`` does.
    """
    address = read_url(dsn, describe(dsn))
    options = address.options(application_name) | _options(read_only=read_only)
    # ``init`` runs once for each new connection, ``reset`` each time that one is given
    # back. asyncpg's own reset would cost a round trip for every transaction.
    init, reset = _check_version, _reset_nothing
    if read_only:
        init, reset = _prepare_source_connection, _discard_session
    # With ``min_size=0`` no connection is kept open by force: when the server is gone,
    # asyncpg would go on connecting in the background, and log that.
    pool = asyncpg.create_pool(
        address.dsn, min_size=0, max_size=size, init=init, reset=reset, **options
    )
    with _opening(dsn):
        await pool
    try:
        with _opening(dsn):
            # An empty pool connects to nothing. One connection shows that host, user
            # and password are right, before a run relies on them.
            async with pool.acquire():
                pass
        yield pool
    except BaseException:
        # ``close`` waits until all connections were given back. After an error or a
        # cancellation some may never be.
        pool.terminate()
        raise
    try:
        async with asyncio.timeout(_GOODBYE):
            await pool.close()
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        # The server is gone, or does not answer any more (a TimeoutError is an
        # OSError): nothing is left to close.
        pool.terminate()


@asynccontextmanager
async def transaction(
    connection: Connection,
    *,
    read_only: bool = False,
    statement_timeout: float | None = None,
) -> AsyncIterator[None]:
    """Run a transaction on the state, with known settings.

    These are TimeZone UTC, ISO dates and intervals, and limits on waiting. Functions,
    operators and types are those of Postgres itself. ``statement_timeout`` is in
    seconds, for each statement: five minutes where it is None, no limit where it is 0.
    """
    sql = statements("connect")
    # The database itself then refuses every write on a connection to a source, also one
    # of a function behind a view.
    only_reads = read_only or getattr(connection, "only_reads", False)
    begin = sql["begin_reading"] if only_reads else sql["begin_writing"]
    try:
        # Settings of the transaction and not of the session: a pooler may hand the
        # session to another client right after it. Without parameters, Postgres takes
        # all of them in one message, and the beginning with them: a single round trip.
        # asyncpg's own transaction would begin with a message of its own.
        await connection.execute(
            f"{begin}; {sql['search_path']}; {sql['pin']}; {sql['pin_writes']}"
        )
        await _limit(connection, statement_timeout)
        yield
    except BaseException:
        # Of a connection that was lost, the server undoes the transaction by itself.
        if not connection.is_closed():
            await connection.execute(sql["undo"])
        raise
    await connection.execute(sql["commit"])


@asynccontextmanager
async def reading(
    connection: Connection, *, statement_timeout: float | None = None
) -> AsyncIterator[None]:
    """Run a read-only transaction on a source, and roll it back at its end.

    It has the settings of ``transaction``. Names are looked up as this user's
    ``search_path`` has it, since ``where``, ``query`` and ``table`` are theirs.
    """
    sql = statements("connect")
    try:
        # asyncpg's own transaction would begin with a message of its own. The search
        # path is not pinned, see above.
        await connection.execute(f"{sql['begin_reading']}; {sql['pin']}")
        await _limit(connection, statement_timeout)
        yield
    finally:
        # Foreign code may have taken an advisory lock of the session, which outlives
        # the transaction. Its release is in one message with the rollback: behind a
        # pooler, the next message may reach another session.
        if not connection.is_closed():
            await connection.execute(f"{sql['end_reading']}; {sql['unlock']}")


@asynccontextmanager
async def attempt(
    connection: Connection, *, pinned: bool = False
) -> AsyncIterator[None]:
    """Run a part of a transaction that is undone at its end.

    An error in it does not end the whole transaction. With ``pinned``, functions,
    operators and types are those of Postgres itself.
    """
    sql = statements("connect")
    beginning = sql["attempt"]
    if pinned:
        beginning = f"{sql['attempt']}; {sql['search_path']}"
    await connection.execute(beginning)
    try:
        yield
    finally:
        # The savepoint is undone in any case. After an error that is the only way on;
        # without one, it undoes the search path.
        if not connection.is_closed():
            await connection.execute(f"{sql['undo_attempt']}; {sql['end_attempt']}")


async def _limit(connection: Connection, statement_timeout: float | None) -> None:
    """Limit each statement to these seconds; None keeps the limit of ``pin``."""
    if statement_timeout is not None:
        wait = f"{round(statement_timeout * 1000)}ms"
        await connection.fetchrow(statements("connect")["statement_timeout"], wait)


def _options(*, read_only: bool) -> dict[str, Any]:
    return {
        # A cached statement is prepared in a session. Behind a pooler the next use may
        # come to another session, which does not know it.
        "statement_cache_size": 0,
        "connection_class": _ReadOnly if read_only else ConnectionWithArrays,
    }


@contextmanager
def _opening(dsn: str) -> Iterator[None]:
    """Raise what goes wrong while connecting as StorageError, with advice."""
    _refuse_nameless(dsn)
    with storage_errors(describe(dsn), right=CONNECTS):
        try:
            yield
        except ValueError as error:
            # asyncpg could not read the URL. Not chained: its message may quote the
            # password.
            raise StorageError(f"{describe(dsn)}: {explain(error)}") from None
        except PermissionError as error:
            # Without a file name it concerns the connection, and ``storage_errors``
            # reports that. With one, it is ~/.pgpass or a file in ~/.postgresql.
            if error.filename is None:
                raise
            raise StorageError(
                f"{describe(dsn)}: {error.filename} cannot be looked at: permission "
                "denied. Keys and passwords for Postgres are looked for in the home "
                "folder; set HOME to a folder that this user may read"
            ) from None


def _refuse_nameless(dsn: str) -> None:
    """Refuse a URL without a user where this process has no user name either.

    That happens under a container's arbitrary uid.
    """
    try:
        parts = urlsplit(dsn)
        in_url = parts.username or "user" in parse_qs(parts.query)
    except ValueError:
        return  # connecting reports what is wrong with it
    if in_url or os.environ.get("PGUSER"):
        return
    # asyncpg would ask the same question, and fail with a bare KeyError.
    try:
        getpass.getuser()
    except (KeyError, OSError):
        raise StorageError(
            f"{describe(dsn)}: the URL names no user, and the user of this process "
            f"(uid {os.getuid()}) has no name either; write the user into the URL: "
            "postgresql://USER@HOST:5432/NAME"
        ) from None


async def _check_version(connection: Connection) -> None:
    version = connection.get_server_version()
    if version.major < OLDEST:
        raise StorageError(
            f"the server runs Postgres {version.major}; syncengine needs {OLDEST} or "
            "newer: use another server"
        )


async def _reset_nothing(connection: Connection) -> None:
    """Reset nothing: no statement of ours outlives its transaction."""


async def _prepare_source_connection(connection: Connection) -> None:
    """Check the version of a source's server, and detect a pooler."""
    await _check_version(connection)
    # The process id that a pooler announces at the beginning is not that of the process
    # that carries out the statement.
    if isinstance(connection, _ReadOnly):
        backend = await connection.fetchval(statements("connect")["backend"])
        connection.is_direct = backend == connection.get_server_pid()


async def _discard_session(connection: Connection) -> None:
    """Discard what a user's function may have left in a source's session.

    That may be a prepared statement, or a setting. Behind a pooler it is not ours to
    discard: the session may serve another client by now, and the next transaction has
    another one. There, only the end of the transaction cleans up.
    """
    if isinstance(connection, _ReadOnly) and connection.is_direct:
        await connection.execute(statements("connect")["discard"])
