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
from syncengine.planning.waiting import refusal_of_waiting
from syncengine.ports import WaitStore


@dataclass(frozen=True, slots=True)
class _LastAttempt:
    """Result of the last attempt of a contact that still waits."""

    batch: int
    """Number of the batch the contact is in."""
    record: Record
    wait: KeyWait


class Waiting:
    """The waiting contacts of one destination's run."""

    def __init__(
        self, destination: str, store: WaitStore, *, brings_back: bool
    ) -> None:
        """Take the store; ``brings_back`` is True where the run is about all contacts.

        A run about some contacts only does not try those of former runs as well.
        """
        self._destination = destination
        self._store = store
        self._brings_back = brings_back
        self._ended: dict[str, _LastAttempt] = {}
        """By contact id."""

    def add(self, batch: int, ending: AttemptEnding) -> None:
        """Keep a contact that still waits after its last attempt."""
        assert ending.waits_for is not None, "only a contact that waits is kept"
        last = _LastAttempt(batch, ending.record, ending.waits_for)
        self._ended[ending.record.contact_id] = last

    async def moved(self) -> Sequence[str]:
        """Return contacts refused in former runs whose owner has moved since.

        Raises StorageError.
        """
        if not self._brings_back:
            return ()
        return await self._store.moved()

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
        owners = {last.wait.owner for last in ended.values()}
        blockers = await self._store.blockers(owners)
        refused: dict[str, Record] = {}
        waits: dict[str, KeyWait] = {}
        for contact_id, last in ended.items():
            wait = last.wait
            waiter = f"{self._destination}/{contact_id}"
            refusal = refusal_of_waiting(
                waiter, wait.owner, blockers, self._destination
            )
            if refusal is not None:
                refused[contact_id] = records.blocked(
                    last.record, wait.source_hash, refusal
                )
                waits[contact_id] = wait
        if waits:
            # Stored before the refusals are. After a crash in the other order, refused
            # contacts would be left alone, and nothing would say when to try again.
            await self._store.keep(waits)
        return refused
