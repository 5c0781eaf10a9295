"""The diff between a source and a destination's state, made by the database.

It comes before the first request of a run, and finds the contacts that the run is
about. ``strategy`` chooses one of two ways: ``ranges`` joins source and state in the
database, and ``streams`` reads both and compares them here (``merge``).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import replace

from syncengine.errors import SourceError
from syncengine.model.contact_ids import SHORTENED, contact_id_of, is_shortened
from syncengine.model.work import BatchKind, DiffSlice, DiffTotals
from syncengine.storage.connect import Pool, transaction
from syncengine.storage.diff.differences import Differences
from syncengine.storage.diff.ranges import range_differences
from syncengine.storage.diff.strategy import Way, choose_strategy
from syncengine.storage.diff.streams import stream_differences
from syncengine.storage.failures import storage_errors
from syncengine.storage.source.failing_rows import rows_named
from syncengine.storage.source.rows import long_keys
from syncengine.storage.source.spec import KeyKind, Source
from syncengine.storage.statements import statements


class Diff:
    """Comparison of a source with a destination's state; iterate over it once.

    Yields slices of contact ids, each of one kind. Changes are selected rows that are
    new, or not acknowledged in their present version; with ``everything`` they are all
    selected rows. Removals are known contacts that are not selected any more, and not
    marked as removed yet. Both come in key order. With ``same_database``, source and
    state may be joined.

    Takes a connection of each pool while it runs (of a shared pool up to two); a caller
    that stops early closes the iterator (``contextlib.aclosing``). Raises SourceError
    when the source has rows without key or keys more than once, at the latest at the
    end: so nothing may be acted upon before.
    """

    def __init__(
        self,
        state: Pool,
        source_pool: Pool,
        source: Source,
        destination: str,
        *,
        same_database: bool,
        everything: bool = False,
    ) -> None:
        self._state = state
        self._source_pool = source_pool
        self._source = source
        self._destination = destination
        self._same_database = same_database
        self._everything = everything
        self.totals = DiffTotals()
        """Counts so far; complete after the last slice."""

    async def __aiter__(self) -> AsyncGenerator[DiffSlice, None]:
        # ``rows_named`` is the outer one: it looks for the failing rows on a connection
        # of the pool, which the pieces have given back by then.
        async with (
            rows_named(self._source_pool, self._source),
            aclosing(self._pieces()) as pieces,
        ):
            async for piece in pieces:
                yield piece

    async def _pieces(self) -> AsyncGenerator[DiffSlice, None]:
        has_long_keys = False
        async with aclosing(await self._differences()) as differences:
            async for found in differences:
                storable = without_long_keys(found)
                if storable is not found:
                    has_long_keys = True
                self._count(storable)
                for piece in _slices(storable):
                    yield piece
        # Keys that are too long are stored shortened, in another order than the source
        # has them in. So they are compared apart, and only where there are any.
        if has_long_keys:
            found = await self._under_long_keys()
            self._count(found)
            for piece in _slices(found):
                yield piece

    def _count(self, found: Differences) -> None:
        self.totals = DiffTotals(
            source_rows=self.totals.source_rows + found.source_rows,
            known_contacts=self.totals.known_contacts + found.known_contacts,
            changed=self.totals.changed + len(found.changes),
            removed=self.totals.removed + len(found.removals),
        )

    async def _differences(self) -> AsyncGenerator[Differences, None]:
        strategy = choose_strategy(
            self._source,
            same_database=self._same_database,
            numbered=await self._is_numbered(),
        )
        if strategy.way is Way.RANGES:
            return range_differences(
                self._source_pool,
                self._source,
                self._destination,
                by_number=strategy.by_number,
                everything=self._everything,
            )
        return stream_differences(
            self._state,
            self._source_pool,
            self._source,
            self._destination,
            by_number=strategy.by_number,
            cut=strategy.cut,
            everything=self._everything,
        )

    async def _under_long_keys(self) -> Differences:
        """Compare the rows whose keys are too long to be stored.

        There are few of them, if any.
        """
        with storage_errors(self._source.spec.described, failure=SourceError):
            async with self._source_pool.acquire() as connection:
                wanted = dict(await long_keys(connection, self._source))
        with storage_errors():
            async with (
                self._state.acquire() as connection,
                transaction(connection, read_only=True),
            ):
                rows = await connection.fetch(
                    statements("diff")["known_under_long_keys"],
                    self._destination,
                    SHORTENED,
                )
        # The statement finds ids of the right length; some may be whole keys.
        known: dict[str, int | None] = {}
        for row in rows:
            if is_shortened(row["contact_id"]):
                known[row["contact_id"]] = row["hash"]
        changes: list[str] = []
        for contact_id, source_hash in wanted.items():
            if self._everything or known.get(contact_id) != source_hash:
                changes.append(contact_id)
        removals = [contact_id for contact_id in known if contact_id not in wanted]
        # Both sides were counted with the ranges or streams already.
        return Differences(
            source_rows=0,
            known_contacts=0,
            changes=tuple(changes),
            removals=tuple(removals),
        )

    async def _is_numbered(self) -> bool:
        """Return whether source and state can be joined by number.

        Contacts that were recorded under a former key, which was text, have none.
        """
        if self._source.kind is not KeyKind.NUMBER:
            return False
        with storage_errors():
            async with (
                self._state.acquire() as connection,
                transaction(connection, read_only=True),
            ):
                return not await connection.fetchval(
                    statements("diff")["lacks_numbers"], self._destination
                )


def without_long_keys(found: Differences) -> Differences:
    """Return the differences without contacts whose key is too long to be stored.

    Where there are none, the differences themselves are returned.
    """
    changes = tuple(key for key in found.changes if contact_id_of(key) == key)
    removals = tuple(
        contact_id for contact_id in found.removals if not is_shortened(contact_id)
    )
    if len(changes) == len(found.changes) and len(removals) == len(found.removals):
        return found
    return replace(found, changes=changes, removals=removals)


def _slices(found: Differences) -> Iterator[DiffSlice]:
    if found.removals:
        yield DiffSlice(BatchKind.REMOVALS, found.removals)
    if found.changes:
        yield DiffSlice(BatchKind.CHANGES, found.changes)
