"""Waits of contacts for another one's match key (``ports.WaitStore``).

The other contact has the key at the vendor until it gives it up.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

import asyncpg
import orjson

from syncengine.model.work import Blocker, KeyWait, Status
from syncengine.storage.connect import Connection
from syncengine.storage.patience import patient
from syncengine.storage.state.fence import Fence, FencedStore
from syncengine.storage.statements import statements

_SQL = statements("waits")
_LOSERS = statements("keys")["losers"]


class Waits(FencedStore):
    """The waits of one destination.

    The owners may be of any destination in the account.
    """

    def __init__(self, fence: Fence, destination: str) -> None:
        super().__init__(fence)
        self._destination = destination

    @patient
    async def keep(self, waits: Mapping[str, KeyWait]) -> None:
        """Note the contacts that these wait for, with a hash of what they have."""
        # A destination's name has no slash, and a contact id may have some.
        owners = [wait.owner.partition("/") for wait in waits.values()]
        fields = [orjson.dumps(wait.fields).decode() for wait in waits.values()]
        async with self._fence.writing() as connection:
            await connection.execute(
                _SQL["keep"],
                self._destination,
                list(waits),
                [destination for destination, _, _ in owners],
                [contact_id for _, _, contact_id in owners],
                fields,
            )

    @patient
    async def kept(self) -> Mapping[str, KeyWait]:
        """Return the contacts that wait since a former run, and their waits."""
        async with self._fence.reading() as connection:
            rows = await connection.fetch(_SQL["kept"], self._destination)
        return {
            row["contact_id"]: KeyWait(row["owner"], tuple(row["fields"]), None)
            for row in rows
        }

    @patient
    async def moved(self) -> Sequence[str]:
        """Return contacts whose wait may be over, since the other one has changed."""
        async with self._fence.reading() as connection:
            rows = await connection.fetch(_SQL["moved"], self._destination)
        return [row["contact_id"] for row in rows]

    @patient
    async def blockers(self, contacts: Collection[str]) -> Mapping[str, Blocker]:
        """Return the state of these contacts, and of all for whom they wait."""
        found: dict[str, Blocker] = {}
        async with self._fence.reading() as connection:
            # An owner may wait itself, so the chain is followed. Each contact is read
            # once: a circle of contacts that wait for each other ends too.
            unread = set(contacts)
            while unread:
                read = await self._read(connection, unread)
                found |= read
                next_ones = {
                    holder.waits_for for holder in read.values() if holder.waits_for
                }
                unread = next_ones - found.keys()
        return found

    async def _read(
        self, connection: Connection, contacts: Collection[str]
    ) -> dict[str, Blocker]:
        places = [contact.partition("/") for contact in sorted(contacts)]
        rows = await connection.fetch(
            _SQL["blockers"],
            [destination for destination, _, _ in places],
            [contact_id for _, _, contact_id in places],
        )
        winners = await self._winners(connection, rows)
        holders: dict[str, Blocker] = {}
        for row in rows:
            contact = f"{row['destination']}/{row['contact_id']}"
            waits_for = winners.get(contact)
            # A wait that was kept says more than the present winner of the key.
            if row["owner_destination"] is not None:
                waits_for = f"{row['owner_destination']}/{row['owner_contact_id']}"
            holders[contact] = Blocker(
                contact, Status(row["status"]), row["code"], waits_for
            )
        return holders

    async def _winners(
        self, connection: Connection, rows: Sequence[asyncpg.Record]
    ) -> dict[str, str]:
        """Return contact to the winner of its match key, for the losers among them.

        Contacts are named ``DESTINATION/CONTACT_ID``.
        """
        duplicates: defaultdict[str, list[str]] = defaultdict(list)
        for row in rows:
            if row["code"] == "duplicate_match_key":
                duplicates[row["destination"]].append(row["contact_id"])
        winners: dict[str, str] = {}
        for destination, contact_ids in duplicates.items():
            losers = await connection.fetch(
                _LOSERS, self._fence.account, destination, contact_ids
            )
            for loser in losers:
                contact = f"{destination}/{loser['contact_id']}"
                winners[contact] = f"{loser['destination']}/{loser['winner']}"
        return winners
