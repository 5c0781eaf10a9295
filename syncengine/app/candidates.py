"""The contacts a run is about."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from syncengine.app.databases import Databases, errors_name_file
from syncengine.app.earlier_removed import removable_now
from syncengine.app.run_request import RunRequest
from syncengine.config.destination import DestinationConfig
from syncengine.model.contact_ids import contact_id_of
from syncengine.model.work import BatchKind, DiffSlice, DiffTotals, RunKind, Scope
from syncengine.storage.diff.comparison import Diff
from syncengine.storage.source.spec import Source
from syncengine.storage.state.contact_counts import known_and_unfinished, known_contacts
from syncengine.storage.state.destinations import compared_rows
from syncengine.storage.state.refusals import all_dead_letters
from syncengine.storage.state.removals import RemovedCounts, count_removed, moved_away
from syncengine.storage.state.runs import unsuccessful_contacts
from syncengine.storage.state.taken_back import changed_contacts


class Candidates:
    """The contacts of a run: found by the diff, by a former run, or named by hand."""

    def __init__(
        self,
        destination: DestinationConfig,
        databases: Databases,
        source: Source,
        request: RunRequest,
    ) -> None:
        self.scope: Scope | None = None
        """Counts of the whole run, set once all slices are read; None for contacts
        named by hand, which no brake judges."""
        self.found = 0
        """Number of contacts that were found, including those beyond a limit."""
        self._destination = destination
        self._databases = databases
        self._source = source
        self._request = request

    async def slices(self) -> AsyncIterator[DiffSlice]:
        """Yield the slices of contacts to work on.

        Raises SourceError, StorageError.
        """
        if self._request.contacts:
            # Whoever is named twice gets one attempt: two at a time could be two
            # creates.
            named = dict.fromkeys(map(contact_id_of, self._request.contacts))
            yield DiffSlice(BatchKind.CHANGES, tuple(named))
            return
        async for piece in self._found():
            self.found += len(piece.contact_ids)
            yield piece

    def _found(self) -> AsyncIterator[DiffSlice]:
        state, request = self._databases.state, self._request
        if request.undo is not None:
            return changed_contacts(state, request.undo.run_id, request.undo.contacts)
        if request.retry_of is not None:
            return self._again(
                unsuccessful_contacts(state, request.retry_of, request.batch)
            )
        if request.dead:
            name = self._destination.name
            return self._again(
                all_dead_letters(state, name, request.code, request.since)
            )
        if request.removed:
            return self._earlier()
        return self._differing()

    async def _earlier(self) -> AsyncIterator[DiffSlice]:
        """Yield the contacts that left earlier, and are at the vendor still."""
        found = await removable_now(self._destination, self._databases)
        if found:
            yield DiffSlice(BatchKind.REMOVALS, found)
        number = len(found)
        known = number + await known_contacts(
            self._databases.state, self._destination.name
        )
        self.scope = Scope(
            source_rows=known, known=known, removed=number, tagged=number
        )

    async def _again(self, found: AsyncIterator[DiffSlice]) -> AsyncIterator[DiffSlice]:
        left = RemovedCounts()
        async for piece in found:
            left += await self._left(piece)
            yield piece
        known = await known_and_unfinished(
            self._databases.state, self._destination.name
        )
        # The brakes judge a retry, too: the former run may have died before they could
        # judge it. Its source was not counted, and is not now.
        self.scope = Scope(
            source_rows=known.number,
            known=known.number,
            removed=left.known,
            tagged=left.tagged,
            unfinished=known.unfinished,
        )

    async def _differing(self) -> AsyncIterator[DiffSlice]:
        differ = Diff(
            self._databases.state,
            self._databases.source(self._destination),
            self._source,
            self._destination.name,
            same_database=not self._destination.source.database,
            everything=self._request.kind in (RunKind.BACKFILL, RunKind.RESYNC),
        )
        left = RemovedCounts()
        # The slices are passed on while the diff goes on: millions of ids are never in
        # memory at a time.
        with errors_name_file(self._destination):
            async for piece in differ:
                left += await self._left(piece)
                yield piece
        # Last, since they are looked at night after night: they must not use a limit
        # up.
        moved = await moved_away(self._databases.state, self._destination.name)
        if moved:
            piece = DiffSlice(BatchKind.REMOVALS, moved)
            left += await self._left(piece)
            yield piece
        self.scope = await self._scope_of(differ.totals, left)

    async def _left(self, piece: DiffSlice) -> RemovedCounts:
        """Count the contacts at the vendor that the source does not select any more."""
        if piece.kind is not BatchKind.REMOVALS:
            return RemovedCounts()
        return await count_removed(
            self._databases.state, self._destination.name, piece.contact_ids
        )

    async def _scope_of(self, totals: DiffTotals, left: RemovedCounts) -> Scope:
        if not totals.changed and not totals.removed:
            # Nothing to judge: the state, of millions of rows, need not be counted.
            return Scope(source_rows=totals.source_rows)
        state, name = self._databases.state, self._destination.name
        unseen: int | None = None
        if self._request.limit is not None:
            still_selected = totals.known_contacts - totals.removed
            unseen = totals.source_rows - still_selected
        known = await known_and_unfinished(state, name)
        return Scope(
            source_rows=totals.source_rows,
            known=known.number,
            removed=left.known,
            tagged=left.tagged,
            unseen=unseen,
            compared_rows=await compared_rows(state, name),
            unfinished=known.unfinished,
        )


async def cut(
    found: AsyncIterator[DiffSlice], size: int, limit: int | None
) -> AsyncIterator[DiffSlice]:
    """Yield slices of at most ``size`` contacts of one kind, ``limit`` contacts in all.

    The slices found are read to their end.
    """
    open_ids: dict[BatchKind, list[str]] = {kind: [] for kind in BatchKind}
    left = limit
    async for piece in found:
        ids: Sequence[str] = piece.contact_ids
        if left is not None:
            ids = ids[:left]
            left -= len(ids)
        collected = open_ids[piece.kind]
        collected += ids
        while len(collected) >= size:
            yield DiffSlice(piece.kind, tuple(collected[:size]))
            del collected[:size]
    for kind, rest in open_ids.items():
        if rest:
            yield DiffSlice(kind, tuple(rest))
