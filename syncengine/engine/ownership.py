"""Ownership of vendor contacts: each belongs to one contact of ours at most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from syncengine.engine.given_ids import GivenIds
from syncengine.model.work import LinkResult
from syncengine.planning.attempt.steps import AskOwnerOfAnswer, Claim
from syncengine.ports import ContactStore


class Ownership:
    """Vendor contacts and their owners, in one destination's run.

    The state knows the owners that were written down, and ``GivenIds`` those that were
    given an id in this run and are not written down yet. Owners are named
    ``destination/contact_id``.
    """

    def __init__(self, destination: str, store: ContactStore) -> None:
        self._store = store
        self._given = GivenIds(destination, store)

    async def claim(self, contact_id: str, claim: Claim) -> LinkResult:
        """Make the contact the owner of a vendor contact, unless another one is."""
        # The id is noted before the state is asked: of two contacts that find the same
        # vendor contact at once, the second one must see the first.
        owner = self._given.give(claim.external_id, contact_id)
        if owner is not None:
            return LinkResult(owner)
        link = await self._store.link(
            contact_id,
            claim.external_id,
            claim.key,
            claim.found_tags,
            claim.our_tags,
            takes_over=claim.takes_over,
        )
        # From now on the state knows the owner, and may know a better one later.
        self._given.take_back(claim.external_id)
        return link

    async def others_among(
        self, contact_id: str, external_ids: Sequence[str], *, takes_over: bool
    ) -> Mapping[str, str]:
        """Return those of the vendor contacts that others own, by external id."""
        recorded = await self._store.owners(
            contact_id, external_ids, takes_over=takes_over
        )
        given = self._given.owners(external_ids, contact_id)
        return {**recorded, **given}

    async def owner_of_answer(
        self, contact_id: str, asked: AskOwnerOfAnswer
    ) -> str | None:
        """Return the other contact that owns the id a create or upsert returned.

        None where no other contact does.
        """
        owner = self._given.give(asked.external_id, contact_id)
        if owner is not None:
            return owner
        # Most answers mean a new contact. For these, one question to the state serves
        # many contacts, and the link is written with the outcome, without a
        # transaction of its own.
        if asked.may_exist or await self._given.is_known(asked.external_id, contact_id):
            link = await self.claim(contact_id, Claim(asked.external_id, asked.key))
            return link.owner
        return None
