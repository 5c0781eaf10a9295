"""Owners of the ids that vendors answer with, looked up for many contacts at once."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable

from syncengine.ports import ContactStore

_REMEMBERED = 10_000
"""Ids given last: far more than wait to be written down, after which the state knows
them."""


class GivenIds:
    """The ids given in one destination's run.

    While one query for owners is under way, further questions are collected for the
    next.
    """

    def __init__(self, destination: str, store: ContactStore) -> None:
        self._destination = destination
        self._store = store
        self._given: OrderedDict[str, str] = OrderedDict()
        self._waiting: set[str] = set()
        self._owners: dict[str, str | None] = {}
        self._asking = asyncio.Lock()

    def give(self, external_id: str, contact_id: str) -> str | None:
        """Note the contact that an id was given to.

        Returns the contact that it was given to before in this run, if another one.
        """
        first = self._given.setdefault(external_id, contact_id)
        if len(self._given) > _REMEMBERED:
            self._given.popitem(last=False)
        if first == contact_id:
            return None
        return self._name_of(first)

    def owners(self, external_ids: Iterable[str], contact_id: str) -> dict[str, str]:
        """Return those of the ids that were given to another contact in this run."""
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
            # Else it was part of the question that was under way.
            if external_id in self._waiting:
                asked = list(self._waiting)
                owners = await self._store.owners("", asked, takes_over=False)
                self._owners.update((each, owners.get(each)) for each in asked)
                self._waiting.difference_update(asked)
        owner = self._owners.pop(external_id, None)
        return owner is not None and owner != self._name_of(contact_id)

    def _name_of(self, contact_id: str) -> str:
        """Return a contact's name within the account."""
        return f"{self._destination}/{contact_id}"
