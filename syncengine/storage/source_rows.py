"""Fresh source rows, by key."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import asyncpg
import orjson

from syncengine.errors import SourceError
from syncengine.model.http import Json
from syncengine.model.work import SourceRow
from syncengine.storage.connect import Connection, Pool, transaction
from syncengine.storage.failures import storage_errors
from syncengine.storage.patience import Patience, patient
from syncengine.storage.source import Source

_LONG = range(-(2**63), 2**63)
"""What JSON encoders take for an integer."""


class SourceRows:
    """A source's rows by contact id (``ports.SourceReader``). Every load is a short transaction of its own."""

    def __init__(self, pool: Pool, source: Source, patience: Patience | None = None) -> None:
        self.patience = patience or Patience()
        self._pool = pool
        self._source = source

    @patient
    async def load(self, contact_ids: Sequence[str]) -> list[SourceRow]:
        """Fresh rows, each once; contacts that ``where`` does not select (any more) are left out.

        Raises SourceError when the source cannot be read, or has one of the keys twice.
        """
        with storage_errors(self._source.spec.label, failure=SourceError):
            async with self._pool.acquire() as connection:
                return await load(connection, self._source, contact_ids)


async def load(connection: Connection, source: Source, contact_ids: Sequence[str]) -> list[SourceRow]:
    """The rows of these contacts, with their hash from the same SELECT. Contact ids may be any text."""
    wanted = set(contact_ids)
    try:
        found = await _fetch(connection, source.sql("source", "rows"), contact_ids)
    except asyncpg.DataError:  # an id that is no text of the key's type: known under a former key
        found = await _fetch(connection, source.sql("source", "rows_by_text"), contact_ids)
    rows: dict[str, SourceRow] = {}
    for contact_id, source_hash, values in found:
        if contact_id not in wanted:  # equal by its type's rules (citext, numeric), yet another contact
            continue
        if contact_id in rows:
            raise SourceError(
                f'{source.spec.label}: the key "{contact_id}" is there twice in column "{source.spec.key}"; every '
                "contact needs a key of its own"
            )
        rows[contact_id] = SourceRow(contact_id, source_hash, decode(values, source.numerics))
    return list(rows.values())


async def _fetch(connection: Connection, statement: str, contact_ids: Sequence[str]) -> list[Any]:
    async with transaction(connection, read_only=True):
        return await connection.fetch(statement, list(contact_ids))


def decode(values: str, numerics: Sequence[bool]) -> tuple[Json, ...]:
    """The values of ``row_to_json(ROW(...))``, in order."""
    try:
        decoded = orjson.loads(values)
    except orjson.JSONDecodeError:  # a json column may hold half a surrogate pair
        decoded = _clean(json.loads(values))
    else:
        if "\\u0000" in values:  # as may NUL, which jsonb refuses
            decoded = _clean(decoded)
    return tuple(
        _numbers(value) if numeric else value for value, numeric in zip(decoded.values(), numerics, strict=True)
    )


def _clean(value: Json) -> Json:
    """The value with U+FFFD for what no text may hold: NUL and halves of surrogate pairs."""
    if isinstance(value, str):
        return value.replace("\0", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_clean(item) for item in value]
    if isinstance(value, dict):
        return {_clean(key): _clean(item) for key, item in value.items()}
    return value


def _numbers(value: Json) -> Json:
    if isinstance(value, list):
        return [_numbers(item) for item in value]
    return value if value is None else number(value)


def number(text: str) -> int | float | str:
    """A numeric as Postgres writes it, exactly.

    An int when it is integral and fits 64 bits, a float when that float's shortest text means the same, else the text
    without trailing zeros (also for NaN and Infinity).
    """
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    if text.lstrip("-").isdigit():
        # Longer ones are no int64, and int() refuses thousands of digits.
        whole = int(text) if len(text) <= 20 else None
        return whole if whole is not None and whole in _LONG else text
    close = float(text)
    # An infinite float is not what a number of 400 digits means, and JSON has no NaN.
    return close if Decimal(text).is_finite() and Decimal(repr(close)) == Decimal(text) else text
