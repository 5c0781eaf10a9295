"""The contacts of a destination that have a vendor contact of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

from syncengine.model.contact import MatchKey
from syncengine.model.work import LinkedContact
from syncengine.storage.connect import Pool
from syncengine.storage.state.access import read_state
from syncengine.storage.statements import statements

_SQL = statements("linked")


class Linked:
    """Reads in slices, each in a short transaction of its own. Raises StorageError."""

    def __init__(self, pool: Pool, destination: str) -> None:
        self._pool = pool
        self._destination = destination

    async def count(self) -> int:
        """Return the number of linked contacts."""
        ((number,),) = await self._fetch("count")
        return int(number)

    async def slices(self, size: int) -> AsyncIterator[Sequence[str]]:
        """Yield all of them, in the order of their ids."""
        # No contact id is empty, so all of them come after "". Each slice has its own
        # transaction, since the caller reads each contact at the vendor meanwhile.
        last = ""
        while True:
            rows = await self._fetch("after", last, size)
            if not rows:
                return
            ids = [row[0] for row in rows]
            yield ids
            last = ids[-1]

    async def sample(self, number: int, seed: int) -> Sequence[str]:
        """Return some of them by chance; another seed gives another sample."""
        return [row[0] for row in await self._fetch("sample", seed, number)]

    async def among(self, contact_ids: Sequence[str]) -> Sequence[str]:
        """Return those of these contacts that are linked."""
        return [row[0] for row in await self._fetch("among", list(contact_ids))]

    async def known_longest_and_last(self) -> Sequence[LinkedContact]:
        """Return a few contacts in step: the newest ones, then those known longest."""
        rows = await self._fetch("known_longest_and_last")
        found: list[LinkedContact] = []
        for contact_id, external_id, match_field, match_key in rows:
            key: MatchKey | None = None
            if match_field:
                key = MatchKey(match_field, match_key)
            found.append(LinkedContact(contact_id, external_id, key))
        return found

    async def owners(self, external_ids: Sequence[str]) -> dict[str, str]:
        """Return external id to the contact it belongs to, for those that are known."""
        rows = await self._fetch("of_external_ids", list(external_ids))
        return {row[1]: row[0] for row in rows}

    async def _fetch(self, name: str, *arguments: object) -> Sequence[tuple[Any, ...]]:
        async with read_state(self._pool) as connection:
            rows = await connection.fetch(_SQL[name], self._destination, *arguments)
        return [tuple(row) for row in rows]
