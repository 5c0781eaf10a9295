"""Runs, their batches, and what a destination remembers."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass

import asyncpg
import orjson

from syncengine.errors import ConfigError, Problem
from syncengine.model.consent_rules import ConsentRules
from syncengine.model.contact import LISTS
from syncengine.model.http import Json
from syncengine.model.sql_tokens import is_same
from syncengine.model.texts import printable
from syncengine.model.unsupported import in_words
from syncengine.model.work import Batch, BatchKind, DiffSlice, RunKind
from syncengine.storage.connect import Connection, Pool, transaction
from syncengine.storage.failures import storage_errors
from syncengine.storage.patience import Patience, patient
from syncengine.storage.state.fence import Fence
from syncengine.storage.state.lease import fence_off
from syncengine.storage.state.outcomes import unsupported_from
from syncengine.storage.statements import statements

_SQL = statements("runs")


@dataclass(frozen=True, slots=True)
class Identity:
    """The properties that a destination must not change unnoticed.

    A staging file pointed at production would take everything to be in step.
    """

    account: str
    vendor: str
    base_url: str
    settings: Mapping[str, Json]
    source: str
    """The table or query, and the key: ``crm.contacts by id``."""
    database: str | None = None
    """The name of the source's database. Its host is no part of it: a replica is the
    same source. None where it is not known."""

    @property
    def key(self) -> str:
        """Return the source's key column."""
        return _relation_and_key(self.source)[1]

    def changes(self, before: Identity) -> dict[str, tuple[Json, Json]]:
        """Return name (as ``--accept`` takes it) to former and present value.

        Only names with different values are among them.
        """
        pairs = {
            "account": (before.account, self.account),
            "vendor": (before.vendor, self.vendor),
            "base_url": (before.base_url, self.base_url),
            "settings": (dict(before.settings), dict(self.settings)),
            "source": (before.source, self.source),
            "database": (before.database, self.database),
        }
        changed = {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
        if "source" in changed and _is_same_source(before.source, self.source):
            del changed["source"]
        if before.database is None or self.database is None:
            changed.pop("database", None)
        return changed


def _relation_and_key(source: str) -> tuple[str, str]:
    relation, _, key = source.rpartition(" by ")
    return relation, key


def _is_same_source(one: str, other: str) -> bool:
    """Return whether two sources differ at most in how their query is laid out."""
    (relation, key), (other_relation, other_key) = map(_relation_and_key, (one, other))
    return key == other_key and is_same(relation, other_relation)


@dataclass(frozen=True, slots=True)
class Remembered:
    """Facts about a destination that the state remembers."""

    identity: Identity
    consent: ConsentRules | None
    """What the files said about consent when a run was last let pass; None where none
    has noted it yet."""
    looks_up: bool
    """True where every contact is looked up before it is created, whatever the file
    says: the account was exchanged, and no run has brought everybody in step since; or
    the destination was re-synced, and the state may lack contacts that are there."""
    resync: bool
    """True where the next run begins with a re-sync."""


@dataclass(frozen=True, slots=True)
class FormerRun:
    """A former run, as the state has it."""

    run_id: int
    destination: str
    status: str


@dataclass(frozen=True, slots=True)
class Note:
    """A contact worth a look after a run."""

    contact_id: str
    outcome: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Leavers:
    """Number of removed contacts."""

    known: int = 0
    """Contacts that the vendor is known to hold."""
    tagged: int = 0
    """Known contacts with tags or lists of ours, or possibly with such."""

    def __add__(self, other: Leavers) -> Leavers:
        return Leavers(self.known + other.known, self.tagged + other.tagged)


async def remembered(pool: Pool, destination: str) -> Remembered | None:
    """Return what is remembered of the destination; None when it never ran."""
    with storage_errors():
        async with (
            pool.acquire() as connection,
            transaction(connection, read_only=True),
        ):
            row = await connection.fetchrow(_SQL["remembered"], destination)
    if row is None:
        return None
    identity = Identity(
        account=row["account"],
        vendor=row["vendor"],
        base_url=row["base_url"],
        settings=orjson.loads(row["identity"]),
        source=row["source"],
        database=row["source_database"],
    )
    consent = ConsentRules(**orjson.loads(row["consent"])) if row["consent"] else None
    return Remembered(identity, consent, row["looks_up"], row["resync"])


async def former_run(pool: Pool, run_id: int, batch: int | None) -> FormerRun:
    """Return the run to be retried. Raises ConfigError for an unknown run or batch."""
    with storage_errors():
        async with (
            pool.acquire() as connection,
            transaction(connection, read_only=True),
        ):
            row = await connection.fetchrow(_SQL["run"], run_id)
            last = await connection.fetchval(_SQL["last_run"])
            batches = await connection.fetchval(_SQL["last_batch"], run_id)
    if row is None:
        raise ConfigError([Problem(f"retry {run_id}", _no_run(run_id, last))])
    if batch is not None and not 1 <= batch <= batches:
        only = f", only 1 to {batches}" if batches else ": it found nothing to do"
        raise ConfigError(
            [Problem(f"retry {run_id}", f"run {run_id} has no batch {batch}{only}")]
        )
    if row["status"] == "refused" or (row["status"] == "stopped" and not batches):
        what = "that run was stopped before it sent anything, so nothing is to be retried: start a new `run`"
        raise ConfigError([Problem(f"retry {run_id}", what)])
    return FormerRun(row["run_id"], row["destination"], row["status"])


def _no_run(run_id: int, last: int | None) -> str:
    if last is None:
        return "no run has taken place yet"
    if 0 < run_id < last:
        return f"there is no run {run_id} (any more: `syncengine prune` deletes old ones); the last one was {last}"
    return f"there is no run {run_id}; the last one was {last}"


async def unmade(
    pool: Pool,
    run_id: int,
    batch: int | None,
) -> AsyncIterator[DiffSlice]:
    """Yield the contacts that did not succeed in a run, or in one batch of it."""
    with storage_errors():
        async with (
            pool.acquire() as connection,
            transaction(connection, read_only=True),
        ):
            rows = await connection.fetch(_SQL["unmade"], run_id, batch)
    for kind in BatchKind:
        of_kind = (row["contact_id"] for row in rows if row["kind"] == kind.value)
        if contact_ids := tuple(of_kind):
            yield DiffSlice(kind, contact_ids)


async def is_remembered(pool: Pool, account: str) -> bool:
    """Return whether any destination is remembered under an account."""
    with storage_errors():
        async with (
            pool.acquire() as connection,
            transaction(connection, read_only=True),
        ):
            return bool(await connection.fetchval(_SQL["is_remembered"], account))


async def remembered_elsewhere(
    pool: Pool, account: str, destinations: Sequence[str]
) -> dict[str, str]:
    """Return destinations that are remembered under other accounts, each with its own.

    Only the given destinations are looked at.
    """
    with storage_errors():
        async with (
            pool.acquire() as connection,
            transaction(connection, read_only=True),
        ):
            rows = await connection.fetch(
                _SQL["remembered_elsewhere"], list(destinations), account
            )
    return {row["destination"]: row["account"] for row in rows}


async def start_run(
    fence: Fence,
    destination: str,
    identity: Identity,
    kind: RunKind,
    *,
    retry_of: int | None = None,
    moving: Sequence[str] = (),
    starting_anew: Sequence[str] = (),
    beside: Collection[str] = (),
) -> int:
    """Begin a run; return its id.

    A former run of the same destination that still counts as running has died.
    ``moving`` are destinations of the account that are remembered under a former name
    of it, and move with this one. Those ``starting_anew`` lose the ids and values that
    are known of their contacts, since the account is another one. ``beside`` are former
    accounts whose leases this call took.
    """
    async with fence.writing(sending=True) as connection:
        for name in sorted({*starting_anew}):
            await _start_anew(connection, name)
        await move_account(connection, fence.account, [destination, *moving], beside)
        await connection.execute(_SQL["died"], destination)
        await _remember(connection, destination, identity)
        # Before the new run exists: these look at the waiting batches of the last run.
        await connection.execute(_SQL["let_go_unmade"], destination)
        await connection.execute(_SQL["look_again"], destination)
        await connection.execute(_SQL["no_longer_waiting"], destination)
        run_id: int = await connection.fetchval(
            _SQL["start"], destination, fence.account, kind.value, retry_of, fence.epoch
        )
        return run_id


async def remember(
    fence: Fence, destination: str, identity: Identity, consent: ConsentRules | None
) -> None:
    """Record the identity that a run was let pass with, and its rules of consent.

    None: the former rules stay.
    """
    async with fence.writing(sending=True) as connection:
        await _remember(connection, destination, identity)
        if consent is not None:
            rules = orjson.dumps(asdict(consent)).decode()
            await connection.execute(_SQL["remember_consent"], destination, rules)


async def held_back(
    pool: Pool, destination: str, contact_ids: Sequence[str]
) -> frozenset[str]:
    """Return those of the contacts that are known to have left or opted out."""
    with storage_errors():
        async with (
            pool.acquire() as connection,
            transaction(connection, read_only=True),
        ):
            rows = await connection.fetch(
                _SQL["held_back"], destination, list(contact_ids)
            )
    return frozenset(row["contact_id"] for row in rows)


async def held_elsewhere(
    pool: Pool, destination: str, account: str, contact_ids: Sequence[str]
) -> frozenset[str]:
    """Return contacts that other destinations of the account have.

    Also those that they had when this one last ran (they may have run since), and those
    that both let go of for another destination.
    """
    with storage_errors():
        async with (
            pool.acquire() as connection,
            transaction(connection, read_only=True),
        ):
            rows = await connection.fetch(
                _SQL["held_elsewhere"], destination, account, list(contact_ids)
            )
    return frozenset(row["contact_id"] for row in rows)


async def _remember(
    connection: Connection, destination: str, identity: Identity
) -> None:
    settings = orjson.dumps(dict(identity.settings)).decode()
    await connection.execute(
        _SQL["remember"],
        destination,
        identity.account,
        identity.vendor,
        identity.base_url,
        settings,
        identity.source,
        identity.database,
    )


_ANEW = (
    "ask_former_vendor",
    "drop_known",
    "drop_keys",
    "drop_waits",
    "drop_ids",
    "look_everybody_up",
)


async def _start_anew(connection: Connection, destination: str) -> None:
    """Drop the ids and values of a destination whose account is another one."""
    for statement in _ANEW:
        await connection.execute(_SQL[statement], destination)


async def note_looked_up(fence: Fence, destination: str) -> None:
    """Record that every contact was looked up in the account."""
    async with fence.writing() as connection:
        await connection.execute(_SQL["looked_up"], destination)


async def move_account(
    connection: Connection,
    account: str,
    destinations: Sequence[str],
    beside: Collection[str] = (),
) -> None:
    """Give the account of these destinations its present name.

    Raises LeaseHeld while another run holds a former one. Those ``beside`` are held by
    this call: their last holders cannot write any more.
    """
    former = [
        row["account"]
        for row in await connection.fetch(
            _SQL["former_accounts"], destinations, account
        )
    ]
    if not former:
        return
    await fence_off(
        connection, account, [name for name in former if name not in beside]
    )
    await connection.execute(_SQL["move_destinations"], destinations, account)
    await connection.execute(_SQL["move_keys"], destinations, account)
    for name in former:
        for what in (
            "move_credentials",
            "drop_credentials",
            "move_quota",
            "move_erasing",
            "move_runs",
        ):
            await connection.execute(_SQL[what], name, account)


def _told(error: str | None) -> str | None:
    """Return an error as it is stored for people.

    Some read it with psql, in a terminal.
    """
    return None if error is None else printable(error, lines=True)


async def finish_run(
    fence: Fence, run_id: int, status: str, totals: Json, error: str | None
) -> None:
    """Record how a run ended."""

    async def note() -> None:
        async with fence.writing() as connection:
            await connection.execute(
                _SQL["finish"],
                run_id,
                status,
                orjson.dumps(totals).decode(),
                _told(error),
            )

    await fence.patience.wait_out(note)


async def break_off_run(fence: Fence, destination: str, error: str) -> None:
    """End the run that an unforeseen error left unfinished, if one was under way."""

    async def note() -> None:
        async with fence.writing() as connection:
            await connection.execute(
                _SQL["break_off"], destination, fence.epoch, _told(error)
            )

    await fence.patience.wait_out(note)


NOTES = 20
"""Number of a run's contacts that are named one by one."""


async def notes(
    pool: Pool,
    run_id: int,
    *,
    one_by_one: bool,
    most: int = NOTES,
) -> list[Note]:
    """Return the contacts of a run that did not simply succeed, the worst first.

    Those that are refused alike are told of together, unless ``one_by_one``.
    """
    with storage_errors():
        async with (
            pool.acquire() as connection,
            transaction(connection, read_only=True),
        ):
            rows = await connection.fetch(_SQL["noteworthy"], run_id, one_by_one, most)
    return [
        Note(
            row["contact_id"],
            row["outcome"],
            row["code"],
            row["message"] or in_words(unsupported_from(row["unsupported"])),
        )
        for row in rows
    ]


async def notes_left(
    pool: Pool,
    run_id: int,
    *,
    one_by_one: bool,
    most: int = NOTES,
) -> int:
    """Return the number of contacts that ``notes`` does not name."""
    with storage_errors():
        async with (
            pool.acquire() as connection,
            transaction(connection, read_only=True),
        ):
            mine = run_id, one_by_one
            number = int(await connection.fetchval(_SQL["noteworthy_number"], *mine))
    return max(0, number - most)


async def known_contacts(pool: Pool, destination: str) -> int:
    """Return the number of contacts that the vendor is known to hold."""
    with storage_errors():
        async with (
            pool.acquire() as connection,
            transaction(connection, read_only=True),
        ):
            return int(await connection.fetchval(_SQL["known_contacts"], destination))


async def leavers(pool: Pool, destination: str, contact_ids: Sequence[str]) -> Leavers:
    """Count those of these contacts that the vendor is known to hold."""
    with storage_errors():
        async with (
            pool.acquire() as connection,
            transaction(connection, read_only=True),
        ):
            row = await connection.fetchrow(
                _SQL["leavers"], destination, list(contact_ids), LISTS
            )
    assert row is not None
    return Leavers(row["known"], row["tagged"])


async def earlier_leavers(
    pool: Pool, destination: str, *, tagged: bool
) -> tuple[str, ...]:
    """Return contacts that left the source earlier and still stand at the vendor.

    ``tagged``: only those that have or may have tags or lists of ours.
    """
    with storage_errors():
        async with (
            pool.acquire() as connection,
            transaction(connection, read_only=True),
        ):
            rows = await connection.fetch(
                _SQL["earlier_leavers"], destination, tagged, LISTS
            )
    return tuple(row["contact_id"] for row in rows)


async def number_earlier_leavers(pool: Pool, destination: str, *, tagged: bool) -> int:
    """Return the number of these contacts."""
    with storage_errors():
        async with (
            pool.acquire() as connection,
            transaction(connection, read_only=True),
        ):
            return int(
                await connection.fetchval(
                    _SQL["number_of_earlier_leavers"], destination, tagged, LISTS
                )
            )


async def moved_away(pool: Pool, destination: str) -> tuple[str, ...]:
    """Return removed contacts that another destination of the account selects.

    It has not taken them over yet. Should it not select them any more, their removal is
    still to be carried out.
    """
    with storage_errors():
        async with (
            pool.acquire() as connection,
            transaction(connection, read_only=True),
        ):
            rows = await connection.fetch(_SQL["moved_away"], destination)
    return tuple(row["contact_id"] for row in rows)


async def holds_contacts(pool: Pool, account: str) -> bool:
    """Return whether a destination of this account owns contacts at the vendor."""
    with storage_errors():
        async with (
            pool.acquire() as connection,
            transaction(connection, read_only=True),
        ):
            return bool(await connection.fetchval(_SQL["holds_contacts"], account))


async def former_owners(
    pool: Pool, account: str, configured: Sequence[str], newcomer: str
) -> dict[str, int]:
    """Return the number of contacts of each unconfigured destination of the account.

    The result is empty if ``newcomer`` owns contacts itself.
    """
    with storage_errors():
        async with (
            pool.acquire() as connection,
            transaction(connection, read_only=True),
        ):
            rows = await connection.fetch(
                _SQL["former_owners"], account, list(configured), newcomer
            )
    return {row["destination"]: row["number"] for row in rows}


async def compared_rows(pool: Pool, destination: str) -> int | None:
    """Return the source's rows when a run last compared all of it.

    That run also passed its brakes. None: no run did yet.
    """
    with storage_errors():
        async with (
            pool.acquire() as connection,
            transaction(connection, read_only=True),
        ):
            number: int | None = await connection.fetchval(
                _SQL["compared_rows"], destination
            )
    return number


async def note_compared_rows(fence: Fence, destination: str, rows: int) -> None:
    """Record the number of the source's rows, for the next run to compare with."""
    async with fence.writing() as connection:
        await connection.execute(_SQL["note_compared_rows"], destination, rows)


async def remembered_meaning(pool: Pool, destination: str) -> Mapping[str, str] | None:
    """Return what the mapping meant when a run last finished about everybody.

    None: no run did yet.
    """
    with storage_errors():
        async with (
            pool.acquire() as connection,
            transaction(connection, read_only=True),
        ):
            stored = await connection.fetchval(_SQL["remembered_meaning"], destination)
    return orjson.loads(stored) if stored else None


async def remember_meaning(
    fence: Fence, destination: str, meaning: Mapping[str, str]
) -> None:
    """Record what the mapping means: every contact was compared by it."""
    async with fence.writing() as connection:
        await connection.execute(
            _SQL["remember_meaning"], destination, orjson.dumps(dict(meaning)).decode()
        )


async def holders(
    pool: Pool, destination: str, fields: Sequence[str]
) -> dict[str, int]:
    """Return for each of these fields the number of contacts with a value in it."""
    with storage_errors():
        async with (
            pool.acquire() as connection,
            transaction(connection, read_only=True),
        ):
            rows = await connection.fetch(_SQL["holders"], destination, list(fields))
    return {row["field"]: row["number"] for row in rows}


async def waiting(
    pool: Pool, destination: str, most: int = 5
) -> tuple[int, tuple[tuple[str, str], ...]]:
    """Return the number of contacts that wait for another one's match key.

    Some of them are returned too, each with that other contact.
    """
    with storage_errors():
        async with (
            pool.acquire() as connection,
            transaction(connection, read_only=True),
        ):
            rows = await connection.fetch(_SQL["waiting"], destination, most)
    return (rows[0]["number"] if rows else 0), tuple(
        (row["contact_id"], row["owner"]) for row in rows
    )


async def dead_letters(
    pool: Pool, destination: str, most: int = 5
) -> tuple[int, tuple[str, ...]]:
    """Return the number of dead letters of the destination, and some of them."""
    return await _some(pool, "dead_letters", destination, most)


async def gone(
    pool: Pool, destination: str, most: int = 5
) -> tuple[int, tuple[str, ...]]:
    """Return the number of contacts deleted at the vendor, and some of them."""
    return await _some(pool, "gone", destination, most)


async def _some(
    pool: Pool, query: str, destination: str, most: int
) -> tuple[int, tuple[str, ...]]:
    with storage_errors():
        async with (
            pool.acquire() as connection,
            transaction(connection, read_only=True),
        ):
            rows = await connection.fetch(_SQL[query], destination, most)
    number = rows[0]["number"] if rows else 0
    return number, tuple(row["contact_id"] for row in rows)


class Batches:
    """The batches of one run (``ports.BatchStore``), which is their only writer."""

    def __init__(self, fence: Fence, run_id: int) -> None:
        self._fence = fence
        self._run_id = run_id
        self._numbers = itertools.count(1)

    @property
    def patience(self) -> Patience:
        return self._fence.patience

    async def add(self, kind: BatchKind, contact_ids: Sequence[str]) -> int:
        number = next(self._numbers)
        await self._add(number, kind, contact_ids)
        return number

    @patient
    async def _add(
        self, number: int, kind: BatchKind, contact_ids: Sequence[str]
    ) -> None:
        async with self._fence.writing() as connection:
            await connection.execute(
                _SQL["add_batch"], self._run_id, number, kind.value, list(contact_ids)
            )

    async def waiting(self) -> AsyncIterator[Batch]:
        behind_removals, number = False, 0
        while True:
            row = await self._next(number, behind_removals=behind_removals)
            if row is None:
                return
            kind, number = BatchKind(row["kind"]), row["number"]
            behind_removals = kind is not BatchKind.REMOVALS
            yield Batch(number, kind, tuple(row["contact_ids"]))

    @patient
    async def _next(
        self, number: int, *, behind_removals: bool
    ) -> asyncpg.Record | None:
        async with self._fence.reading() as connection:
            return await connection.fetchrow(
                _SQL["next_batch"], self._run_id, behind_removals, number
            )

    @patient
    async def finish(
        self, number: int, totals: Mapping[str, int], error: str | None
    ) -> None:
        async with self._fence.writing() as connection:
            dumped = orjson.dumps(dict(totals)).decode()
            await connection.execute(
                _SQL["finish_batch"], self._run_id, number, dumped, _told(error)
            )

    @patient
    async def left(self) -> int:
        """Return the number of contacts in unfinished batches."""
        async with self._fence.reading() as connection:
            return int(
                await connection.fetchval(_SQL["waiting_contacts"], self._run_id)
            )
