"""A source, and a state to compare it with, as tests set them up."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from syncengine.model.work import BatchKind, DiffTotals, SourceRow
from syncengine.storage.connect import Pool, open_pool
from syncengine.storage.diff.comparison import Diff
from syncengine.storage.source.inspection import inspect
from syncengine.storage.source.rows import SourceRows
from syncengine.storage.source.spec import Source, SourceSpec

DESTINATION = "whatsapp"


@dataclass(frozen=True, slots=True)
class Found:
    """The contacts that a diff found, each id once."""

    changes: tuple[str, ...]
    removals: tuple[str, ...]
    totals: DiffTotals


@dataclass(frozen=True, slots=True)
class Scene:
    """A state database and a source database, which may be the same."""

    state: Pool
    source: Pool

    async def execute(self, *statements: str) -> None:
        """Execute statements in the source's database."""
        async with self.source.acquire() as connection:
            for statement in statements:
                await connection.execute(statement)

    async def inspect(self, spec: SourceSpec) -> Source:
        async with self.source.acquire() as connection:
            return await inspect(connection, spec)

    async def load(self, source: Source, *contact_ids: str) -> dict[str, SourceRow]:
        return {
            row.contact_id: row
            for row in await SourceRows(self.source, source).load(contact_ids)
        }

    async def diff(self, source: Source, *, everything: bool = False) -> Found:
        together = self.state is self.source
        found = Diff(
            self.state,
            self.source,
            source,
            DESTINATION,
            same_database=together,
            everything=everything,
        )
        ids: dict[BatchKind, list[str]] = {
            BatchKind.CHANGES: [],
            BatchKind.REMOVALS: [],
        }
        async for piece in found:
            assert piece.contact_ids
            ids[piece.kind].extend(piece.contact_ids)
        changes, removals = ids[BatchKind.CHANGES], ids[BatchKind.REMOVALS]
        assert len(set(changes + removals)) == len(changes + removals)
        assert (len(changes), len(removals)) == (
            found.totals.changed,
            found.totals.removed,
        )
        return Found(tuple(changes), tuple(removals), found.totals)

    async def acknowledge(
        self, rows: Sequence[SourceRow], *, status: str = "synced"
    ) -> None:
        """Make the state hold these rows in the version they were read."""
        async with self.state.acquire() as connection:
            await connection.executemany(
                "INSERT INTO syncengine.sync_state (destination, "
                "contact_id, contact_number, source_hash, status)"
                " VALUES ($1, $2, $3, $4, $5) ON CONFLICT (destination, contact_id)"
                " DO UPDATE SET source_hash = EXCLUDED.source_hash, status "
                "= EXCLUDED.status",
                [
                    (
                        DESTINATION,
                        row.contact_id,
                        number_of(row.contact_id),
                        row.source_hash,
                        status,
                    )
                    for row in rows
                ],
            )

    async def settle(self, source: Source) -> Found:
        """Diff, and acknowledge what it finds, as a run without failures would."""
        found = await self.diff(source)
        rows = await self.load(source, *found.changes)
        assert set(rows) == set(found.changes)
        await self.acknowledge(list(rows.values()))
        async with self.state.acquire() as connection:
            await connection.execute(
                "UPDATE syncengine.sync_state SET status = 'removed', "
                "source_hash = NULL WHERE contact_id = ANY ($1)",
                list(found.removals),
            )
        return found


@asynccontextmanager
async def scene(state: str, source: str | None = None) -> AsyncIterator[Scene]:
    """Open pools for a state and a source.

    Without ``source`` they share a database and its pool.
    """
    async with open_pool(state) as state_pool:
        if source is None:
            yield Scene(state_pool, state_pool)
            return
        async with open_pool(source) as source_pool:
            yield Scene(state_pool, source_pool)


def number_of(contact_id: str) -> int | None:
    """Return the number of a contact with an integer key."""
    try:
        number = int(contact_id)
    except ValueError:
        return None
    return number if str(number) == contact_id and -(2**63) <= number < 2**63 else None
