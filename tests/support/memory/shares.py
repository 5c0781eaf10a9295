"""The state of an account's other destinations, in memory (``ports.ShareStore``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from syncengine.model.work import SharedContact, Status
from syncengine.storage.state.contacts import MOVED
from tests.support.memory.database import Fence, KnownRow


class Shares:
    def __init__(self, fence: Fence) -> None:
        self._fence = fence

    async def owners_at(
        self, destination: str, external_ids: Sequence[str]
    ) -> Mapping[str, str]:
        async with self._fence.reading("owners beside") as database:
            return {
                row.external_id: contact_id
                for (place, contact_id), row in database.states.items()
                if place == destination
                and row.external_id in external_ids
                and row.external_id is not None
                and row.status is not Status.REMOVED
            }

    async def owned_at(
        self, destination: str, contact_ids: Sequence[str]
    ) -> Mapping[str, str]:
        async with self._fence.reading("owned beside") as database:
            return {
                contact_id: row.external_id
                for (place, contact_id), row in database.states.items()
                if place == destination
                and contact_id in contact_ids
                and row.external_id is not None
                and row.status is not Status.REMOVED
            }

    async def claimants_at(
        self, destination: str, key_hashes: Sequence[bytes]
    ) -> Mapping[bytes, Sequence[str]]:
        found: dict[bytes, list[str]] = {}
        async with self._fence.reading("claimants beside") as database:
            for place, contact_id, key in sorted(database.keys):
                if place == destination and key in key_hashes:
                    found.setdefault(key, []).append(contact_id)
        return found

    async def still_owned_at(
        self, destination: str, contact_ids: Sequence[str]
    ) -> Mapping[str, bool]:
        found: dict[str, bool] = {}
        async with self._fence.reading("held beside") as database:
            for contact_id in contact_ids:
                row = database.states.get((destination, contact_id))
                if row is None or row.status is Status.REMOVED:
                    continue
                pending = database.known.get(
                    (destination, contact_id), KnownRow()
                ).pending
                may_be_made = (
                    row.external_id is None and pending is not None and pending.creates
                )
                found[contact_id] = (
                    row.status is not Status.SUPPRESSED and not may_be_made
                )
        return found

    async def hand_over(self, destination: str, contact_ids: Sequence[str]) -> None:
        async with self._fence.writing("hand over", sending=True) as database:
            for contact_id in contact_ids:
                row = database.states[(destination, contact_id)]
                if row.status in (Status.REMOVED, Status.SUPPRESSED):
                    continue
                row.status, row.code, row.source_hash, row.standing = (
                    Status.REMOVED,
                    MOVED,
                    None,
                    None,
                )
            for place in list(database.keys):
                if place[0] == destination and place[1] in contact_ids:
                    del database.keys[place]

    async def shared_contacts(
        self, destination: str, contact_ids: Sequence[str]
    ) -> Mapping[str, SharedContact]:
        found: dict[str, SharedContact] = {}
        async with self._fence.reading("met beside") as database:
            for (place, contact_id), row in sorted(database.states.items()):
                if (
                    place == destination
                    or database.accounts.get(place) != self._fence.account
                    or contact_id not in contact_ids
                ):
                    continue
                known = database.known.get((place, contact_id), KnownRow())
                may_be_made = known.pending is not None and known.pending.creates
                owns = row.external_id is not None and row.status is not Status.REMOVED
                if owns:
                    found[contact_id] = SharedContact(place, known.key)
                elif row.external_id is not None or may_be_made:
                    found.setdefault(contact_id, SharedContact(None, known.key))
        return found
