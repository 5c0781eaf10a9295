"""The stores of a run, in Postgres and in memory, behind one face."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

from syncengine.model.work import (
    BatchKind,
    DiffSlice,
    DiffTotals,
    LeaseGrant,
    RunKind,
    Standing,
)
from syncengine.ports import (
    BatchStore,
    ContactStore,
    KeyStore,
    LeaseStore,
    RefusalStore,
    SourceReader,
    WaitStore,
)
from syncengine.storage.connect import Pool, open_pool
from syncengine.storage.diff.comparison import Diff
from syncengine.storage.source.inspection import inspect
from syncengine.storage.source.rows import SourceRows
from syncengine.storage.source.spec import SourceSpec
from syncengine.storage.state import (
    batches,
    contacts,
    destinations,
    fence,
    keys,
    lease,
    refusals,
    runs,
    waits,
)
from syncengine.storage.state.standing import number_standing
from tests.support.memory import contacts as memory_contacts
from tests.support.memory import database as memory_database
from tests.support.memory import keys as memory_keys
from tests.support.memory import leases as memory_leases
from tests.support.memory import refusals as memory_refusals
from tests.support.memory import runs as memory_runs
from tests.support.memory import source as memory_source
from tests.support.memory import waits as memory_waits

ACCOUNT = "acme"
HOLDS = 3600.0
"""Seconds of a lease: no test takes as long."""
_CONTACTS = SourceSpec(table="contacts", key="id", columns=("version",))
_EMPTY = (
    "TRUNCATE syncengine.sync_destination, syncengine.sync_lease, "
    "syncengine.sync_run, syncengine.sync_batch, "
    "syncengine.sync_state, syncengine.sync_known, syncengine.sync_key, "
    "syncengine.sync_wait, syncengine.sync_outcome, syncengine.sync_change, "
    "syncengine.sync_run_minute, syncengine.sync_taken_back"
)


class CountingBatches(BatchStore, Protocol):
    async def left(self) -> int: ...


@dataclass(frozen=True)
class Stores:
    """The stores that one run of one destination works with."""

    run_id: int
    contacts: ContactStore
    keys: KeyStore
    waits: WaitStore
    batches: CountingBatches
    refusals: RefusalStore


@dataclass(frozen=True)
class Compared:
    """The contacts that a diff found, sorted."""

    changes: list[str]
    removals: list[str]
    totals: DiffTotals


class Backend(Protocol):
    """A state database and a source beside it."""

    leases: LeaseStore

    async def run(
        self,
        destination: str = "whatsapp",
        account: str = ACCOUNT,
        *,
        numbered: bool = False,
    ) -> Stores:
        """Start a run under the account's lease, which is taken where nobody has it."""
        ...

    async def outcome(
        self, run_id: int, contact_id: str
    ) -> tuple[str, tuple[str, ...], int, str | None]:
        """The outcome of a contact: kind, actions, requests and code."""
        ...

    async def end(self, run_id: int) -> None:
        """Let a run come to its end."""
        ...

    async def run_out(self, account: str = ACCOUNT) -> None:
        """Let the lease run out a minute ago."""
        ...

    async def set_clock_back(self, account: str) -> None:
        """Set the database's clock back an hour, as far as the lease shows it."""
        ...

    async def fill(self, versions: Mapping[str, int]) -> SourceReader:
        """Make the source hold these contacts, each in a version."""
        ...

    async def diff(
        self, destination: str = "whatsapp", *, everything: bool = False
    ) -> Compared: ...

    async def standing(
        self, among: Sequence[str] | None = None
    ) -> Mapping[Standing, int]:
        """Contacts of the first destination that are not tried any more, by reason."""
        ...


@dataclass
class InPostgres:
    pool: Pool
    grants: dict[str, LeaseGrant] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.leases: LeaseStore = lease.Leases(self.pool)

    async def run(
        self,
        destination: str = "whatsapp",
        account: str = ACCOUNT,
        *,
        numbered: bool = False,
    ) -> Stores:
        if account not in self.grants:
            self.grants[account] = await self.leases.acquire(
                account, ttl=HOLDS, settles_within=0.0
            )
        fenced = fence.Fence(self.pool, account, self.grants[account].epoch)
        identity = destinations.Identity(
            account, "respond_io", "https://example.org", {}, "crm.contacts by id"
        )
        run_id = await runs.start_run(fenced, destination, identity, RunKind.SYNC)
        return Stores(
            run_id,
            contacts.Contacts(fenced, destination, run_id, numbered=numbered),
            keys.Keys(fenced, destination, numbered=numbered),
            waits.Waits(fenced, destination),
            batches.Batches(fenced, run_id),
            refusals.Refusals(fenced, destination, run_id),
        )

    async def outcome(
        self, run_id: int, contact_id: str
    ) -> tuple[str, tuple[str, ...], int, str | None]:
        row = await self.pool.fetchrow(
            "SELECT * FROM syncengine.sync_outcome WHERE run_id = $1 AND "
            "contact_id = $2",
            run_id,
            contact_id,
        )
        assert row is not None
        return row["outcome"], tuple(row["actions"]), row["requests"], row["code"]

    async def end(self, run_id: int) -> None:
        await self.pool.execute(
            "UPDATE syncengine.sync_run SET status = 'done' WHERE run_id = $1", run_id
        )

    async def run_out(self, account: str = ACCOUNT) -> None:
        await self.pool.execute(
            "UPDATE syncengine.sync_lease SET expires_at = "
            "clock_timestamp() - interval '1 minute' WHERE account = $1",
            account,
        )

    async def set_clock_back(self, account: str) -> None:
        await self.pool.execute(
            "UPDATE syncengine.sync_lease SET expires_at = expires_at + "
            "interval '1 hour' WHERE account = $1",
            account,
        )

    async def fill(self, versions: Mapping[str, int]) -> SourceReader:
        async with self.pool.acquire() as connection:
            await connection.execute(
                'CREATE TABLE IF NOT EXISTS contacts (id text COLLATE "C" '
                "PRIMARY KEY, version int)"
            )
            await connection.execute("TRUNCATE contacts")
            await connection.executemany(
                "INSERT INTO contacts VALUES ($1, $2)", list(versions.items())
            )
            return SourceRows(self.pool, await inspect(connection, _CONTACTS))

    async def diff(
        self, destination: str = "whatsapp", *, everything: bool = False
    ) -> Compared:
        async with self.pool.acquire() as connection:
            source = await inspect(connection, _CONTACTS)
        found = Diff(
            self.pool,
            self.pool,
            source,
            destination,
            same_database=True,
            everything=everything,
        )
        return _compared([piece async for piece in found], found.totals)

    async def standing(
        self, among: Sequence[str] | None = None
    ) -> Mapping[Standing, int]:
        return await number_standing(self.pool, "whatsapp", among)


@dataclass
class InMemory:
    grants: dict[str, LeaseGrant] = field(default_factory=dict)
    table: memory_source.Table = field(
        default_factory=lambda: memory_source.Table(("version",))
    )
    now: float = 0.0

    def __post_init__(self) -> None:
        self.database = memory_database.Database(self._tick)
        self.leases: LeaseStore = memory_leases.Leases(self.database)

    def _tick(self) -> float:
        self.now += 0.001
        return self.now

    async def run(
        self,
        destination: str = "whatsapp",
        account: str = ACCOUNT,
        *,
        numbered: bool = False,
    ) -> Stores:
        if account not in self.grants:
            self.grants[account] = await self.leases.acquire(
                account, ttl=HOLDS, settles_within=0.0
            )
        fenced = memory_database.Fence(
            self.database, account, self.grants[account].epoch
        )
        run_id = await memory_runs.start_run(fenced, destination)
        return Stores(
            run_id,
            memory_contacts.Contacts(fenced, destination, run_id, numbered=numbered),
            memory_keys.Keys(fenced, destination, numbered=numbered),
            memory_waits.Waits(fenced, destination),
            memory_runs.Batches(fenced, run_id),
            memory_refusals.Refusals(fenced, destination, run_id),
        )

    async def outcome(
        self, run_id: int, contact_id: str
    ) -> tuple[str, tuple[str, ...], int, str | None]:
        found = self.database.outcomes[run_id, contact_id]
        return (
            found.kind.value,
            tuple(action.value for action in found.actions),
            found.requests,
            found.code or None,
        )

    async def end(self, run_id: int) -> None:
        self.database.runs[run_id] = "done"

    async def run_out(self, account: str = ACCOUNT) -> None:
        self.database.leases[account].expires_at = self.now - 60.0

    async def set_clock_back(self, account: str) -> None:
        self.database.leases[account].expires_at += 3600.0

    async def fill(self, versions: Mapping[str, int]) -> SourceReader:
        self.table.rows = {
            contact_id: {"version": version} for contact_id, version in versions.items()
        }
        return memory_source.Source(self.table)

    async def diff(
        self, destination: str = "whatsapp", *, everything: bool = False
    ) -> Compared:
        return _compared(
            *memory_source.diff(
                self.table, self.database, destination, everything=everything
            )
        )

    async def standing(
        self, among: Sequence[str] | None = None
    ) -> Mapping[Standing, int]:
        return self.database.number_standing("whatsapp", among)


def _compared(found: Sequence[DiffSlice], totals: DiffTotals) -> Compared:
    ids = {
        kind: sorted(
            each for piece in found if piece.kind is kind for each in piece.contact_ids
        )
        for kind in BatchKind
    }
    return Compared(ids[BatchKind.CHANGES], ids[BatchKind.REMOVALS], totals)


@asynccontextmanager
async def in_postgres(dsn: str) -> AsyncIterator[Backend]:
    """A state without contents, in a database that holds nothing else."""
    async with open_pool(dsn) as pool:
        await pool.execute(_EMPTY)
        yield InPostgres(pool)
