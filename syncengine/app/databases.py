"""The databases of a configuration: the state, and sources that are elsewhere."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass

import orjson

from syncengine.config.destination import DestinationConfig
from syncengine.config.models import DestinationFile
from syncengine.config.project import Config
from syncengine.errors import Problem, SourceError, StorageError
from syncengine.model.capabilities import matches
from syncengine.planning import normalise
from syncengine.storage.connect import Pool, connect, open_pool
from syncengine.storage.failures import (
    MIGRATES,
    describe,
    state_database,
    state_named,
    storage_errors,
)
from syncengine.storage.server.embedded import embedded
from syncengine.storage.source.column_types import Purpose, Several, Use
from syncengine.storage.source.inspection import inspect
from syncengine.storage.source.spec import Source, SourceSpec
from syncengine.storage.state import consent
from syncengine.storage.state import migrate as migrations

EMBEDDED = "embedded"
FOLDER = ".syncengine"


@dataclass(frozen=True, slots=True)
class Databases:
    """Open pools."""

    state: Pool
    sources: dict[str, Pool | StorageError]
    """Pools by configured URL, the empty one for the state's own database: reading a
    source runs the code of others, on connections that serve nothing else. The error
    where one cannot be reached, which concerns its readers alone."""
    wait: float
    """Seconds to wait for a database that goes away in mid-run."""

    def source(self, destination: DestinationConfig) -> Pool:
        """Return the pool of a destination's source, never the state's own pool.

        Raises SourceError.
        """
        pool = self.sources[destination.source.database or ""]
        if isinstance(pool, StorageError):
            raise SourceError(f"{source_place(destination)}: {pool}")
        return pool


def source_place(destination: DestinationConfig) -> str:
    """Return the setting that says where a destination's source is."""
    own = destination.options.source.database is not None
    return destination.place("source.database") if own else "source.database"


def state_description(config: Config) -> str:
    """Return the state database as messages name it, without a password."""
    if config.engine.database == EMBEDDED:
        return f"the embedded Postgres in {config.file.parent / FOLDER}"
    return describe(config.engine.database)


@asynccontextmanager
async def state_url(config: Config) -> AsyncIterator[str]:
    """Return the URL of the state database, which messages name in this block.

    Starts the embedded server where that is configured.
    """
    with state_named(state_description(config)):
        if config.engine.database != EMBEDDED:
            yield config.engine.database
            return
        async with embedded(config.file.parent / FOLDER) as dsn:
            yield dsn


@asynccontextmanager
async def open_databases(
    config: Config, destinations: tuple[DestinationConfig, ...]
) -> AsyncIterator[Databases]:
    """Open all databases these destinations need.

    The sources of all others in their accounts are among them: these are asked before a
    contact is removed. Raises StorageError, SchemaOutdated.
    """
    account_names = {destination.account for destination in destinations}
    accounts = len(account_names)
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(state_url(config))
        # For each account one renews the lease, one records, and one prepares.
        state = await stack.enter_async_context(open_pool(url, size=4 + 3 * accounts))
        with storage_errors():
            async with state.acquire() as connection:
                await migrations.require_current(connection)
                # Suppressions are salted hashes: with the salt of another state nobody
                # would be recognised, and everybody be sent to.
                await consent.require_own_salt(connection)
        sources: dict[str, Pool | StorageError] = {}
        same_accounts = [
            each for each in config.destinations if each.account in account_names
        ]
        readers = [*destinations, *same_accounts]
        for configured in dict.fromkeys(each.source.database or "" for each in readers):
            # Functions behind a view run with the rights of its reader. So a
            # source is read on connections of its own, which may not write.
            pool = open_pool(configured or url, size=2 + accounts, read_only=True)
            try:
                sources[configured] = await stack.enter_async_context(pool)
            except StorageError as error:
                # Destinations that read another database are worked on all the same.
                sources[configured] = error
        yield Databases(state, sources, config.engine.database_wait)


async def migrate(config: Config) -> list[str]:
    """Bring the state schema up to date; the names of what was applied."""
    async with state_url(config) as url:
        connection = await connect(url)
        try:
            with storage_errors(right=MIGRATES):
                return await migrations.migrate(connection)
        finally:
            await connection.close()


async def inspect_source(destination: DestinationConfig, pool: Pool) -> Source:
    """Return the destination's source after inspecting it.

    Raises SourceError naming the destination's file.
    """
    spec = source_spec(destination)
    with (
        errors_name_file(destination),
        storage_errors(spec.described, failure=SourceError),
    ):
        async with pool.acquire() as connection:
            return await inspect(connection, spec)


@contextmanager
def errors_name_file(destination: DestinationConfig) -> Iterator[None]:
    """Put the destination's file in front of what is wrong with its source."""
    try:
        yield
    except SourceError as error:
        problems = [
            Problem(destination.place(problem.where), problem.what)
            for problem in error.problems
        ]
        text = f"{destination.file}: {error}"
        if problems:
            text = "\n".join(map(str, problems))
        raise SourceError(text, problems) from None


def source_spec(destination: DestinationConfig) -> SourceSpec:
    """Return the specification of a destination's source for the storage."""
    source, options = destination.source, destination.options
    assert source.key is not None
    several = destination.vendor.capabilities.accumulates
    uses = _column_uses(options, several)
    # Where several keys name a column, messages show the first: it is written last
    # here.
    places = {use.column: use.place for use in reversed(uses)}
    return SourceSpec(
        key=source.key,
        columns=destination.mapping.columns,
        table=source.table,
        query=source.query,
        where=options.where,
        salt=_salt(destination),
        places=places,
        purposes=tuple((use.column, use.purpose, use.place) for use in uses),
        database=describe(source.database) if source.database else state_database(),
    )


@dataclass(frozen=True, slots=True)
class _ColumnUse:
    """A column of the source, and what it is read for."""

    column: str
    purpose: Purpose
    place: str
    """The key of the destination's file that names it."""


def _column_uses(
    options: DestinationFile, several: tuple[str, ...]
) -> list[_ColumnUse]:
    """Return the uses of all columns that have a purpose.

    ``several`` are patterns of the fields that hold several values beside each other.
    """
    uses: list[_ColumnUse] = []
    for name, item in options.fields.items():
        purpose: Purpose = item.form
        if item.form is not None and matches(name, several):
            purpose = Several(item.form)
        uses.append(_ColumnUse(item.column, purpose, f"fields.{name}.from"))
    for name, members in (("tags", options.tags), ("lists", options.lists)):
        if members is None:
            continue
        if members.column:
            uses.append(_ColumnUse(members.column, Use.MEMBERS, f"{name}.from"))
        for member, column in members.columns.items():
            uses.append(_ColumnUse(column, Use.FLAG, f"{name}.columns.{member}"))
    if options.opted_out:
        uses.append(_ColumnUse(options.opted_out, Use.FLAG, "opted_out"))
    return uses


def _salt(destination: DestinationConfig) -> str:
    """Return a salt that changes when the meaning of what is sent may change.

    Then every contact is compared field by field once.
    """
    meaning = [
        repr(destination.mapping),
        destination.vendor.name,
        destination.version,
        normalise.VERSION,
    ]
    opt_outs = destination.vendor.capabilities.opt_outs
    if opt_outs:
        meaning.append(repr(opt_outs))
    return hashlib.sha256(orjson.dumps(meaning)).hexdigest()[:16]
