"""Check of a batch against the plan that is run (``syncengine run --plan``).

The ``Preparer`` plans a batch as always, with fresh rows and states. Then ``Approval``
lets through the contacts whose plan is the approved one. Whoever has said no since is
left out as in any run; all others that moved are deferred, by name: a run lasts hours,
and what a person has not seen is not sent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from syncengine.engine.consent import subjects_of
from syncengine.engine.contact_planner import BatchFacts
from syncengine.engine.prepared import Prepared
from syncengine.engine.task import Task
from syncengine.model.calls import OutcomeKind
from syncengine.model.capabilities import Capabilities
from syncengine.model.consent import OPTED_OUT, SAME_PERSON, Subject, SubjectFinder
from syncengine.model.plan_file import Moved, PlannedContact
from syncengine.model.work import BatchKind, ContactState, Record, Status
from syncengine.planning.attempt import records
from syncengine.planning.attempt.job import Job
from syncengine.planning.mapping import has_opted_out
from syncengine.planning.plan import Plan
from syncengine.planning.plan_file import (
    ApprovedContact,
    ContactPlan,
    Digests,
    LookUpRules,
    movement,
    planned_contact,
    row_movement,
)
from syncengine.ports import ContactStore

PLAN_MOVED = "plan_moved"
"""Code of a contact that is not as it was when the plan was made."""


class ApprovedPlan(Protocol):
    """A plan that is run, contact by contact."""

    @property
    def digests(self) -> Digests: ...

    def of(self, contact_id: str) -> PlannedContact | None:
        """Return what the plan states of a contact; None where that is unreadable."""
        ...

    def is_rest(self, contact_id: str) -> bool:
        """Return whether an earlier run of the same plan may have sent a part."""
        ...


@dataclass(slots=True)
class _Judged:
    """A batch that was compared with the plan."""

    jobs: list[Job] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    moved: dict[str, Moved] = field(default_factory=dict)
    without_row: list[str] = field(default_factory=list)
    """Contacts that are not selected any more, of which nothing is planned."""


class Approval:
    """Compares prepared batches with the plan that is run."""

    def __init__(
        self,
        plan: ApprovedPlan,
        task: Task,
        capabilities: Capabilities,
        store: ContactStore,
    ) -> None:
        self.unrecorded: dict[str, str] = {}
        """Contacts that were left out and have no record, each with the reason."""
        self._plan = plan
        self._task = task
        self._rules = LookUpRules(capabilities, task.find_first, task.on_removed)
        self._store = store
        self._subject_finder = SubjectFinder(task.mapping)

    async def judge(self, facts: BatchFacts, prepared: Prepared) -> Prepared:
        """Return the batch with only those jobs that the plan states."""
        jobs = {job.state.contact_id: job for job in prepared.jobs}
        found = {record.contact_id: record for record in prepared.records}
        judged = _Judged()
        for contact_id in dict.fromkeys(facts.batch.contact_ids):
            if contact_id in jobs:
                self._judge_job(jobs[contact_id], facts, judged)
            elif contact_id in found:
                self._judge_record(found[contact_id], judged)
            else:
                self._judge_absent(contact_id, facts, judged)
        await self._judge_without_row(facts, judged)
        return replace(
            prepared,
            jobs=tuple(judged.jobs),
            records=tuple(judged.records),
            moved=judged.moved,
        )

    def _judge_job(self, job: Job, facts: BatchFacts, judged: _Judged) -> None:
        """Let a contact through whose calls are the approved ones."""
        contact_id = job.state.contact_id
        planned = self._plan.of(contact_id)
        is_rest = facts.attempt > 1 or self._plan.is_rest(contact_id)
        moved = Moved.UNREADABLE
        if planned is not None:
            moved_or_not = self._movement(planned, job, is_rest=is_rest)
            if moved_or_not is None:
                approved = ApprovedContact(
                    planned.alternatives, self._plan.digests, is_rest
                )
                judged.jobs.append(replace(job, approved=approved))
                return
            moved = moved_or_not
        judged.moved[contact_id] = moved
        judged.records.append(_deferred(job, moved))

    def _movement(
        self, planned: PlannedContact, job: Job, *, is_rest: bool
    ) -> Moved | None:
        contact_id = job.state.contact_id
        digests = self._plan.digests
        if is_rest:
            # What is known of it has changed by what was sent.
            return row_movement(planned, digests.row(contact_id, job.source_hash))
        now = planned_contact(
            self._task.destination, contact_plan(job), self._rules, digests
        )
        return movement(planned, now)

    def _judge_record(self, record: Record, judged: _Judged) -> None:
        """Keep the record of a contact about which nothing is sent."""
        judged.records.append(record)
        outcome = record.outcome
        if outcome is None or outcome.kind is OutcomeKind.UNSUPPORTED:
            judged.moved[record.contact_id] = Moved.IN_STEP
            return
        has_said_no = outcome.kind is OutcomeKind.SUPPRESSED
        if not has_said_no and outcome.code != SAME_PERSON:
            judged.moved[record.contact_id] = Moved.REJECTED

    def _judge_absent(
        self, contact_id: str, facts: BatchFacts, judged: _Judged
    ) -> None:
        """Judge a contact of which nothing is planned."""
        row = facts.rows.get(contact_id)
        if row is None and facts.batch.kind is BatchKind.CHANGES:
            judged.without_row.append(contact_id)
            return
        state = facts.states.get(contact_id)
        if row is not None and has_opted_out(row, self._task.mapping):
            # An earlier run has noted it. It is named in this run's report as well.
            state = state or ContactState(contact_id)
            record = records.suppressed(state, state.known, row.source_hash, OPTED_OUT)
            judged.records.append(record)
            return
        is_gone = state is not None and state.status is Status.GONE
        judged.moved[contact_id] = Moved.KNOWN_CHANGED if is_gone else Moved.IN_STEP

    async def _judge_without_row(self, facts: BatchFacts, judged: _Judged) -> None:
        """Leave out the contacts without a row that have said no; the others moved."""
        if not judged.without_row:
            return
        reasons = await self._reasons(facts, judged.without_row)
        for contact_id in judged.without_row:
            state = facts.states.get(contact_id)
            reason = reasons.get(contact_id)
            if reason is not None:
                # No record: it would bring a contact back into the state that was
                # erased.
                self.unrecorded[contact_id] = reason
                continue
            judged.moved[contact_id] = Moved.ROW_VANISHED
            if state is None:
                self.unrecorded[contact_id] = Moved.ROW_VANISHED.in_words
                continue
            job = Job(facts.batch.number, state, None, None, Plan())
            judged.records.append(_deferred(job, Moved.ROW_VANISHED))

    async def _reasons(
        self, facts: BatchFacts, contact_ids: Sequence[str]
    ) -> Mapping[str, str]:
        """Return why nothing may be sent about contacts, where there is a reason."""
        subjects: dict[str, Sequence[Subject]] = {}
        for contact_id in contact_ids:
            state = facts.states.get(contact_id) or ContactState(contact_id)
            job = Job(facts.batch.number, state, None, None, Plan())
            subjects[contact_id] = subjects_of(job, self._subject_finder)
        return await self._store.suppressed(subjects)


def contact_plan(job: Job) -> ContactPlan:
    """Return what a plan file states a contact by."""
    return ContactPlan(
        state=job.state,
        desired=job.desired,
        source_hash=job.source_hash,
        plan=job.plan,
        is_refused=job.refusal is not None,
        is_gone=job.gone,
        recreates=job.recreates,
        is_met=job.met,
        is_wanted=job.wanted is not None,
    )


def _deferred(job: Job, moved: Moved) -> Record:
    message = (
        f"it is not as the plan says: {moved.in_words}. Nothing is sent about it; the "
        "next run without a plan sends what differs then"
    )
    return records.deferred(job, job.state.known, PLAN_MOVED, message)
