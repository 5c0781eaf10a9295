"""Erasures: they begin before anything is sent, and end with the last trace here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from syncengine.model.consent import Subject, SubjectKind
from syncengine.model.erasure import Erased, Receipt
from syncengine.storage.connect import Connection, Pool
from syncengine.storage.state import consent
from syncengine.storage.state.access import read_state, write_state
from syncengine.storage.state.fence import Fence
from syncengine.storage.statements import statements

_SQL = statements("erasure")
_TRACES = (
    "forget_known",
    "forget_taken_back",
    "forget_keys",
    "forget_waits",
    "forget_outcomes",
    "forget_state",
)
"""Statements that delete all other knowledge of a contact at one destination."""


@dataclass(frozen=True, slots=True)
class ForgetOutcome:
    """Result of a contact in a run of kind ``forget``."""

    kind: str
    code: str
    message: str


async def begin(
    pool: Pool,
    contact_id: str,
    destinations: Sequence[str],
    values: Sequence[Subject] = (),
) -> None:
    """Record that the contact is to be erased here, and set its tombstone.

    From now on no run sends anything about it. ``values`` are its phones and addresses,
    by which the person is recognised under another contact id.
    """
    subject = _subject(contact_id)
    # One transaction: with a tombstone alone, nobody would know where it is still to be
    # erased; without one, a run could create the contact again meanwhile.
    async with write_state(pool) as connection:
        await consent.add(connection, [subject], consent.FORGOTTEN)
        await consent.note_values(connection, {contact_id: values})
        await connection.execute(
            _SQL["begin"], subject.text, contact_id, list(destinations)
        )


async def note_to_ask(
    fence: Fence, destination: str, contact_id: str, to_ask: str
) -> None:
    """Record what a person will have to ask the vendor for.

    This comes first: once the deletion is recorded, the vendor's id is lost.
    """
    # A commit of its own: should the process die during the deletion, the next run
    # still knows what to ask for.
    async with fence.writing() as connection:
        await connection.execute(
            _SQL["note_to_ask"], _subject(contact_id).text, destination, to_ask
        )


async def outcome(
    fence: Fence, destination: str, run_id: int, contact_id: str
) -> ForgetOutcome | None:
    """Return the contact's result in a run, or in an earlier one that was killed.

    That one may have deleted the contact at the vendor, and not have kept its receipt.
    None where there was nothing to do.
    """
    async with fence.reading() as connection:
        row = await connection.fetchrow(
            _SQL["outcome"], destination, run_id, contact_id
        )
    if row is None:
        return None
    return ForgetOutcome(row["outcome"], row["code"], row["message"])


@dataclass(frozen=True, slots=True)
class ErasureProgress:
    """Progress of an erasure at one destination, and what is still to be asked for."""

    destination: str
    status: Erased
    receipt: str
    """What was done there, in words; empty while nothing was."""
    to_ask: str
    """What a person has to ask the vendor for, in words; empty: nothing."""


async def receipts(pool: Pool, contact_id: str) -> list[ErasureProgress]:
    """Return the progress of a contact's erasures."""
    async with read_state(pool) as connection:
        rows = await connection.fetch(_SQL["receipts"], _subject(contact_id).text)
    found: list[ErasureProgress] = []
    for row in rows:
        status = Erased(row["status"])
        found.append(
            ErasureProgress(row["destination"], status, row["receipt"], row["to_ask"])
        )
    return found


async def end(fence: Fence, receipt: Receipt) -> None:
    """Keep the receipt, and delete all other knowledge of the contact there.

    Where something is still open, that knowledge stays.
    """
    # Receipt and traces in one transaction: a contact without traces and without a
    # receipt would be one that was never erased.
    async with fence.writing() as connection:
        await _end(connection, receipt)


async def _end(connection: Connection, receipt: Receipt) -> None:
    """Do as ``end``, in the caller's transaction."""
    if receipt.status is not Erased.OPEN:
        for trace in _TRACES:
            await connection.execute(
                _SQL[trace], receipt.destination, receipt.contact_id
            )
        await connection.execute(_SQL["forget_changes"], receipt.contact_id)
    # The request to the vendor names the vendor's contact: it is kept until a person
    # confirms that it was made.
    kept_receipt = receipt.message
    to_ask = ""
    if receipt.status is Erased.IMPOSSIBLE:
        kept_receipt = ""
        to_ask = receipt.message
    await connection.execute(
        _SQL["end"],
        _subject(receipt.contact_id).text,
        receipt.destination,
        receipt.contact_id,
        receipt.status.value,
        kept_receipt,
        to_ask,
    )


async def unconfigured(
    pool: Pool, contact_id: str, configured: Sequence[str]
) -> tuple[str, ...]:
    """Return unconfigured destinations that know the contact: their files are gone."""
    async with read_state(pool) as connection:
        rows = await connection.fetch(
            _SQL["unconfigured"],
            _subject(contact_id).text,
            contact_id,
            list(configured),
        )
    return tuple(row["destination"] for row in rows)


async def end_unconfigured(pool: Pool, destination: str, contact_id: str) -> Receipt:
    """Erase what is known of the contact at an unconfigured destination.

    Without its file there is no way to ask the vendor.
    """
    # Without a fence: there is no account to take a lease of. The statement
    # ``held_there`` says whether a run that has the file is working there.
    async with write_state(pool) as connection:
        known = await connection.fetchrow(_SQL["known_there"], destination, contact_id)
        asked = await connection.fetchrow(
            _SQL["to_ask"], _subject(contact_id).text, destination
        )
        assert known is not None
        asked_before = asked["to_ask"] if asked else ""
        receipt = _unconfigured_receipt(destination, contact_id, known, asked_before)
        await _end(connection, receipt)
    return receipt


def _unconfigured_receipt(
    destination: str, contact_id: str, known: asyncpg.Record, asked_before: str
) -> Receipt:
    """Return the receipt of an erasure without a way to ask the vendor.

    ``asked_before`` is what a person already has to ask for since an earlier erasure.
    """
    if known["in_use"]:
        message = (
            "a run of another machine is working there; `syncengine forget` tries again"
        )
        return Receipt(destination, contact_id, Erased.OPEN, message)
    if known["may_be_there"]:
        vendor = known["vendor"]
        if known["base_url"]:
            vendor = f"{known['vendor']} ({known['base_url']})"
        what = "what it may hold of this contact"
        if known["external_id"]:
            what = f"contact {known['external_id']}"
        message = f"no configuration for {destination}: ask {vendor} to delete {what}"
        receipt = Receipt(destination, contact_id, Erased.IMPOSSIBLE, message)
        return receipt.with_earlier_request(asked_before)
    if asked_before:
        return Receipt(destination, contact_id, Erased.IMPOSSIBLE, asked_before)
    return Receipt(destination, contact_id, Erased.DONE, "nothing is known of it there")


async def confirm(pool: Pool, destination: str, contact_id: str) -> bool:
    """Record a person's confirmation that a vendor did what it was asked for.

    False where nothing was to be asked.
    """
    async with write_state(pool) as connection:
        rows = await connection.fetch(
            _SQL["confirm"], _subject(contact_id).text, destination
        )
    return bool(rows)


async def without_a_file(pool: Pool, configured: Sequence[str]) -> tuple[str, ...]:
    """Return the destinations that the state knows, but the configuration does not."""
    async with read_state(pool) as connection:
        rows = await connection.fetch(_SQL["without_a_file"], list(configured))
    return tuple(row["destination"] for row in rows)


async def still_open(pool: Pool, destination: str, most: int = 5) -> tuple[str, ...]:
    """Return contacts whose erasure has begun and is not finished."""
    async with read_state(pool) as connection:
        rows = await connection.fetch(_SQL["open"], destination, most)
    return tuple(row["contact_id"] for row in rows)


def _subject(contact_id: str) -> Subject:
    return Subject(SubjectKind.CONTACT, contact_id)
