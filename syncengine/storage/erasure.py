"""Erasures: begun before anything is sent, ended together with the last trace here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from syncengine.model.consent import Subject, SubjectKind
from syncengine.model.erasure import Erased, Receipt
from syncengine.storage import consent
from syncengine.storage.connect import Pool, transaction
from syncengine.storage.failures import storage_errors
from syncengine.storage.fence import Fence
from syncengine.storage.statements import statements

_SQL = statements("erasure")
_TRACES = ("forget_known", "forget_keys", "forget_outcomes", "forget_state")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the contact's turn ended."""

    kind: str
    code: str
    message: str


async def begin(pool: Pool, contact_id: str, destinations: Sequence[str]) -> None:
    """Note that the contact is to be forgotten at these, and set its tombstone: no run sends anything about it now."""
    subject = _subject(contact_id)
    with storage_errors():
        async with pool.acquire() as connection, transaction(connection):
            await consent.add(connection, [subject], consent.FORGOTTEN)
            await connection.execute(_SQL["begin"], subject.text, contact_id, list(destinations))


async def outcome(fence: Fence, run_id: int, contact_id: str) -> Outcome | None:
    """How it ended in a run; None where there was nothing to do."""
    async with fence.reading() as connection:
        row = await connection.fetchrow(_SQL["outcome"], run_id, contact_id)
    return Outcome(row["outcome"], row["code"], row["message"]) if row else None


async def end(fence: Fence, receipt: Receipt) -> None:
    """Keep the receipt; unless something is open, everything else that is known of the contact there goes."""
    async with fence.writing() as connection:
        if receipt.status is not Erased.OPEN:
            for trace in _TRACES:
                await connection.execute(_SQL[trace], receipt.destination, receipt.contact_id)
        # The receipt may name the vendor contact where a person has to ask for it; what is kept does not.
        await connection.execute(
            _SQL["end"],
            _subject(receipt.contact_id).text,
            receipt.destination,
            receipt.contact_id,
            receipt.status.value,
            "" if receipt.status is Erased.IMPOSSIBLE else receipt.message,
        )


async def still_open(pool: Pool, destination: str, most: int = 5) -> tuple[str, ...]:
    """Contacts whose erasure was begun and is not through."""
    with storage_errors():
        async with pool.acquire() as connection, transaction(connection, read_only=True):
            return tuple(row["contact_id"] for row in await connection.fetch(_SQL["open"], destination, most))


def _subject(contact_id: str) -> Subject:
    return Subject(SubjectKind.CONTACT, contact_id)
