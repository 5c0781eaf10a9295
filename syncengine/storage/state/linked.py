"""The contacts of a destination that have a vendor contact of their own.

They are called linked. ``verify`` and the check of an account read them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import asyncpg

from syncengine.model.contact import MatchKey
from syncengine.model.work import LinkedContact
from syncengine.storage.connect import Pool
from syncengine.storage.state.access import read_state
from syncengine.storage.statements import statements

_SQL = statements("linked")


class Linked:
    """Reads linked contacts. Each method may raise StorageError.

    Each statement is a short transaction of its own.
    """

    def __init__(self, pool: Pool, destination: str) -> None:
        self._pool = pool
        self._destination = destination

    async def count(self) -> int:
        """Return the number of linked contacts."""
        rows = await self._fetch("count")
        (number,) = rows[0]
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
            contact_ids = [row["contact_id"] for row in rows]
            yield contact_ids
            last = contact_ids[-1]

    async def sample(self, number: int, seed: int) -> Sequence[str]:
        """Return some of them by chance; another seed gives another sample."""
        rows = await self._fetch("sample", seed, number)
        return [row["contact_id"] for row in rows]

    async def among(self, contact_ids: Sequence[str]) -> Sequence[str]:
        """Return those of these contacts that are linked."""
        rows = await self._fetch("among", list(contact_ids))
        return [row["contact_id"] for row in rows]

    async def known_longest_and_last(self) -> Sequence[LinkedContact]:
        """Return a few contacts in step: the newest ones, then those known longest."""
        rows = await self._fetch("known_longest_and_last")
        found: list[LinkedContact] = []
        for row in rows:
            key: MatchKey | None = None
            if row["match_field"]:
                key = MatchKey(row["match_field"], row["match_key"])
            found.append(LinkedContact(row["contact_id"], row["external_id"], key))
        return found

    async def owners(self, external_ids: Sequence[str]) -> dict[str, str]:
        """Return the contacts that these vendor contacts belong to, by external id.

        Those that belong to nobody here are left out.
        """
        rows = await self._fetch("of_external_ids", list(external_ids))
        return {row["external_id"]: row["contact_id"] for row in rows}

    async def _fetch(self, name: str, *arguments: object) -> Sequence[asyncpg.Record]:
        """Return the rows of a statement about the destination."""
        async with read_state(self._pool) as connection:
            return await connection.fetch(_SQL[name], self._destination, *arguments)
