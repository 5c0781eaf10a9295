"""The contact of ours whose copy is merged: what is written down about it."""

from __future__ import annotations

from dataclasses import dataclass

from syncengine.config.destination import DestinationConfig
from syncengine.model.contact import Known, Remote
from syncengine.model.work import ContactState, Record, Status
from syncengine.planning.found_contacts import (
    known_from_remote,
    tags_with_prefix,
    with_inherited,
    with_seen_opt_outs,
)
from syncengine.planning.merges import after_merge, with_external_id
from syncengine.storage.state.contacts import Contacts

_BATCH = 0
"""A merge has no batches: its records belong to none."""


@dataclass(frozen=True, slots=True)
class MergingContact:
    """The contact of ours that has ``into``."""

    store: Contacts
    state: ContactState
    """The contact as it was before the merge."""
    known_while_merging: Known
    """What is known of it, with the note that it is being merged."""

    async def note_merging(self) -> None:
        """Write down that it is being merged, and with which contact."""
        await self._record(self.known_while_merging)

    async def restore(self) -> None:
        """Write down that nothing was merged."""
        await self._record(self.state.known)

    async def own(
        self, left: str, remote: Remote | None, destination: DestinationConfig
    ) -> str | None:
        """Make it the owner of the vendor contact that is left, as the vendor shows it.

        ``remote`` is None where the vendor could not be asked. Returns the owner, as
        ``destination/contact_id``, where another contact owns that one already; nothing
        is written then, and the note of the merge stays.
        """
        vendor, prefix = destination.vendor, destination.mapping.tag_prefix
        hidden = vendor.capabilities.hidden
        known = after_merge(self.known_while_merging)
        tags = frozenset[str]()
        if remote is not None:
            tags = remote.tags
            linked = known_from_remote(
                remote,
                desired=None,
                known=known,
                same=vendor.same,
                hidden=hidden,
                prefix=prefix,
            )
            known = with_seen_opt_outs(linked, known, remote, vendor.capabilities)
        our_tags = tags_with_prefix(tags, prefix)
        link = await self.store.link(
            self.state.contact_id,
            left,
            found_tags=known.found_tags,
            our_tags=our_tags,
        )
        if link.owner is None:
            known = with_inherited(known, link.tags & tags, link.fields, hidden)
            await self._record(with_external_id(known, left))
        return link.owner

    async def _record(self, known: Known) -> None:
        """Write down what is known; the next run compares it with the row."""
        # Without a hash of the row, so that the next run looks at it in any case.
        status = Status.PENDING
        if self.state.status is Status.REMOVED:
            status = Status.REMOVED
        record = Record(
            contact_id=self.state.contact_id,
            known=known,
            status=status,
            source_hash=None,
            rejections=self.state.rejections,
            rejected_hash=self.state.rejected_hash,
        )
        await self.store.record(_BATCH, [record])
