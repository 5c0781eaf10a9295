"""Two vendor contacts that are merged: what is asked of the vendor about them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from syncengine.config.destination import DestinationConfig
from syncengine.engine.exchange import Meter
from syncengine.engine.retry import Retrier
from syncengine.errors import RequestFailed
from syncengine.model.calls import Applied, Rejected
from syncengine.model.contact import Remote
from syncengine.ports import Merger


class MergedContact(NamedTuple):
    """The vendor contact that is left of the two."""

    external_id: str
    remote: Remote | None
    """The contact as the vendor shows it; None where it could not be read."""


@dataclass(frozen=True, slots=True)
class MergePair:
    """Two vendor contacts, and how to ask about them."""

    destination: DestinationConfig
    retrier: Retrier
    into: str
    """External id of the contact that the other one is merged into."""
    other: str
    """External id of the contact that is to disappear. The vendor may decide
    otherwise."""

    async def read(self, external_id: str) -> Remote | None:
        """Return a vendor contact; None where it is gone, or another one is shown.

        Raises RequestFailed.
        """
        read = partial(self.destination.vendor.read, external_id)
        remote = await self.retrier.run(read, Meter(), repeatable=True)
        # A vendor may show the contact that a merged one became.
        if remote is None or remote.external_id != external_id:
            return None
        return remote

    async def merge(self) -> Applied | Rejected:
        """Have the vendor merge them. Raises RequestFailed, AccountStopped."""
        vendor = self.destination.vendor
        assert isinstance(vendor, Merger)
        merge = partial(vendor.merge, self.into, self.other)
        # Not sent again where it may have been carried out: a second merge would find
        # one of the two gone, and its refusal would hide that the first one worked.
        answer = await self.retrier.run(merge, Meter(), repeatable=False)
        assert isinstance(answer, Applied | Rejected), "a merge is applied or rejected"
        return answer

    async def left(self, answered_id: str | None) -> MergedContact | None:
        """Return the contact that is left after the merge.

        ``answered_id`` is the id in the vendor's answer, None where it has none.
        Returns None where the vendor shows neither or both of the two, or a third one
        besides them. Raises RequestFailed.
        """
        if answered_id in (self.into, self.other):
            remote = await self._read_if_shown(answered_id)
            return MergedContact(answered_id, remote)
        shown: list[MergedContact] = []
        for external_id in (self.into, self.other):
            remote = await self.read(external_id)
            if remote is not None:
                shown.append(MergedContact(external_id, remote))
        if answered_id is None:
            is_clear = len(shown) == 1
            return shown[0] if is_clear else None
        # A third contact took the place of both: believed only once both are gone.
        if shown:
            return None
        third = await self.read(answered_id)
        if third is None:
            return None
        return MergedContact(answered_id, third)

    async def _read_if_shown(self, external_id: str) -> Remote | None:
        try:
            return await self.read(external_id)
        except RequestFailed:
            # Its values stay unknown, and are all sent by the next run.
            return None
