"""Ownership of vendor contacts: each belongs to one contact of ours at most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from syncengine.engine.attempt import Attempt
from syncengine.engine.conclusions import may_name_existing
from syncengine.engine.given_ids import GivenIds
from syncengine.model.calls import Call
from syncengine.model.capabilities import Capabilities
from syncengine.model.contact import MatchKey, Remote
from syncengine.model.work import LinkResult
from syncengine.ports import ContactStore


class Ownership:
    """Vendor contacts and their owners, in one destination's run.

    The state knows the owners that were written down, and ``GivenIds`` those that were
    given an id in this run and are not written down yet. Owners are named
    ``destination/contact_id``.
    """

    def __init__(
        self, destination: str, store: ContactStore, capabilities: Capabilities
    ) -> None:
        self._store = store
        self._capabilities = capabilities
        self._given = GivenIds(destination, store)

    async def claim(
        self,
        attempt: Attempt,
        external_id: str,
        key: MatchKey | None,
        found_tags: frozenset[str] = frozenset(),
        our_tags: frozenset[str] = frozenset(),
        *,
        takes_over: bool = True,
    ) -> LinkResult:
        """Make the contact the owner of a vendor contact, unless another one is.

        The parameters are those of ``ContactStore.link``.
        """
        contact_id = attempt.contact_id
        # The id is noted before the state is asked: of two contacts that find the same
        # vendor contact at once, the second one must see the first.
        owner = self._given.give(external_id, contact_id)
        if owner is not None:
            return LinkResult(owner)
        link = await self._store.link(
            contact_id, external_id, key, found_tags, our_tags, takes_over=takes_over
        )
        # From now on the state knows the owner, and may know a better one later.
        self._given.take_back(external_id)
        return link

    async def others_among(
        self, attempt: Attempt, remotes: Sequence[Remote]
    ) -> Mapping[str, str]:
        """Return those of the vendor contacts that others own, by external id."""
        external_ids = [remote.external_id for remote in remotes]
        recorded = await self._store.owners(
            attempt.contact_id, external_ids, takes_over=attempt.job.takes_over
        )
        given = self._given.owners(external_ids, attempt.contact_id)
        return {**recorded, **given}

    async def owner_of_answer(
        self, attempt: Attempt, call: Call, external_id: str
    ) -> str | None:
        """Return the other contact that owns the id a create or upsert returned.

        None where no other contact does.
        """
        owner = self._given.give(external_id, attempt.contact_id)
        if owner is not None:
            return owner
        # Most answers mean a new contact. For these, one question to the state serves
        # many contacts, and the link is written with the outcome, without a
        # transaction of its own.
        may_exist = may_name_existing(call, self._capabilities)
        if may_exist or await self._given.is_known(external_id, attempt.contact_id):
            link = await self.claim(attempt, external_id, call.key)
            return link.owner
        return None
