"""The right to be the only writer for an account (``ports.LeaseStore``).

A lease is a row of ``sync_lease``: its holder, the time at which it runs out unless it
is renewed, and its epoch, a number that grows with each takeover. A holder that died
does not renew, so the next run waits until its lease has run out, and takes it with a
new epoch. Should the former holder be alive after all, its writes are refused by their
old epoch (``fence``). A holder that ends in order leaves the ledger of its last
requests in the row, since the vendor still counts these.

The statement ``look`` reads the row with two figures of the database's clock: ``since``
(seconds since the lease was released or ran out, negative while it runs) and ``runs``.
It also locks the row until its transaction ends.
"""

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
from syncengine.storage.connect import Connection, Pool
from syncengine.storage.state.access import write_state
from syncengine.storage.statements import statements

_SQL = statements("lease")
_LOOK_AGAIN = 1.0
"""Seconds between two looks at a lease that is waited for."""
_JITTER = 1.0
"""Seconds by which a clock that is being adjusted may step back."""


class Leases:
    """Leases in the state database, timed by its clock."""

    def __init__(self, pool: Pool, on_event: OnEvent = ignore_event) -> None:
        self._pool = pool
        self._on_event = on_event
        self._holder = f"{socket.gethostname()} process {os.getpid()}"

    async def acquire(
        self, account: str, *, ttl: float, settles_within: float
    ) -> LeaseGrant:
        """Take the lease of an account for ``ttl`` seconds.

        A holder that died is waited out. ``settles_within`` is for how many seconds
        after the end of its lease one of its requests may still arrive at the vendor;
        the caller waits for the grant's ``wait`` before it sends. Raises LeaseHeld when
        the holder is alive, or when another run took the lease first.
        """
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
        clock = asyncio.get_running_loop().time
        renewal = found["expires_at"]
        lasts = _duration(found, ttl)
        # ``since`` is negative until the lease runs out. Where the database's clock was
        # set back, that may be hours from now, so our own clock bounds the wait.
        wait = min(-found["since"], lasts)
        over = clock() + wait
        self._on_event(
            Event.LEASE_AWAITED, holder=found["holder"], seconds=round(wait, 3)
        )
        if _is_ahead(found, ttl):
            self._on_event(
                Event.LEASE_AHEAD,
                seconds=round(wait, 3),
                runs_for=round(-found["since"], 3),
                lasts=lasts,
            )
        while _is_held(found):
            if found["expires_at"] != renewal:
                # It was renewed while we looked: its holder is alive.
                raise _held(account, found)
            if clock() >= over:
                await self._end(account, found)
                return
            await asyncio.sleep(min(_LOOK_AGAIN, max(0.01, over - clock())))
            # Each look is a transaction of its own: no lock is kept while we sleep, so
            # the holder can renew.
            found = await self._look(account)

    async def _look(self, account: str) -> asyncpg.Record:
        """Return the lease of an account as it is now."""
        async with write_state(self._pool) as connection:
            found = await connection.fetchrow(_SQL["look"], account)
        assert found is not None, "a lease is never deleted"
        return found

    async def _end(self, account: str, found: asyncpg.Record) -> None:
        """End a lease that its holder has not renewed since ``found`` was read.

        The statement checks that once more, under the lock of the row. Where it ends
        nothing, the next try finds the lease held.
        """
        async with write_state(self._pool) as connection:
            await connection.execute(
                _SQL["end"], account, found["epoch"], found["expires_at"]
            )

    async def _try(
        self, account: str, ttl: float, settles_within: float
    ) -> LeaseGrant | asyncpg.Record:
        """Take the lease; return the lease of another holder where one keeps it."""
        async with write_state(self._pool) as connection:
            # Locks the row: it waits for the writes of the former holder that are under
            # way, and those that come later find another epoch.
            found = await connection.fetchrow(_SQL["look"], account)
            if found is None:
                # There is no row to lock yet. Of two processes, one inserts it, and the
                # other one gets no epoch.
                epoch = await connection.fetchval(
                    _SQL["first"], account, self._holder, ttl
                )
                if epoch is not None:
                    return LeaseGrant(account, epoch, ttl, wait=0.0, ledger={})
                # Another process took the lease since the look above.
                found = await connection.fetchrow(_SQL["look"], account)
                assert found is not None
            if _is_held(found):
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
            # A lease that runs for hours since the database's clock was set back is waited
            # out here. Any other one that is held is refused below: a run whose account
            # has another name now may still be under way.
            if found is not None and _is_held(found) and _is_ahead(found, ttl):
                await self._wait_out(name, found, ttl)
        async with write_state(self._pool) as connection:
            leases = await _former(connection, account, names)
        return [
            _granted(name, found["epoch"], 0.0, found, settles_within)
            for name, found in leases.items()
        ]

    async def renew(self, grant: LeaseGrant) -> None:
        """Keep the lease for another ``ttl`` seconds. Raises LeaseLost."""
        # The keeper renews several times within ``ttl``. A renewal that hangs must fail
        # while the lease still has time for another one.
        async with write_state(
            self._pool, statement_timeout=grant.ttl / 2
        ) as connection:
            epoch = await connection.fetchval(
                _SQL["renew"], grant.account, grant.epoch, grant.ttl
            )
        # A lease that ran out is not revived, even if nobody took it: new requests have
        # been refused since, and another run may be about to start.
        if epoch is None:
            raise LeaseLost(
                f"the lease of account {grant.account} ran out or was taken over: "
                "this run stops here"
            )

    async def release(self, grant: LeaseGrant, ledger: Json) -> None:
        """Give the lease back, with the ledger of the account's last requests."""
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
    """Return the leases of former accounts, by name, and lock their rows.

    Raises LeaseHeld while a run holds one of them.
    """
    leases: dict[str, asyncpg.Record] = {}
    # In the order of their names: two runs that move several accounts at once lock
    # them in the same order, so that neither waits for the other (a deadlock).
    for name in sorted({*names}):
        found = await connection.fetchrow(_SQL["look"], name)
        if found is None:
            continue
        if _is_held(found):
            raise LeaseHeld(
                f"destinations of account {account} were in account {name}, and "
                f"another run is working on that one: {_holder_and_end(found)}. "
                "Nothing was sent. Wait for it to end, or stop it there"
            )
        leases[name] = found
    return leases


def _is_held(found: asyncpg.Record) -> bool:
    """Return whether a run has the lease: it did not run out, and was not released."""
    return bool(found["runs"]) and not found["released"]


def _duration(found: asyncpg.Record, ttl: float) -> float:
    """Return for how many seconds a renewal lets a lease run.

    ``ttl`` is that of a lease whose holder stored none, as older versions do.
    """
    if found["ttl"] is None:
        return ttl
    return float(found["ttl"])


def _is_ahead(found: asyncpg.Record, ttl: float) -> bool:
    """Return whether a lease runs for longer than any renewal lets it.

    Then the database's clock was set back. ``ttl`` is as for ``_duration``.
    """
    return -float(found["since"]) > _duration(found, ttl) + _JITTER


def _holder_and_end(found: asyncpg.Record) -> str:
    return (
        f"{found['holder']}, whose lease runs until {found['expires_at']:%H:%M:%S} "
        "UTC unless it renews it again"
    )


def _held(account: str, found: asyncpg.Record) -> LeaseHeld:
    return LeaseHeld(
        f"another run is working on account {account}: {_holder_and_end(found)}. "
        "Nothing was sent. Wait for it to end, or stop it there"
    )


def _granted(
    account: str, epoch: int, ttl: float, found: asyncpg.Record, settles_within: float
) -> LeaseGrant:
    """Return the lease with what its last holder left."""
    if found["released"]:
        # A holder that ended in order left the ledger of its recent requests. They
        # still count at the vendor, so the pacing goes on from there.
        ledger = orjson.loads(found["ledger"] or "null")
        return LeaseGrant(
            account, epoch, ttl, wait=0.0, ledger=ledger, elapsed=found["since"]
        )
    # The holder died. Its last requests may still be on their way to the vendor: a
    # look-up for a contact that they create would come before them, and find nothing.
    # What it sent is not known either (ledger None), so every slot counts as taken.
    wait = max(0.0, settles_within - found["since"])
    return LeaseGrant(account, epoch, ttl, wait=wait, ledger=None)
