"""Short transactions on the state database, outside of a fence."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar

from syncengine.storage.connect import Connection, Pool, transaction
from syncengine.storage.failures import storage_errors

_seconds: ContextVar[float | None] = ContextVar("statement_timeout", default=None)


@contextmanager
def limited_statements(seconds: float) -> Iterator[None]:
    """Let each statement of this task take so many seconds, unless it asks for others.

    For readers that must not burden the database, whichever questions they ask.
    """
    token = _seconds.set(seconds)
    try:
        yield
    finally:
        _seconds.reset(token)


@asynccontextmanager
async def read_state(
    pool: Pool, *, statement_timeout: float | None = None
) -> AsyncIterator[Connection]:
    """Run a read-only transaction on the state. Raises StorageError.

    ``statement_timeout`` is that of ``connect.transaction``.
    """
    seconds = _seconds.get() if statement_timeout is None else statement_timeout
    with storage_errors():
        async with (
            pool.acquire() as connection,
            transaction(connection, read_only=True, statement_timeout=seconds),
        ):
            yield connection


@asynccontextmanager
async def write_state(
    pool: Pool, *, statement_timeout: float | None = None
) -> AsyncIterator[Connection]:
    """Run a transaction on the state that may write. Raises StorageError.

    No lease is checked here. A run writes through its ``Fence`` instead, which does.
    """
    with storage_errors():
        async with (
            pool.acquire() as connection,
            transaction(connection, statement_timeout=statement_timeout),
        ):
            yield connection
