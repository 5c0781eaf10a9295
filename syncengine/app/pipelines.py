"""A task for each account, so that a slow or broken vendor delays no other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from syncengine.app.accounts import (
    LeasedAccount,
    Taken,
    by_account,
    former_accounts,
    leased_account,
)
from syncengine.app.containment import broken_off, contained
from syncengine.app.credentials import keep_names, refuse_second_name
from syncengine.app.databases import Databases
from syncengine.app.markers import note
from syncengine.config.destination import DestinationConfig
from syncengine.config.project import Config
from syncengine.errors import (
    CutShort,
    LeaseLost,
    SyncEngineError,
    Unforeseen,
    as_sentence,
)

T = TypeVar("T")


async def side_by_side(
    config: Config,
    databases: Databases,
    destinations: Sequence[DestinationConfig],
    work: Callable[[DestinationConfig, LeasedAccount], Awaitable[T]],
    failed: Callable[[DestinationConfig, SyncEngineError], Awaitable[T]],
    stop: asyncio.Event | None = None,
) -> list[T]:
    """Return the result of ``work`` for each destination, in their order.

    Where an account could not go on, it is the result of ``failed``: whatever is raised
    in an account, foreseen or not, ends that account alone.

    The destinations of one account run one after another under its lease. ``stop``
    stops all accounts.
    """
    done: dict[str, T] = {}
    stopped = stop or asyncio.Event()
    others = await keep_names(config, databases)
    taken = Taken(by_account(destinations))

    async def pipeline(account: str, members: Sequence[DestinationConfig]) -> None:
        try:
            for destination in members:
                refuse_second_name(destination, config, others)
            former = await former_accounts(account, config, databases)
            ttl = config.engine.lease_ttl
            async with leased_account(
                account, members, databases, ttl, stopped, former=former, taken=taken
            ) as mine:
                for destination in members:
                    before, written = mine.pacing.requests, mine.writes.sent
                    try:
                        done[destination.name] = await work(destination, mine)
                        await note(destination, config, databases)
                    except* Exception as errors:
                        error = await broken_off(errors, mine.fence, destination.name)
                        if (
                            mine.pacing.requests > before
                        ):  # then it can no longer be said to be refused
                            wrote = mine.writes.sent > written
                            done[destination.name] = await failed(
                                destination, _cut_short(error, wrote=wrote)
                            )
                        raise error from errors
        except* Exception as errors:  # noqa: BLE001 - that is what containing means
            error = contained(errors, account)
            for destination in members:
                if destination.name not in done:
                    done[destination.name] = await failed(destination, error)
        finally:
            taken.end(account)

    async with asyncio.TaskGroup() as group:
        for account, members in by_account(destinations).items():
            group.create_task(pipeline(account, members), name=f"account {account}")
    return [done[destination.name] for destination in destinations]


def _cut_short(error: SyncEngineError, *, wrote: bool) -> CutShort:
    if isinstance(error, LeaseLost | Unforeseen) or not wrote:
        return CutShort(str(error))
    return CutShort(
        f"{as_sentence(str(error))} The next run settles what was sent and not written down"
    )
