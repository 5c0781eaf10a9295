"""Leases in memory (``ports.LeaseStore``).

The counterpart of ``storage.state.lease`` and its SQL.
"""

from __future__ import annotations

import asyncio

from syncengine.errors import LeaseHeld, LeaseLost
from syncengine.model.http import Json
from syncengine.model.work import LeaseGrant
from tests.support.memory.database import Database, Hop, LeaseRow, at_once, kept

_LOOK_AGAIN = 1.0


class Leases:
    def __init__(self, database: Database, hop: Hop = at_once) -> None:
        self._database = database
        self._hop = hop

    async def acquire(
        self, account: str, *, ttl: float, settles_within: float
    ) -> LeaseGrant:
        found = await self._tried(account, ttl, settles_within)
        if not isinstance(found, LeaseGrant):
            await self._wait_out(account, found)
            found = await self._tried(account, ttl, settles_within)
        if not isinstance(found, LeaseGrant):
            raise LeaseHeld(f"another run is working on account {account}")
        return found

    async def _wait_out(self, account: str, renewal: float) -> None:
        clock, row = asyncio.get_running_loop().time, self._database.leases[account]
        over = clock() + min(renewal - self._database.clock(), row.ttl)
        while row.expires_at > self._database.clock() and not row.released:
            if row.expires_at != renewal:
                raise LeaseHeld(f"another run is working on account {account}")
            if clock() >= over:
                row.expires_at = self._database.clock()
                return
            await asyncio.sleep(min(_LOOK_AGAIN, max(0.01, over - clock())))
            row = self._database.leases[account]

    async def _tried(
        self, account: str, ttl: float, settles_within: float
    ) -> LeaseGrant | float:
        await self._hop("acquire lease: asked")
        found = self._try(account, ttl, settles_within)
        await self._hop("acquire lease: committed")
        return found

    def _try(
        self, account: str, ttl: float, settles_within: float
    ) -> LeaseGrant | float:
        """Return the grant, or the time at which the holder's lease runs out."""
        now, row = self._database.clock(), self._database.leases.get(account)
        if row is None:
            self._database.leases[account] = LeaseRow(1, now + ttl, ttl)
            return LeaseGrant(account, 1, ttl, wait=0.0, ledger={})
        if row.expires_at > now and not row.released:
            return row.expires_at
        self._database.leases[account] = LeaseRow(row.epoch + 1, now + ttl, ttl)
        since = now - row.expires_at
        if row.released:
            return LeaseGrant(
                account, row.epoch + 1, ttl, wait=0.0, ledger=row.ledger, elapsed=since
            )
        return LeaseGrant(
            account,
            row.epoch + 1,
            ttl,
            wait=max(0.0, settles_within - since),
            ledger=None,
        )

    async def renew(self, grant: LeaseGrant) -> None:
        await self._hop("renew lease: asked")
        now, row = self._database.clock(), self._database.leases[grant.account]
        if row.epoch != grant.epoch or row.released or row.expires_at <= now:
            raise LeaseLost(
                f"the lease of account {grant.account} ran out or was taken over"
            )
        row.expires_at = now + grant.ttl
        await self._hop("renew lease: committed")

    async def release(self, grant: LeaseGrant, ledger: Json) -> None:
        await self._hop("release lease: asked")
        row = self._database.leases[grant.account]
        if row.epoch == grant.epoch and not row.released:
            row.released, row.expires_at, row.ledger = (
                True,
                self._database.clock(),
                kept(ledger),
            )
        await self._hop("release lease: committed")
