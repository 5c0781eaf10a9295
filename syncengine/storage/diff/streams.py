"""The diff of any two databases.

Both sides are read in one order, side by side, and compared as bytes.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial

from syncengine.errors import SourceError, StorageError
from syncengine.storage.connect import Connection, Pool, reading, transaction
from syncengine.storage.diff.copy_stream import TIMEOUT, CopyStream
from syncengine.storage.diff.differences import Differences, bad_keys
from syncengine.storage.diff.merge import ENOUGH_EXAMPLES, Disordered, Merge
from syncengine.storage.diff.ranges import next_bound, refuse_nulls
from syncengine.storage.failures import storage_errors
from syncengine.storage.source.spec import KeyKind, Source
from syncengine.storage.statements import statements

STREAM_RANGE = 250_000
"""Source keys in a range. It takes a second or two, well below the 30 s after which a
replica cancels by default."""
_read_source = partial(reading, statement_timeout=TIMEOUT)
_read_state = partial(transaction, read_only=True, statement_timeout=TIMEOUT)
_SLICE = 10_000
"""Number of contacts that are handed on at once."""


async def stream_differences(
    state_pool: Pool,
    source_pool: Pool,
    source: Source,
    destination: str,
    *,
    by_number: bool,
    cut: bool,
    everything: bool,
    size: int = STREAM_RANGE,
) -> AsyncGenerator[Differences, None]:
    """Yield the differences.

    Raises SourceError for rows without key or with a repeated one, StorageError.
    """
    # The state's connection first, in every diff: diffs that share both pools could
    # else each keep one connection and wait for the other.
    async with (  # noqa: PLR1702 - resources
        state_pool.acquire() as state_connection,
        source_pool.acquire() as source_connection,
    ):
        # A range has no place for a row without a key. A stream over all has, at its
        # end.
        if cut and source.nullable:
            await refuse_nulls(source_connection, source)
        low: str | None = None
        while True:
            high: str | None = None
            if cut:
                high = await _next_bound(source_connection, source, low, size)
            literals = await _literals(state_connection, destination, low, high)
            streams = _Streams(
                CopyStream(
                    source_connection,
                    _source_query(source, literals, by_number=by_number, cut=cut),
                    _read_source,
                ),
                CopyStream(
                    state_connection,
                    _state_query(literals, by_number=by_number),
                    _read_state,
                ),
                Merge(by_number=by_number, everything=everything),
                source,
                destination,
            )
            async with aclosing(streams.differences()) as differences:
                async for found in differences:
                    yield found
            if high is None:
                return
            low = high


async def _next_bound(
    connection: Connection, source: Source, low: str | None, size: int
) -> str | None:
    with storage_errors(source.spec.described, failure=SourceError):
        async with reading(connection):
            return await next_bound(connection, source, low, size)


async def _literals(
    connection: Connection, destination: str, low: str | None, high: str | None
) -> dict[str, str]:
    """Return values quoted by Postgres: COPY takes no parameters."""
    with storage_errors():
        async with transaction(connection, read_only=True):
            row = await connection.fetchrow(
                statements("diff")["quoted"], destination, low, high
            )
    assert row is not None
    return dict(row)


def _source_query(
    source: Source, literals: dict[str, str], *, by_number: bool, cut: bool
) -> str:
    if cut:
        return source.sql(
            "diff", "source_stream_range", low=literals["low"], high=literals["high"]
        )
    # In the key's own order where it is also that of the state: an index may have it.
    order = source.text_order
    if by_number or source.kind in {KeyKind.UUID, KeyKind.TEXT}:
        order = source.key
    return source.sql("diff", "source_stream", order=order)


def _state_query(literals: dict[str, str], *, by_number: bool) -> str:
    name = "state_stream_by_number" if by_number else "state_stream_by_text"
    return statements("diff")[name].format(**literals)


class _Streams:
    """Two streams and their merge."""

    def __init__(
        self,
        source_stream: CopyStream,
        state_stream: CopyStream,
        merge: Merge,
        source: Source,
        destination: str,
    ) -> None:
        self._source_stream = source_stream
        self._state_stream = state_stream
        self._merge = merge
        self._source = source
        self._destination = destination
        self._counted = (0, 0)
        """Lines of source and state that earlier differences have counted."""

    async def differences(self) -> AsyncGenerator[Differences, None]:
        merge = self._merge
        async with self._source_stream, self._state_stream:
            while not (merge.source.exhausted and merge.state.exhausted):
                await self._read()
                self._compare()
                if len(merge.changes) >= _SLICE or len(merge.removals) >= _SLICE:
                    yield self._take()
        # Before the last differences: the caller acts only once the diff has ended.
        if merge.nulls or merge.repeated:
            raise bad_keys(self._source, nulls=merge.nulls, repeated=merge.repeated)
        yield self._take()

    async def _read(self) -> None:
        """Read a block of each side that has no whole line left.

        Errors are named after the database in which they happened.
        """
        if self._merge.source.wants:
            with storage_errors(self._source.spec.described, failure=SourceError):
                self._merge.source.feed(await self._source_stream.read())
        if self._merge.state.wants:
            with storage_errors():
                self._merge.state.feed(await self._state_stream.read())

    def _compare(self) -> None:
        try:
            self._merge.compare()
        except Disordered:
            raise StorageError(
                f"{self._source.spec.label} and the state of {self._destination} sort "
                "their keys differently, so they cannot be compared; the state "
                "database has to have the encoding UTF8"
            ) from None
        if len(self._merge.repeated) == ENOUGH_EXAMPLES:
            raise bad_keys(
                self._source, nulls=self._merge.nulls, repeated=self._merge.repeated
            )

    def _take(self) -> Differences:
        """Return what was found since the last call."""
        merge = self._merge
        rows_before, contacts_before = self._counted
        self._counted = (merge.source.lines, merge.state.lines)
        found = Differences(
            source_rows=merge.source.lines - rows_before,
            known_contacts=merge.state.lines - contacts_before,
            changes=tuple(merge.changes),
            removals=tuple(merge.removals),
        )
        merge.changes.clear()
        merge.removals.clear()
        return found
