"""Claims to match keys in memory (``ports.KeyStore``).

The counterpart of ``storage.state.keys`` and its SQL.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from syncengine.model.work import Status
from tests.support.memory.contacts import numbers
from tests.support.memory.database import Database, Fence, StateRow


class Keys:
    def __init__(self, fence: Fence, destination: str, *, numbered: bool) -> None:
        self._fence = fence
        self._destination = destination
        self._numbered = numbered

    async def claim(self, claims: Mapping[str, Sequence[bytes]]) -> None:
        async with self._fence.writing("claim", sending=True) as database:
            wanted = {
                (self._destination, contact, key)
                for contact, keys in claims.items()
                for key in keys
            }
            for place in list(database.keys):
                if (
                    place[0] == self._destination
                    and place[1] in claims
                    and place not in wanted
                ):
                    del database.keys[place]
                    _find_again(database, place[:2])
            since = {key: self._since(database, key) for _, _, key in wanted}
            for place in wanted:
                (number,) = numbers([place[1]], numbered=self._numbered)
                database.keys.setdefault(place, (number, since[place[2]]))

    def _since(self, database: Database, key: bytes) -> float:
        """Return a time after all claims to the key, whatever the clock says."""
        earlier_claims = (
            since
            for (destination, _, each), (_, since) in database.keys.items()
            if each == key and database.accounts.get(destination) == self._fence.account
        )
        return max(database.clock(), *(since + 1e-6 for since in earlier_claims), 0.0)

    async def losers(self, contact_ids: Sequence[str]) -> Mapping[str, str]:
        async with self._fence.reading("losers") as database:
            found: dict[str, str] = {}
            for destination, contact_id, key in sorted(database.keys):
                if (
                    destination != self._destination
                    or contact_id not in contact_ids
                    or contact_id in found
                ):
                    continue
                winner = self._winner(database, key)
                if winner != (destination, contact_id):
                    found[contact_id] = winner[1]
        return found

    def winner_over(
        self, database: Database, loser: tuple[str, str]
    ) -> tuple[str, str] | None:
        """Return the contact that has a key which the other one claims."""
        winners = (
            self._winner(database, key)
            for *place, key in sorted(database.keys)
            if tuple(place) == loser
        )
        return next((winner for winner in winners if winner != loser), None)

    async def freed(self) -> Sequence[str]:
        async with self._fence.reading("dead duplicates") as database:
            duplicates = [
                contact_id
                for (destination, contact_id), row in database.states.items()
                if destination == self._destination
                and row.code == "duplicate_match_key"
                and row.status is Status.DEAD
            ]
        if not duplicates:
            return []
        losers = await self.losers(duplicates)
        return [contact_id for contact_id in duplicates if contact_id not in losers]

    def _winner(self, database: Database, key: bytes) -> tuple[str, str]:
        def rank(claim: tuple[str, str]) -> tuple[object, ...]:
            number, since = database.keys[*claim, key]
            owns = database.states.get(claim, StateRow()).external_id is not None
            return (
                not owns,
                since if owns else 0.0,
                number is None,
                number or 0,
                claim[1],
                claim[0],
            )

        claims = [
            (destination, contact_id)
            for destination, contact_id, asked in database.keys
            if asked == key
            and database.accounts.get(destination) == self._fence.account
        ]
        return min(claims, key=rank)


def _find_again(database: Database, contact: tuple[str, str]) -> None:
    """Have the next diff find a contact: without its key it is not in step any more."""
    if state := database.states.get(contact):
        state.source_hash = None
        if state.status is Status.DEAD:
            state.rejected_hash = None
