"""Counts and examples of a destination's contacts, for brakes and reports.

A report names a few contacts, ``most`` of them, and says how many there are: both come
from one statement, so that they fit together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import asyncpg

from syncengine.storage.connect import Pool
from syncengine.storage.state.access import read_state
from syncengine.storage.statements import statements

_SQL = statements("contact_counts")


class Examples(NamedTuple):
    """Number of contacts of one kind, and some of them."""

    number: int
    contact_ids: tuple[str, ...]


class KnownContacts(NamedTuple):
    """Number of contacts that the vendor is known to hold."""

    number: int
    unfinished: int
    """Those of them that were never in step: their first sync has only begun."""


class WaitingExamples(NamedTuple):
    """Number of contacts that wait for another one, and some of them."""

    number: int
    contacts: tuple[tuple[str, str], ...]
    """Contact ids, each with the contact (``destination/contact_id``) it waits for."""


async def known_contacts(pool: Pool, destination: str) -> int:
    """Return the number of contacts that the vendor is known to hold."""
    return (await known_and_unfinished(pool, destination)).number


async def known_and_unfinished(pool: Pool, destination: str) -> KnownContacts:
    """Return the number of known contacts, and of those that were never in step."""
    async with read_state(pool) as connection:
        (row,) = await connection.fetch(_SQL["known_contacts"], destination)
    return KnownContacts(row["number"], row["unfinished"])


async def contacts_with_value(
    pool: Pool, destination: str, fields: Sequence[str]
) -> dict[str, int]:
    """Return for each of these fields the number of contacts with a value in it."""
    async with read_state(pool) as connection:
        rows = await connection.fetch(
            _SQL["contacts_with_value"], destination, list(fields)
        )
    return {row["field"]: row["number"] for row in rows}


async def waiting(pool: Pool, destination: str, most: int = 5) -> WaitingExamples:
    """Return the contacts that wait for another one's match key."""
    async with read_state(pool) as connection:
        rows = await connection.fetch(_SQL["waiting"], destination, most)
    examples = tuple((row["contact_id"], row["owner"]) for row in rows)
    return WaitingExamples(_number(rows), examples)


async def dead_letters(pool: Pool, destination: str, most: int = 5) -> Examples:
    """Return the dead letters of the destination."""
    return await _examples(pool, "dead_letters", destination, most)


async def gone(pool: Pool, destination: str, most: int = 5) -> Examples:
    """Return the contacts that were deleted at the vendor."""
    return await _examples(pool, "gone", destination, most)


async def _examples(pool: Pool, query: str, destination: str, most: int) -> Examples:
    """Return the result of a statement whose rows are the examples."""
    async with read_state(pool) as connection:
        rows = await connection.fetch(_SQL[query], destination, most)
    contact_ids = tuple(row["contact_id"] for row in rows)
    return Examples(_number(rows), contact_ids)


def _number(rows: Sequence[asyncpg.Record]) -> int:
    """Return the number of all contacts, which each row of the examples carries."""
    if not rows:
        return 0
    number: int = rows[0]["number"]
    return number
