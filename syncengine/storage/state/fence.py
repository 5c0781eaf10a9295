"""The fence: every write of a run checks that the run still holds the lease.

The check is part of the write's own transaction.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from syncengine.errors import LeaseLost
from syncengine.storage.connect import Connection, Pool
from syncengine.storage.patience import DatabasePatience
from syncengine.storage.state.access import read_state, write_state
from syncengine.storage.statements import statements


@dataclass(frozen=True, slots=True)
class Fence:
    """The lease a writer stands on."""

    pool: Pool
    account: str
    epoch: int
    patience: DatabasePatience = field(default_factory=DatabasePatience)
    """The patience of its writers with a database that is away during a run."""

    @asynccontextmanager
    async def writing(self, *, sending: bool = False) -> AsyncIterator[Connection]:
        """Run a fenced transaction. Raises LeaseLost once another run took over.

        Results may be recorded as long as no other run took over. ``sending`` announces
        new requests, for which the lease must not have run out either.
        """
        async with write_state(self.pool) as connection:
            row = await connection.fetchrow(
                statements("contacts")["fence"], self.account
            )
            if (
                row is None
                or row["epoch"] != self.epoch
                or (sending and not row["runs"])
            ):
                raise LeaseLost(
                    f"the lease of account {self.account} ran out and another run may have it: this run stops "
                    "here, and the next one settles what it left"
                )
            yield connection

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Connection]:
        """Run a transaction that only reads."""
        async with read_state(self.pool) as connection:
            yield connection
