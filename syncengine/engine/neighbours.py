"""The other destinations of an account, asked before a removed contact loses anything.

A contact may move from one destination to another, and its vendor contact with it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from syncengine.errors import SourceError
from syncengine.model.calls import Rejected
from syncengine.model.capabilities import Capabilities
from syncengine.model.contact import Desired, Known
from syncengine.model.mapping import Mapping as DestinationMapping
from syncengine.model.work import SharedContact, SourceRow
from syncengine.planning.mapping import has_opted_out, map_row
from syncengine.planning.match_keys import hashes
from syncengine.planning.sharing import (
    WantedByOthers,
    keys_there,
    share_a_key,
    wanted_by_row,
)
from syncengine.ports import ShareStore


class Neighbour(Protocol):
    """Another destination of the account."""

    @property
    def name(self) -> str: ...

    @property
    def mapping(self) -> DestinationMapping: ...

    @property
    def capabilities(self) -> Capabilities: ...

    async def load(self, contact_ids: Sequence[str]) -> Sequence[SourceRow]:
        """Return the present rows of these contacts. Raises SourceError."""
        ...

    def differing(self) -> AsyncIterator[Sequence[str]]:
        """Yield the contacts that its next run is about. Raises SourceError."""
        ...


@dataclass(frozen=True, slots=True)
class Leaving:
    """A contact that a destination has, and does not select any more."""

    destination: str
    contact_id: str
    settled: bool
    """False where the destination's own run has to find out about it first."""


class Neighbours:
    """All other destinations of an account.

    A contact is theirs if they own its vendor contact, or if one of their rows asks for
    a match key that it has.
    """

    def __init__(
        self, destination: str, neighbours: Sequence[Neighbour], shares: ShareStore
    ) -> None:
        self._destination = destination
        self._neighbours = neighbours
        self._shares = shares
        self._keys: dict[str, dict[bytes, list[str]]] = {
            each.name: {} for each in neighbours
        }
        """By neighbour: the hashed match keys of contacts that are to be removed, each
        with these contacts."""
        self._ahead: dict[str, dict[str, set[str]]] = {
            each.name: {} for each in neighbours
        }
        """By neighbour: its contacts that ask for such a key, by removed contact."""
        self._failed: SourceError | None = None
        self._released: frozenset[str] = frozenset()

    async def met(self, contact_ids: Sequence[str]) -> Mapping[str, SharedContact]:
        """Return contacts that the vendor has, or may have, from another destination.

        Raises StorageError.
        """
        met = await self._shares.shared_contacts(self._destination, contact_ids)
        return {
            each: replace(of, owner=None) if of.owner in self._released else of
            for each, of in met.items()
        }

    def release(self, destinations: Sequence[str]) -> None:
        """Regard destinations of the account as if they owned nothing any more.

        A plan leaves the state as it is.
        """
        self._released = frozenset(destinations)

    async def leaving(self, contact_ids: Sequence[str]) -> Sequence[Leaving]:
        """Return those of the contacts that others still have, and do not select any more.

        Those of a destination that cannot be asked are left out. Raises StorageError.
        """
        found: list[Leaving] = []
        for neighbour in self._neighbours:
            held = await self._shares.still_owned_at(neighbour.name, contact_ids)
            if not held:
                continue
            try:
                selected = {row.contact_id for row in await neighbour.load(list(held))}
            except SourceError:
                continue
            found += [
                Leaving(neighbour.name, each, held[each])
                for each in held
                if each not in selected
            ]
        return found

    async def hand_over(self, leaving: Sequence[Leaving]) -> None:
        """Let the other destinations go of contacts. Raises StorageError, LeaseLost."""
        for destination in sorted({each.destination for each in leaving}):
            contact_ids = [
                each.contact_id for each in leaving if each.destination == destination
            ]
            await self._shares.hand_over(destination, contact_ids)

    async def selected(self, contact_ids: Sequence[str]) -> frozenset[str]:
        """Return those of the contacts that a neighbour selects. Raises SourceError."""
        rows = [
            row for each in self._neighbours for row in await each.load(contact_ids)
        ]
        return frozenset(row.contact_id for row in rows)

    def note(self, removed: Mapping[str, Known]) -> None:
        """Note contacts that a run is about to remove."""
        for neighbour in self._neighbours:
            keys = self._keys[neighbour.name]
            for contact_id, known in removed.items():
                for key in _hashes(neighbour, known):
                    keys.setdefault(key, []).append(contact_id)

    async def look_ahead(self) -> None:
        """Find the rows that ask for a noted contact's key, and are not in the state yet.

        The state knows nothing of a row before the run of its own destination, which
        may come later in the same night. Raises StorageError.
        """
        try:
            for neighbour in self._neighbours:
                if self._keys[neighbour.name]:
                    await self._look_at(neighbour)
        except SourceError as error:
            self._failed = error

    async def _look_at(self, neighbour: Neighbour) -> None:
        keys, ahead = self._keys[neighbour.name], self._ahead[neighbour.name]
        async for contact_ids in neighbour.differing():
            for row in await neighbour.load(contact_ids):
                desired = desired_of(row, neighbour.mapping, neighbour.capabilities)
                if isinstance(desired, Rejected):
                    continue
                for ours in (
                    each for key in hashes(desired.keys) for each in keys.get(key, ())
                ):
                    ahead.setdefault(ours, set()).add(row.contact_id)

    async def wanting(
        self, removed: Mapping[str, Known]
    ) -> Mapping[str, WantedByOthers]:
        """Return what others want of these contacts; those nobody wants are left out.

        Raises SourceError where another destination cannot be asked, and StorageError.
        """
        if self._failed is not None:
            raise self._failed
        found: dict[str, WantedByOthers] = {}
        for neighbour in self._neighbours:
            for contact_id, wanted in await self._wanted_by(neighbour, removed):
                found[contact_id] = found.get(contact_id, WantedByOthers()) | wanted
        return found

    async def _wanted_by(
        self, neighbour: Neighbour, removed: Mapping[str, Known]
    ) -> Sequence[tuple[str, WantedByOthers]]:
        keys = {
            each: frozenset(_hashes(neighbour, known))
            for each, known in removed.items()
        }
        maybe = await self._maybe_the_same(neighbour, removed, keys)
        owned = await self._shares.owned_at(neighbour.name, list(maybe))
        found: list[tuple[str, WantedByOthers]] = []
        for row in await neighbour.load(list(maybe)):
            desired = desired_of(row, neighbour.mapping, neighbour.capabilities)
            if isinstance(desired, Rejected) or has_opted_out(row, neighbour.mapping):
                wanted = WantedByOthers(everything=True)
            else:
                wanted = wanted_by_row(desired)
            for ours in maybe[row.contact_id]:
                own = owned.get(row.contact_id)
                shares = own is None and share_a_key(desired, keys[ours])
                is_owner = own is not None and own == removed[ours].external_id
                same_row = wanted.everything and row.contact_id == ours
                if is_owner or same_row or shares:
                    found.append((ours, wanted))
        return found

    async def _maybe_the_same(
        self,
        neighbour: Neighbour,
        removed: Mapping[str, Known],
        keys: Mapping[str, frozenset[bytes]],
    ) -> dict[str, set[str]]:
        """Return its contacts that may be ours, each with ours."""
        ahead = self._ahead[neighbour.name]
        asked = frozenset().union(*keys.values())
        claimants = await self._shares.claimants_at(neighbour.name, list(asked))
        by_id = [known.external_id for known in removed.values() if known.external_id]
        owners = await self._shares.owners_at(neighbour.name, by_id)
        maybe: dict[str, set[str]] = {}
        for ours, known in removed.items():
            values = (key.value for key in keys_there(known, _matched_by(neighbour)))
            claiming = (each for key in keys[ours] for each in claimants.get(key, ()))
            owning = owners.get(known.external_id or "", ours)
            for theirs in (ours, owning, *values, *claiming, *ahead.get(ours, ())):
                maybe.setdefault(theirs, set()).add(ours)
        return maybe


def _matched_by(neighbour: Neighbour) -> frozenset[str]:
    identity = neighbour.capabilities.identity
    return frozenset((*neighbour.mapping.match_on, *([identity] if identity else ())))


def _hashes(neighbour: Neighbour, known: Known) -> list[bytes]:
    return hashes(keys_there(known, _matched_by(neighbour)))


def desired_of(
    row: SourceRow, mapping: DestinationMapping, capabilities: Capabilities
) -> Desired | Rejected:
    """Return the desired contact of a row that another run judges."""
    try:
        return map_row(row, mapping, capabilities.identity, capabilities.accumulates)
    except Exception:  # noqa: BLE001 - its own run reports what is wrong with the row
        return Rejected("cannot_be_planned", "", by_vendor=False)
