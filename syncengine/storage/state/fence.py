"""The fence: every write of a run checks that the run still holds the lease.

The check is part of the write's own transaction. So a process that was frozen while
another one took the account over cannot write any more once it wakes up.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

from syncengine.errors import LeaseLost
from syncengine.storage.connect import Connection, Pool
from syncengine.storage.patience import DatabasePatience
from syncengine.storage.state.access import read_state, write_state
from syncengine.storage.statements import statements


@dataclass(frozen=True, slots=True)
class Fence:
    """The lease under which a run writes, and the pool that it writes through."""

    pool: Pool
    account: str
    epoch: int
    """Number of the lease. Each takeover of the account increases it."""
    patience: DatabasePatience = field(default_factory=DatabasePatience)
    """The patience of its writers with a database that is away during a run."""

    @asynccontextmanager
    async def writing(self, *, sending: bool = False) -> AsyncIterator[Connection]:
        """Run a fenced transaction. Raises LeaseLost once another run took over.

        Results may be recorded as long as no other run took over. ``sending`` announces
        new requests, for which the lease must not have run out either.
        """
        async with write_state(self.pool) as connection:
            # This statement locks the lease's row in shared mode until the transaction
            # ends. A takeover updates that row, so it waits for us, and a write can
            # never land after it. It comes before every other lock of the transaction:
            # all writers lock in that order, so none of them waits in a circle.
            lease = await connection.fetchrow(
                statements("contacts")["fence"], self.account
            )
            if lease is None or lease["epoch"] != self.epoch:
                raise self._lost()
            # The outcome of a request that was sent must not be thrown away just
            # because the lease ran out: nobody else has written since. A new request
            # is different, since another run may start at any moment.
            if sending and not lease["runs"]:
                raise self._lost()
            yield connection

    def reading(self) -> AbstractAsyncContextManager[Connection]:
        """Return the context of a transaction that only reads.

        It needs no lease, since every decision that it leads to is written, and so
        fenced, later.
        """
        return read_state(self.pool)

    def _lost(self) -> LeaseLost:
        return LeaseLost(
            f"the lease of account {self.account} ran out and another run may have it: "
            "this run stops here, and the next one settles what it left"
        )


@dataclass(frozen=True, slots=True)
class NoLease(Fence):
    """Takes the place of a fence where a verb only reads: nothing can be written."""

    epoch: int = field(default=0, init=False)

    @asynccontextmanager
    async def writing(self, *, sending: bool = False) -> AsyncIterator[Connection]:
        """Raise AssertionError: a reader that writes is a mistake of ours."""
        del sending
        raise AssertionError(f"written without the lease of account {self.account}")
        yield  # makes this a generator, as a context manager has to be


class FencedStore:
    """A store of one run, which reads and writes through the run's fence."""

    def __init__(self, fence: Fence) -> None:
        self._fence = fence

    @property
    def patience(self) -> DatabasePatience:
        """Return the patience that ``patience.patient`` methods share."""
        return self._fence.patience
