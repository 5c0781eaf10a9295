"""Scratch databases, on an embedded server or on that of SYNCENGINE_DATABASE_URL."""

from __future__ import annotations

import asyncio
import fcntl
import os
import secrets
import shutil
import tempfile
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg

from syncengine.storage.server.embedded import embedded_sync
from syncengine.storage.state.migrate import migrate

T = TypeVar("T")

_FOLDER_PREFIX = "syncengine-test-"
_MEMORY = Path("/dev/shm")  # noqa: S108 - memory, not a shared temporary folder
_ENOUGH_MEMORY = 2 * 1024**3


class Databases:
    """Makes and drops databases on one server; touches none that it did not make."""

    def __init__(self, server: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._server = server
        self._admin: asyncpg.Connection[asyncpg.Record] = self._wait(
            asyncpg.connect(server)
        )
        self._session = f"syncengine_test_{secrets.token_hex(4)}"
        self._made: set[str] = set()
        self._count = 0
        self._template: str | None = None
        self._strategy = self._cheapest_strategy()

    def create(self, *, migrated: bool) -> str:
        """The DSN of a fresh database."""
        if migrated and self._template is None:
            template = self._create("template", "template0")
            self._wait(_migrate(self._dsn(template)))
            self._template = template
        self._count += 1
        return self._dsn(
            self._create(str(self._count), self._template if migrated else "template0")
        )

    def drop(self, dsn: str) -> None:
        """Drop a database made here, throwing its users out."""
        self._drop(urlsplit(dsn).path.removeprefix("/"))

    def close(self) -> None:
        for name in sorted(self._made):
            self._drop(name)
        self._wait(self._admin.close())
        self._loop.close()

    def _create(self, suffix: str, template: str | None) -> str:
        name = f"{self._session}_{suffix}"
        self._wait(
            self._admin.execute(
                f'CREATE DATABASE "{name}" TEMPLATE "{template}" ENCODING UTF8'
                f"{self._strategy}"
            )
        )
        self._made.add(name)
        return name

    def _cheapest_strategy(self) -> str:
        """Return how to copy a template, as words of SQL.

        Copying its files costs half of the CPU that writing each page to the log does,
        and brings the caches of the catalogue along. It ends with a checkpoint, which
        is cheap where nothing waits for a disk. Postgres before 15 knows no other way.
        """
        durable = self._wait(self._admin.fetchval("SHOW fsync")) == "on"
        knows_two = self._admin.get_server_version() >= (15,)
        return " STRATEGY file_copy" if knows_two and not durable else ""

    def _drop(self, name: str) -> None:
        if name not in self._made:
            raise AssertionError(f"Database {name!r} was not made by this test session")
        self._wait(self._admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)'))
        self._made.remove(name)

    def _dsn(self, name: str) -> str:
        return urlunsplit(urlsplit(self._server)._replace(path=f"/{quote(name)}"))

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        # A loop of its own: asyncio.run would replace pytest-asyncio's current one.
        return self._loop.run_until_complete(work)


async def _migrate(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await migrate(connection)
    finally:
        await connection.close()


@contextmanager
def running_server(url: str | None) -> Iterator[str]:
    """Yield the DSN of a server to make databases on.

    It is the one named in the environment, else an embedded one that lasts as long as
    the block.
    """
    if url:
        yield url
        return
    parent = _fastest_folder()
    _remove_leftovers(parent)
    with (
        tempfile.TemporaryDirectory(prefix=_FOLDER_PREFIX, dir=parent) as folder,
        embedded_sync(Path(folder), durable=False) as dsn,
    ):
        yield dsn


def _fastest_folder() -> Path:
    """Return a folder in memory where there is plenty of it.

    On a busy disk a CREATE DATABASE can take twenty times as long.
    """
    mounts = Path("/proc/mounts")
    lines = mounts.read_text(encoding="utf-8").splitlines() if mounts.exists() else []
    in_memory = any(line.split()[1:3] == [str(_MEMORY), "tmpfs"] for line in lines)
    if (
        in_memory
        and os.access(_MEMORY, os.W_OK)
        and shutil.disk_usage(_MEMORY).free > _ENOUGH_MEMORY
    ):
        return _MEMORY
    return Path(tempfile.gettempdir())


def _remove_leftovers(parent: Path) -> None:
    """Remove what a killed session left behind, since memory is scarce.

    A folder whose lock is taken, or not there yet, is in use.
    """
    for folder in parent.glob(f"{_FOLDER_PREFIX}*"):
        lock = folder / "lock"
        if folder.lstat().st_uid != os.geteuid() or not lock.exists():
            continue
        with lock.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            shutil.rmtree(folder, ignore_errors=True)
