"""The real command in a process of its own, and moments to freeze or kill it at."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import asyncpg

from syncengine import vendors
from syncengine.cli.verbs import VERBS, python_name

PATIENCE = 60.0
"""Seconds after which an awaited event counts as not happening."""
_LOOK_AGAIN = 0.01

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    [
        # What a command imports only when it is called: each fork would do so anew.
        *(f"syncengine.cli.{python_name(verb)}" for verb in VERBS),
        *(f"syncengine.vendors.{name}" for name in vendors.OWN),
        "syncengine.logs",
        "tests.support.quick_command",
    ]
)


def forked(target: Callable[..., None], *arguments: object) -> ForkServerProcess:
    """Start a process that has imported the command already."""
    process = _CONTEXT.Process(target=target, args=arguments, daemon=True)
    process.start()
    return process


def _become(
    arguments: Sequence[str],
    environ: Mapping[str, str],
    output: str,
    errors: str | None,
) -> None:
    """Do in the child what ``python -m syncengine ARGUMENTS`` does."""
    os.environ.update(environ)
    file = os.open(output, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
    os.dup2(file, 1)
    stderr = file
    if errors is not None:
        stderr = os.open(errors, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
    os.dup2(stderr, 2)
    sys.argv = ["syncengine", *arguments]
    from syncengine.__main__ import main  # noqa: PLC0415 - the environment comes first

    sys.exit(main())


class Command:
    """A running ``syncengine ARGUMENTS``.

    It is forked from a server that has imported everything, so starting costs little.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        environ: Mapping[str, str],
        output: Path,
        errors: Path | None = None,
    ) -> None:
        """Start the command.

        Its stderr goes to ``errors`` if given, all else to ``output``.
        """
        self._output = output
        output.touch()
        self._process = forked(
            _become, arguments, dict(environ), str(output), errors and str(errors)
        )

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def runs(self) -> bool:
        return self._process.is_alive()

    async def ended(self) -> int:
        """Its exit code, once it ended."""
        await until(lambda: not self._process.is_alive())
        assert self._process.exitcode is not None
        return self._process.exitcode

    async def comes_to(self, moment: Awaitable[object]) -> bool:
        """Return whether the moment came before the command ended."""
        came, ended = asyncio.ensure_future(moment), asyncio.ensure_future(self.ended())
        await asyncio.wait(
            {came, ended}, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED
        )
        there = came.done()
        for task in (came, ended):
            task.cancel()
        await asyncio.gather(came, ended, return_exceptions=True)
        if there:
            came.result()
        assert there or not self._process.is_alive(), (
            f"neither came the moment nor an end:\n{self.said()}"
        )
        return there

    async def kill(self) -> None:
        """SIGKILL."""
        assert await self.killed()

    async def killed(self) -> bool:
        """SIGKILL; whether it came before the command had ended by itself."""
        self._process.kill()
        return await self.ended() == -signal.SIGKILL

    def freeze(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def said(self) -> str:
        return self._output.read_text(encoding="utf-8")


async def until(condition: Callable[[], bool]) -> None:
    """Return once the condition holds."""
    async with asyncio.timeout(PATIENCE):
        # What another process does sets no event here.
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_AGAIN)


async def until_true(
    connection: asyncpg.Connection[asyncpg.Record], question: str, *arguments: object
) -> None:
    """Return once a query's only value is true."""
    async with asyncio.timeout(PATIENCE):
        # Nor does Postgres set one.
        while not await connection.fetchval(question, *arguments):  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_AGAIN)


@asynccontextmanager
async def locked(dsn: str, table: str) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Keep a table from being written while the block runs.

    Yields a function that waits until somebody wants to write it.
    """
    locker, watcher = await asyncpg.connect(dsn), await asyncpg.connect(dsn)

    async def somebody_waits() -> None:
        await until_true(watcher, _WAITS, table)

    try:
        async with locker.transaction():
            await locker.execute(f"LOCK TABLE {table} IN EXCLUSIVE MODE")
            yield somebody_waits
    finally:
        await locker.close()
        await watcher.close()


# Databases made from one template give their tables the same oids.
_WAITS = """
SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = $1::regclass
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))
"""
