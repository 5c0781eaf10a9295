"""A database of our own on somebody's server: made here, dropped here, and no other one touched."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import quote, urlsplit, urlunsplit

from syncengine.storage.connect import connect
from syncengine.storage.failures import MAKES_DATABASES, describe, storage_errors


@asynccontextmanager
async def scratch_database(url: str) -> AsyncIterator[str]:
    """The URL of a new database on the server ``url`` points at. Raises StorageError."""
    name = f"syncengine_demo_{secrets.token_hex(4)}"
    connection = await connect(url)
    try:
        with storage_errors(describe(url), right=MAKES_DATABASES):
            await connection.execute(f'CREATE DATABASE "{name}" TEMPLATE template0 ENCODING UTF8')
        try:
            yield urlunsplit(urlsplit(url)._replace(path=f"/{quote(name)}"))
        finally:
            with storage_errors(describe(url)):
                await connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    finally:
        await connection.close()
