"""A database of our own on a user's server.

It is created and dropped here; no other database is touched.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import quote, urlsplit, urlunsplit

from syncengine.storage.connect import connect
from syncengine.storage.failures import MAKES_DATABASES, describe, storage_errors


@asynccontextmanager
async def scratch_database(url: str) -> AsyncIterator[str]:
    """Yield the URL of a new database on the server of ``url``.

    Raises StorageError.
    """
    name = f"syncengine_demo_{secrets.token_hex(4)}"
    connection = await connect(url)
    try:
        with storage_errors(describe(url), right=MAKES_DATABASES):
            # template1 may have been changed, and may have another encoding. The name
            # is made above and needs no quoting by the server.
            await connection.execute(
                f'CREATE DATABASE "{name}" TEMPLATE template0 ENCODING UTF8'
            )
        try:
            yield urlunsplit(urlsplit(url)._replace(path=f"/{quote(name)}"))
        finally:
            # FORCE ends sessions that are still there, such as one that was left by a
            # process of the demo that died.
            with storage_errors(describe(url)):
                await connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    finally:
        await connection.close()
