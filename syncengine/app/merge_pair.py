"""Two vendor contacts that are merged: what is asked of the vendor about them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from syncengine.config.destination import DestinationConfig
from syncengine.engine.exchange import Meter
from syncengine.engine.retry import Retrier
from syncengine.errors import RequestFailed
from syncengine.model.calls import Applied, Rejected
from syncengine.model.contact import Remote
from syncengine.ports import Merger


@dataclass(frozen=True, slots=True)
class MergePair:
    """Two vendor contacts, and how to ask about them."""

    destination: DestinationConfig
    retrier: Retrier
    into: str
    other: str

    async def read(self, external_id: str) -> Remote | None:
        """Return a vendor contact; None where it is gone, or another one is shown."""
        read = partial(self.destination.vendor.read, external_id)
        remote = await self.retrier.run(read, Meter(), repeatable=True)
        # A vendor may show the contact that a merged one became.
        if remote is None or remote.external_id != external_id:
            return None
        return remote

    async def merge(self) -> Applied | Rejected:
        """Have the vendor merge them."""
        vendor = self.destination.vendor
        assert isinstance(vendor, Merger)
        answer = await self.retrier.run(
            partial(vendor.merge, self.into, self.other), Meter(), repeatable=False
        )
        assert isinstance(answer, Applied | Rejected), "a merge is applied or rejected"
        return answer

    async def left(self, answered_id: str | None) -> tuple[str, Remote | None] | None:
        """Return the id of the contact that is left, and how the vendor shows it.

        ``answered_id`` is the id in the vendor's answer. None where the vendor shows
        neither or both of the two, or a third one besides them.
        """
        if answered_id in (self.into, self.other):
            return answered_id, await self._read_if_shown(answered_id)
        shown: list[tuple[str, Remote]] = []
        for external_id in (self.into, self.other):
            remote = await self.read(external_id)
            if remote is not None:
                shown.append((external_id, remote))
        if answered_id is None:
            return shown[0] if len(shown) == 1 else None
        if shown:
            return None
        third = await self.read(answered_id)
        return None if third is None else (answered_id, third)

    async def _read_if_shown(self, external_id: str) -> Remote | None:
        try:
            return await self.read(external_id)
        except RequestFailed:
            # Its values stay unknown, and are all sent by the next run.
            return None
