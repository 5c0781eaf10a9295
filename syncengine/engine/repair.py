"""Repair of what drifted: it is noted in the state, and the next run mends it."""

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
_OF_NO_RUN = 0


class Repair:
    """Collects the contacts to be mended, and notes them once nothing forbids it."""

    def __init__(self, capabilities: Capabilities, asked: RepairRequest) -> None:
        self.scope = RepairScope()
        self.left: Counter[NotRepaired] = Counter()
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
        states = await store.load([mend.contact_id for mend in mends])
        pairs = [
            (mend, states[mend.contact_id])
            for mend in mends
            if mend.contact_id in states
        ]
        records = [self._record(mend, state) for mend, state in pairs]
        if records:
            await store.record(_OF_NO_RUN, records)
        gone = [record.contact_id for record in records if record.status is Status.GONE]
        again = [
            mend.contact_id
            for mend, _ in pairs
            if mend.found.gone and self._asked.recreate
        ]
        if again:
            await store.allow_recreation(again)
        self.mended += len(records) - len(gone)
        if gone:
            self.left[NotRepaired.GONE] += len(gone)

    def _record(self, mend: PlannedRepair, state: ContactState) -> Record:
        if mend.remote is not None:
            return _planned_again(
                state, known_with_drift(state.known, mend.remote, mend.found)
            )
        if self._asked.recreate:
            return _planned_again(state, self._to_be_created(state.known))
        if not self._capabilities.reads:
            # No look-up finds it, which does not prove that it is gone: it is written
            # to by its id, whole, and the answer tells.
            return _planned_again(
                state, with_all_unknown(state.known, state.known.pending)
            )
        known = known_after_not_found(state.known, self._capabilities)
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
    return Record(
        contact_id=state.contact_id,
        known=known,
        status=Status.PENDING,
        source_hash=None,
        rejections=state.rejections,
        rejected_hash=state.rejected_hash,
    )
