"""Fresh source rows, by key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import asyncpg

from syncengine.errors import SourceError
from syncengine.model.bounds import LONGEST_ROW
from syncengine.model.contact_ids import (
    LONGEST_KEY,
    SHORTENED,
    SHOWN,
    contact_id_of,
    is_shortened,
)
from syncengine.model.http import Json
from syncengine.model.texts import printable
from syncengine.model.work import SourceRow
from syncengine.storage.connect import Connection, Pool, reading
from syncengine.storage.failures import storage_errors
from syncengine.storage.patience import DatabasePatience, patient
from syncengine.storage.source.column_types import Column
from syncengine.storage.source.failing_rows import rows_named
from syncengine.storage.source.spec import Source
from syncengine.storage.source.values import TOO_DEEP, TOO_LONG, UNREADABLE, decode

_OF_ONE_ROW = (
    asyncpg.CharacterNotInRepertoireError,
    asyncpg.UntranslatableCharacterError,
    asyncpg.ProgramLimitExceededError,
    UnicodeDecodeError,
)
"""Errors with which one value ends the whole SELECT: text that cannot be converted, or
is longer than Postgres can hand out."""


class _Found(NamedTuple):
    """A row that was read."""

    contact_id: str
    source_hash: int
    values: tuple[Json, ...]
    """Values of the source's columns, in their order."""


class SourceRows:
    """Reads a source's rows by contact id (``ports.SourceReader``).

    Every load is a short transaction of its own.
    """

    def __init__(
        self, pool: Pool, source: Source, patience: DatabasePatience | None = None
    ) -> None:
        self.patience = patience or DatabasePatience()
        self._pool = pool
        self._source = source

    @patient
    async def load(self, contact_ids: Sequence[str]) -> list[SourceRow]:
        """Return the current rows, each once.

        Contacts that ``where`` does not select (any more) are left out. Raises
        SourceError when the source cannot be read, or has one of the keys twice.
        """
        async with rows_named(self._pool, self._source):
            return await self._load(contact_ids)

    async def _load(self, contact_ids: Sequence[str]) -> list[SourceRow]:
        with storage_errors(self._source.spec.described, failure=SourceError):
            async with self._pool.acquire() as connection:
                return await load(connection, self._source, contact_ids)

    async def some(self, most: int) -> list[SourceRow]:
        """Return some rows, whichever come first. Raises SourceError."""
        with storage_errors(self._source.spec.described, failure=SourceError):
            async with self._pool.acquire() as connection, reading(connection):
                found = await connection.fetch(
                    self._source.sql("source", "some_contacts"), most
                )
        return await self.load([row["contact_id"] for row in found])

    @patient
    async def selects_any(self) -> bool:
        """Return whether the source selects a row at all. Raises SourceError."""
        with storage_errors(self._source.spec.described, failure=SourceError):
            async with self._pool.acquire() as connection, reading(connection):
                statement = self._source.sql("source", "selects_any")
                return bool(await connection.fetchval(statement))


async def load(
    connection: Connection, source: Source, contact_ids: Sequence[str]
) -> list[SourceRow]:
    """Return the rows of these contacts, with their hash from the same SELECT.

    Contact ids may be any text.
    """
    # Ids that are whole keys. A shortened one would find the row of nobody, or of
    # another contact whose key happens to look like it.
    wanted = {each for each in contact_ids if contact_id_of(each) == each}
    shortened = {each for each in contact_ids if is_shortened(each)}
    rows: dict[str, SourceRow] = {}
    found = await _found(connection, source, list(wanted))
    for contact_id, source_hash, values in found:
        # The database compares by the rules of the key's type. What is equal by those
        # (citext, numeric) may still be another contact.
        if contact_id not in wanted:
            continue
        if contact_id in rows:
            raise _twice(source, contact_id)
        rows[contact_id] = SourceRow(contact_id, source_hash, values)
    # Only to refuse them by name. That needs the whole source, since no index leads
    # from a shortened key to its row.
    if shortened:
        for contact_id, source_hash in await long_keys(connection, source):
            if contact_id in shortened:
                rows[contact_id] = _refused(source, contact_id, source_hash)
    return list(rows.values())


async def long_keys(connection: Connection, source: Source) -> list[tuple[str, int]]:
    """Return the contact ids of keys that are too long to be stored.

    Each comes with its row's hash. Reads the whole source.
    """
    statement = source.sql("source", "long_keys")
    async with reading(connection):
        found = await connection.fetch(statement, LONGEST_KEY, SHOWN, SHORTENED)
    return [(row["contact_id"], row["source_hash"]) for row in found]


async def _found(
    connection: Connection, source: Source, contact_ids: list[str]
) -> list[_Found]:
    """Read rows; where one of them breaks the SELECT, read it column by column.

    That row is found by halving.
    """
    try:
        rows = await _fetch(connection, source, contact_ids, source.columns)
    except _OF_ONE_ROW:
        # Postgres does not say which row it was.
        if len(contact_ids) == 1:
            return await _by_column(connection, source, contact_ids)
        half = len(contact_ids) // 2
        first = await _found(connection, source, contact_ids[:half])
        return first + await _found(connection, source, contact_ids[half:])
    found: list[_Found] = []
    for contact_id, source_hash, values in rows:
        decoded: tuple[Json, ...] | None = None
        # None where the row is too long to be handed out (see the statement ``rows``).
        if values is not None:
            decoded = decode(values, source.columns)
        if decoded is None:
            found += await _by_column(connection, source, [contact_id])
        else:
            found.append(_Found(contact_id, source_hash, decoded))
    return found


async def _by_column(
    connection: Connection, source: Source, contact_ids: list[str]
) -> list[_Found]:
    """Read one row that cannot be read whole, each column by itself.

    The columns may be too long together.
    """
    # The hash first, and the values after it, by other statements. Should the row
    # change in between, its new hash differs from this one, and the next run sends it
    # again.
    hashes = await _fetch(connection, source, contact_ids, ())
    values: list[Json] = []
    characters_left = LONGEST_ROW
    for column in source.columns:
        value, length = await _one_value(connection, source, contact_ids, column)
        characters_left -= length
        if characters_left >= 0:
            values.append(value)
        else:
            values.append(TOO_LONG)
    found: list[_Found] = []
    for contact_id, source_hash, _ in hashes:
        found.append(_Found(contact_id, source_hash, tuple(values)))
    return found


async def _one_value(
    connection: Connection, source: Source, contact_ids: list[str], column: Column
) -> tuple[Json, int]:
    """Read one value of one row; return it with its length as JSON, in characters."""
    try:
        rows = await _fetch(connection, source, contact_ids, (column,))
    except asyncpg.ProgramLimitExceededError:
        return TOO_LONG, 0
    except _OF_ONE_ROW:
        return UNREADABLE, 0
    if not rows:
        # The row was deleted meanwhile.
        return None, 0
    _, _, text = rows[0]
    if text is None:
        return TOO_LONG, 0
    decoded = decode(text, (column,))
    if decoded is None:
        return TOO_DEEP, len(text)
    return decoded[0], len(text)


async def _fetch(
    connection: Connection,
    source: Source,
    contact_ids: Sequence[str],
    columns: Sequence[Column],
) -> list[Any]:
    """Return, for each row that is there, contact id, hash, and values as JSON text.

    The text is None where it would be longer than ``LONGEST_ROW``.
    """
    try:
        statement = source.sql("source", "rows", columns=columns)
        return await _select(connection, statement, contact_ids)
    except _OF_ONE_ROW:
        # Some of these are DataErrors too.
        raise
    except asyncpg.DataError:
        # An id that is no text of the key's type: the contact is known under a former
        # key. Compared as text it finds nothing, and the others still find their rows.
        statement = source.sql("source", "rows_by_text", columns=columns)
        return await _select(connection, statement, contact_ids)


async def _select(
    connection: Connection, statement: str, contact_ids: Sequence[str]
) -> list[Any]:
    async with reading(connection):
        return await connection.fetch(statement, list(contact_ids), LONGEST_ROW)


def _refused(source: Source, contact_id: str, source_hash: int) -> SourceRow:
    why = (
        f'its key, column "{source.spec.key}", is longer than {LONGEST_KEY} '
        "characters: correct the row, or choose another key"
    )
    no_values = (None,) * len(source.columns)
    return SourceRow(contact_id, source_hash, no_values, refusal=why)


def _twice(source: Source, contact_id: str) -> SourceError:
    return SourceError(
        f'{source.spec.label}: the key "{printable(contact_id)}" is there twice in '
        f'column "{source.spec.key}"; every contact needs a key of its own'
    )
