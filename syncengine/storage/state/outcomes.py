"""Results of single contacts in runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import asyncpg
import orjson

from syncengine.model.calls import OutcomeKind, Unsupported
from syncengine.storage.connect import Pool
from syncengine.storage.state.access import read_state
from syncengine.storage.statements import statements

_SQL = statements("outcomes")


@dataclass(frozen=True, slots=True)
class ContactResult:
    """Result of a contact in a run."""

    kind: OutcomeKind
    code: str
    message: str
    unsupported: tuple[Unsupported, ...]
    """The changes that the vendor cannot express."""


async def ended_in(
    pool: Pool, run_id: int, contact_ids: Sequence[str]
) -> Mapping[str, ContactResult]:
    """Return the results of these contacts in a run.

    Contacts for which there was nothing to do are left out.
    """
    async with read_state(pool) as connection:
        rows = await connection.fetch(_SQL["ended_in"], run_id, list(contact_ids))
    return {row["contact_id"]: _result(row) for row in rows}


async def last_ended(
    pool: Pool, destination: str, contact_id: str
) -> ContactResult | None:
    """Return a contact's result in the newest run that had something to do for it."""
    async with read_state(pool) as connection:
        row = await connection.fetchrow(_SQL["last_ended"], destination, contact_id)
    if row is None:
        return None
    return _result(row)


def _result(row: asyncpg.Record) -> ContactResult:
    return ContactResult(
        kind=OutcomeKind(row["outcome"]),
        code=row["code"],
        message=row["message"],
        unsupported=unsupported_from(row["unsupported"]),
    )


def unsupported_from(column: str | None) -> tuple[Unsupported, ...]:
    """Return the changes of an outcome that were not made."""
    pairs = orjson.loads(column or "[]")
    return tuple(Unsupported(code, subject) for code, subject in pairs)
