"""One account: its lease, its pacing, and the stop that ends its work."""

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
from syncengine.model.events import Event, OnEvent
from syncengine.model.limits import Limit
from syncengine.model.work import LeaseGrant
from syncengine.storage.patience import DatabasePatience
from syncengine.storage.state.accounts import is_remembered, remembered_elsewhere
from syncengine.storage.state.fence import Fence
from syncengine.storage.state.lease import Leases
from syncengine.storage.state.quota import QuotaCounts


@dataclass(slots=True)
class WriteCount:
    """Counts the requests that may have changed something at the vendor."""

    sent: int = 0


@dataclass(frozen=True, slots=True)
class LeasedAccount:
    """An account we are the only writer of."""

    name: str
    fence: Fence
    pacing: Pacing
    stopping: Stopping
    writes: WriteCount = field(default_factory=WriteCount)
    beside: frozenset[str] = frozenset()
    """Former accounts of its destinations whose leases the same call took."""


class LeasesOfCall:
    """The leases that one call takes for its accounts.

    A destination may have left one of them for another one. The call then waits for
    other runs that hold the former account, and never for itself.
    """

    def __init__(self, accounts: Iterable[str]) -> None:
        self._decided = {account: asyncio.Event() for account in accounts}
        """Set once the lease of the account is taken, or will not be."""
        self._grants: dict[str, LeaseGrant] = {}

    def __contains__(self, account: str) -> bool:
        return account in self._decided

    def note(self, grant: LeaseGrant) -> None:
        """Record a lease that was taken."""
        self._grants[grant.account] = grant
        self._decided[grant.account].set()

    def end(self, account: str) -> None:
        """Record that an account is not worked on any more, or never was."""
        self._decided[account].set()

    def among(self, accounts: Iterable[str]) -> frozenset[str]:
        """Return those of the accounts whose lease was taken."""
        return frozenset(self._grants.keys() & set(accounts))

    async def grant(self, account: str) -> LeaseGrant | None:
        """Return the lease of an account, once it is taken; None where it is not."""
        if account in self._decided:
            await self._decided[account].wait()
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
    leases: LeasesOfCall | None = None,
) -> AsyncIterator[LeasedAccount]:
    """Hold the account's lease while the block runs; ``stop`` stops the account.

    Raises LeaseHeld, StorageError. What was sent under a ``former`` account of its
    destinations counts too, and while another run works under it none begins here.

    After an error the lease is left to run out if anything was written at the vendor:
    that may not be recorded, and the next holder has to wait as after a crash. Raises
    RunStopped for a stop before it may send.
    """
    settles_within = max(
        destination.vendor.capabilities.settles_within for destination in destinations
    )
    emit = sparingly(event_log(account=name))
    store = Leases(databases.state, emit)
    leases = leases or LeasesOfCall([name])
    former_leases = _FormerLeases(name, former, leases, store, ttl, settles_within)
    await former_leases.refuse_held_elsewhere()
    async with broken_off_by(stop):
        grant = await store.acquire(name, ttl=ttl, settles_within=settles_within)
    leases.note(grant)
    # To take a lease may have taken a while, in which it ran already. After this
    # renewal our own clock bounds how long it lasts: it was read before the database
    # renewed it.
    asked_at = boot_time()
    await store.renew(grant)
    emit(Event.LEASE_TAKEN, epoch=grant.epoch, seconds=round(grant.wait, 3))
    keeper = LeaseKeeper(store, grant, asked_at, boot_time, emit)
    patience = DatabasePatience(databases.wait, emit, stop)
    fence = Fence(databases.state, name, grant.epoch, patience)
    pacing = _pacing_of(destinations, fence, keeper, settles_within, emit)
    async with (  # noqa: PLR1702 - resources
        keeper.kept(pacing.stop),
        pacing,
        stop_account_on(stop, pacing) as stopping,
    ):
        # An account that no destination is remembered by has sent nothing under this
        # name: where there are former accounts, theirs alone counts.
        if not former or await is_remembered(databases.state, name):
            _count_earlier_requests(pacing, grant)
        try:
            async with broken_off_by(stop):
                # Only now that our lease is kept: accounts of this call may wait for
                # one another here, and meanwhile all of their leases have to be
                # renewed.
                for left in await former_leases.wait():
                    _count_earlier_requests(pacing, left)
                # Otherwise a lost request of the last run could arrive behind ours.
                await asyncio.sleep(pacing.unsettled())
        except SyncEngineError:
            # Nothing was sent: whoever comes next need not wait for this lease.
            with suppress(SyncEngineError):
                await store.release(grant, pacing.ledger.dump(pacing.now()))
            raise
        account = LeasedAccount(
            name, fence, pacing, stopping, beside=leases.among(former)
        )
        try:
            yield account
        except Exception as error:
            is_lost = isinstance(root_error(error), StorageError | LeaseLost)
            if account.writes.sent == 0 and not is_lost:
                # What broke the work off is reported, not that the database is away
                # now.
                with suppress(SyncEngineError):
                    await store.release(grant, pacing.ledger.dump(pacing.now()))
            raise
        # Only a lease that still runs may be given back as clean.
        keeper.check()
        await store.release(grant, pacing.ledger.dump(pacing.now()))


def _pacing_of(
    destinations: Sequence[DestinationConfig],
    fence: Fence,
    keeper: LeaseKeeper,
    settles_within: float,
    emit: OnEvent,
) -> Pacing:
    """Return the pacing of an account: the strictest of what its destinations say."""
    limits = dict.fromkeys(limit for each in destinations for limit in each.limits)
    options = [destination.options for destination in destinations]
    return Pacing(
        tuple(limits),
        in_flight=min(each.in_flight for each in options),
        settles_within=settles_within,
        check=keeper.check,
        quotas=QuotaCounts(fence),
        timeout=max(each.timeout for each in options),
        max_wait=min(each.max_wait for each in options),
        tight=all(each.tight for each in options),
        on_event=emit,
    )


@dataclass(frozen=True, slots=True)
class _FormerLeases:
    """The leases of former accounts of an account's destinations."""

    account: str
    former: Sequence[str]
    leases: LeasesOfCall
    store: Leases
    ttl: float
    settles_within: float

    async def refuse_held_elsewhere(self) -> None:
        """Raise LeaseHeld while another run holds one of them."""
        elsewhere = [each for each in self.former if each not in self.leases]
        if elsewhere:
            await self._left_by(elsewhere)

    async def wait(self) -> list[LeaseGrant]:
        """Return what their last holders left.

        This call may have taken some of the leases itself: those are waited for. Raises
        LeaseHeld while another run holds one.
        """
        found: list[LeaseGrant] = []
        elsewhere: list[str] = []
        for account in self.former:
            grant = await self.leases.grant(account)
            if grant is None:
                elsewhere.append(account)
            else:
                found.append(grant)
        if elsewhere:
            found += await self._left_by(elsewhere)
        return found

    async def _left_by(self, accounts: Sequence[str]) -> Sequence[LeaseGrant]:
        return await self.store.formerly(
            self.account, accounts, ttl=self.ttl, settles_within=self.settles_within
        )


async def former_accounts(
    account: str, config: Config, databases: Databases
) -> tuple[str, ...]:
    """Return the accounts in which the state has the account's destinations.

    They are former ones until a run takes over all of these destinations: the account
    was renamed, or some of its destinations were in another one.
    """
    members = [each.name for each in config.destinations if each.account == account]
    elsewhere = await remembered_elsewhere(databases.state, account, members)
    return tuple(sorted(set(elsewhere.values())))


def _count_earlier_requests(pacing: Pacing, left: LeaseGrant) -> None:
    """Count what the last holder of a lease sent."""
    if left.ledger is None:
        # It crashed: nobody knows what it sent, so all that it was allowed to send.
        pacing.ledger.fill(pacing.now() + left.wait)
    elif left.ledger or left.epoch > 1:
        pacing.ledger.restore(left.ledger, left.elapsed, pacing.now())


def paced_as(limits: Sequence[Limit]) -> str:
    """Return the limits in words."""
    if not limits:
        return "no limit"
    return ", ".join(_paced_as(limit) for limit in limits)


def _paced_as(limit: Limit) -> str:
    number = f"{limit.items} contacts" if limit.counts_items else f"{limit.calls}"
    return f"{number} per {limit.per:g} s"


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
    message = f"{destination.name}: {error}"
    setting = getattr(error, "setting", None)
    if not setting:
        return message
    return f"{message} ({destination.place(setting)})"
