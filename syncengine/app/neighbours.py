"""The other destinations of a destination's account, as they are configured."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from syncengine.app.databases import Databases, errors_name_file, inspect_source
from syncengine.config.destination import DestinationConfig
from syncengine.config.project import Config
from syncengine.engine.neighbours import Neighbour, Neighbours
from syncengine.errors import SourceError
from syncengine.model.capabilities import Capabilities
from syncengine.model.mapping import Mapping
from syncengine.model.work import BatchKind, SourceRow
from syncengine.storage.diff.comparison import Diff
from syncengine.storage.source.rows import SourceRows
from syncengine.storage.source.spec import Source
from syncengine.storage.state.destinations import remembered
from syncengine.storage.state.fence import Fence
from syncengine.storage.state.renaming import without_file
from syncengine.storage.state.shares import Shares


@dataclass(frozen=True, slots=True)
class Beside:
    """The rest of a destination's account."""

    neighbours: Neighbours | None
    without_file: tuple[str, ...]
    """Destinations of the account that the state knows and that have no file."""


async def beside(
    destination: DestinationConfig, config: Config, databases: Databases, fence: Fence
) -> Beside:
    """Return the rest of a destination's account. Raises StorageError."""
    names = [*(each.name for each in config.destinations), *config.broken]
    return Beside(
        neighbours=await _neighbours_of(destination, config, databases, fence),
        without_file=tuple(
            await without_file(databases.state, destination.account, names)
        ),
    )


def differing(
    destination: DestinationConfig, databases: Databases, size: int
) -> AsyncGenerator[Sequence[str]]:
    """Yield the contacts that a destination's next run is about. Raises SourceError."""
    return _Configured(destination, databases, size).differing()


async def _neighbours_of(
    destination: DestinationConfig, config: Config, databases: Databases, fence: Fence
) -> Neighbours | None:
    """Return the other destinations of the account.

    None where there are none. Raises StorageError.
    """
    size = config.engine.batch_size
    found: list[Neighbour] = [
        _Configured(each, databases, size)
        for each in config.destinations
        if each.account == destination.account and each.name != destination.name
    ]
    # Of a file that cannot be read only the state knows which account it was in.
    for name in config.broken:
        before = await remembered(databases.state, name)
        if before is not None and before.identity.account == destination.account:
            found.append(_Broken(name, destination))
    return Neighbours(destination.name, found, Shares(fence)) if found else None


class _Configured:
    """Another destination whose file can be used (see ``Neighbour``)."""

    def __init__(
        self, destination: DestinationConfig, databases: Databases, size: int
    ) -> None:
        self.name = destination.name
        self.mapping: Mapping = destination.mapping
        self.capabilities: Capabilities = destination.vendor.capabilities
        self._destination = destination
        self._databases = databases
        self._size = size
        self._source: Source | None = None

    async def load(self, contact_ids: Sequence[str]) -> Sequence[SourceRow]:
        source = await self._inspected()
        with errors_name_file(self._destination):
            rows = SourceRows(self._databases.source(self._destination), source)
            return await rows.load(contact_ids)

    async def differing(self) -> AsyncGenerator[Sequence[str]]:
        comparison = Diff(
            self._databases.state,
            self._databases.source(self._destination),
            await self._inspected(),
            self.name,
            same_database=not self._destination.source.database,
        )
        with errors_name_file(self._destination):  # noqa: PLR1702 - resources
            # Closed here, since whoever reads this may stop at the first contact: the
            # comparison would keep its connection until it is collected as garbage.
            async with aclosing(comparison.__aiter__()) as pieces:
                async for piece in pieces:
                    if piece.kind is not BatchKind.CHANGES:
                        continue
                    for part in _slices(piece.contact_ids, self._size):
                        yield part

    async def _inspected(self) -> Source:
        if self._source is None:
            pool = self._databases.source(self._destination)
            self._source = await inspect_source(self._destination, pool)
        return self._source


def _slices(contact_ids: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    for start in range(0, len(contact_ids), size):
        yield contact_ids[start : start + size]


class _Broken:
    """A destination whose file cannot be used: nobody knows whom it selects.

    Each question is answered with an error, so that nothing is taken away from a
    contact that it may select.
    """

    def __init__(self, name: str, beside: DestinationConfig) -> None:
        self.name = name
        self.mapping: Mapping = beside.mapping
        self.capabilities: Capabilities = beside.vendor.capabilities
        self._file = beside.file.with_stem(name)

    async def load(
        self,
        contact_ids: Sequence[str],  # noqa: ARG002 - the protocol's parameter
    ) -> Sequence[SourceRow]:
        raise self._error()

    async def differing(self) -> AsyncIterator[Sequence[str]]:
        raise self._error()
        yield ()  # makes this an asynchronous generator, as the protocol asks for

    def _error(self) -> SourceError:
        return SourceError(
            f"{self._file} cannot be used. `syncengine check` names its problems"
        )
