"""The state of an account's other destinations (``ports.ShareStore``).

Contacts of one account may be in several destinations, and only one of these owns the
vendor contact. ``engine.neighbours`` says what these questions are for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import asyncpg
import orjson

from syncengine.model.contact import Known, MatchKey
from syncengine.model.work import SharedContact
from syncengine.storage.patience import patient
from syncengine.storage.state.fence import FencedStore
from syncengine.storage.statements import statements

_SQL = statements("shares")


@dataclass(frozen=True, slots=True)
class OwnedContact:
    """A contact of a run that another destination of the account owns."""

    contact_id: str
    owner: str
    known: Known
    """What is known of it there."""


class Shares(FencedStore):
    """Owners of vendor contacts, and claimants of match keys."""

    @patient
    async def owners_at(
        self, destination: str, external_ids: Sequence[str]
    ) -> Mapping[str, str]:
        """Return which contacts of a destination own these vendor contacts."""
        async with self._fence.reading() as connection:
            rows = await connection.fetch(
                _SQL["owners_at"], destination, list(external_ids)
            )
        return {row["external_id"]: row["contact_id"] for row in rows}

    @patient
    async def owned_at(
        self, destination: str, contact_ids: Sequence[str]
    ) -> Mapping[str, str]:
        """Return the vendor contacts that these contacts of a destination own."""
        async with self._fence.reading() as connection:
            rows = await connection.fetch(
                _SQL["owned_at"], destination, list(contact_ids)
            )
        return {row["contact_id"]: row["external_id"] for row in rows}

    @patient
    async def claimants_at(
        self, destination: str, key_hashes: Sequence[bytes]
    ) -> Mapping[bytes, Sequence[str]]:
        """Return which contacts of a destination claim these match keys."""
        account = self._fence.account
        async with self._fence.reading() as connection:
            rows = await connection.fetch(
                _SQL["claimants_at"], account, destination, list(key_hashes)
            )
        found: dict[bytes, list[str]] = {}
        for row in rows:
            found.setdefault(row["key_hash"], []).append(row["contact_id"])
        return found

    @patient
    async def shared_contacts(
        self, destination: str, contact_ids: Sequence[str]
    ) -> Mapping[str, SharedContact]:
        """Return contacts that other destinations have, or may have."""
        account = self._fence.account
        async with self._fence.reading() as connection:
            rows = await connection.fetch(
                _SQL["shared_contacts"], account, destination, list(contact_ids)
            )
        return {
            row["contact_id"]: SharedContact(row["owner"], _key(row)) for row in rows
        }

    @patient
    async def still_owned_at(
        self, destination: str, contact_ids: Sequence[str]
    ) -> Mapping[str, bool]:
        """Return those of the contacts that a destination has not let go of."""
        async with self._fence.reading() as connection:
            rows = await connection.fetch(
                _SQL["still_owned_at"], destination, list(contact_ids)
            )
        return {row["contact_id"]: row["settled"] for row in rows}

    @patient
    async def hand_over(self, destination: str, contact_ids: Sequence[str]) -> None:
        """Let a destination go of contacts that another one selects now."""
        # Both or neither: a contact that was handed over and still claims its keys
        # would keep the other destination from using them. ``sending``, since what
        # follows is a request of this run to a contact that was another destination's.
        async with self._fence.writing(sending=True) as connection:
            await connection.execute(_SQL["hand_over"], destination, list(contact_ids))
            await connection.execute(
                _SQL["hand_keys_over"], destination, list(contact_ids)
            )

    @patient
    async def let_go(self, destination: str) -> Sequence[str]:
        """Return contacts that another destination owned, and has let go of since.

        They were refused here for that.
        """
        async with self._fence.reading() as connection:
            rows = await connection.fetch(
                _SQL["let_go"], self._fence.account, destination
            )
        return [row["contact_id"] for row in rows]

    @patient
    async def owned_elsewhere(
        self, run_id: int, destination: str, most: int
    ) -> list[OwnedContact]:
        """Return contacts that a run refused because another destination has them."""
        async with self._fence.reading() as connection:
            rows = await connection.fetch(
                _SQL["owned_elsewhere"], self._fence.account, run_id, destination, most
            )
        found: list[OwnedContact] = []
        for row in rows:
            known = Known(fields=orjson.loads(row["fields"]))
            found.append(OwnedContact(row["contact_id"], row["owner"], known))
        return found


def _key(row: asyncpg.Record) -> MatchKey | None:
    if not row["match_field"]:
        return None
    return MatchKey(row["match_field"], row["match_key"])
