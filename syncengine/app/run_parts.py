"""The parts that a run of one destination is put together from."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from syncengine.app.match_keys import key_store
from syncengine.app.meaning import causes_since
from syncengine.app.neighbours import Beside
from syncengine.app.plan_file import PlanPart
from syncengine.app.recreations import Recreations
from syncengine.app.run_progress import RunProgress
from syncengine.app.session import Session
from syncengine.app.vendor_access import task_of
from syncengine.engine.approval import Approval
from syncengine.engine.prepare import Preparer
from syncengine.engine.task import Task
from syncengine.engine.undoing import UndoPreparer
from syncengine.engine.waiting import Waiting
from syncengine.planning.attempt.job import Job
from syncengine.planning.causes import CauseCounter
from syncengine.storage.source.rows import SourceRows
from syncengine.storage.state.keys import Keys
from syncengine.storage.state.refusals import Refusals
from syncengine.storage.state.taken_back import PastChanges
from syncengine.storage.state.waits import Waits


@dataclass(frozen=True, slots=True, kw_only=True)
class RunParts:
    """The parts of one run."""

    session: Session
    task: Task
    others: Beside
    keys: Keys | None
    rows: SourceRows
    preparer: Preparer
    refusals: Refusals
    waiting: Waiting
    recreations: Recreations
    causes: CauseCounter
    progress: RunProgress
    approved: PlanPart | None = None
    """The plan that is run, where it comes from a file."""
    approval: Approval | None = None
    """The comparison with that plan."""
    withheld_by: list[str] = field(default_factory=list)
    """Brakes that stopped contacts whose probe was accepted."""

    def count_cause(self, job: Job) -> None:
        """Count why a contact is worked on, at its first attempt."""
        if job.attempt == 1:
            self.causes.add(
                job.state,
                job.desired,
                job.source_hash,
                job.plan.calls,
                released=job.released,
            )


async def run_parts(s: Session, progress: RunProgress) -> RunParts:
    """Return the parts of the run that was started. Raises StorageError."""
    destination, request, fence = s.destination, s.request, s.fence
    assert s.others is not None, "a session of this kind looks at the whole account"
    causes = await causes_since(destination, s.databases)
    task = task_of(destination, request)
    if s.recognised.looks_up:
        task = replace(task, find_first=True)
    keys = key_store(fence, destination, numbered=s.has_numbers)
    rows = SourceRows(s.databases.source(destination), s.source, fence.patience)
    capabilities = destination.vendor.capabilities
    approved: PlanPart | None = None
    approval: Approval | None = None
    if request.plan is not None:
        approved = request.plan.part(s.name)
        approval = Approval(approved, task, capabilities, s.contacts)
    neighbours = s.others.neighbours
    preparer = Preparer(
        task, capabilities, rows, s.contacts, keys, neighbours, approval
    )
    if request.undo is not None:
        preparer = UndoPreparer(
            task,
            destination.vendor,
            rows,
            s.contacts,
            keys,
            neighbours,
            PastChanges(fence, s.name),
            request.undo,
        )
    return RunParts(
        session=s,
        task=task,
        others=s.others,
        keys=keys,
        rows=rows,
        preparer=preparer,
        refusals=Refusals(fence, s.name, s.run_id),
        waiting=Waiting(
            s.name, Waits(fence, s.name), brings_back=request.about_everybody
        ),
        recreations=Recreations(
            destination, s.databases, request, task, s.contacts, approved
        ),
        causes=causes,
        progress=progress,
        approved=approved,
        approval=approval,
    )
