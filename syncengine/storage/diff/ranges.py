"""The diff inside one database, by ranges of keys.

Each range is joined by one statement in its own transaction.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import asyncpg

from syncengine.errors import SourceError
from syncengine.storage.connect import Connection, Pool, reading
from syncengine.storage.diff.differences import Differences, bad_keys
from syncengine.storage.failures import storage_errors
from syncengine.storage.source.spec import Source
from syncengine.storage.statements import statements

RANGE = 50_000
"""Source keys in a range: small enough for the planner not to matter (measured)."""
_CROWD = 4
"""Factor by which the state may have more contacts in a range than the source before
the range is cut smaller (measuring both sides each time costs 5 %)."""


async def range_differences(
    pool: Pool,
    source: Source,
    destination: str,
    *,
    by_number: bool,
    everything: bool,
    size: int = RANGE,
) -> AsyncGenerator[Differences, None]:
    """Yield the differences, range by range.

    Raises SourceError for rows without key, StorageError. ``pool`` is the source's,
    which serves nothing else: the functions behind a view run in the join, too. Each
    statement has a transaction of its own, so that what those functions set does not
    reach the next one.
    """
    # Numbers are ordered otherwise than their texts: 10 comes after 9. So each of the
    # two statements follows the order of its own index.
    suffix = "by_number" if by_number else "by_text"
    state_bound = statements("diff")[f"state_bound_{suffix}"]
    joined = source.sql("diff", f"range_{suffix}")

    async def compare(low: str | None, high: str | None) -> asyncpg.Record | None:
        """Compare the keys after ``low``, up to and with ``high``; None means open."""
        return await _row(
            connection,
            joined,
            destination,
            _place(low, by_number=by_number),
            _place(high, by_number=by_number),
            everything,
            most_known,
        )

    most_known = _CROWD * size
    async with pool.acquire() as connection:  # noqa: PLR1702 - resources
        if source.nullable:
            await refuse_nulls(connection, source)
        # The first range has no lower bound and the last one no upper bound: contacts
        # of the state beyond the source's keys are found too, as removed ones.
        low: str | None = None
        while True:
            with storage_errors(
                f"comparing {source.spec.described} with the state of {destination}"
            ):
                high = await _one(connection, source.sql("diff", "bound"), low, size)
                row = await compare(low, high)
                # The statement reads no more contacts of the state than this. Where it
                # met the limit, its result is void: contacts that were cut off look
                # like new ones. The source lost most of its rows there, so the range is
                # cut by the state's keys instead, and no result is too large for
                # memory.
                if row is not None and row["known_contacts"] == most_known:
                    place = _place(low, by_number=by_number)
                    high = await _one(connection, state_bound, destination, place, size)
                    row = await compare(low, high)
            assert row is not None
            yield Differences(
                source_rows=row["source_rows"],
                known_contacts=row["known_contacts"],
                changes=tuple(row["changes"] or ()),
                removals=tuple(row["removals"] or ()),
            )
            if high is None:
                return
            low = high


def _place(bound: str | None, *, by_number: bool) -> int | str | None:
    """Return a bound as the statement takes it."""
    if bound is None or not by_number:
        return bound
    return int(bound)


async def _one(connection: Connection, statement: str, *arguments: Any) -> str | None:
    """Return the single value of a statement; None where it returns no row."""
    row = await _row(connection, statement, *arguments)
    if row is None:
        return None
    value: str | None = row[0]
    return value


async def _row(
    connection: Connection, statement: str, *arguments: Any
) -> asyncpg.Record | None:
    """Return the first row of a statement, which has a transaction of its own."""
    async with reading(connection):
        return await connection.fetchrow(statement, *arguments)


async def next_bound(
    connection: Connection, source: Source, low: str | None, size: int
) -> str | None:
    """Return the last key of a range of ``size`` source keys after ``low``.

    None when the source ends before.
    """
    bound: str | None = await connection.fetchval(
        source.sql("diff", "bound"), low, size
    )
    return bound


async def refuse_nulls(connection: Connection, source: Source) -> None:
    """Raise SourceError when selected rows have no key: no range would find them."""
    with storage_errors(source.spec.described, failure=SourceError):
        async with reading(connection):
            nulls = await connection.fetchval(source.sql("diff", "null_keys"))
    if nulls:
        raise bad_keys(source, nulls=nulls)
