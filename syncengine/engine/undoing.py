"""Preparation of an undo: from the changes of a former run to jobs.

It takes the place of the ``Preparer`` in an undo, whose batches hold the contacts that
the run altered. Rows are read as well: whether a contact has opted out, and what its
row would have sent again, is asked of them. What becomes of each contact is decided in
``planning.undo``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence

from syncengine.engine.neighbours import Neighbours
from syncengine.engine.prepare import (
    BatchAttempt,
    Preparer,
    Rows,
    States,
    intents_of,
)
from syncengine.engine.prepared import Prepared
from syncengine.engine.task import Task
from syncengine.errors import SourceError
from syncengine.model.calls import Rejected
from syncengine.model.change import ContactChange, Effect
from syncengine.model.consent import OPTED_OUT
from syncengine.model.contact import Desired, Known, MatchKey
from syncengine.model.undo import NO_ROW, LaterChange, TakenBack, UndoScope
from syncengine.model.work import Batch, ContactState, Record, SourceRow
from syncengine.planning.attempt import records, records_of_undo
from syncengine.planning.attempt.job import Job
from syncengine.planning.attempt.undo_jobs import with_target
from syncengine.planning.distrust import known_before_distrust
from syncengine.planning.match_keys import hashes
from syncengine.planning.plan import Plan
from syncengine.planning.sharing import WantedByOthers
from syncengine.planning.survey import Survey
from syncengine.planning.undo import (
    ContactUndo,
    Skip,
    match_fields,
    undo_target,
    with_the_rest,
)
from syncengine.ports import (
    ChangeStore,
    ContactStore,
    KeyStore,
    SourceReader,
    Vendor,
)


class UndoPreparer(Preparer):
    """Loads and plans batches of an undo."""

    def __init__(
        self,
        task: Task,
        vendor: Vendor,
        source: SourceReader,
        store: ContactStore,
        keys: KeyStore | None,
        neighbours: Neighbours | None,
        changes: ChangeStore,
        scope: UndoScope,
    ) -> None:
        """Take the parts of a preparer, the vendor, and what is to be taken back."""
        super().__init__(task, vendor.capabilities, source, store, keys, neighbours)
        self._same = vendor.same
        self._changes = changes
        self._scope = scope

    async def look_ahead(self, batches: AsyncIterator[Batch]) -> None:
        """Look at what other destinations want of the contacts about to be deleted."""
        if self._neighbours is None or not self._scope.deletes_created:
            return
        run_id = self._scope.run_id
        async for batch in batches:
            changes = await self._changes.changes(run_id, batch.contact_ids)
            created = [
                contact_id
                for contact_id, change in changes.items()
                if change.effect is Effect.CREATED
            ]
            states = await self._store.load(created)
            self._neighbours.note({each: state.known for each, state in states.items()})
        await self._neighbours.look_ahead()

    async def survey(self, batch: Batch, survey: Survey) -> None:
        """Count the changes of the batch's contacts that brakes judge."""
        for job in (await self.plan(batch)).jobs:
            if job.desired is None:
                survey.deletions += 1
            else:
                known = known_before_distrust(job.state.known)
                whole = with_the_rest(job.desired, known)
                survey.add(whole, known, self._capabilities)

    async def claim(self, batch: Batch) -> None:
        """Claim nothing yet: which former match keys are put back is known later."""
        del batch

    async def prepare(
        self, batch: Batch, attempt: int = 1, *, recreates: bool = False
    ) -> Prepared:
        """Load and plan a batch, claim its former match keys, and write its intents.

        Raises SourceError, StorageError, LeaseLost.
        """
        del recreates
        rows = await self._rows(batch)
        prepared = await self._plan(BatchAttempt(batch, rows, attempt))
        if self._keys is not None:
            prepared = await self._claimed(self._keys, prepared, rows)
        await self._store.intend(intents_of(prepared.jobs))
        return prepared

    async def _claimed(
        self, keys: KeyStore, prepared: Prepared, rows: Rows
    ) -> Prepared:
        """Claim the match keys that are put back.

        Whoever has one of them by now keeps it: the other contact is left alone, and
        has the keys again that its row asks for.
        """
        former: dict[str, Sequence[bytes]] = {}
        for job in prepared.jobs:
            if job.desired is not None:
                found = self._former_keys(job.desired, job.state.known)
                if found:
                    former[job.state.contact_id] = hashes(found)
        if not former:
            return prepared
        await keys.claim(former)
        losers = await keys.losers(list(former))
        jobs: list[Job] = []
        left_alone: list[Record] = []
        present: dict[str, Sequence[bytes]] = {}
        for job in prepared.jobs:
            contact_id = job.state.contact_id
            if contact_id not in losers or contact_id not in former:
                jobs.append(job)
                continue
            assert job.undo is not None, "all jobs of an undo have one"
            left_alone.append(
                records_of_undo.left_alone(job.state, job.undo, Skip.KEY_TAKEN)
            )
            present[contact_id] = self._keys_of_row(rows.get(contact_id))
        if present:
            await keys.claim(present)
        return Prepared(tuple(jobs), (*prepared.records, *left_alone))

    def _former_keys(self, target: Desired, known: Known) -> list[MatchKey]:
        """Return all match keys of a contact, where one of them is put back."""
        match_on = self._task.mapping.match_on
        if not match_fields(target, match_on):
            return []
        values = {**known.fields, **target.fields}
        regions = self._task.mapping.regions
        return [
            MatchKey(name, str(values[name]), regions.get(name))
            for name in match_on
            if values.get(name) not in (None, "")
        ]

    async def _plan(self, attempt: BatchAttempt) -> Prepared:
        """Plan the contacts of a batch, and take out those that are suppressed."""
        batch = attempt.batch
        undos, states = await self._undos(batch, attempt.rows)
        jobs: dict[str, Job] = {}
        finished: list[Record] = []
        for contact_id, undo in undos.items():
            item = self._plan_contact(
                attempt,
                states[contact_id],
                attempt.rows.get(contact_id),
                undo,
            )
            if isinstance(item, Job):
                jobs[contact_id] = item
            else:
                finished.append(item)
        for kept in await self._selected_elsewhere(jobs):
            job = jobs.pop(kept)
            finished.append(
                records_of_undo.left_alone(job.state, undos[kept], Skip.SHARED)
            )
        withheld = await self._withheld(jobs)
        allowed = [job for each, job in jobs.items() if each not in withheld]
        return Prepared(tuple(allowed), (*finished, *withheld.values()))

    async def _undos(
        self, batch: Batch, rows: Rows
    ) -> tuple[dict[str, ContactUndo], States]:
        """Return what there is to take back of the batch's contacts, and their states.

        A contact of which nothing is left here, since it was forgotten, is left out.
        """
        contact_ids, run_id = batch.contact_ids, self._scope.run_id
        states = await self._store.load(contact_ids)
        changes = await self._changes.changes(run_id, contact_ids)
        later = await self._changes.later(run_id, contact_ids)
        notes = await self._store.taken_back(contact_ids)
        undos: dict[str, ContactUndo] = {}
        for contact_id in dict.fromkeys(contact_ids):
            if contact_id not in states:
                continue
            change = changes.get(contact_id)
            if change is None and states[contact_id].known.pending is not None:
                # What was sent about it has no outcome: nothing is known to be changed.
                change = ContactChange(Effect.UPDATED)
            if change is not None:
                undos[contact_id] = self._undo_of(
                    states[contact_id],
                    rows.get(contact_id),
                    change,
                    later.get(contact_id, ()),
                    notes.get(contact_id),
                )
        return undos, states

    def _undo_of(
        self,
        state: ContactState,
        row: SourceRow | None,
        change: ContactChange,
        later: tuple[LaterChange, ...],
        note: TakenBack | None,
    ) -> ContactUndo:
        wanted: Desired | None = None
        version = NO_ROW
        is_in_step = False
        if row is not None:
            version = self._versions.of(row)
            is_in_step = state.source_hash == row.source_hash
            desired = self._planner.desired(row)
            if not isinstance(desired, Rejected):
                wanted = desired
        if note is not None:
            note = self._versions.still_counting(note, row) or None
        basis: Mapping[str, str] = {}
        if row is not None:
            before = note or TakenBack(self._scope.run_id)
            tags = change.tags_added | change.tags_removed
            basis = self._versions.basis(
                row,
                fields={*change.fields, *before.fields},
                tags=tags | before.tags_off | before.tags_on,
            )
        return ContactUndo(
            state.contact_id,
            change,
            self._scope,
            later=later,
            wanted=wanted,
            is_in_step=is_in_step,
            version=version,
            basis=basis,
            note=note,
        )

    def _plan_contact(
        self,
        attempt: BatchAttempt,
        state: ContactState,
        row: SourceRow | None,
        undo: ContactUndo,
    ) -> Job | Record:
        """Return the job of one contact, or its record where it needs no request."""
        source_hash = None if row is None else row.source_hash
        if row is not None and self._planner.opted_out(row):
            return records.suppressed(state, state.known, source_hash, OPTED_OUT)
        target = undo_target(undo, state.known, self._capabilities, self._same)
        may_have_opted_out = row is None and self._task.mapping.opted_out is not None
        if may_have_opted_out and not isinstance(target, Skip):
            target = Skip.LEFT_SOURCE
        if isinstance(target, Skip):
            return records_of_undo.left_alone(state, undo, target)
        blank = Job(
            attempt.batch.number,
            state,
            target.desired,
            source_hash,
            Plan(),
            attempt=attempt.number,
            undo=undo,
        )
        job = with_target(blank, target, self._capabilities)
        if isinstance(job, Rejected):
            return records_of_undo.refused(blank, state.known, job, ())
        if not job.plan.calls:
            return records_of_undo.taken_back(
                job, target, target.known, (), job.plan.unsupported
            )
        return job

    async def _selected_elsewhere(self, jobs: Mapping[str, Job]) -> Sequence[str]:
        """Return contacts to be deleted that other destinations of the account select.

        Where one of these cannot be asked, none is deleted.
        """
        deleted = {
            contact_id: job.state.known
            for contact_id, job in jobs.items()
            if job.desired is None
        }
        if self._neighbours is None or not deleted:
            return ()
        try:
            wanted: Mapping[str, WantedByOthers] = await self._neighbours.wanting(
                deleted
            )
        except SourceError:
            return tuple(deleted)
        return tuple(wanted)
