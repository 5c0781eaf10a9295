"""Contacts that wait for another one to let go of their match key.

They are judged when the run is over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from syncengine.engine import records
from syncengine.engine.attempt import AttemptEnding
from syncengine.model.work import KeyWait, Record
from syncengine.planning.waiting import refusal_of_waiting
from syncengine.ports import WaitStore


class Waiting:
    """The waiting contacts of one destination's run."""

    def __init__(
        self, destination: str, store: WaitStore, *, brings_back: bool
    ) -> None:
        self._destination = destination
        self._store = store
        self._brings_back = brings_back
        """True where the run is about all contacts, and not about some only."""
        self._ended: dict[str, tuple[int, Record, KeyWait]] = {}

    def add(self, batch: int, ending: AttemptEnding) -> None:
        """Keep a contact that still waits after its last attempt."""
        assert ending.waits_for is not None, "only a contact that waits is kept"
        self._ended[ending.record.contact_id] = batch, ending.record, ending.waits_for

    async def moved(self) -> Sequence[str]:
        """Return contacts judged in former runs that wait for one that has moved."""
        return await self._store.moved() if self._brings_back else ()

    async def judge(self, *, finished: bool) -> list[tuple[int, Record]]:
        """Return the batches and final records of the contacts that still wait.

        Everything else has to be written down before: the state of the contacts waited
        for is read from there. No contact is judged in a run that was not ``finished``.
        """
        ended, self._ended = self._ended, {}
        if not ended:
            return []
        refused: Mapping[str, Record] = {}
        if finished:
            refused = await self._refused(ended)
        judged_records: list[tuple[int, Record]] = []
        for contact_id, (batch, record, _) in ended.items():
            # A contact that is not refused stays deferred: the next run tries it.
            judged_record = refused.get(contact_id) or records.recorded_before(record)
            judged_records.append((batch, judged_record))
        return judged_records

    async def _refused(
        self, ended: dict[str, tuple[int, Record, KeyWait]]
    ) -> dict[str, Record]:
        holders = await self._store.blockers(
            {wait.owner for _, _, wait in ended.values()}
        )
        refused: dict[str, Record] = {}
        for contact_id, (_, record, wait) in ended.items():
            waiter = f"{self._destination}/{contact_id}"
            refusal = refusal_of_waiting(waiter, wait.owner, holders, self._destination)
            if refusal is not None:
                refused[contact_id] = records.blocked(record, wait.source_hash, refusal)
        if refused:
            # Before the refusals: without it nobody would know when to try them again.
            await self._store.keep(
                {contact_id: ended[contact_id][2] for contact_id in refused}
            )
        return refused
