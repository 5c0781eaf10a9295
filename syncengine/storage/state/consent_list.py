"""Lists of suppressions and erasures, page by page."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

import asyncpg

from syncengine.model.consent import Subject
from syncengine.model.desk import AskedPerson, ErasureRow, SuppressionRow
from syncengine.storage.connect import Pool
from syncengine.storage.state.access import read_state
from syncengine.storage.statements import statements

_SQL = statements("consent_list")
PAGE = 500
"""Rows that are read at a time."""


async def suppressions_page(
    pool: Pool, *, after: SuppressionRow | None = None, most: int = PAGE
) -> list[SuppressionRow]:
    """Return suppressions, the newest first, those behind ``after``."""
    since = after.since if after else None
    subject = after.subject if after else None
    async with read_state(pool) as connection:
        rows = await connection.fetch(_SQL["suppressions"], since, subject, most)
    return [
        SuppressionRow(row["kind"], row["reason"], row["since"], row["subject"])
        for row in rows
    ]


async def all_suppressions(pool: Pool) -> AsyncGenerator[list[SuppressionRow], None]:
    """Yield all suppressions, page by page."""
    after: SuppressionRow | None = None
    while page := await suppressions_page(pool, after=after):
        yield page
        after = page[-1]


async def ask(
    pool: Pool, asked: Sequence[tuple[str, Sequence[Subject]]]
) -> list[AskedPerson]:
    """Return for each name with its subjects which suppressions concern it.

    A name of nobody who is suppressed is returned once, without a reason.
    """
    numbers: list[int] = []
    texts: list[str] = []
    for number, (_, subjects) in enumerate(asked):
        for subject in subjects:
            numbers.append(number)
            texts.append(subject.text)
    async with read_state(pool) as connection:
        rows = await connection.fetch(_SQL["asked"], numbers, texts)
    found: dict[int, dict[AskedPerson, None]] = {}
    for row in rows:
        name, _ = asked[row["number"]]
        person = AskedPerson(name, row["kind"], row["reason"], row["since"])
        # Several spellings of one number may mean the same suppression.
        found.setdefault(row["number"], {})[person] = None
    answers: list[AskedPerson] = []
    for number, (name, _) in enumerate(asked):
        answers += found.get(number, [AskedPerson(name)])
    return answers


async def erasing_destinations(pool: Pool) -> list[str]:
    """Return the destinations that have erasures, also those without a file."""
    async with read_state(pool) as connection:
        rows = await connection.fetch(_SQL["erasing_destinations"])
    return [row["destination"] for row in rows]


async def erasures_page(
    pool: Pool,
    destination: str,
    *,
    to_do: bool,
    after: ErasureRow | None = None,
    most: int = PAGE,
) -> list[ErasureRow]:
    """Return erasures of a destination, those behind ``after``.

    With ``to_do`` those that somebody has to finish, the oldest first; else the others,
    the newest first.
    """
    statement = "erasures_to_do" if to_do else "erasures_done"
    since = after.requested_at if after else None
    subject = after.subject if after else None
    async with read_state(pool) as connection:
        rows = await connection.fetch(
            _SQL[statement], destination, since, subject, most
        )
    return [_erasure(row) for row in rows]


async def all_erasures(
    pool: Pool, destination: str, *, to_do: bool
) -> AsyncGenerator[list[ErasureRow], None]:
    """Yield erasures of a destination, page by page, as ``erasures_page``."""
    after: ErasureRow | None = None
    while page := await erasures_page(pool, destination, to_do=to_do, after=after):
        yield page
        after = page[-1]


def _erasure(row: asyncpg.Record) -> ErasureRow:
    return ErasureRow(
        destination=row["destination"],
        contact_id=row["contact_id"],
        status=row["status"],
        receipt=row["receipt"],
        to_ask=row["to_ask"],
        requested_at=row["requested_at"],
        ended_at=row["ended_at"],
        subject=row["subject"],
    )
