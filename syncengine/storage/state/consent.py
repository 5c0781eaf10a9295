"""Suppressions: salted hashes of contact ids, phones and e-mail addresses.

The text of a subject (``model.consent.Subject``) is hashed by the database, with the
salt of the state: so it can be asked whether somebody is suppressed, and nobody can
read from the state who is. A tombstone is the suppression of a contact that was erased.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import orjson

from syncengine.errors import StorageError
from syncengine.model.consent import Subject, SubjectKind
from syncengine.model.http import Json
from syncengine.storage.connect import Connection, Pool, transaction
from syncengine.storage.failures import state_database, storage_errors
from syncengine.storage.state.access import read_state, write_state
from syncengine.storage.statements import statements

_SQL = statements("consent")

SUPPRESSED, FORGOTTEN = "suppressed", "forgotten"
"""Reasons of a suppression: a person asked for it, or the contact was erased (its
tombstone)."""


@dataclass(frozen=True, slots=True)
class Stranded:
    """Number of suppressions that name a contact by its id, and by nothing else."""

    suppressed: int = 0
    forgotten: int = 0

    def __bool__(self) -> bool:
        return self.suppressed + self.forgotten > 0


@dataclass(frozen=True, slots=True)
class SuppressionCount:
    """Number of suppressions of one kind and reason."""

    kind: str
    reason: str
    number: int
    latest: datetime


async def find_suppressed(
    connection: Connection, asked: Mapping[str, Sequence[Subject]]
) -> dict[str, str]:
    """Return those of the contacts that are suppressed, with the reason."""
    # Two lists of the same length: each subject, and the contact that it belongs to.
    contact_ids: list[str] = []
    texts: list[str] = []
    for contact_id, subjects in asked.items():
        for subject in subjects:
            contact_ids.append(contact_id)
            texts.append(subject.text)
    rows = await connection.fetch(_SQL["suppressed"], contact_ids, texts)
    return {row["contact_id"]: row["reason"] for row in rows}


async def named_by(
    pool: Pool, subjects: Sequence[Subject]
) -> list[tuple[SubjectKind, str]]:
    """Return the kinds and reasons by which these subjects are suppressed."""
    async with read_state(pool) as connection:
        rows = await connection.fetch(
            _SQL["named_by"], [subject.text for subject in subjects]
        )
    return [(SubjectKind(row["kind"]), row["reason"]) for row in rows]


async def suppress(pool: Pool, subjects: Sequence[Subject]) -> int:
    """Suppress subjects; return the number of new suppressions.

    From the moment this returns nothing is sent about them any more. Contacts that were
    said to be other people than a suppressed one count as people of their own again.
    """
    # Every run asks for suppressions right before each request. So the commit is the
    # moment from which nothing is sent, and no message to running runs is needed.
    async with write_state(pool) as connection:
        await connection.execute(_SQL["no_other_people"], _contacts(subjects))
        return len(await add(connection, subjects, SUPPRESSED))


async def note_values(
    connection: Connection, values: Mapping[str, Sequence[Subject]]
) -> None:
    """Store phones and addresses of suppressed contacts, by contact id.

    By them a person is recognised under another contact id.
    """
    # Two lists of the same length: each value, and the contact that it belongs to.
    owners: list[str] = []
    texts: list[str] = []
    for contact_id, subjects in values.items():
        owner = Subject(SubjectKind.CONTACT, contact_id)
        for subject in subjects:
            owners.append(owner.text)
            texts.append(subject.text)
    await connection.execute(_SQL["note_values"], owners, texts)


async def learn_values(pool: Pool, values: Mapping[str, Sequence[Subject]]) -> None:
    """Store phones and addresses of suppressed contacts, as ``note_values``."""
    async with write_state(pool) as connection:
        await note_values(connection, values)


async def known_values(
    pool: Pool, contact_ids: Sequence[str]
) -> dict[str, list[tuple[str, Json]]]:
    """Return the values of contacts that are known at any destination.

    They are pairs of field and value, by contact id.
    """
    async with read_state(pool) as connection:
        rows = await connection.fetch(_SQL["known_values"], list(contact_ids))
    found: dict[str, list[tuple[str, Json]]] = {}
    for row in rows:
        value = orjson.loads(row["value"])
        found.setdefault(row["contact_id"], []).append((row["field"], value))
    return found


async def without_values(pool: Pool) -> tuple[str, ...]:
    """Return contacts of the state that are suppressed by their id alone."""
    # Hashes the id of every contact in the state, which may take longer than the usual
    # limit of a statement.
    async with read_state(pool, statement_timeout=0) as connection:
        rows = await connection.fetch(_SQL["without_values"])
    return tuple(row["contact_id"] for row in rows)


async def stranded(pool: Pool, besides: Sequence[str] = ()) -> Stranded:
    """Count the suppressions by id alone, without those of some contacts."""
    texts = [Subject(SubjectKind.CONTACT, contact_id).text for contact_id in besides]
    async with read_state(pool) as connection:
        row = await connection.fetchrow(_SQL["stranded"], texts)
    assert row is not None
    return Stranded(row["suppressed"], row["forgotten"])


async def add(
    connection: Connection, subjects: Sequence[Subject], reason: str
) -> Sequence[object]:
    """Suppress subjects in the caller's transaction; return the new suppressions."""
    # In the same transaction: a restored copy of the state is recognised by its smaller
    # count, so no suppression may be there that is not counted.
    await connection.execute(_SQL["count_change"])
    texts = [subject.text for subject in subjects]
    return await connection.fetch(_SQL["suppress"], texts, reason)


async def forgotten_among(pool: Pool, subjects: Sequence[Subject]) -> tuple[str, ...]:
    """Return the contacts among these subjects that were forgotten."""
    contact_ids: dict[str, str] = {}
    for subject in subjects:
        if subject.kind is SubjectKind.CONTACT:
            contact_ids[subject.text] = subject.value
    async with read_state(pool) as connection:
        rows = await connection.fetch(_SQL["forgotten_among"], list(contact_ids))
    return tuple(contact_ids[row["subject"]] for row in rows)


async def lift(pool: Pool, subjects: Sequence[Subject]) -> int:
    """Lift suppressions and tombstones; return the number of those there were.

    The next run plans the contacts again that were passed over.
    """
    with storage_errors():
        async with pool.acquire() as connection:
            async with transaction(connection):
                await connection.execute(_SQL["count_change"])
                texts = [subject.text for subject in subjects]
                lifted = await connection.fetch(_SQL["lift"], texts)
                lifted += await connection.fetch(
                    _SQL["are_other_people"], _contacts(subjects)
                )
            # Only once the lift can be seen: a run that planned one of these contacts
            # before would pass it over again, and nothing would plan it after that.
            # Should the process die in between, lifting once more does the rest.
            async with transaction(connection):
                await connection.execute(_SQL["plan_again"])
    return len(lifted)


def _contacts(subjects: Sequence[Subject]) -> list[str]:
    """Return the contact ids among these subjects."""
    return [
        subject.value for subject in subjects if subject.kind is SubjectKind.CONTACT
    ]


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
        f"{state_database()}: {found['foreign']} of its {found['number']} suppressions "
        "and erasures were hashed with another salt than it has, so they would match "
        f"nobody and nothing is sent. {_HOW_SALTED}"
    )


_HOW_SALTED = (
    "That is so after a restore of data without its salt. "
    "Restore the whole dump into an empty database; or bring the salt along: "
    "`DELETE FROM syncengine.sync_salt`, then "
    "`pg_restore --data-only --schema=syncengine --table=sync_salt`. "
    "Where suppressions were added under both salts, restore into an empty database "
    "and enter the newer ones again"
)


async def counts(pool: Pool) -> list[SuppressionCount]:
    """Return the number of suppressions by kind and reason."""
    async with read_state(pool) as connection:
        rows = await connection.fetch(_SQL["counts"])
    return [
        SuppressionCount(row["kind"], row["reason"], row["number"], row["latest"])
        for row in rows
    ]
