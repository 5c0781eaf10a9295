"""A Postgres server of our own, for users without one.

It lives and dies with this process, and other processes may use it. The steps of
starting and stopping it are generators that yield how long to wait. Two drivers walk
them: one for asyncio, one for plain code (a test session's fixture).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path

from syncengine.storage.server.lifecycle import Server, enter, start, succeed
from syncengine.storage.server.lock import Steps, T


@asynccontextmanager
async def embedded(data_folder: Path, *, durable: bool = True) -> AsyncIterator[str]:
    """Run a server that keeps its data in a folder; yield its DSN.

    It runs until the block ends or this process does. Child processes may use the DSN
    too. Where another process runs the server already, that one is used; should the
    other process end before the block does, the server is started again under the same
    DSN. ``durable=False`` trades safety against power loss for speed: demo and tests.
    Raises StorageError where the programs are missing, or the server itself fails.

    The server ends with the thread that entered the block, which the event loop keeps
    alive until the block ends. Other threads of the process use it as other processes
    do.
    """
    entered = await _walk(enter(data_folder, durable=durable))
    if isinstance(entered, Server):
        try:
            yield entered.dsn
        finally:
            await _walk(entered.stop())
        return
    # This process visits another one's server. Should its owner end before we do, the
    # task starts the server again, under the same DSN, and we are its owner then.
    successor = asyncio.create_task(
        _walk(succeed(data_folder, durable=durable)), name="embedded Postgres"
    )
    try:
        yield entered.dsn
    finally:
        entered.leave()
        successor.cancel()
        # A task that had finished before the cancellation has a server to stop.
        (server,) = await asyncio.gather(successor, return_exceptions=True)
        if isinstance(server, Server):
            await _walk(server.stop())


@contextmanager
def embedded_sync(data_folder: Path, *, durable: bool = True) -> Iterator[str]:
    """Do as ``embedded``, for code without an event loop."""
    server = _walk_sync(start(data_folder, durable=durable))
    try:
        yield server.dsn
    finally:
        _walk_sync(server.stop())


async def _walk(steps: Steps[T]) -> T:
    """Walk steps under asyncio; return their result.

    A cancellation closes the generator, whose ``finally`` leaves no process behind.
    """
    with closing(steps):
        while True:
            try:
                pause = next(steps)
            except StopIteration as end:
                result: T = end.value
                return result
            await asyncio.sleep(pause)


def _walk_sync(steps: Steps[T]) -> T:
    """Do as ``_walk``, without an event loop."""
    with closing(steps):
        while True:
            try:
                pause = next(steps)
            except StopIteration as end:
                result: T = end.value
                return result
            time.sleep(pause)
