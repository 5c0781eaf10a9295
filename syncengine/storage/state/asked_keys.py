"""Match keys as a run of one contact would claim them (``ports.KeyStore``).

Nothing is written, not even a temporary table: whoever asks may have no right to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from syncengine.storage.state.contacts import numbers
from syncengine.storage.state.fence import Fence
from syncengine.storage.statements import statements

_SQL = statements("keys")


class AskedKeys:
    """The claims of single contacts, each beside what the state has of all others."""

    def __init__(self, fence: Fence, destination: str, *, numbered: bool) -> None:
        self._fence = fence
        self._destination = destination
        self._numbered = numbered
        self._claims: dict[str, Sequence[bytes]] = {}

    async def claim(self, claims: Mapping[str, Sequence[bytes]]) -> None:
        """Note the claims of these contacts, in place of those in the state."""
        self._claims.update(claims)

    async def losers(self, contact_ids: Sequence[str]) -> Mapping[str, str]:
        """Return contacts that would not get a key they claim, with its owner."""
        found: dict[str, str] = {}
        for contact_id in contact_ids:
            owner = await self._owner_instead(contact_id)
            if owner is not None:
                found[contact_id] = owner
        return found

    async def freed(self) -> Sequence[str]:
        """Return no contact: only a run brings back others than it was asked for."""
        return ()

    async def _owner_instead(self, contact_id: str) -> str | None:
        """Return the contact that would have one of the claimed keys instead."""
        claimed = self._claims.get(contact_id, ())
        if not claimed:
            return None
        (number,) = numbers([contact_id], numbered=self._numbered)
        async with self._fence.reading() as connection:
            row = await connection.fetchrow(
                _SQL["owner_instead"],
                self._fence.account,
                self._destination,
                contact_id,
                number,
                list(claimed),
            )
        return None if row is None else str(row["winner"])
