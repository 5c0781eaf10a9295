"""Every account in its own task, so that a slow or broken vendor holds up nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from syncengine.app.accounts import Account, by_account, held
from syncengine.app.databases import Databases
from syncengine.config import Config, DestinationConfig
from syncengine.errors import CutShort, LeaseLost, SyncEngineError

T = TypeVar("T")


async def side_by_side(
    config: Config,
    databases: Databases,
    destinations: Sequence[DestinationConfig],
    work: Callable[[DestinationConfig, Account], Awaitable[T]],
    failed: Callable[[DestinationConfig, SyncEngineError], T],
    stop: asyncio.Event | None = None,
) -> list[T]:
    """The result of ``work`` for each destination, in their order; of ``failed`` where its account could not go on.

    The destinations of one account take turns under its lease. ``stop`` stops all accounts.
    """
    done: dict[str, T] = {}
    stopped = stop or asyncio.Event()

    async def pipeline(account: str, members: Sequence[DestinationConfig]) -> None:
        try:
            async with held(account, members, databases, config.engine.lease_ttl, stopped) as mine:
                for destination in members:
                    before = mine.pacing.requests
                    try:
                        done[destination.name] = await work(destination, mine)
                    except* SyncEngineError as errors:
                        if sent := mine.pacing.requests - before:  # then it can no longer be said to be refused
                            done[destination.name] = failed(destination, _cut_short(_first(errors), sent))
                        raise
        except* SyncEngineError as errors:
            error = _first(errors)
            for destination in members:
                if destination.name not in done:
                    done[destination.name] = failed(destination, error)

    async with asyncio.TaskGroup() as group:
        for account, members in by_account(destinations).items():
            group.create_task(pipeline(account, members), name=f"account {account}")
    return [done[destination.name] for destination in destinations]


def _cut_short(error: SyncEngineError, requests: int) -> CutShort:
    settled = "" if isinstance(error, LeaseLost) else ". The next run settles what was sent and not written down"
    return CutShort(f"{error}{settled}", requests=requests)


def _first(errors: BaseExceptionGroup[SyncEngineError]) -> SyncEngineError:
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, SyncEngineError)
    return error
