"""Short transactions on the state database, outside of a fence."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from syncengine.storage.connect import Connection, Pool, transaction
from syncengine.storage.failures import storage_errors


@asynccontextmanager
async def read_state(
    pool: Pool, *, statement_timeout: float | None = None
) -> AsyncIterator[Connection]:
    """Run a read-only transaction on the state. Raises StorageError.

    ``statement_timeout`` is that of ``connect.transaction``.
    """
    with storage_errors():
        async with (
            pool.acquire() as connection,
            transaction(
                connection, read_only=True, statement_timeout=statement_timeout
            ),
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
