"""Processes that hold one account, one after the other, and pace it; in virtual time.

Each goes through ``app.accounts.leased_account``, so it hands down to the next one what a
real one would.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from syncengine.app import accounts
from syncengine.app.accounts import leased_account
from syncengine.engine.pacing import Pacing
from syncengine.errors import StorageError
from syncengine.model.limits import Limit
from tests.support.memory.database import Database
from tests.support.memory.leases import Leases

TTL = 3.0


def now() -> float:
    return asyncio.get_running_loop().time()


def database_clock() -> float:
    """Another clock than ours: it shows another time, and is a little slow."""
    return 1e9 + now() * 0.9999


@dataclass(slots=True)
class Line:
    """One process's way to the state database."""

    database: Database = field(default_factory=lambda: Database(database_clock))
    reachable: bool = True

    async def hop(self, _what: str) -> None:
        if not self.reachable:
            raise StorageError("the database cannot be reached")
        await asyncio.sleep(0.002)


@contextmanager
def kept_in_memory() -> Iterator[None]:
    """``leased_account`` works on a database in memory, and by the virtual clock."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            accounts, "Leases", lambda line, _tell: Leases(line.database, line.hop)
        )
        patch.setattr(accounts, "boot_time", now)
        yield


@asynccontextmanager
async def holding(
    line: Line,
    limits: Sequence[Limit],
    *,
    in_flight: int = 8,
    settles_within: float = 5.0,
    timeout: float = 10.0,  # noqa: ASYNC109 - a setting, not the time this may take
    tight: bool = False,
) -> AsyncIterator[Pacing]:
    """The pacing of a process that holds the account."""
    destination: Any = SimpleNamespace(
        limits=tuple(limits),
        vendor=SimpleNamespace(
            capabilities=SimpleNamespace(settles_within=settles_within)
        ),
        options=SimpleNamespace(
            in_flight=in_flight, timeout=timeout, max_wait=120.0, tight=tight
        ),
    )
    databases: Any = SimpleNamespace(wait=0.0, state=line)
    async with leased_account(
        "account", [destination], databases, TTL, asyncio.Event()
    ) as account:
        yield account.pacing


async def work(
    workers: int, send: Callable[[], Awaitable[None]], seconds: float
) -> None:
    """Send with so many workers for so long, then wait for what is under way."""
    until = now() + seconds

    async def worker() -> None:
        while now() < until:
            await send()

    async with asyncio.TaskGroup() as group:
        for _ in range(workers):
            group.create_task(worker())
