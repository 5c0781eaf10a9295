"""What the state knows of an account's other destinations (``ports.ShareStore``)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from syncengine.storage.fence import Fence
from syncengine.storage.patience import Patience, patient
from syncengine.storage.statements import statements

_SQL = statements("shares")


class Shares:
    """Owners of vendor contacts, and claimants of match keys."""

    def __init__(self, fence: Fence) -> None:
        self._fence = fence

    @property
    def patience(self) -> Patience:
        return self._fence.patience

    @patient
    async def owners_at(self, destination: str, external_ids: Sequence[str]) -> Mapping[str, str]:
        async with self._fence.reading() as connection:
            rows = await connection.fetch(_SQL["owners_at"], destination, list(external_ids))
        return {row["external_id"]: row["contact_id"] for row in rows}

    @patient
    async def owned_at(self, destination: str, contact_ids: Sequence[str]) -> Mapping[str, str]:
        async with self._fence.reading() as connection:
            rows = await connection.fetch(_SQL["owned_at"], destination, list(contact_ids))
        return {row["contact_id"]: row["external_id"] for row in rows}

    @patient
    async def claimants_at(self, destination: str, key_hashes: Sequence[bytes]) -> Mapping[bytes, Sequence[str]]:
        account = self._fence.account
        async with self._fence.reading() as connection:
            rows = await connection.fetch(_SQL["claimants_at"], account, destination, list(key_hashes))
        found: dict[bytes, list[str]] = {}
        for row in rows:
            found.setdefault(row["key_hash"], []).append(row["contact_id"])
        return found

    @patient
    async def met(self, destination: str, contact_ids: Sequence[str]) -> Collection[str]:
        account = self._fence.account
        async with self._fence.reading() as connection:
            rows = await connection.fetch(_SQL["met"], account, destination, list(contact_ids))
        return {row["contact_id"] for row in rows}
