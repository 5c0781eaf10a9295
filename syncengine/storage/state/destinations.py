"""The facts that the state remembers about a destination."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import orjson

from syncengine.model.consent_rules import ConsentRules
from syncengine.model.http import Json
from syncengine.model.sql_tokens import is_same
from syncengine.storage.connect import Connection, Pool
from syncengine.storage.state.access import read_state
from syncengine.storage.state.fence import Fence
from syncengine.storage.statements import statements

_SQL = statements("destinations")


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
        # A query that was only laid out anew selects the same contacts.
        if "source" in changed and _is_same_source(before.source, self.source):
            del changed["source"]
        # Older versions stored no database. That is no reason to refuse a run.
        if before.database is None or self.database is None:
            changed.pop("database", None)
        return changed


def _relation_and_key(source: str) -> tuple[str, str]:
    relation, _, key = source.rpartition(" by ")
    return relation, key


def _is_same_source(one: str, other: str) -> bool:
    """Return whether two sources differ at most in how their query is laid out."""
    relation, key = _relation_and_key(one)
    other_relation, other_key = _relation_and_key(other)
    return key == other_key and is_same(relation, other_relation)


@dataclass(frozen=True, slots=True)
class RememberedDestination:
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


async def remembered(pool: Pool, destination: str) -> RememberedDestination | None:
    """Return what is remembered of the destination; None when it never ran."""
    async with read_state(pool) as connection:
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
    consent = None
    if row["consent"]:
        consent = ConsentRules(**orjson.loads(row["consent"]))
    return RememberedDestination(identity, consent, row["looks_up"], row["resync"])


async def remember(
    fence: Fence, destination: str, identity: Identity, consent: ConsentRules | None
) -> None:
    """Record the identity and the rules of consent that a run was let pass with.

    Without ``consent``, the former rules stay.
    """
    # One transaction: the next run compares both, and must not find the new identity
    # beside the rules of the former one.
    async with fence.writing(sending=True) as connection:
        await write_remembered(connection, destination, identity)
        if consent is not None:
            rules = orjson.dumps(asdict(consent)).decode()
            await connection.execute(_SQL["remember_consent"], destination, rules)


async def write_remembered(
    connection: Connection, destination: str, identity: Identity
) -> None:
    """Record an identity in the caller's transaction."""
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


async def note_looked_up(fence: Fence, destination: str) -> None:
    """Record that every contact was looked up in the account."""
    async with fence.writing() as connection:
        await connection.execute(_SQL["looked_up"], destination)


async def compared_rows(pool: Pool, destination: str) -> int | None:
    """Return the number of the source's rows when a run last compared all of it.

    That run also passed its brakes. None where no run did yet.
    """
    async with read_state(pool) as connection:
        number: int | None = await connection.fetchval(
            _SQL["compared_rows"], destination
        )
    return number


async def note_compared_rows(fence: Fence, destination: str, rows: int) -> None:
    """Record the number of the source's rows, for the next run to compare with."""
    async with fence.writing() as connection:
        await connection.execute(_SQL["note_compared_rows"], destination, rows)


async def remembered_meaning(pool: Pool, destination: str) -> Mapping[str, str] | None:
    """Return the meaning of the mapping by which all contacts were compared last.

    None where no run has compared all of them yet.
    """
    async with read_state(pool) as connection:
        stored = await connection.fetchval(_SQL["remembered_meaning"], destination)
    if not stored:
        return None
    meaning: dict[str, str] = orjson.loads(stored)
    return meaning


async def remember_meaning(
    fence: Fence, destination: str, meaning: Mapping[str, str]
) -> None:
    """Record the meaning of the mapping by which every contact was compared."""
    stored = orjson.dumps(dict(meaning)).decode()
    async with fence.writing() as connection:
        await connection.execute(_SQL["remember_meaning"], destination, stored)
