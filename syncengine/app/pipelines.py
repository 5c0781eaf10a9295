"""A task for each account, so that a slow or broken vendor delays no other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from syncengine.app.accounts import (
    LeasedAccount,
    LeasesOfCall,
    by_account,
    former_accounts,
    leased_account,
)
from syncengine.app.containment import broken_off, contained
from syncengine.app.credentials import keep_names, refuse_second_name
from syncengine.app.databases import Databases
from syncengine.app.markers import note
from syncengine.app.session import NotStarted
from syncengine.config.destination import DestinationConfig
from syncengine.config.project import Config
from syncengine.errors import (
    CutShort,
    LeaseLost,
    SyncEngineError,
    Unforeseen,
    as_sentence,
)
from syncengine.storage.state.credentials import KnownAccount

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
    accounts = by_account(destinations)
    call = _Call(
        config=config,
        databases=databases,
        work=work,
        failed=failed,
        stop=stop or asyncio.Event(),
        accounts_by_credentials=await keep_names(config, databases),
        leases=LeasesOfCall(accounts),
    )
    async with asyncio.TaskGroup() as group:
        for account, members in accounts.items():
            group.create_task(call.work_on(account, members), name=f"account {account}")
    return [call.results[destination.name] for destination in destinations]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call(Generic[T]):
    """One call of ``side_by_side``."""

    config: Config
    databases: Databases
    work: Callable[[DestinationConfig, LeasedAccount], Awaitable[T]]
    failed: Callable[[DestinationConfig, SyncEngineError], Awaitable[T]]
    stop: asyncio.Event
    accounts_by_credentials: dict[str, KnownAccount]
    """Accounts as the state knows them, by the credentials of destinations."""
    leases: LeasesOfCall
    results: dict[str, T] = field(default_factory=dict)
    """Result by destination."""

    async def work_on(self, account: str, members: Sequence[DestinationConfig]) -> None:
        """Work on all destinations of one account. Raises nothing but cancellation."""
        try:
            await self._work_under_lease(account, members)
        except* Exception as errors:  # noqa: BLE001 - that is what containing means
            error = contained(errors, account)
            for destination in members:
                if destination.name not in self.results:
                    self.results[destination.name] = await self.failed(
                        destination, error
                    )
        finally:
            # Another account of this call may wait until this one has its lease.
            self.leases.end(account)

    async def _work_under_lease(
        self, account: str, members: Sequence[DestinationConfig]
    ) -> None:
        # Before the lease: under two names an account would have two leases, and two
        # runs at a time could use up its limit twice.
        for destination in members:
            refuse_second_name(destination, self.config, self.accounts_by_credentials)
        former = await former_accounts(account, self.config, self.databases)
        async with leased_account(
            account,
            members,
            self.databases,
            self.config.engine.lease_ttl,
            self.stop,
            former=former,
            leases=self.leases,
        ) as leased:
            for destination in members:
                await self._work_at(destination, leased)

    async def _work_at(
        self, destination: DestinationConfig, account: LeasedAccount
    ) -> None:
        requests_before = account.pacing.requests
        writes_before = account.writes.sent
        try:
            self.results[destination.name] = await self._result(destination, account)
            # Also after a refusal: the newest run is then an earlier one.
            await note(destination, self.config, self.databases)
        except* Exception as errors:
            # Workers run in task groups, so an error comes alone or in groups of
            # groups.
            error = await broken_off(errors, account.fence, destination.name)
            if account.pacing.requests > requests_before:
                # After a request nobody may be told that the run was refused: a refusal
                # promises that nothing was sent.
                cut_short = _cut_short(error, wrote=account.writes.sent > writes_before)
                self.results[destination.name] = await self.failed(
                    destination, cut_short
                )
            raise error from errors

    async def _result(
        self, destination: DestinationConfig, account: LeasedAccount
    ) -> T:
        try:
            return await self.work(destination, account)
        except NotStarted as not_started:
            # It concerns this destination alone: the account goes on with the next one.
            return await self.failed(destination, not_started.reason)


def _cut_short(error: SyncEngineError, *, wrote: bool) -> CutShort:
    """Return the error of a destination at which requests were sent already."""
    if isinstance(error, LeaseLost | Unforeseen) or not wrote:
        return CutShort(str(error))
    return CutShort(
        f"{as_sentence(str(error))} "
        "The next run settles what was sent and not written down"
    )
