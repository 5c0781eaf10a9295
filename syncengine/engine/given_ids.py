"""Owners of the external ids that a vendor's answers give to contacts.

Two creates may be answered with one id: the vendor takes both contacts for the same
person. Only one of them may own the id, so each id that an answer gives is compared
with those given before in this run, and with those in the state. The state is asked for
many ids at once, since a bulk run creates hundreds of contacts a second.

Used by ``Ownership``.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable

from syncengine.ports import ContactStore

_REMEMBERED = 10_000
"""Number of the latest ids that are remembered. Records reach the state within a
second, and the state knows an id from then on: far fewer ids wait for that."""


class GivenIds:
    """External ids given to contacts in one destination's run.

    Owners are named ``destination/contact_id``, as in the state. While one query for
    owners is under way, further questions are collected for the next one.
    """

    def __init__(self, destination: str, store: ContactStore) -> None:
        self._destination = destination
        self._store = store
        self._given: OrderedDict[str, str] = OrderedDict()
        """Contact id by external id, the oldest first."""
        self._waiting: set[str] = set()
        """External ids that the next query asks for."""
        self._owners: dict[str, str | None] = {}
        """Answers by external id, until the worker that asked has read its own. None:
        the state knows no owner."""
        self._asking = asyncio.Lock()

    def give(self, external_id: str, contact_id: str) -> str | None:
        """Note the contact that an id was given to.

        Returns the owner if the id was given to another contact before in this run. The
        first one keeps it.
        """
        first = self._given.setdefault(external_id, contact_id)
        if len(self._given) > _REMEMBERED:
            self._given.popitem(last=False)
        if first == contact_id:
            return None
        return self._name_of(first)

    def owners(self, external_ids: Iterable[str], contact_id: str) -> dict[str, str]:
        """Return the owners, by id, of ids given to another contact in this run."""
        owners: dict[str, str] = {}
        for external_id in external_ids:
            owner = self._given.get(external_id)
            if owner is not None and owner != contact_id:
                owners[external_id] = self._name_of(owner)
        return owners

    def take_back(self, external_id: str) -> None:
        """Forget the id: the state knows its owner from now on."""
        self._given.pop(external_id, None)

    async def is_known(self, external_id: str, contact_id: str) -> bool:
        """Return whether another contact owns the id in the state, removed ones too.

        Raises StorageError.
        """
        self._waiting.add(external_id)
        async with self._asking:
            # The worker that held the lock before may have asked for this id as well.
            if external_id in self._waiting:
                await self._ask_for_all()
        owner = self._owners.pop(external_id, None)
        return owner is not None and owner != self._name_of(contact_id)

    async def _ask_for_all(self) -> None:
        """Ask the state once for the owners of all ids that wait by now."""
        asked = list(self._waiting)
        # No contact id is excluded: the ids belong to questions of many contacts.
        owners = await self._store.owners("", asked, takes_over=False)
        for external_id in asked:
            self._owners[external_id] = owners.get(external_id)
        # Only those: further ids may have come while the query was under way.
        self._waiting.difference_update(asked)

    def _name_of(self, contact_id: str) -> str:
        """Return a contact's name within the account."""
        return f"{self._destination}/{contact_id}"
