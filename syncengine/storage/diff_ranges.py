"""The diff inside one database: range of keys by range of keys, each joined by one statement in its own transaction."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from syncengine.errors import SourceError
from syncengine.storage.connect import Connection, Pool, transaction
from syncengine.storage.failures import storage_errors
from syncengine.storage.findings import Findings, bad_keys
from syncengine.storage.source import Source
from syncengine.storage.statements import statements

RANGE = 50_000
"""Source keys in a range: small enough for the planner not to matter (measured)."""
_CROWD = 4
"""How many times as many contacts the state may hold in a range before it is cut smaller (measuring both sides each
time costs 5 %)."""


async def range_findings(
    pool: Pool, source: Source, destination: str, *, by_number: bool, everything: bool, size: int = RANGE
) -> AsyncGenerator[Findings, None]:
    """What differs, range by range. Raises SourceError for rows without key, StorageError."""
    suffix = "by_number" if by_number else "by_text"
    state_bound = statements("diff")[f"state_bound_{suffix}"]
    joined = source.sql("diff", f"range_{suffix}")

    def place(bound: str | None) -> int | str | None:
        return int(bound) if by_number and bound is not None else bound

    async with pool.acquire() as connection:
        if source.nullable:
            await refuse_nulls(connection, source)
        low: str | None = None
        while True:
            with storage_errors(f"comparing {source.spec.label} with the state of {destination}"):
                async with transaction(connection, read_only=True):
                    high = await next_bound(connection, source, low, size)
                    arguments = (everything, _CROWD * size)
                    row = await connection.fetchrow(joined, destination, place(low), place(high), *arguments)
                    if row is not None and row["known_contacts"] == _CROWD * size:
                        high = await connection.fetchval(state_bound, destination, place(low), size)
                        row = await connection.fetchrow(joined, destination, place(low), place(high), *arguments)
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


async def next_bound(connection: Connection, source: Source, low: str | None, size: int) -> str | None:
    """The key with which a range of ``size`` source keys after ``low`` ends; None when the source ends before."""
    bound: str | None = await connection.fetchval(source.sql("diff", "bound"), low, size)
    return bound


async def refuse_nulls(connection: Connection, source: Source) -> None:
    """Raise SourceError when selected rows have no key: no range would find them."""
    with storage_errors(source.spec.label, failure=SourceError):
        async with transaction(connection, read_only=True):
            nulls = await connection.fetchval(source.sql("diff", "null_keys"))
    if nulls:
        raise bad_keys(source, nulls=nulls)
