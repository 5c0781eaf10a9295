"""Suppressions and erasures as a whole: read for an export, merged in by an import."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import TypeVar

from syncengine.errors import ConfigError, Problem
from syncengine.model.consent_file import (
    Consents,
    KeptErasure,
    KeptSuppression,
    KeptValue,
)
from syncengine.storage.connect import Connection, Pool
from syncengine.storage.state.access import read_state, write_state
from syncengine.storage.statements import statements

_SQL = statements("consent")
_SLICE = 5000
"""Rows that one statement imports."""
_NAMED = 1000
"""Number of contacts that ``forgotten_here`` names at most."""

_Kept = TypeVar("_Kept", KeptSuppression, KeptValue, KeptErasure)


async def read_consents(pool: Pool) -> Consents:
    """Return all suppressions and erasures, with the salt of their hashes."""
    # Not read-only: the first statement locks the salt until all is read, so that no
    # import exchanges it in between.
    async with write_state(pool) as connection:
        salt = await connection.fetchval(_SQL["own_salt"])
        suppressions = await connection.fetch(_SQL["all_suppressions"])
        values = await connection.fetch(_SQL["all_values"])
        erasures = await connection.fetch(_SQL["all_erasures"])
    return Consents(
        salt,
        tuple(KeptSuppression(*row.values()) for row in suppressions),
        tuple(KeptValue(*row.values()) for row in values),
        tuple(KeptErasure(*row.values()) for row in erasures),
    )


async def merge_consents(pool: Pool, consents: Consents) -> int:
    """Add suppressions and erasures to those that are there; return how many were new.

    Nothing is lifted. Raises ConfigError where they were hashed with another salt than
    those that are there.
    """
    new = 0
    # One transaction: an import that fails half-way leaves nothing behind.
    async with write_state(pool) as connection:
        # Before the question whether anything is hashed already: no suppression may be
        # added with the present salt after it was answered.
        await connection.execute(_SQL["lock_hashed"])
        await _take_salt(connection, consents.salt)
        # The statements return the rows that were not there before.
        for columns in _columns(consents.suppressions, KeptSuppression):
            added = await connection.fetch(_SQL["import_suppressions"], *columns)
            new += len(added)
        for columns in _columns(consents.values, KeptValue):
            await connection.fetch(_SQL["import_values"], *columns)
        for columns in _columns(consents.erasures, KeptErasure):
            added = await connection.fetch(_SQL["import_erasures"], *columns)
            new += len(added)
        if new:
            await connection.execute(_SQL["count_change"])
    return new


async def forgotten_here(pool: Pool) -> tuple[str, ...]:
    """Return contacts that have a tombstone, and data here all the same."""
    async with read_state(pool) as connection:
        rows = await connection.fetch(_SQL["forgotten_here"], _NAMED)
    return tuple(row["contact_id"] for row in rows)


async def _take_salt(connection: Connection, salt: bytes) -> None:
    """Take the salt over where nothing here was hashed with another one."""
    if await connection.fetchval(_SQL["own_salt"]) == salt:
        return
    if not await connection.fetchval(_SQL["nothing_hashed"]):
        raise ConfigError(
            [
                Problem(
                    "import --consent",
                    "the file was hashed with another salt than the suppressions of "
                    "this state, and hashes cannot be converted: nothing was imported. "
                    "Import it into a state that has no suppressions yet, then enter "
                    "the others there again with `syncengine suppress`",
                )
            ]
        )
    # What else was hashed with the former salt matches nothing any more.
    await connection.execute(_SQL["take_salt"], salt)
    await connection.execute(_SQL["forget_credentials"])
    await connection.execute(_SQL["forget_other_people"])


def _columns(rows: Sequence[_Kept], kind: type[_Kept]) -> Iterator[list[list[object]]]:
    """Yield the rows as columns, one for each field of ``kind``, slice by slice."""
    for start in range(0, len(rows), _SLICE):
        piece = rows[start : start + _SLICE]
        yield [_column(piece, field.name) for field in fields(kind)]


def _column(rows: Sequence[_Kept], name: str) -> list[object]:
    return [getattr(row, name) for row in rows]
