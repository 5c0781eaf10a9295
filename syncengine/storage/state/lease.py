"""The right to be the only writer for an account (``ports.LeaseStore``)."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Sequence

import asyncpg
import orjson

from syncengine.errors import LeaseHeld, LeaseLost
from syncengine.model.events import Event, OnEvent, ignore_event
from syncengine.model.http import Json
from syncengine.model.work import LeaseGrant
from syncengine.storage.connect import Connection, Pool, transaction
from syncengine.storage.failures import storage_errors
from syncengine.storage.state.access import write_state
from syncengine.storage.statements import statements

_SQL = statements("lease")
_LOOK_AGAIN = 1.0
_JITTER = 1.0
"""Seconds by which a clock that is being adjusted may step back."""


class Leases:
    """Leases in the state database, timed by its clock."""

    def __init__(self, pool: Pool, tell: OnEvent = ignore_event) -> None:
        self._pool = pool
        self._tell = tell
        self._holder = f"{socket.gethostname()} process {os.getpid()}"

    async def acquire(
        self, account: str, *, ttl: float, settles_within: float
    ) -> LeaseGrant:
        found = await self._try(account, ttl, settles_within)
        if not isinstance(found, LeaseGrant):
            # The holder may have died: then it will not renew, and its lease runs out.
            await self._wait_out(account, found, ttl)
            found = await self._try(account, ttl, settles_within)
        if not isinstance(found, LeaseGrant):
            raise _held(account, found)
        return found

    async def _wait_out(self, account: str, found: asyncpg.Record, ttl: float) -> None:
        """Wait until a lease has run out, by the database's clock or by our own.

        The database's clock may have been set back since the lease was renewed. By our
        own, no holder is alive that has not renewed for as long as a lease lasts.
        Raises LeaseHeld when the holder renews it.
        """
        clock, renewal = asyncio.get_running_loop().time, found["expires_at"]
        lasts = ttl if found["ttl"] is None else found["ttl"]
        wait = min(-found["since"], lasts)
        over = clock() + wait
        self._tell(Event.LEASE_AWAITED, holder=found["holder"], seconds=round(wait, 3))
        if _is_ahead(found, ttl):
            self._tell(
                Event.LEASE_AHEAD,
                seconds=round(wait, 3),
                runs_for=round(-found["since"], 3),
                lasts=lasts,
            )
        while found["runs"] and not found["released"]:
            if found["expires_at"] != renewal:
                raise _held(account, found)
            if clock() >= over:
                await self._end(account, found)
                return
            await asyncio.sleep(min(_LOOK_AGAIN, max(0.01, over - clock())))
            found = await self._look(account)

    async def _look(self, account: str) -> asyncpg.Record:
        async with write_state(self._pool) as connection:
            found = await connection.fetchrow(_SQL["look"], account)
        assert found is not None, "a lease is never deleted"
        return found

    async def _end(self, account: str, found: asyncpg.Record) -> None:
        """End a lease that its holder has not renewed since."""
        async with write_state(self._pool) as connection:
            await connection.execute(
                _SQL["end"], account, found["epoch"], found["expires_at"]
            )

    async def _try(
        self, account: str, ttl: float, settles_within: float
    ) -> LeaseGrant | asyncpg.Record:
        async with write_state(self._pool) as connection:
            found = await connection.fetchrow(_SQL["look"], account)
            if found is None:
                epoch = await connection.fetchval(
                    _SQL["first"], account, self._holder, ttl
                )
                if epoch is not None:
                    return LeaseGrant(account, epoch, ttl, wait=0.0, ledger={})
                # Another process took the lease since the look above.
                found = await connection.fetchrow(_SQL["look"], account)
                assert found is not None
            if found["runs"] and not found["released"]:
                return found
            epoch = await connection.fetchval(_SQL["take"], account, self._holder, ttl)
        return _granted(account, epoch, ttl, found, settles_within)

    async def formerly(
        self, account: str, names: Sequence[str], *, ttl: float, settles_within: float
    ) -> list[LeaseGrant]:
        """Return what the last holders left in former accounts of its destinations.

        Raises LeaseHeld while another run holds one of them.
        """
        for name in sorted({*names}):
            async with write_state(self._pool) as connection:
                found = await connection.fetchrow(_SQL["look"], name)
            if (
                found is not None
                and found["runs"]
                and not found["released"]
                and _is_ahead(found, ttl)
            ):
                await self._wait_out(name, found, ttl)
        async with write_state(self._pool) as connection:
            leases = await _former(connection, account, names)
        return [
            _granted(name, found["epoch"], 0.0, found, settles_within)
            for name, found in leases.items()
        ]

    async def renew(self, grant: LeaseGrant) -> None:
        with storage_errors():
            async with (
                self._pool.acquire() as connection,
                transaction(connection, statement_timeout=grant.ttl / 2),
            ):
                epoch = await connection.fetchval(
                    _SQL["renew"], grant.account, grant.epoch, grant.ttl
                )
        if epoch is None:
            raise LeaseLost(
                f"the lease of account {grant.account} ran out or was taken over: this run stops here"
            )

    async def release(self, grant: LeaseGrant, ledger: Json) -> None:
        async with write_state(self._pool) as connection:
            await connection.execute(
                _SQL["release"],
                grant.account,
                grant.epoch,
                orjson.dumps(ledger).decode(),
            )


async def fence_off(connection: Connection, account: str, names: Sequence[str]) -> None:
    """Keep the last holders of these former accounts from writing any more.

    Raises LeaseHeld while a run holds one of them.
    """
    for name in await _former(connection, account, names):
        await connection.execute(_SQL["fence_off"], name)


async def _former(
    connection: Connection, account: str, names: Sequence[str]
) -> dict[str, asyncpg.Record]:
    leases: dict[str, asyncpg.Record] = {}
    for name in sorted({*names}):
        found = await connection.fetchrow(_SQL["look"], name)
        if found is not None and found["runs"] and not found["released"]:
            raise LeaseHeld(
                f"destinations of account {account} were in account {name}, and another run is working on that one: "
                f"{found['holder']}, whose lease runs until {found['expires_at']:%H:%M:%S} UTC unless it renews it "
                "again. Nothing was sent. Wait for it to end, or stop it there"
            )
        if found is not None:
            leases[name] = found
    return leases


def _is_ahead(found: asyncpg.Record, ttl: float) -> bool:
    """Return whether a lease runs for longer than any renewal lets it.

    Then the database's clock was set back. ``ttl`` is that of a lease whose holder
    stored none, as older versions do.
    """
    lasts: float = ttl if found["ttl"] is None else found["ttl"]
    return -float(found["since"]) > lasts + _JITTER


def _held(account: str, found: asyncpg.Record) -> LeaseHeld:
    return LeaseHeld(
        f"another run is working on account {account}: {found['holder']}, whose lease runs until "
        f"{found['expires_at']:%H:%M:%S} UTC unless it renews it again. Nothing was sent. Wait for it to end, or stop "
        "it there"
    )


def _granted(
    account: str, epoch: int, ttl: float, found: asyncpg.Record, settles_within: float
) -> LeaseGrant:
    """Return the lease with what its last holder left.

    After a crash, requests of the last holder may still be on their way.
    """
    if found["released"]:
        ledger = orjson.loads(found["ledger"] or "null")
        return LeaseGrant(
            account, epoch, ttl, wait=0.0, ledger=ledger, elapsed=found["since"]
        )
    return LeaseGrant(
        account, epoch, ttl, wait=max(0.0, settles_within - found["since"]), ledger=None
    )
