"""Counts and examples of a destination's contacts, for brakes and reports."""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg

from syncengine.storage.connect import Pool
from syncengine.storage.state.access import read_state
from syncengine.storage.statements import statements

_SQL = statements("contact_counts")


async def known_contacts(pool: Pool, destination: str) -> int:
    """Return the number of contacts that the vendor is known to hold."""
    async with read_state(pool) as connection:
        return int(await connection.fetchval(_SQL["known_contacts"], destination))


async def contacts_with_value(
    pool: Pool, destination: str, fields: Sequence[str]
) -> dict[str, int]:
    """Return for each of these fields the number of contacts with a value in it."""
    async with read_state(pool) as connection:
        rows = await connection.fetch(
            _SQL["contacts_with_value"], destination, list(fields)
        )
    return {row["field"]: row["number"] for row in rows}


async def waiting(
    pool: Pool, destination: str, most: int = 5
) -> tuple[int, tuple[tuple[str, str], ...]]:
    """Return the number of contacts that wait for another one's match key.

    Some of them are returned too, each with that other contact.
    """
    async with read_state(pool) as connection:
        rows = await connection.fetch(_SQL["waiting"], destination, most)
    examples = tuple((row["contact_id"], row["owner"]) for row in rows)
    return _number(rows), examples


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
    async with read_state(pool) as connection:
        rows = await connection.fetch(_SQL[query], destination, most)
    examples = tuple(row["contact_id"] for row in rows)
    return _number(rows), examples


def _number(rows: Sequence[asyncpg.Record]) -> int:
    """Return the number of all contacts, which each row of the examples carries."""
    if not rows:
        return 0
    number: int = rows[0]["number"]
    return number
