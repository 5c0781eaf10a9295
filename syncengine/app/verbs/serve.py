"""The operator's desk for a browser and for Prometheus (``serve``, ``metrics``)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from syncengine.app.databases import state_url
from syncengine.app.desk_state import PagedState
from syncengine.config.project import Config
from syncengine.desk.metrics import exposition, read_facts
from syncengine.desk.server import DeskAddress, serve_desk
from syncengine.model.desk_pages import DestinationFacts
from syncengine.storage.connect import open_pool
from syncengine.storage.failures import storage_errors
from syncengine.storage.state.migrate import require_current
from syncengine.version import __version__

_CONNECTIONS = 4
"""Connections of the desk: pages wait for each other rather than for more of them."""


@asynccontextmanager
async def serve(
    config: Config,
    host: str,
    port: int,
    *,
    with_values: bool,
    allowed_hosts: Sequence[str],
) -> AsyncIterator[DeskAddress]:
    """Serve the pages until the block ends.

    Raises StorageError, SchemaOutdated where the state cannot be read, and OSError
    where nothing can listen at this address.
    """
    async with (
        _readable_state(config) as state,
        serve_desk(
            state,
            host,
            port,
            with_values=with_values,
            allowed_hosts=allowed_hosts,
            version=__version__,
        ) as address,
    ):
        yield address


async def metrics(config: Config) -> bytes:
    """Return the metrics in Prometheus's text format. Raises StorageError."""
    async with _readable_state(config) as state:
        return exposition(await read_facts(state))


@asynccontextmanager
async def _readable_state(config: Config) -> AsyncIterator[PagedState]:
    """Open the state for reading alone: the database refuses whatever would write."""
    async with (
        state_url(config) as url,
        open_pool(url, size=_CONNECTIONS, read_only=True) as pool,
    ):
        with storage_errors():
            async with pool.acquire() as connection:
                await require_current(connection)
        configured = [
            DestinationFacts(each.name, each.account, each.vendor.name)
            for each in config.readable
        ]
        yield PagedState(pool, configured)
