"""What survives the death of a process: the tables of the state, and the fence before every write."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import orjson

from syncengine.errors import LeaseLost
from syncengine.model.calls import OutcomeKind
from syncengine.model.contact import Known, MatchKey, Pending
from syncengine.model.http import Json
from syncengine.model.work import BatchKind, ContactOutcome, KeyWait, Standing, Status

Hop = Callable[[str], Awaitable[None]]
"""A way from the process to the database or back, named by what is asked; where a process may die."""


async def at_once(_: str) -> None:
    """A way that takes no time."""


@dataclass(slots=True)
class LeaseRow:
    epoch: int
    expires_at: float
    """Once released: when that was."""
    ttl: float
    released: bool = False
    ledger: Json = None


@dataclass(slots=True)
class StateRow:
    """``sync_state``."""

    number: int | None = None
    status: Status = Status.PENDING
    source_hash: int | None = None
    rejections: int = 0
    rejected_hash: int | None = None
    external_id: str | None = None
    gone: bool = False
    synced_at: float = 0.0
    given_up: str | None = None
    code: str | None = None
    standing: Standing | None = None
    refusal: int | None = None
    tried_in: int | None = None


@dataclass(slots=True)
class KnownRow:
    """``sync_known``."""

    key: MatchKey | None = None
    fields: dict[str, Json] = field(default_factory=dict)
    tags: frozenset[str] = frozenset()
    found_tags: frozenset[str] = frozenset()
    seen_opt_outs: dict[str, Json] = field(default_factory=dict)
    pending: Pending | None = None
    pending_at: float | None = None


@dataclass(slots=True)
class BatchRow:
    kind: BatchKind
    contact_ids: tuple[str, ...]
    totals: dict[str, int] | None = None
    """None until it is finished."""


@dataclass(slots=True)
class Database:
    """The tables; ``clock`` is the database's own, in seconds. A contact is (destination, contact id)."""

    clock: Callable[[], float]
    leases: dict[str, LeaseRow] = field(default_factory=dict)
    accounts: dict[str, str] = field(default_factory=dict)
    """By destination (``sync_destination``)."""
    states: dict[tuple[str, str], StateRow] = field(default_factory=dict)
    known: dict[tuple[str, str], KnownRow] = field(default_factory=dict)
    keys: dict[tuple[str, str, bytes], tuple[int | None, float]] = field(
        default_factory=dict
    )
    """Destination, contact id and hash to the contact's number and since when it asks for the key."""
    runs: dict[int, str] = field(default_factory=dict)
    """The status of every run."""
    last_runs: dict[str, int] = field(default_factory=dict)
    """By destination."""
    batches: dict[tuple[int, int], BatchRow] = field(default_factory=dict)
    """By run and number."""
    outcomes: dict[tuple[int, str], ContactOutcome] = field(default_factory=dict)
    """By run and contact."""
    waits: dict[tuple[str, str], tuple[KeyWait, str]] = field(default_factory=dict)
    """Whom a contact waits for, and what that one held then."""
    suppressed: dict[str, str] = field(default_factory=dict)
    erasing: dict[str, float] = field(default_factory=dict)
    """``sync_erasing``: vendor contact to when its deletion was asked for."""
    """A subject's text to the reason."""

    def number_standing(
        self, destination: str, among: Collection[str] | None = None
    ) -> Counter[Standing]:
        """As ``storage.standing.number_standing``."""
        return Counter(
            row.standing
            for (place, contact_id), row in self.states.items()
            if place == destination
            and row.standing
            and (among is None or contact_id in among)
        )

    def ended(self, run_id: int, kind: OutcomeKind) -> set[str]:
        """The contacts of a run that ended so."""
        return {
            contact
            for (run, contact), outcome in self.outcomes.items()
            if run == run_id and outcome.kind is kind
        }


@dataclass(frozen=True, slots=True)
class Fence:
    """As ``storage.fence.Fence``. The body of a transaction must not await: it is carried out whole or not at all."""

    database: Database
    account: str
    epoch: int
    hop: Hop = at_once

    @asynccontextmanager
    async def writing(
        self, what: str, *, sending: bool = False
    ) -> AsyncIterator[Database]:
        """A transaction that is committed on the way out; the news of it still has to come back."""
        await self.hop(f"{what}: asked")
        lease = self.database.leases.get(self.account)
        runs = lease is not None and lease.expires_at > self.database.clock()
        if lease is None or lease.epoch != self.epoch or (sending and not runs):
            raise LeaseLost(f"the lease of account {self.account} is lost")
        yield self.database
        await self.hop(f"{what}: committed")

    @asynccontextmanager
    async def reading(self, what: str) -> AsyncIterator[Database]:
        await self.hop(f"{what}: asked")
        yield self.database
        await self.hop(f"{what}: read")


def kept(value: Json) -> Json:
    """A JSON value as it comes back out of a column."""
    return orjson.loads(orjson.dumps(value))


def known_of(row: KnownRow | None, external_id: str | None, now: float) -> Known:
    """The columns put together again."""
    if row is None:
        return Known(external_id=external_id)
    pending = row.pending
    if pending is not None:
        age = None if row.pending_at is None else now - row.pending_at
        pending = Pending(
            creates=pending.creates,
            deletes=pending.deletes,
            keys=pending.keys,
            fields=kept(pending.fields),
            add_tags=pending.add_tags,
            remove_tags=pending.remove_tags,
            age=age,
        )
    return Known(
        external_id,
        row.key,
        kept(row.fields),
        row.tags,
        row.found_tags,
        pending,
        kept(row.seen_opt_outs),
    )
