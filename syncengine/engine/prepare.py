"""Preparation of a batch: from contact ids to jobs.

A batch holds contact ids only, and may have been written hours ago. So rows and states
are read anew, what others say of the contacts is asked (match keys, other destinations,
suppressions), each contact is planned (``ContactPlanner``), and intents are written
before anything is sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from syncengine.engine.approval import Approval
from syncengine.engine.consent import subjects_of
from syncengine.engine.contact_planner import BatchFacts, ContactPlanner
from syncengine.engine.neighbours import Leaving, Neighbours
from syncengine.engine.prepared import Prepared
from syncengine.engine.task import Task
from syncengine.errors import SourceError
from syncengine.model.capabilities import Capabilities
from syncengine.model.consent import SAME_PERSON, Subject, SubjectFinder
from syncengine.model.contact import Desired, Known
from syncengine.model.mapping import OnRemoved
from syncengine.model.undo import TakenBack
from syncengine.model.work import (
    Batch,
    BatchKind,
    ContactState,
    Intent,
    Record,
    SharedContact,
    SourceRow,
)
from syncengine.planning.attempt import records
from syncengine.planning.attempt.job import Job
from syncengine.planning.causes import released_parts
from syncengine.planning.distrust import known_before_distrust
from syncengine.planning.intents import intent_of_plan
from syncengine.planning.match_keys import hashes
from syncengine.planning.sharing import WantedByOthers
from syncengine.planning.survey import Survey
from syncengine.planning.taken_back import Versions
from syncengine.ports import ContactStore, KeyStore, SourceReader

_AT_A_STRETCH = 20
"""Number of contacts planned before other tasks run: meanwhile a lease is renewed and
answers are read."""


Rows: TypeAlias = Mapping[str, SourceRow]
"""Fresh rows by contact id."""

States: TypeAlias = Mapping[str, ContactState]
"""Fresh states by contact id."""


@dataclass(frozen=True, slots=True)
class TakenBackNotes:
    """Parts of some contacts that undos have taken back."""

    current: Mapping[str, TakenBack]
    """By contact id, for as long as the row is what it was."""
    changed: Mapping[str, TakenBack]
    """Those that are to be kept in another form since the row or mapping changed; an
    empty one is to be dropped."""
    released: Mapping[str, frozenset[str]]
    """The parts that are held back no more, by contact id (``planning.causes``)."""


_NONE_TAKEN_BACK = TakenBackNotes({}, {}, {})


@dataclass(frozen=True, slots=True)
class BatchAttempt:
    """One attempt of a batch, with the rows that it has by now."""

    batch: Batch
    rows: Rows
    number: int = 1
    """Number of the attempt."""
    recreates: bool = False
    """True where contacts that were deleted at the vendor are to be created again."""
    hands_over: bool = False
    """True where other destinations are made to let go of contacts that move here."""
    taken_back: TakenBackNotes = _NONE_TAKEN_BACK


class Preparer:
    """Loads and plans batches of one destination."""

    def __init__(
        self,
        task: Task,
        capabilities: Capabilities,
        source: SourceReader,
        store: ContactStore,
        keys: KeyStore | None,
        neighbours: Neighbours | None = None,
        approval: Approval | None = None,
    ) -> None:
        """Take the parts; with ``approval`` only what its plan says is let through."""
        self._approval = approval
        self._task = task
        self._subject_finder = SubjectFinder(task.mapping)
        self._capabilities = capabilities
        self._planner = ContactPlanner(task, capabilities)
        self._versions = Versions(task.mapping)
        self._source = source
        self._store = store
        self._keys = keys
        self._neighbours = neighbours

    async def look_ahead(self, batches: AsyncIterator[Batch]) -> None:
        """Look at what other destinations want of the contacts about to be removed.

        Raises StorageError.
        """
        if self._neighbours is None or not self._takes_away:
            return
        async for batch in batches:
            if batch.kind is BatchKind.REMOVALS:
                states = await self._store.load(batch.contact_ids)
                removed = {each: state.known for each, state in states.items()}
                self._neighbours.note(removed)
        await self._neighbours.look_ahead()

    async def claim(self, batch: Batch) -> None:
        """Claim the match keys of the batch's contacts.

        All batches claim before any key is assigned, so that all of a run's contacts
        are compared.
        """
        if self._keys is not None:
            rows = await self._rows(batch)
            await self._claim(self._keys, batch, rows)

    async def survey(self, batch: Batch, survey: Survey) -> None:
        """Count the changes of the batch's contacts that brakes judge.

        Raises SourceError, StorageError.
        """
        if batch.kind is not BatchKind.CHANGES:
            return
        states = await self._store.load(batch.contact_ids)
        linked: list[str] = []
        for contact_id, state in states.items():
            if state.known.external_id is not None:
                linked.append(contact_id)
        # All others have no vendor contact yet: each of them may become a create.
        survey.creates += len(set(batch.contact_ids)) - len(linked)
        if not linked:
            return
        rows = {row.contact_id: row for row in await self._source.load(linked)}
        taken_back = await self._taken_back(rows, linked)
        for contact_id, row in rows.items():
            known = known_before_distrust(states[contact_id].known)
            note = taken_back.current.get(contact_id)
            desired = self._planner.desired(row, known, note)
            if isinstance(desired, Desired) and not self._planner.opted_out(row):
                survey.add(
                    desired,
                    known,
                    self._capabilities,
                    is_settled=states[contact_id].was_in_step,
                )

    async def claim_for_rows(self, contact_ids: Sequence[str]) -> None:
        """Claim the match keys that the rows of these contacts ask for, and no others.

        Raises SourceError, StorageError.
        """
        if self._keys is None:
            return
        rows = {row.contact_id: row for row in await self._source.load(contact_ids)}
        claims = {each: self._keys_of_row(rows.get(each)) for each in contact_ids}
        await self._keys.claim(claims)

    def _keys_of_row(self, row: SourceRow | None) -> Sequence[bytes]:
        """Return the match keys that a row asks for; none without one."""
        if row is None:
            return ()
        desired = self._planner.desired(row)
        return hashes(desired.keys) if isinstance(desired, Desired) else ()

    async def prepare(
        self, batch: Batch, attempt: int = 1, *, recreates: bool = False
    ) -> Prepared:
        """Load and plan a batch, and write its intents.

        ``recreates``: its contacts that were deleted at the vendor are created again,
        where the destination has that done. Raises SourceError, StorageError,
        LeaseLost.
        """
        rows = await self._rows(batch)
        if self._keys is not None:
            # A row that changed or vanished since the diff would keep others from a key
            # that no row asks for any more.
            await self._claim(self._keys, batch, rows)
        taken_back = await self._taken_back(rows, batch.contact_ids)
        # Before anything new is noted or sent: should a row return to what it was, it
        # is another version all the same.
        await self._store.change_taken_back(taken_back.changed)
        prepared = await self._plan(
            BatchAttempt(
                batch, rows, attempt, recreates, hands_over=True, taken_back=taken_back
            )
        )
        # The jobs leave here only when their intents are committed: a request that goes
        # out before would, after a crash, be a change at the vendor that is known
        # nowhere. An intent whose request never went out costs one look at the contact.
        await self._store.intend(intents_of(prepared.jobs))
        return prepared

    async def plan(self, batch: Batch, *, recreates: bool = False) -> Prepared:
        """Load and plan a batch; writes nothing."""
        rows = await self._rows(batch)
        taken_back = await self._taken_back(rows, batch.contact_ids)
        return await self._plan(
            BatchAttempt(batch, rows, recreates=recreates, taken_back=taken_back)
        )

    async def _rows(self, batch: Batch) -> Rows:
        """Return the batch's rows as they are now; some may have left the source."""
        rows = await self._source.load(batch.contact_ids)
        return {row.contact_id: row for row in rows}

    async def _taken_back(
        self, rows: Rows, contact_ids: Sequence[str]
    ) -> TakenBackNotes:
        """Return what undos have taken back of these contacts."""
        notes = await self._store.taken_back(contact_ids)
        current: dict[str, TakenBack] = {}
        changed: dict[str, TakenBack] = {}
        released: dict[str, frozenset[str]] = {}
        for contact_id, note in notes.items():
            row = rows.get(contact_id)
            left = self._versions.still_counting(note, row)
            if left:
                current[contact_id] = left
            # Without a row nothing is sent: it counts again once the row is back.
            if row is not None and left != note:
                changed[contact_id] = left
                released[contact_id] = released_parts(note, left)
        return TakenBackNotes(current, changed, released)

    async def _claim(self, keys: KeyStore, batch: Batch, rows: Rows) -> None:
        """Claim the keys of the batch's rows; a contact without a row claims none."""
        claims: dict[str, Sequence[bytes]] = {}
        taken_back = await self._taken_back(rows, batch.contact_ids)
        states: States = {}
        if taken_back.current:
            states = await self._store.load(list(taken_back.current))
        for contact_id in batch.contact_ids:
            claims[contact_id] = ()
            row = rows.get(contact_id)
            if row is None:
                continue
            note = taken_back.current.get(contact_id)
            known = states[contact_id].known if contact_id in states else Known()
            desired = self._planner.desired(row, known, note)
            if isinstance(desired, Desired):
                claims[contact_id] = hashes(desired.keys)
        await keys.claim(claims)

    async def _plan(self, attempt: BatchAttempt) -> Prepared:
        """Plan the contacts of a batch, and take out those that are suppressed."""
        facts = await self._facts(attempt)
        jobs: dict[str, Job] = {}
        finished: list[Record] = []
        unique_ids = dict.fromkeys(attempt.batch.contact_ids)
        for number, contact_id in enumerate(unique_ids):
            if number % _AT_A_STRETCH == 0:
                await asyncio.sleep(0)
            item = self._planner.plan(contact_id, facts)
            if isinstance(item, Job):
                jobs[contact_id] = self._with_subjects(item)
            elif item is not None:
                finished.append(item)
        withheld = await self._withheld(jobs)
        allowed = [job for each, job in jobs.items() if each not in withheld]
        prepared = Prepared(tuple(allowed), (*finished, *withheld.values()))
        if self._approval is None:
            return prepared
        return await self._approval.judge(facts, prepared)

    async def _facts(self, attempt: BatchAttempt) -> BatchFacts:
        """Collect what the planning of a batch has to know."""
        batch = attempt.batch
        rows = attempt.rows
        states = await self._store.load(batch.contact_ids)
        recreated: frozenset[str] = frozenset()
        # In the first attempt of a recreation the contact was looked up. In a later one
        # it is still to be created: it waits for the contact that has its match key.
        is_later_attempt = attempt.number > 1
        if self._task.recreates and (attempt.recreates or is_later_attempt):
            recreated = _gone_among(states)
            states = _without_gone(states, recreated)
        leaving = await self._leaving(batch, rows, states)
        moving = [each for each in leaving if each.settled]
        # Handed over before keys and owners are asked for: only then are they free.
        if self._neighbours is not None and attempt.hands_over:
            await self._neighbours.hand_over(moving)
        moved = {each.contact_id for each in moving}
        key_owners: Mapping[str, str] = {}
        if self._keys is not None:
            key_owners = await self._keys.losers(batch.contact_ids)
        shared = await self._shared(batch)
        wanted = await self._wanted(batch, rows, states)
        return BatchFacts(
            batch,
            attempt.number,
            rows,
            states,
            key_owners=_key_owners_after_move(key_owners, moved),
            wanted=wanted,
            shared=_shared_after_move(shared, moved),
            not_let_go=_not_settled(leaving),
            recreated=recreated,
            taken_back=attempt.taken_back.current,
            released=attempt.taken_back.released,
        )

    def _with_subjects(self, job: Job) -> Job:
        """Return a job that has its subjects, where consent is asked.

        Finding them takes long, and they are asked about before each request.
        """
        if not self._task.needs_consent:
            return job
        return replace(job, subjects=subjects_of(job, self._subject_finder))

    async def _withheld(self, jobs: Mapping[str, Job]) -> Mapping[str, Record]:
        """Return the records of the contacts about which nothing is sent."""
        if not jobs or not self._task.needs_consent:
            return {}
        subjects: dict[str, Sequence[Subject]] = {}
        for contact_id, job in jobs.items():
            subjects[contact_id] = subjects_of(job, self._subject_finder)
        reasons = await self._store.suppressed(subjects)
        withheld: dict[str, Record] = {}
        for contact_id, reason in reasons.items():
            withheld[contact_id] = _withheld(jobs[contact_id], reason)
        return withheld

    async def _wanted(
        self, batch: Batch, rows: Rows, states: States
    ) -> Mapping[str, WantedByOthers] | SourceError:
        """Return what others want of the batch's removed contacts.

        Where another destination cannot be asked, the error is returned and not raised:
        it defers these contacts, and does not end the run.
        """
        if self._neighbours is None or not self._takes_away:
            return {}
        if batch.kind is not BatchKind.REMOVALS:
            return {}
        # A contact with a row is back in the source: it is not removed.
        removed = {
            each: state.known for each, state in states.items() if each not in rows
        }
        if not removed:
            return {}
        try:
            return await self._neighbours.wanting(removed)
        except SourceError as error:
            return error

    async def _leaving(
        self, batch: Batch, rows: Rows, states: States
    ) -> Sequence[Leaving]:
        """Return the new contacts that other destinations do not select any more."""
        if self._neighbours is None or batch.kind is BatchKind.REMOVALS:
            return ()
        new: list[str] = []
        for contact_id, row in rows.items():
            if _is_unlinked(states.get(contact_id)) and self._is_sendable(row):
                new.append(contact_id)
        if not new:
            return ()
        return await self._neighbours.leaving(new)

    def _is_sendable(self, row: SourceRow) -> bool:
        """Return whether a row is good, and its contact has not opted out."""
        desired = self._planner.desired(row)
        return isinstance(desired, Desired) and not self._planner.opted_out(row)

    async def _shared(self, batch: Batch) -> Mapping[str, SharedContact]:
        """Return the contacts that the vendor may have from other destinations.

        Where every contact is looked up anyway, that need not be known.
        """
        is_looked_up = self._task.find_first and self._capabilities.find_by
        if self._neighbours is None or is_looked_up:
            return {}
        if batch.kind is BatchKind.REMOVALS:
            return {}
        return await self._neighbours.met(batch.contact_ids)

    @property
    def _takes_away(self) -> bool:
        """True where removed contacts lose anything at the vendor."""
        return self._task.on_removed is not OnRemoved.IGNORE


def intents_of(jobs: Sequence[Job]) -> list[Intent]:
    """Return the intents of the jobs that are going to send anything."""
    intents: list[Intent] = []
    for job in jobs:
        if job.plan.calls:
            pending = intent_of_plan(job.desired, job.state.known, job.plan)
            note = None if job.target is None else job.target.note
            intents.append(Intent(job.state.contact_id, pending, note))
    return intents


def _gone_among(states: States) -> frozenset[str]:
    return frozenset(each for each, state in states.items() if state.gone)


def _not_settled(leaving: Sequence[Leaving]) -> Mapping[str, str]:
    """Return the contacts that others have to let go of first, each with its owner."""
    return {each.contact_id: each.destination for each in leaving if not each.settled}


def _without_gone(states: States, recreated: frozenset[str]) -> States:
    """Return the states; contacts that are created again do not count as gone."""
    changed = dict(states)
    for contact_id in recreated:
        changed[contact_id] = replace(states[contact_id], gone=False)
    return changed


def _is_unlinked(state: ContactState | None) -> bool:
    return state is None or state.known.external_id is None


def _key_owners_after_move(
    key_owners: Mapping[str, str], moved: set[str]
) -> Mapping[str, str]:
    """Return the owners of keys as they are once contacts have moved here.

    A plan hands nothing over: in the state, the key's owner still is the same contact
    in its former destination.
    """
    owners: dict[str, str] = {}
    for contact_id, owner in key_owners.items():
        is_same_contact = contact_id in moved and owner == contact_id
        if not is_same_contact:
            owners[contact_id] = owner
    return owners


def _shared_after_move(
    shared: Mapping[str, SharedContact], moved: set[str]
) -> Mapping[str, SharedContact]:
    """Return the shared contacts as they are once contacts have moved here."""
    changed = dict(shared)
    for contact_id in moved.intersection(shared):
        changed[contact_id] = replace(shared[contact_id], owner=None)
    return changed


def _withheld(job: Job, reason: str) -> Record:
    """Return the record of a contact that is suppressed for this reason."""
    if reason == SAME_PERSON and job.desired is not None:
        return records.same_person(job.state, job.source_hash)
    return records.suppressed(
        job.state, job.state.known, job.source_hash, reason, removal=job.desired is None
    )
