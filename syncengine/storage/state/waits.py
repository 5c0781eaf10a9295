"""Waits of contacts for another one's match key (``ports.WaitStore``).

The other contact, the owner, has the key at the vendor until it lets go of it. Contacts
of several destinations may share an account, and so an owner may be of another
destination than the contact that waits: here every contact is named
``DESTINATION/CONTACT_ID``.

A wait is stored only for contacts that were refused for it. With it goes a hash of what
the owner had then (``held`` in ``sync_wait``): once that differs, the owner has moved.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

import asyncpg
import orjson

from syncengine.model.work import Blocker, KeyWait, Status
from syncengine.storage.connect import Connection
from syncengine.storage.patience import patient
from syncengine.storage.state.fence import Fence, FencedStore
from syncengine.storage.statements import statements

_SQL = statements("waits")
_LOSERS = statements("keys")["losers"]


class _Names(NamedTuple):
    """Names of contacts, taken apart: two lists of the same length for ``unnest``."""

    destinations: list[str]
    contact_ids: list[str]


class Waits(FencedStore):
    """The waits of one destination's contacts."""

    def __init__(self, fence: Fence, destination: str) -> None:
        super().__init__(fence)
        self._destination = destination

    @patient
    async def keep(self, waits: Mapping[str, KeyWait]) -> None:
        """Store the waits of these contacts, given by contact id.

        An earlier wait of such a contact is replaced.
        """
        owners = _taken_apart(wait.owner for wait in waits.values())
        # Postgres has no arrays of arrays of different lengths: each list is JSON.
        fields = [orjson.dumps(wait.fields).decode() for wait in waits.values()]
        async with self._fence.writing() as connection:
            await connection.execute(
                _SQL["keep"],
                self._destination,
                list(waits),
                owners.destinations,
                owners.contact_ids,
                fields,
            )

    @patient
    async def kept(self) -> Mapping[str, KeyWait]:
        """Return the waits since former runs, by contact id.

        The version of the row that waits is not stored: it is None in the result.
        """
        async with self._fence.reading() as connection:
            rows = await connection.fetch(_SQL["kept"], self._destination)
        waits: dict[str, KeyWait] = {}
        for row in rows:
            fields = tuple(row["fields"])
            waits[row["contact_id"]] = KeyWait(row["owner"], fields, source_hash=None)
        return waits

    @patient
    async def moved(self) -> Sequence[str]:
        """Return contacts whose wait may be over, since the owner has moved.

        That is, it has been removed, or has another vendor contact, match key, or value
        in one of the fields that the wait is about.
        """
        async with self._fence.reading() as connection:
            rows = await connection.fetch(_SQL["moved"], self._destination)
        return [row["contact_id"] for row in rows]

    @patient
    async def blockers(self, contacts: Collection[str]) -> Mapping[str, Blocker]:
        """Return the state of these contacts, and of all for whom they wait.

        Contacts that the state does not have are left out.
        """
        found: dict[str, Blocker] = {}
        async with self._fence.reading() as connection:
            # An owner may wait itself, so the chain is followed. Each contact is read
            # once: a circle of contacts that wait for each other ends too.
            unread = set(contacts)
            while unread:
                read = await self._read(connection, unread)
                found |= read
                owners = {blocker.waits_for for blocker in read.values()}
                unread = {owner for owner in owners if owner} - found.keys()
        return found

    async def _read(
        self, connection: Connection, contacts: Collection[str]
    ) -> dict[str, Blocker]:
        """Return the state of these contacts, by name."""
        names = _taken_apart(sorted(contacts))
        rows = await connection.fetch(
            _SQL["blockers"], names.destinations, names.contact_ids
        )
        winners = await self._winners(connection, rows)
        blockers: dict[str, Blocker] = {}
        for row in rows:
            contact = f"{row['destination']}/{row['contact_id']}"
            # A contact was refused as a duplicate, or for a stored wait, or neither.
            waits_for = winners.get(contact)
            if row["owner_destination"] is not None:
                waits_for = f"{row['owner_destination']}/{row['owner_contact_id']}"
            status = Status(row["status"])
            blockers[contact] = Blocker(contact, status, row["code"], waits_for)
        return blockers

    async def _winners(
        self, connection: Connection, rows: Sequence[asyncpg.Record]
    ) -> dict[str, str]:
        """Return, by name, the contact that won the match key of each refused one.

        Two rows of the source may ask for one match key: one wins it, and the others
        are refused as duplicates.
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
                # Of the loser's row, ``destination`` is where the winner is.
                winners[contact] = f"{loser['destination']}/{loser['winner']}"
        return winners


def _taken_apart(names: Iterable[str]) -> _Names:
    """Split names at their first slash.

    A destination's name has no slash, and a contact id may have some.
    """
    parts = _Names([], [])
    for name in names:
        destination, _, contact_id = name.partition("/")
        parts.destinations.append(destination)
        parts.contact_ids.append(contact_id)
    return parts
