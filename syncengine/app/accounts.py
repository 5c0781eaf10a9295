"""Pipeline of one account: its lease, its pacing, its destinations one by one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from syncengine.app.databases import Databases
from syncengine.app.event_log import event_log, sparingly
from syncengine.app.stopping import Stopping, stop_account_on
from syncengine.config.destination import DestinationConfig
from syncengine.config.project import Config
from syncengine.engine.lease import LeaseKeeper, boot_time
from syncengine.engine.pacing import Pacing
from syncengine.engine.stopping import broken_off_by
from syncengine.errors import (
    AccountStopped,
    LeaseLost,
    StorageError,
    SyncEngineError,
    root_error,
)
from syncengine.model.events import Event
from syncengine.model.limits import Limit
from syncengine.model.work import LeaseGrant
from syncengine.storage.patience import DatabasePatience
from syncengine.storage.state.accounts import is_remembered, remembered_elsewhere
from syncengine.storage.state.fence import Fence
from syncengine.storage.state.lease import Leases
from syncengine.storage.state.quota import QuotaCounts


@dataclass(slots=True)
class Writes:
    """Counts the requests that may have changed something at the vendor."""

    sent: int = 0


@dataclass(frozen=True, slots=True)
class LeasedAccount:
    """An account we are the only writer of."""

    name: str
    fence: Fence
    pacing: Pacing
    stopping: Stopping
    writes: Writes = field(default_factory=Writes)
    beside: frozenset[str] = frozenset()
    """Former accounts of its destinations, where the same call took their leases."""


class Taken:
    """The leases that one call takes for its accounts.

    A destination may leave one of them for another: the call waits for another run that
    holds the former account, and never for itself.
    """

    def __init__(self, accounts: Iterable[str]) -> None:
        self._settled = {account: asyncio.Event() for account in accounts}
        self._grants: dict[str, LeaseGrant] = {}

    def __contains__(self, account: str) -> bool:
        return account in self._settled

    def note(self, grant: LeaseGrant) -> None:
        """Record a lease that was taken."""
        self._grants[grant.account] = grant
        self._settled[grant.account].set()

    def end(self, account: str) -> None:
        """Record that an account is not worked on any more, or never was."""
        self._settled[account].set()

    def among(self, accounts: Iterable[str]) -> frozenset[str]:
        """Return those of the accounts whose lease was taken."""
        return frozenset(self._grants.keys() & set(accounts))

    async def grant(self, account: str) -> LeaseGrant | None:
        """Return the lease of an account, once it is taken; None where it is not."""
        if account in self._settled:
            await self._settled[account].wait()
        return self._grants.get(account)


@asynccontextmanager
async def leased_account(
    name: str,
    destinations: Sequence[DestinationConfig],
    databases: Databases,
    ttl: float,
    stop: asyncio.Event,
    *,
    former: Sequence[str] = (),
    taken: Taken | None = None,
) -> AsyncIterator[LeasedAccount]:
    """Hold the account's lease while the block runs; ``stop`` stops the account.

    Raises LeaseHeld, StorageError. What was sent under a ``former`` account of its
    destinations counts too, and while another run works under it none begins here.

    After an error the lease is left to run out if anything was written there: that may
    not be recorded, and the next holder has to wait as after a crash. Raises RunStopped
    for a stop before it may send.
    """
    settles_within = max(
        destination.vendor.capabilities.settles_within for destination in destinations
    )
    tell = sparingly(event_log(account=name))
    leases = Leases(databases.state, tell)
    taken = taken or Taken([name])
    apart = [each for each in former if each not in taken]
    if apart:
        await leases.formerly(name, apart, ttl=ttl, settles_within=settles_within)
    async with broken_off_by(stop):
        grant = await leases.acquire(name, ttl=ttl, settles_within=settles_within)
    taken.note(grant)
    asked = boot_time()
    await leases.renew(
        grant
    )  # taking it may have taken a while; from here our own clock knows how long it lasts
    tell(Event.LEASE_TAKEN, epoch=grant.epoch, seconds=round(grant.wait, 3))
    keeper = LeaseKeeper(leases, grant, asked, boot_time, tell)
    limits = tuple(
        dict.fromkeys(
            limit for destination in destinations for limit in destination.limits
        )
    )
    fence = Fence(
        databases.state, name, grant.epoch, DatabasePatience(databases.wait, tell, stop)
    )
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
    async with (
        keeper.kept(pacing.stop),
        pacing,
        stop_account_on(stop, pacing) as stopping,
    ):
        # Under a name that no destination is remembered by nothing was sent: what it
        # counts is the former's alone.
        if not former or await is_remembered(databases.state, name):
            _take_over(pacing, grant)
        try:
            async with broken_off_by(stop):
                # Only now: other accounts of this call may wait for one another, and
                # meanwhile their leases have to be renewed.
                for each in await _left(
                    name, former, taken, leases, ttl=ttl, settles_within=settles_within
                ):
                    _take_over(pacing, each)
                await asyncio.sleep(
                    pacing.unsettled()
                )  # or a lost request of the last run arrives behind this one's
        except SyncEngineError:
            # Nothing was sent: whoever comes next need not wait for this lease.
            with suppress(SyncEngineError):
                await leases.release(grant, pacing.ledger.dump(pacing.now()))
            raise
        account = LeasedAccount(
            name, fence, pacing, stopping, beside=taken.among(former)
        )
        try:
            yield account
        except Exception as error:
            if account.writes.sent == 0 and not isinstance(
                root_error(error), StorageError | LeaseLost
            ):
                with suppress(
                    SyncEngineError
                ):  # what broke it off is told, not that the database is away now
                    await leases.release(grant, pacing.ledger.dump(pacing.now()))
            raise
        # Only a lease that still runs may be given back as clean.
        keeper.check()
        await leases.release(grant, pacing.ledger.dump(pacing.now()))


async def _left(
    account: str,
    former: Sequence[str],
    taken: Taken,
    leases: Leases,
    *,
    ttl: float,
    settles_within: float,
) -> list[LeaseGrant]:
    """Return what the last holders left in former accounts of an account's destinations.

    The call may have taken the leases of some itself. Raises LeaseHeld while another
    run holds one.
    """
    found = [grant for each in former if (grant := await taken.grant(each)) is not None]
    ours = {grant.account for grant in found}
    apart = [each for each in former if each not in ours]
    if not apart:
        return found
    return [
        *found,
        *await leases.formerly(account, apart, ttl=ttl, settles_within=settles_within),
    ]


async def former_accounts(
    account: str, config: Config, databases: Databases
) -> tuple[str, ...]:
    """Return the accounts in which the state has the account's destinations.

    They are former ones until a run takes over all of these destinations: the account
    was renamed, or some of its destinations were in another one.
    """
    members = [
        destination.name
        for destination in config.destinations
        if destination.account == account
    ]
    return tuple(
        sorted(
            {*(await remembered_elsewhere(databases.state, account, members)).values()}
        )
    )


def _take_over(pacing: Pacing, left: LeaseGrant) -> None:
    """Count what the last holder of a lease sent."""
    if left.ledger is None:
        pacing.ledger.fill(pacing.now() + left.wait)
    elif left.ledger or left.epoch > 1:
        pacing.ledger.restore(left.ledger, left.elapsed, pacing.now())


def paced_as(limits: Sequence[Limit]) -> str:
    """Return the limits in words."""
    return (
        ", ".join(f"{limit.calls} per {limit.per:g} s" for limit in limits)
        or "no limit"
    )


def by_account(
    destinations: Sequence[DestinationConfig],
) -> dict[str, list[DestinationConfig]]:
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
