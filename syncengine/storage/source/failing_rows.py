"""The rows that make Postgres fail, by contact and column.

One value that a view cannot compute, such as a division by zero, ends the statement
over all rows, and Postgres does not say which row it was. So when a statement has
failed, the keys are cut into halves, and halves that fail into halves again, until
single rows are left that fail by themselves. Then each column of such a row is tried.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Any, NamedTuple

import asyncpg

from syncengine.errors import Problem, RunRefused, SourceError
from syncengine.model.contact_ids import contact_id_of, name_of
from syncengine.storage.connect import Connection, Pool, reading
from syncengine.storage.failures import explain, is_of_rows, storage_errors
from syncengine.storage.source.spec import KeyKind, Source

_NAMED = 20
"""Number of contacts that a message names."""
_STATEMENTS = 1000
"""Number of statements that a search may take."""
_SECONDS = 60.0
"""Seconds that a search may take. It takes long above all where no index leads to a
range."""
_WITHIN = (
    "{place} IS NOT NULL"
    " AND ($1::text IS NULL OR {place} OPERATOR(pg_catalog.>) $1::text{cast})"
    " AND ($2::text IS NULL OR {place} OPERATOR(pg_catalog.<=) $2::text{cast})"
)
"""Condition for the rows after the key $1, up to and with $2."""
_NO_UTF8 = ("22P05", "22021")
"""SQLSTATEs of text that cannot be converted to UTF-8."""


class _Range(NamedTuple):
    """Keys after ``low``, up to and with ``high``; None means open."""

    low: str | None
    high: str | None


_ALL = _Range(None, None)


class _OpenRange(NamedTuple):
    """A range that is still to be searched."""

    within: _Range
    number: int | None
    """Number of its rows; None where they cannot be counted."""


class _Failure(NamedTuple):
    """A part of a row that cannot be computed."""

    place: str
    """Place in the configuration, such as ``columns.email``."""
    name: str
    """The part, as messages name it."""
    why: str


@dataclass(frozen=True, slots=True)
class _FailingRow:
    """A row, and a range that contains no other."""

    key: str
    within: _Range


class _GaveUp(Exception):
    """The search took too long."""


@asynccontextmanager
async def rows_named(pool: Pool, source: Source) -> AsyncIterator[None]:
    """Name the rows where a statement over the source fails for their values.

    Takes a connection of the pool only after the block was left.
    """
    try:
        yield
    except RunRefused as error:
        if not error.of_rows:
            raise
        with storage_errors(source.spec.described, failure=SourceError):
            async with pool.acquire() as connection:
                named = await with_rows(connection, source, error)
        # Not chained: the first error says less, of the same.
        raise named from None


async def with_rows(
    connection: Connection, source: Source, error: RunRefused
) -> RunRefused:
    """Return the error with the contacts and columns that cause it, if they are found.

    The connection must not be in a transaction.
    """
    search = _Search(connection, source)
    problems: list[Problem] = []
    try:
        if not await search.fails():
            return error
        problems = await search.problems()
    except (asyncpg.PostgresConnectionError, asyncpg.InterfaceError, OSError):
        # The database went away meanwhile. What was asked first still holds.
        return error
    except (asyncpg.PostgresError, _GaveUp):
        # The search met another error, or took too long: no row can be named.
        pass
    if problems:
        return SourceError("\n".join(map(str, problems)), problems)
    return SourceError(
        f"{error}; which row it is cannot be told: {source.spec.label} fails before "
        "single rows are looked at, or they are too many. Look at what the view, query "
        "or where computes of a row's values, and have it yield NULL where it cannot"
    )


class _Search:
    """One search. Every probe is a statement and a transaction of its own."""

    def __init__(self, connection: Connection, source: Source) -> None:
        self._connection = connection
        self._source = source
        self._begin_search()
        self._is_whole = True
        """True where every failing row was found."""
        self._by_number = source.kind is KeyKind.NUMBER
        if source.kind is KeyKind.OTHER:
            # The key's own order is not that of the texts by which ranges are bounded.
            self._place = f'({source.contact_id}) COLLATE "C"'
            cast = ""
        elif self._by_number:
            # Bounds may lie outside of the key's own type, such as smallint.
            self._place = source.key
            cast = "::pg_catalog.int8"
        else:
            self._place = source.key
            cast = f"::{source.key_type}"
        self._within = _WITHIN.format(place=self._place, cast=cast)

    def _begin_search(self) -> None:
        """Allow the full number of statements and seconds from now on."""
        self._statements_left = _STATEMENTS
        self._until = monotonic() + _SECONDS

    async def fails(self) -> bool:
        """Return whether the source fails at all.

        It does not where the run found another problem, or where the row was corrected
        meanwhile.
        """
        return await self._whole_fails(_ALL) or await self._wrong_key() is not None

    async def problems(self) -> list[Problem]:
        """Return the problems by contact; nothing where they cannot be found."""
        if await self._fails(_ALL, "1", selected="TRUE") is not None:
            return await self._without_counting()
        wrong = await self._wrong_key()
        if wrong is not None:
            return [self._of_key(wrong)]
        first = await self._key(_ALL, 0)
        # After the first key, up to the first key: no row at all. A source that fails
        # even there computes something that is no row's, such as a constant.
        if first is None or await self._whole_fails(_Range(first, first)):
            return []
        rows = await self._failing(await self._number())
        return await self._problems_of(rows)

    async def _without_counting(self) -> list[Problem]:
        """Search among all numbers, where even counting computes what fails.

        A view with volatile functions is such a case. Only integers can be halved
        without knowing which of them are there.
        """
        no_row = _Range("0", "0")
        if not self._by_number or await self._whole_fails(no_row):
            return []
        return await self._problems_of(await self._failing(None))

    async def _wrong_key(self) -> asyncpg.PostgresError | None:
        """Return the error of a key among the selected rows.

        Where the selection itself fails, all rows are searched.
        """
        source = self._source
        selected = source.where
        if await self._fails(_ALL, "1", selected=source.where) is not None:
            selected = "TRUE"
        return await self._fails(_ALL, source.text_order, selected=selected)

    def _of_key(self, error: asyncpg.PostgresError) -> Problem:
        """Return the problem of a key that cannot be computed."""
        spec = self._source.spec
        key = f'the key, column "{spec.key}" of {spec.described},'
        what = f"{key} cannot be read in every row"
        advice = "correct these rows, or what computes the key, or choose another key"
        if error.sqlstate in _NO_UTF8:
            what = f"{key} holds a text that cannot be converted to UTF-8"
            advice = (
                "correct the key in that row, choose another key, or move the table to "
                "a database with the encoding UTF8"
            )
        return Problem(
            spec.key_place,
            f"{what}: {explain(error)}. Nothing is sent to this destination until "
            f"then: {advice}",
        )

    async def _failing(self, number: int | None) -> list[_FailingRow]:
        """Return rows that fail by themselves, in the order of their keys.

        ``number`` is that of all rows, None where they cannot be counted. Where many
        fail, only some are returned.
        """
        found: list[_FailingRow] = []
        # A stack, and the lower half is pushed last: rows are found in the order of
        # their keys, and the stack never holds more than one range for each halving.
        open_ranges = [_OpenRange(_ALL, number)]
        while open_ranges and len(found) < _NAMED:
            try:
                smaller = await self._halved(open_ranges[-1])
            except (_GaveUp, asyncpg.QueryCanceledError):
                break
            # Only now: a range that was not searched still counts as open.
            open_ranges.pop()
            if isinstance(smaller, _FailingRow):
                found.append(smaller)
            else:
                open_ranges += smaller
        self._is_whole = not open_ranges
        return found

    async def _halved(self, searched: _OpenRange) -> _FailingRow | Sequence[_OpenRange]:
        """Return the halves of a range that fails, or its only row.

        Nothing for a range that does not fail. The lower half comes last.
        """
        within, number = searched
        if not await self._whole_fails(within):
            return []
        if number is None:
            return _half_the_numbers(within)
        half = number // 2
        key = await self._key(within, max(half - 1, 0))
        if key is None:  # its rows were deleted meanwhile
            return []
        if number <= 1:
            return _FailingRow(key, within)
        upper = _OpenRange(_Range(key, within.high), number - half)
        lower = _OpenRange(_Range(within.low, key), half)
        return [upper, lower]

    async def _problems_of(self, rows: Sequence[_FailingRow]) -> list[Problem]:
        """Return the problems of these rows, in the selection or in columns.

        Rows that fail alike share a problem.
        """
        self._begin_search()
        groups: defaultdict[_Failure, list[str]] = defaultdict(list)
        """Keys of the rows that fail alike."""
        for row in rows:
            try:
                failures = await self._failing_parts(row)
            except (_GaveUp, asyncpg.QueryCanceledError):
                self._is_whole = False
                break
            for failure in failures:
                groups[failure].append(row.key)
        problems: list[Problem] = []
        for failure, keys in groups.items():
            message = self._message(failure.name, failure.why, keys)
            problems.append(Problem(failure.place, message))
        return problems

    async def _failing_parts(self, row: _FailingRow) -> list[_Failure]:
        """Return each part of a row that fails."""
        source = self._source
        spec = source.spec
        # From the outside in. A row that cannot even be counted fails in a column that
        # the view computes for every use of it, mapped or not.
        error = await self._fails(row.within, "1", selected="TRUE")
        if error is not None:
            return [_Failure(spec.relation_place, "a column", explain(error))]
        error = await self._fails(row.within, "1", selected=source.where)
        if error is not None:
            return [_Failure(spec.where_place, "where", explain(error))]
        found: list[_Failure] = []
        for column in source.columns:
            error = await self._fails(row.within, column.value, selected="TRUE")
            if error is not None:
                place = spec.places.get(column.name, f"columns.{column.name}")
                name = f'column "{column.name}"'
                found.append(_Failure(place, name, explain(error)))
        if not found:
            # It failed before, and now it does not: it was corrected meanwhile, or
            # fails only where columns are computed together.
            return [_Failure(spec.relation_place, "a mapped column", "it failed")]
        return found

    def _message(self, name: str, why: str, keys: Sequence[str]) -> str:
        ids = ", ".join(name_of(contact_id_of(key)) for key in keys)
        contacts = f"contacts {ids}" if len(keys) > 1 else f"contact {ids}"
        if not self._is_whole:
            contacts += " and others"
        return (
            f"{name} of {self._source.spec.described} cannot be computed for "
            f"{contacts}: {why}. Correct the row, or have the view, query or where "
            "yield NULL there; until then nothing is sent to this destination"
        )

    async def _whole_fails(self, within: _Range) -> bool:
        """Return whether the selected rows of a range fail in any mapped column.

        The hash is computed of all of them.
        """
        source = self._source
        error = await self._fails(within, source.hash, selected=source.where)
        return error is not None

    async def _fails(
        self, within: _Range, tried: str, *, selected: str
    ) -> asyncpg.PostgresError | None:
        """Compute the SQL expression ``tried`` of every row of a range.

        ``selected`` is the condition for the rows. Returns the error, if rows are to
        blame for it.
        """
        # Over all rows without the condition of a range: a row whose key cannot be
        # computed must not fail here, but in the question for the key.
        condition = self._within
        arguments: Sequence[str | None] = within
        if within == _ALL:
            condition = "TRUE"
            arguments = ()
        statement = self._source.sql(
            "source", "tried", tried=tried, within=condition, selected=selected
        )
        try:
            await self._value(statement, *arguments)
        except asyncpg.PostgresError as error:
            if not is_of_rows(error):
                raise
            return error
        return None

    async def _number(self) -> int:
        """Return the number of rows that have a key, selected or not."""
        statement = self._source.sql(
            "source", "tried", tried="1", within=self._within, selected="TRUE"
        )
        number: int = await self._value(statement, *_ALL)
        return number

    async def _key(self, within: _Range, skipped: int) -> str | None:
        """Return the key of a range with ``skipped`` others before it."""
        statement = self._source.sql(
            "source", "key_within", within=self._within, place=self._place
        )
        key: str | None = await self._value(statement, *within, skipped)
        return key

    async def _value(self, statement: str, *arguments: str | int | None) -> Any:
        """Return the single value of a statement. Raises _GaveUp."""
        seconds = self._until - monotonic()
        if self._statements_left == 0 or seconds <= 0:
            raise _GaveUp
        self._statements_left -= 1
        # A transaction for each: an error ends a transaction, and here most end so.
        async with reading(self._connection, statement_timeout=max(seconds, 1.0)):
            return await self._connection.fetchval(statement, *arguments)


def _half_the_numbers(within: _Range) -> _FailingRow | Sequence[_OpenRange]:
    """Return the halves of a range of 64-bit integers, or the row of its only one."""
    first = -(2**63)
    last = 2**63 - 1
    if within.low is not None:
        first = int(within.low) + 1
    if within.high is not None:
        last = int(within.high)
    if first == last:
        return _FailingRow(str(last), within)
    middle = str((first + last) // 2)
    upper = _OpenRange(_Range(middle, within.high), None)
    lower = _OpenRange(_Range(within.low, middle), None)
    return [upper, lower]
