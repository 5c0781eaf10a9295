"""The claims of contacts to match keys (``ports.KeyStore``).

No two contacts of an account may have one match key at the vendor, or their values
would be written over each other. So each contact claims the hashes of its keys, and
of several claimants one wins (``sql/keys.sql``, "losers", says which).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from syncengine.storage.patience import patient
from syncengine.storage.state.contacts import numbers
from syncengine.storage.state.fence import Fence, FencedStore
from syncengine.storage.statements import statements

_SQL = statements("keys")


class Keys(FencedStore):
    """The claims of one destination, judged over its whole account."""

    def __init__(self, fence: Fence, destination: str, *, numbered: bool) -> None:
        super().__init__(fence)
        self._destination = destination
        self._numbered = numbered

    @patient
    async def claim(self, claims: Mapping[str, Sequence[bytes]]) -> None:
        """Replace the claims of these contacts; an empty list drops them.

        ``claims`` are hashes of match keys by contact id.
        """
        # Two lists of the same length: each claimed key, and its contact.
        ids: list[str] = []
        keys: list[bytes] = []
        for contact_id, contact_keys in sorted(claims.items()):
            for key in dict.fromkeys(contact_keys):
                ids.append(contact_id)
                keys.append(key)
        # Old claims end in the transaction in which the new ones begin: no moment is
        # seen in which a contact has no claim, and loses its key to another one.
        async with self._fence.writing(sending=True) as connection:
            await connection.execute(
                _SQL["let_go"], self._destination, list(claims), ids, keys
            )
            await connection.execute(
                _SQL["claim"],
                self._fence.account,
                self._destination,
                ids,
                numbers(ids, numbered=self._numbered),
                keys,
            )

    @patient
    async def losers(self, contact_ids: Sequence[str]) -> Mapping[str, str]:
        """Return contacts that must not have a key they claim, with its owner."""
        async with self._fence.reading() as connection:
            rows = await connection.fetch(
                _SQL["losers"],
                self._fence.account,
                self._destination,
                list(contact_ids),
            )
        return {row["contact_id"]: row["winner"] for row in rows}

    async def freed(self) -> Sequence[str]:
        """Return contacts that were refused for a key, and would get it now."""
        async with self._fence.reading() as connection:
            rows = await connection.fetch(_SQL["dead_duplicates"], self._destination)
        duplicates = [row["contact_id"] for row in rows]
        if not duplicates:
            return []
        # Other destinations may let go of keys at any time without a word to this one,
        # so the question is asked anew for all of them.
        losers = await self.losers(duplicates)
        return [contact_id for contact_id in duplicates if contact_id not in losers]
