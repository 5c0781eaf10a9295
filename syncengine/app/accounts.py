"""Pipeline of one account: its lease, its pacing, its destinations one by one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from syncengine.app.databases import Databases
from syncengine.app.stopping import Stopping, heeding
from syncengine.app.telling import telling
from syncengine.config import Config, DestinationConfig
from syncengine.engine.lease import LeaseKeeper, boot_time
from syncengine.engine.pacing import Pacing
from syncengine.engine.stopping import broken_off_by
from syncengine.errors import AccountStopped, LeaseLost, RunStopped, StorageError, SyncEngineError, named
from syncengine.model.events import Event
from syncengine.model.limits import Limit
from syncengine.model.work import LeaseGrant
from syncengine.storage.fence import Fence
from syncengine.storage.lease import Leases
from syncengine.storage.patience import Patience
from syncengine.storage.quota import QuotaCounts
from syncengine.storage.runs import is_remembered, remembered_elsewhere


@dataclass(slots=True)
class Writes:
    """Counts the requests that may have changed something at the vendor."""

    sent: int = 0


@dataclass(frozen=True, slots=True)
class Account:
    """An account we are the only writer of."""

    name: str
    fence: Fence
    pacing: Pacing
    stopping: Stopping
    writes: Writes = field(default_factory=Writes)


@asynccontextmanager
async def held(
    name: str,
    destinations: Sequence[DestinationConfig],
    databases: Databases,
    ttl: float,
    stop: asyncio.Event,
    *,
    former: Sequence[str] = (),
) -> AsyncIterator[Account]:
    """Hold the account's lease while the block runs; ``stop`` stops the account.

    Raises LeaseHeld, StorageError. What was sent under a ``former`` name of the account
    counts too, and while a run works under it none begins here.

    After an error the lease is left to run out if anything was written there: that may
    not be recorded, and the next holder has to wait as after a crash. Raises RunStopped
    for a stop before it may send.
    """
    settles_within = max(destination.vendor.capabilities.settles_within for destination in destinations)
    tell = telling(account=name)
    leases = Leases(databases.state, tell)
    if former:
        await leases.formerly(name, former, ttl=ttl, settles_within=settles_within)
    async with broken_off_by(stop):
        grant = await leases.acquire(name, ttl=ttl, settles_within=settles_within)
    left = [grant]
    if former:
        # Under a name that no destination is remembered by nothing was sent: what it counts is the former's alone.
        own = left if await is_remembered(databases.state, name) else []
        left = [*own, *await leases.formerly(name, former, ttl=ttl, settles_within=settles_within)]
    asked = boot_time()
    await leases.renew(grant)  # taking it may have taken a while; from here our own clock knows how long it lasts
    tell(Event.LEASE_TAKEN, epoch=grant.epoch, seconds=round(grant.wait, 3))
    keeper = LeaseKeeper(leases, grant, asked, boot_time, tell)
    limits = tuple(dict.fromkeys(limit for destination in destinations for limit in destination.limits))
    fence = Fence(databases.state, name, grant.epoch, Patience(databases.wait, tell, stop))
    pacing = Pacing(
        limits,
        in_flight=min(destination.options.in_flight for destination in destinations),
        settles_within=settles_within,
        check=keeper.check,
        quotas=QuotaCounts(fence),
        timeout=max(destination.options.timeout for destination in destinations),
        max_wait=min(destination.options.max_wait for destination in destinations),
        tight=all(destination.options.tight for destination in destinations),
        tell=tell,
    )
    async with keeper.kept(pacing.stop), pacing, heeding(stop, pacing) as stopping:
        for each in left:
            _take_over(pacing, each)
        try:
            async with broken_off_by(stop):
                await asyncio.sleep(pacing.unsettled())  # or a lost request of the last run arrives behind this one's
        except RunStopped:
            await leases.release(grant, pacing.ledger.dump(pacing.now()))
            raise
        account = Account(name, fence, pacing, stopping)
        try:
            yield account
        except Exception as error:
            if account.writes.sent == 0 and not isinstance(named(error), StorageError | LeaseLost):
                with suppress(SyncEngineError):  # what broke it off is told, not that the database is away now
                    await leases.release(grant, pacing.ledger.dump(pacing.now()))
            raise
        # Only a lease that still runs may be given back as clean.
        keeper.check()
        await leases.release(grant, pacing.ledger.dump(pacing.now()))


async def former_names(account: str, config: Config, databases: Databases) -> tuple[str, ...]:
    """Return the names that the state has for the account's destinations.

    They are former names until a run takes over all of these destinations.
    """
    members = [destination.name for destination in config.destinations if destination.account == account]
    return tuple(sorted({*(await remembered_elsewhere(databases.state, account, members)).values()}))


def _take_over(pacing: Pacing, left: LeaseGrant) -> None:
    """Count what the last holder of a lease sent."""
    if left.ledger is None:
        pacing.ledger.fill(pacing.now() + left.wait)
    elif left.ledger or left.epoch > 1:
        pacing.ledger.restore(left.ledger, left.elapsed, pacing.now())


def paced_as(limits: Sequence[Limit]) -> str:
    """Return the limits in words."""
    return ", ".join(f"{limit.calls} per {limit.per:g} s" for limit in limits) or "no limit"


def by_account(destinations: Sequence[DestinationConfig]) -> dict[str, list[DestinationConfig]]:
    """Return the destinations of each account, in order."""
    accounts: dict[str, list[DestinationConfig]] = {}
    for destination in destinations:
        accounts.setdefault(destination.account, []).append(destination)
    return accounts


def stopped_by(error: AccountStopped, destination: DestinationConfig) -> str:
    """Return the error with the destination and the key, for the person on call."""
    setting = getattr(error, "setting", None)
    place = f" ({destination.place(setting)})" if setting else ""
    return f"{destination.name}: {error}{place}"
