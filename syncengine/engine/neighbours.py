"""The other destinations of an account, asked before a contact loses anything there.

Destinations of one account share its contacts: "customers" and "subscribers" may both
select Ann, who is one contact at the vendor. Two questions follow, and both are
answered here for the ``Preparer``:

* Ann leaves "customers". Do others want her copy, or tags and lists of it? Then these
  are not taken away (``wanting``).
* Ann moves: "customers" does not select her any more, and "subscribers" does now. Her
  vendor contact moves along, in place of a deletion and a new creation (``leaving``,
  ``hand_over``).

A neighbour's contact is the same as ours if it owns the same vendor contact, or asks
for a match key that ours has there. The state answers for rows that were synced before;
rows of the neighbour that were not are read from its source (``look_ahead``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

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
    def capabilities(self) -> Capabilities:
        """Capabilities of its vendor adapter, which depend on its settings."""
        ...

    async def load(self, contact_ids: Sequence[str]) -> Sequence[SourceRow]:
        """Return the present rows of these contacts. Raises SourceError."""
        ...

    def differing(self) -> AsyncIterator[Sequence[str]]:
        """Yield the contacts that its next run is about. Raises SourceError."""
        ...


@dataclass(frozen=True, slots=True)
class Leaving:
    """A contact that a destination still owns, and does not select any more."""

    destination: str
    contact_id: str
    settled: bool
    """False where something about it is unknown: the destination's own run has to
    settle that before anybody takes the contact over."""


class _Claim(NamedTuple):
    """Claim of one row of a neighbour on a contact that is about to be removed."""

    contact_id: str
    """The removed contact."""
    wanted: WantedByOthers


class _Removals:
    """Match keys of contacts that a run is about to remove, as one neighbour has them.

    Keys are compared as hashes (``planning.match_keys``), as they are in the state.
    """

    def __init__(self) -> None:
        self._contacts: dict[bytes, list[str]] = {}
        """By hash of a key: ids of our removed contacts that have it at the vendor."""
        self._asking: dict[str, set[str]] = {}
        """By id of a removed contact: ids of the neighbour's that ask for its keys."""

    def __bool__(self) -> bool:
        return bool(self._contacts)

    def add(self, contact_id: str, keys: Iterable[bytes]) -> None:
        """Note a contact that is to be removed."""
        for key in keys:
            self._contacts.setdefault(key, []).append(contact_id)

    def note_asking(self, neighbours_contact: str, keys: Iterable[bytes]) -> None:
        """Note the keys that a row of the neighbour asks for."""
        for key in keys:
            for removed in self._contacts.get(key, ()):
                self._asking.setdefault(removed, set()).add(neighbours_contact)

    def asking_for(self, contact_id: str) -> Collection[str]:
        """Return the neighbour's contacts that ask for a key of a removed contact."""
        return self._asking.get(contact_id, ())


class Neighbours:
    """All other destinations of an account, as one destination's run sees them."""

    def __init__(
        self, destination: str, neighbours: Sequence[Neighbour], shares: ShareStore
    ) -> None:
        self._destination = destination
        self._neighbours = neighbours
        self._shares = shares
        self._removals = {each.name: _Removals() for each in neighbours}
        """By name of a neighbour."""
        self._failed: SourceError | None = None
        """Why a neighbour's source could not be read ahead of the run."""
        self._released: frozenset[str] = frozenset()

    async def met(self, contact_ids: Sequence[str]) -> Mapping[str, SharedContact]:
        """Return contacts that the vendor has, or may have, from another destination.

        Raises StorageError.
        """
        shared = await self._shares.shared_contacts(self._destination, contact_ids)
        found: dict[str, SharedContact] = {}
        for contact_id, contact in shared.items():
            found[contact_id] = self._without_released(contact)
        return found

    def _without_released(self, contact: SharedContact) -> SharedContact:
        if contact.owner in self._released:
            return replace(contact, owner=None)
        return contact

    def release(self, destinations: Sequence[str]) -> None:
        """Regard destinations of the account as if they owned nothing any more.

        A run makes destinations that have no file any more let go of their contacts. A
        plan, which writes nothing to the state, only assumes it.
        """
        self._released = frozenset(destinations)

    async def leaving(self, contact_ids: Sequence[str]) -> Sequence[Leaving]:
        """Return those of the contacts that others own, and do not select any more.

        They are the same persons by their contact id alone. Contacts of a destination
        whose source cannot be read are left out. Raises StorageError.
        """
        found: list[Leaving] = []
        for neighbour in self._neighbours:
            owned = await self._shares.still_owned_at(neighbour.name, contact_ids)
            if not owned:
                continue
            try:
                rows = await neighbour.load(list(owned))
            except SourceError:
                # It may still select them: nothing is taken from a destination that
                # cannot be asked.
                continue
            selected = {row.contact_id for row in rows}
            for contact_id, is_settled in owned.items():
                if contact_id not in selected:
                    found.append(Leaving(neighbour.name, contact_id, is_settled))
        return found

    async def hand_over(self, leaving: Sequence[Leaving]) -> None:
        """Take contacts from the destinations that own them.

        Raises StorageError, LeaseLost.
        """
        by_destination: defaultdict[str, list[str]] = defaultdict(list)
        for each in leaving:
            by_destination[each.destination].append(each.contact_id)
        for destination, contact_ids in sorted(by_destination.items()):
            await self._shares.hand_over(destination, contact_ids)

    async def selected(self, contact_ids: Sequence[str]) -> frozenset[str]:
        """Return those of the contact ids that any neighbour selects.

        Raises SourceError.
        """
        selected: set[str] = set()
        for neighbour in self._neighbours:
            rows = await neighbour.load(contact_ids)
            selected.update(row.contact_id for row in rows)
        return frozenset(selected)

    def note(self, removed: Mapping[str, Known]) -> None:
        """Note contacts that a run is about to remove."""
        for neighbour in self._neighbours:
            removals = self._removals[neighbour.name]
            for contact_id, known in removed.items():
                removals.add(contact_id, _hashes(neighbour, known))

    async def look_ahead(self) -> None:
        """Find the neighbours' new rows that ask for match keys of noted contacts.

        The state knows nothing of a row before the run of its own destination, which
        may come later in the same night. Raises StorageError.
        """
        try:
            for neighbour in self._neighbours:
                if self._removals[neighbour.name]:
                    await self._look_at(neighbour)
        except SourceError as error:
            # Raised by ``wanting``: it concerns the removals only, and a run without
            # any goes on.
            self._failed = error

    async def _look_at(self, neighbour: Neighbour) -> None:
        removals = self._removals[neighbour.name]
        # Rows that do not differ are in the state: ``_candidates`` asks it for them.
        async for contact_ids in neighbour.differing():
            for row in await neighbour.load(contact_ids):
                desired = desired_of(row, neighbour.mapping, neighbour.capabilities)
                if isinstance(desired, Desired):
                    removals.note_asking(row.contact_id, hashes(desired.keys))

    async def wanting(
        self, removed: Mapping[str, Known]
    ) -> Mapping[str, WantedByOthers]:
        """Return what others want to keep of contacts that are about to be removed.

        ``removed`` is what is known of these, by contact id, and so is the result;
        contacts that nobody wants are left out. Raises SourceError where another
        destination cannot be asked, and StorageError.
        """
        if self._failed is not None:
            raise self._failed
        found: dict[str, WantedByOthers] = {}
        for neighbour in self._neighbours:
            for claim in await self._claims_of(neighbour, removed):
                before = found.get(claim.contact_id, WantedByOthers())
                found[claim.contact_id] = before | claim.wanted
        return found

    async def _claims_of(
        self, neighbour: Neighbour, removed: Mapping[str, Known]
    ) -> Sequence[_Claim]:
        """Return what a neighbour's rows want of removed contacts, row by row."""
        keys: dict[str, frozenset[bytes]] = {}
        for contact_id, known in removed.items():
            keys[contact_id] = frozenset(_hashes(neighbour, known))
        candidates = await self._candidates(neighbour, removed, keys)
        theirs = list(candidates)
        owned = await self._shares.owned_at(neighbour.name, theirs)
        claims: list[_Claim] = []
        for row in await neighbour.load(theirs):
            desired = desired_of(row, neighbour.mapping, neighbour.capabilities)
            wanted = _wanted_by_row(row, desired, neighbour)
            external_id = owned.get(row.contact_id)
            for ours in candidates[row.contact_id]:
                if external_id is not None:
                    is_same = external_id == removed[ours].external_id
                else:
                    is_same = share_a_key(desired, keys[ours])
                # A row that opted out or is bad says nothing of its keys: there the
                # same contact id is enough.
                is_same_row = wanted.everything and row.contact_id == ours
                if is_same or is_same_row:
                    claims.append(_Claim(ours, wanted))
        return claims

    async def _candidates(
        self,
        neighbour: Neighbour,
        removed: Mapping[str, Known],
        keys: Mapping[str, frozenset[bytes]],
    ) -> dict[str, set[str]]:
        """Return the neighbour's contacts that may be ours, each with those of ours.

        ``keys`` are hashes of the match keys that ours have at the vendor. Some of the
        result may turn out to be others: the caller reads each one's row, and compares.
        """
        removals = self._removals[neighbour.name]
        all_keys: set[bytes] = set()
        all_keys.update(*keys.values())
        claimants = await self._shares.claimants_at(neighbour.name, list(all_keys))
        external_ids = [
            known.external_id for known in removed.values() if known.external_id
        ]
        owners = await self._shares.owners_at(neighbour.name, external_ids)
        candidates: dict[str, set[str]] = {}
        for ours, known in removed.items():
            # The same contact id, where both destinations read one table.
            theirs = [ours]
            owner = owners.get(known.external_id or "")
            if owner is not None:
                theirs.append(owner)
            # A neighbour that matches by its own key writes its contact id to a field
            # of the vendor contact, so that the key's value is that id.
            theirs += [key.value for key in keys_there(known, _matched_by(neighbour))]
            for hashed in keys[ours]:
                theirs += claimants.get(hashed, ())
            theirs += removals.asking_for(ours)
            for contact_id in theirs:
                candidates.setdefault(contact_id, set()).add(ours)
        return candidates


def _wanted_by_row(
    row: SourceRow, desired: Desired | Rejected, neighbour: Neighbour
) -> WantedByOthers:
    """Return what a neighbour's row wants to keep.

    Nobody knows what a row wants that is bad or opted out: it keeps everything.
    """
    if isinstance(desired, Rejected) or has_opted_out(row, neighbour.mapping):
        return WantedByOthers(everything=True)
    return wanted_by_row(desired)


def _matched_by(neighbour: Neighbour) -> frozenset[str]:
    """Return the fields by which a neighbour recognises its contacts."""
    fields = set(neighbour.mapping.match_on)
    if neighbour.capabilities.identity:
        fields.add(neighbour.capabilities.identity)
    return frozenset(fields)


def _hashes(neighbour: Neighbour, known: Known) -> list[bytes]:
    """Return hashes of the match keys that a neighbour would find a contact by."""
    return hashes(keys_there(known, _matched_by(neighbour)))


def desired_of(
    row: SourceRow, mapping: DestinationMapping, capabilities: Capabilities
) -> Desired | Rejected:
    """Return the desired contact of a row that another run judges.

    A row that cannot be mapped at all is a rejection without a message.
    """
    try:
        return map_row(row, mapping, capabilities.identity, capabilities.accumulates)
    except Exception:  # noqa: BLE001 - its own run reports what is wrong with the row
        return Rejected("cannot_be_planned", "", by_vendor=False)
