"""Repair of what drifted: it is noted in the state, and the next run mends it.

``Verification`` adds the contacts that drifted. Then the verb judges by ``scope``
whether so much may be changed, and calls ``carry_out`` or ``give_up``. What is noted is
only what the vendor really has: the next run compares that with the row, as for any
other contact, and sends the difference.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from syncengine.model.capabilities import Capabilities
from syncengine.model.contact import Known, Pending, Remote
from syncengine.model.work import ContactState, Record, Status
from syncengine.planning.drift import Drift, known_with_drift
from syncengine.planning.found_contacts import known_after_not_found
from syncengine.planning.intents import with_all_unknown
from syncengine.planning.match_keys import keys_at_vendor
from syncengine.planning.repair import (
    NotRepaired,
    PlannedRepair,
    RepairRequest,
    RepairScope,
    planned_repair,
    requested_part,
)
from syncengine.ports import ContactStore

_SLICE = 200
"""Contacts that are noted in one transaction."""
_OF_NO_BATCH = 0
"""In place of a batch's number: the contacts were in none."""


class Repair:
    """Collects the contacts to be mended, and notes them once nothing forbids it."""

    def __init__(self, capabilities: Capabilities, asked: RepairRequest) -> None:
        self.scope = RepairScope()
        """Counts of what would be changed, for the brakes."""
        self.left: Counter[NotRepaired] = Counter()
        """Number of contacts that drifted and are not repaired, by the reason."""
        self.mended = 0
        """Number of contacts that the next run mends."""
        self._capabilities = capabilities
        self._asked = asked
        self._mends: list[PlannedRepair] = []

    def add(self, state: ContactState, remote: Remote | None, found: Drift) -> None:
        """Take a contact that drifted."""
        part = requested_part(found, self._asked)
        if found == Drift(opted_out=found.opted_out):
            self.left[NotRepaired.OPTED_OUT] += 1
        elif not part:
            self.left[NotRepaired.NOT_ASKED] += 1
        elif state.status is Status.DEAD:
            self.left[NotRepaired.DEAD_LETTER] += 1
        else:
            mend = planned_repair(state.contact_id, part, remote, self._asked)
            self.scope.add(mend)
            self._mends.append(mend)

    def give_up(self, reason: NotRepaired) -> None:
        """Mend nothing of all that was collected."""
        if self._mends:
            self.left[reason] += len(self._mends)
        self._mends.clear()

    async def carry_out(self, store: ContactStore) -> None:
        """Note everything that was collected. Raises StorageError, LeaseLost."""
        for start in range(0, len(self._mends), _SLICE):
            await self._note(store, self._mends[start : start + _SLICE])
        self._mends.clear()

    async def _note(self, store: ContactStore, mends: Sequence[PlannedRepair]) -> None:
        """Note these repairs in the state, as far as it still knows the contacts."""
        states = await store.load([mend.contact_id for mend in mends])
        records: list[Record] = []
        recreated: list[str] = []
        gone = 0
        for mend in mends:
            state = states.get(mend.contact_id)
            if state is None:
                # It was forgotten since it was compared.
                continue
            record = self._record(mend, state)
            records.append(record)
            if record.status is Status.GONE:
                gone += 1
            if mend.found.gone and self._asked.recreate:
                recreated.append(mend.contact_id)
        if records:
            await store.record(_OF_NO_BATCH, records)
        if recreated:
            await store.allow_recreation(recreated)
        self.mended += len(records) - gone
        if gone:
            self.left[NotRepaired.GONE] += gone

    def _record(self, mend: PlannedRepair, state: ContactState) -> Record:
        """Return the record by which the next run mends a contact."""
        known = state.known
        if mend.remote is not None:
            known = known_with_drift(known, mend.remote, mend.found)
            return _planned_again(state, known)
        if self._asked.recreate:
            return _planned_again(state, self._to_be_created(known))
        if not self._capabilities.reads:
            # No look-up finds it, which does not prove that it is gone: it is written
            # to by its id, whole, and the answer tells.
            return _planned_again(state, with_all_unknown(known, known.pending))
        known = known_after_not_found(known, self._capabilities)
        return Record(state.contact_id, known, Status.GONE, source_hash=None)

    def _to_be_created(self, known: Known) -> Known:
        """Return what is known of a contact to be created again.

        It is looked up first, by all keys it was known under: the vendor may have
        merged it, or somebody may have created it again.
        """
        keys = list(keys_at_vendor(known, self._capabilities))
        if known.key is not None:
            keys.insert(0, known.key)
        unique_keys = tuple(dict.fromkeys(keys))
        return replace(
            known_after_not_found(known, self._capabilities),
            pending=Pending(creates=True, keys=unique_keys),
        )


def _planned_again(state: ContactState, known: Known) -> Record:
    """Return a record without a source hash: the next run plans the contact."""
    return Record(
        contact_id=state.contact_id,
        known=known,
        status=Status.PENDING,
        source_hash=None,
        rejections=state.rejections,
        rejected_hash=state.rejected_hash,
    )
