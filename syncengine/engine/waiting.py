"""Contacts that wait for another one to let go of their match key.

Contact 2 asks for a phone number that contact 1 still has at the vendor. If the row of
contact 1 has changed as well, 1 may let go of the number later in the same run, so 2 is
deferred and tried again. If it still waits after its last attempt, it comes here, and
is judged once the run has ended for all others: it is refused if contact 1 cannot move
(``planning.waiting`` decides), or else stays deferred for the next run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from syncengine.model.work import KeyWait, Record
from syncengine.planning.attempt import records
from syncengine.planning.attempt.progress import AttemptEnding
from syncengine.planning.waiting import (
    closing_rings,
    refusal_in_ring,
    refusals_of_waiting,
    stuck_in_rings,
)
from syncengine.ports import WaitStore


@dataclass(frozen=True, slots=True)
class _LastAttempt:
    """Result of the last attempt of a contact that still waits."""

    batch: int
    """Number of the batch the contact is in."""
    record: Record
    wait: KeyWait
    is_for_value: bool
    """See ``AttemptEnding.waits_for_value``."""


class Waiting:
    """The waiting contacts of one destination's run."""

    def __init__(
        self, destination: str, store: WaitStore, *, brings_back: bool
    ) -> None:
        """Take the store; ``brings_back`` is True where the run is about all contacts.

        A run about some contacts only does not try those of former runs as well.
        """
        self.destination = destination
        self._store = store
        self._brings_back = brings_back
        self._ended: dict[str, _LastAttempt] = {}
        """By contact id."""

    def add(self, batch: int, ending: AttemptEnding) -> None:
        """Keep a contact that still waits after its last attempt."""
        assert ending.waits_for is not None, "only a contact that waits is kept"
        last = _LastAttempt(
            batch, ending.record, ending.waits_for, ending.waits_for_value
        )
        self._ended[ending.record.contact_id] = last

    async def moved(self) -> Sequence[str]:
        """Return contacts refused in former runs whose owner has moved since.

        Raises StorageError.
        """
        if not self._brings_back:
            return ()
        return await self._store.moved()

    async def closing_rings(self, waiting: Mapping[str, str]) -> Sequence[str]:
        """Return contacts refused in former runs for which contacts of this one wait.

        Only those that wait for these in turn; see ``planning.waiting``. ``waiting`` are
        the contacts of this run that wait for values, with their owners. Raises
        StorageError.
        """
        if not self._brings_back or not waiting:
            return ()
        blockers = await self._store.blockers(set(waiting.values()))
        closing = closing_rings(waiting, blockers, self.destination)
        return [each.partition("/")[2] for each in closing]

    async def judge(self, *, finished: bool) -> list[tuple[int, Record]]:
        """Return the batches and final records of the contacts that still wait.

        The records of all other contacts have to be in the state before, since the
        owners of the match keys are read from there. In a run that was not ``finished``
        no contact is refused: its owner may not have been reached. Raises StorageError,
        LeaseLost.
        """
        ended, self._ended = self._ended, {}
        if not ended:
            return []
        refused: Mapping[str, Record] = {}
        if finished:
            refused = await self._refused(ended)
        judged_records: list[tuple[int, Record]] = []
        for contact_id, last in ended.items():
            judged_record = refused.get(contact_id)
            if judged_record is None:
                # It stays deferred, and the next run tries it.
                judged_record = records.recorded_before(last.record)
            judged_records.append((last.batch, judged_record))
        return judged_records

    async def _refused(self, ended: Mapping[str, _LastAttempt]) -> dict[str, Record]:
        """Return the final records of the contacts that cannot get their match key.

        Their waits are stored.
        """
        owners = {
            self._name(contact_id): last.wait.owner
            for contact_id, last in ended.items()
        }
        by_value = {
            self._name(contact_id)
            for contact_id, last in ended.items()
            if last.is_for_value
        }
        blockers = await self._store.blockers(set(owners.values()))
        refusals = refusals_of_waiting(owners, blockers, self.destination)
        stuck = stuck_in_rings(owners, by_value)
        refused: dict[str, Record] = {}
        waits: dict[str, KeyWait] = {}
        for contact_id, last in ended.items():
            name = self._name(contact_id)
            refusal = refusals.get(name)
            if refusal is None and name in stuck:
                refusal = refusal_in_ring(last.wait.owner)
            if refusal is not None:
                refused[contact_id] = records.blocked(
                    last.record, last.wait.source_hash, refusal
                )
                waits[contact_id] = last.wait
        if waits:
            # Stored before the refusals are. After a crash in the other order, refused
            # contacts would be left alone, and nothing would say when to try again.
            await self._store.keep(waits)
        return refused

    def _name(self, contact_id: str) -> str:
        return f"{self.destination}/{contact_id}"
