"""The state's tables in memory, and the fence before every write.

They survive the death of a simulated process.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import orjson

from syncengine.errors import LeaseLost
from syncengine.model.calls import OutcomeKind
from syncengine.model.change import ContactChange
from syncengine.model.contact import THIS_RUN, Known, MatchKey, Pending, SendingRun
from syncengine.model.http import Json
from syncengine.model.undo import TakenBack
from syncengine.model.work import BatchKind, ContactOutcome, KeyWait, Standing, Status

Hop = Callable[[str], Awaitable[None]]
"""Carries a message from the process to the database or back, and may end the process.
The text names what is asked."""


async def at_once(_: str) -> None:
    """Carry a message in no time."""


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
    """A row of ``sync_state``."""

    number: int | None = None
    status: Status = Status.PENDING
    source_hash: int | None = None
    rejections: int = 0
    rejected_hash: int | None = None
    external_id: str | None = None
    gone: bool = False
    synced_at: float | None = None
    given_up: str | None = None
    code: str | None = None
    standing: Standing | None = None
    refusal: int | None = None
    tried_in: int | None = None


@dataclass(slots=True)
class KnownRow:
    """A row of ``sync_known``."""

    key: MatchKey | None = None
    fields: dict[str, Json] = field(default_factory=dict)
    tags: frozenset[str] = frozenset()
    found_tags: frozenset[str] = frozenset()
    seen_opt_outs: dict[str, Json] = field(default_factory=dict)
    pending: Pending | None = None
    pending_at: float | None = None
    empty: tuple[str, ...] = ()


@dataclass(slots=True)
class BatchRow:
    kind: BatchKind
    contact_ids: tuple[str, ...]
    totals: dict[str, int] | None = None
    """None until it is finished."""


@dataclass(slots=True)
class Database:
    """The tables. A contact is a pair of destination and contact id.

    ``clock`` is the database's own, in seconds.
    """

    clock: Callable[[], float]
    leases: dict[str, LeaseRow] = field(default_factory=dict)
    accounts: dict[str, str] = field(default_factory=dict)
    """By destination (``sync_destination``)."""
    states: dict[tuple[str, str], StateRow] = field(default_factory=dict)
    known: dict[tuple[str, str], KnownRow] = field(default_factory=dict)
    keys: dict[tuple[str, str, bytes], tuple[int | None, float]] = field(
        default_factory=dict
    )
    """Destination, contact id and hash to the contact's number and the claim's time."""
    runs: dict[int, str] = field(default_factory=dict)
    """The status of every run."""
    undone_by: dict[int, int] = field(default_factory=dict)
    """An undo to the run that it takes back."""
    destinations: dict[int, str] = field(default_factory=dict)
    """A run to its destination."""
    last_runs: dict[str, int] = field(default_factory=dict)
    """By destination."""
    batches: dict[tuple[int, int], BatchRow] = field(default_factory=dict)
    """By run and number."""
    outcomes: dict[tuple[int, str], ContactOutcome] = field(default_factory=dict)
    """By run and contact."""
    changes: dict[tuple[int, str], ContactChange] = field(default_factory=dict)
    """By run and contact (``sync_change``)."""
    waits: dict[tuple[str, str], tuple[KeyWait, str]] = field(default_factory=dict)
    """The wait of a contact, and a text of what the owner had when it began."""
    notes: dict[tuple[str, str], TakenBack] = field(default_factory=dict)
    """``sync_taken_back``, by destination and contact."""
    suppressed: dict[str, str] = field(default_factory=dict)
    """A subject's text to the reason."""
    erasing: dict[str, float] = field(default_factory=dict)
    """``sync_erasing``: external id to the time at which its deletion was asked."""

    def number_standing(
        self, destination: str, among: Collection[str] | None = None
    ) -> Counter[Standing]:
        """Count as ``storage.state.standing.number_standing`` does."""
        return Counter(
            row.standing
            for (place, contact_id), row in self.states.items()
            if place == destination
            and row.standing
            and (among is None or contact_id in among)
        )

    def ended(self, run_id: int, kind: OutcomeKind) -> set[str]:
        """Return the contacts of a run with an outcome of this kind."""
        return {
            contact
            for (run, contact), outcome in self.outcomes.items()
            if run == run_id and outcome.kind is kind
        }


@dataclass(frozen=True, slots=True)
class Fence:
    """The counterpart of ``storage.state.fence.Fence``.

    The body of a transaction must not await: it is carried out whole or not at all.
    """

    database: Database
    account: str
    epoch: int
    hop: Hop = at_once

    @asynccontextmanager
    async def writing(
        self, what: str, *, sending: bool = False
    ) -> AsyncIterator[Database]:
        """Run a transaction, which is committed at the end of the block.

        A process may die before it, or before it hears of the commit.
        """
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
    """Return a JSON value as it comes back out of a column."""
    return orjson.loads(orjson.dumps(value))


def numbered_run(sent_by: int | None, run_id: int) -> int | None:
    """Return a run as it is stored by the run ``run_id``."""
    return run_id if sent_by == THIS_RUN else sent_by


def run_seen_from(stored: int | None, run_id: int) -> int | None:
    """Return a stored run as the run ``run_id`` sees it."""
    return THIS_RUN if stored == run_id else stored


def stored_note(note: Pending, run_id: int) -> Pending:
    """Return a note as it is stored by the run ``run_id``."""
    return replace(
        note,
        fields=kept(dict(note.fields)),
        run_id=numbered_run(note.run_id, run_id),
        senders={
            part: SendingRun(numbered_run(each.run_id, run_id), each.over_unknown)
            for part, each in note.senders.items()
        },
    )


def known_of(
    row: KnownRow | None, external_id: str | None, now: float, run_id: int
) -> Known:
    """Return what the columns of both tables say is known, as a run sees it."""
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
            run_id=run_seen_from(pending.run_id, run_id),
            senders={
                part: SendingRun(run_seen_from(each.run_id, run_id), each.over_unknown)
                for part, each in pending.senders.items()
            },
        )
    return Known(
        external_id,
        row.key,
        kept(row.fields),
        row.tags,
        row.found_tags,
        pending,
        kept(row.seen_opt_outs),
        row.empty,
    )
