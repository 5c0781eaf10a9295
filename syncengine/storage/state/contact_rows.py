"""All contacts of a destination with how they stand, page by page."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import replace

import asyncpg
import orjson

from syncengine.model.desk import ContactRow
from syncengine.storage.connect import Pool
from syncengine.storage.state.access import read_state
from syncengine.storage.statements import statements

_SQL = statements("contact_rows")
PAGE = 1000
"""Rows that are read at a time."""


async def contacts_page(
    pool: Pool,
    destination: str,
    *,
    after: str | None = None,
    most: int = PAGE,
    with_values: bool = False,
) -> list[ContactRow]:
    """Return contacts in the order of their ids, those behind ``after``.

    ``with_values``: with the fields and tags that they are known to have, which are
    personal data.
    """
    async with read_state(pool) as connection:
        rows = await connection.fetch(_SQL["contacts"], destination, after, most)
        page = [_contact(destination, row) for row in rows]
        if not with_values:
            return page
        ids = [each.contact_id for each in page]
        known = await connection.fetch(_SQL["known"], destination, ids)
    by_id = {row["contact_id"]: row for row in known}
    return [_with_values(each, by_id.get(each.contact_id)) for each in page]


async def all_contacts(
    pool: Pool, destination: str, *, with_values: bool = False
) -> AsyncGenerator[list[ContactRow], None]:
    """Yield all contacts of a destination, page by page, as ``contacts_page``."""
    after: str | None = None
    while page := await contacts_page(
        pool, destination, after=after, with_values=with_values
    ):
        yield page
        after = page[-1].contact_id


def _contact(destination: str, row: asyncpg.Record) -> ContactRow:
    return ContactRow(
        destination=destination,
        contact_id=row["contact_id"],
        external_id=row["external_id"],
        status=row["status"],
        code=row["code"],
        standing=row["standing"],
        rejections=row["rejections"],
        since_run_id=row["failing_since"],
        synced_at=row["synced_at"],
    )


def _with_values(contact: ContactRow, known: asyncpg.Record | None) -> ContactRow:
    if known is None:
        return contact
    tags = {*orjson.loads(known["tags"]), *orjson.loads(known["found_tags"])}
    fields = orjson.loads(known["fields"])
    return replace(contact, fields=fields, tags=tuple(sorted(tags)))
