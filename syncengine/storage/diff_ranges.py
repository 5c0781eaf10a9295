"""The diff inside one database: range of keys by range of keys, each joined by one statement in its own transaction."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from syncengine.storage.connect import Connection, Pool, transaction
from syncengine.storage.failures import storage_errors
from syncengine.storage.findings import Findings, bad_keys
from syncengine.storage.source import Source

RANGE = 50_000
"""Keys in a range, on the side that has more of them: small enough for the planner not to matter (measured)."""


async def range_findings(
    pool: Pool, source: Source, destination: str, *, by_number: bool, everything: bool, size: int = RANGE
) -> AsyncGenerator[Findings, None]:
    """What differs, range by range. Raises SourceError for rows without key, StorageError."""
    suffix = "by_number" if by_number else "by_text"
    bound = source.sql("diff", f"bound_{suffix}")
    joined = source.sql("diff", f"range_{suffix}")
    async with pool.acquire() as connection:
        if source.nullable:
            await refuse_nulls(connection, source)
        low: int | str | None = None
        while True:
            with storage_errors(f"comparing {source.spec.label} with the state of {destination}"):
                async with transaction(connection, read_only=True):
                    high = await connection.fetchval(bound, destination, low, size)
                    row = await connection.fetchrow(joined, destination, low, high, everything)
            assert row is not None
            yield Findings(
                source_rows=row["source_rows"],
                known_contacts=row["known_contacts"],
                changes=tuple(row["changes"] or ()),
                removals=tuple(row["removals"] or ()),
            )
            if high is None:
                return
            low = high


async def refuse_nulls(connection: Connection, source: Source) -> None:
    """Raise SourceError when selected rows have no key: no range would find them."""
    with storage_errors(source.spec.label):
        async with transaction(connection, read_only=True):
            nulls = await connection.fetchval(source.sql("diff", "null_keys"))
    if nulls:
        raise bad_keys(source, nulls=nulls)
