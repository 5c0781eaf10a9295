"""Suppressions: salted hashes of contact ids, phones and e-mail addresses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from syncengine.errors import StorageError
from syncengine.model.consent import Subject, SubjectKind
from syncengine.storage.connect import Connection, Pool, transaction
from syncengine.storage.failures import state_database, storage_errors
from syncengine.storage.statements import statements

_SQL = statements("consent")

SUPPRESSED, FORGOTTEN = "suppressed", "forgotten"
"""Reasons of a suppression: a person asked for it, or the contact was erased (its
tombstone)."""


@dataclass(frozen=True, slots=True)
class SuppressionCount:
    """Number of suppressions of one kind and reason."""

    kind: str
    reason: str
    number: int
    latest: datetime


async def find_suppressed(connection: Connection, asked: Mapping[str, Sequence[Subject]]) -> dict[str, str]:
    """Return those of the contacts that are suppressed, with the reason."""
    pairs = [(contact_id, subject.text) for contact_id, subjects in asked.items() for subject in subjects]
    rows = await connection.fetch(_SQL["suppressed"], [pair[0] for pair in pairs], [pair[1] for pair in pairs])
    return {row["contact_id"]: row["reason"] for row in rows}


async def named_by(pool: Pool, subjects: Sequence[Subject]) -> list[tuple[SubjectKind, str]]:
    """Return the kinds and reasons by which these subjects are suppressed."""
    with storage_errors():
        async with pool.acquire() as connection, transaction(connection, read_only=True):
            rows = await connection.fetch(_SQL["named_by"], [subject.text for subject in subjects])
    return [(SubjectKind(row["kind"]), row["reason"]) for row in rows]


async def suppress(pool: Pool, subjects: Sequence[Subject]) -> int:
    """Suppress subjects; return the number of new suppressions.

    From the moment this returns nothing is sent about them any more.
    """
    with storage_errors():
        async with pool.acquire() as connection, transaction(connection):
            return len(await add(connection, subjects, SUPPRESSED))


async def add(connection: Connection, subjects: Sequence[Subject], reason: str) -> Sequence[object]:
    """Suppress subjects in the caller's transaction."""
    await connection.execute(_SQL["count_change"])
    return await connection.fetch(_SQL["suppress"], [subject.text for subject in subjects], reason)


async def lift(pool: Pool, subjects: Sequence[Subject]) -> int:
    """Lift suppressions and tombstones; return the number of those there were.

    The next run plans the contacts again that were passed over.
    """
    with storage_errors():
        async with pool.acquire() as connection:
            async with transaction(connection):
                await connection.execute(_SQL["count_change"])
                lifted = await connection.fetch(_SQL["lift"], [subject.text for subject in subjects])
            # Only once the lift can be seen: a run that planned one of these contacts
            # before would pass it over again, and nothing would plan it after that.
            async with transaction(connection):
                await connection.execute(_SQL["plan_again"])
    return len(lifted)


async def require_own_salt(connection: Connection) -> None:
    """Raise StorageError unless all that is hashed was hashed with this state's salt.

    Hashes of another salt match nobody: the suppressed would be written to.
    """
    async with transaction(connection, read_only=True):
        if not await connection.fetchval(_SQL["foreign_salt"]):
            return
        found = await connection.fetchrow(_SQL["by_salt"])
    assert found is not None
    raise StorageError(
        f"{state_database()}: {found['foreign']} of its {found['number']} suppressions and "
        "erasures were hashed with another salt than it has, so they would match nobody and "
        f"nothing is sent. {_HOW_SALTED}"
    )


_HOW_SALTED = (
    "That is so after a restore of data without its salt. Restore the whole dump into an "
    "empty database; or bring the salt along: `DELETE FROM syncengine.sync_salt`, then "
    "`pg_restore --data-only --schema=syncengine --table=sync_salt`. Where suppressions were "
    "added under both salts, restore into an empty database and enter the newer ones again"
)


async def counts(pool: Pool) -> list[SuppressionCount]:
    """Return the number of suppressions by kind and reason."""
    with storage_errors():
        async with pool.acquire() as connection, transaction(connection, read_only=True):
            rows = await connection.fetch(_SQL["counts"])
    return [SuppressionCount(row["kind"], row["reason"], row["number"], row["latest"]) for row in rows]
