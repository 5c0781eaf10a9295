"""Jobs of an undo: the plan for the copy that it brings about. Pure."""

from __future__ import annotations

from dataclasses import replace

from syncengine.model.calls import Rejected
from syncengine.model.capabilities import Capabilities
from syncengine.model.mapping import OnRemoved
from syncengine.planning.attempt.job import Job
from syncengine.planning.plan import plan_contact
from syncengine.planning.removal import plan_removal
from syncengine.planning.undo import UndoTarget


def with_target(
    job: Job, target: UndoTarget, capabilities: Capabilities
) -> Job | Rejected:
    """Return the job with its target, and the plan for it."""
    known = target.known
    if target.desired is None:
        policy = OnRemoved.DELETE
        removal = plan_removal(job.state.contact_id, known, policy, capabilities)
        return replace(
            job, desired=None, target=target, plan=removal, on_removed=policy
        )
    plan = plan_contact(target.desired, known, capabilities)
    if isinstance(plan, Rejected):
        return plan
    return replace(job, desired=target.desired, target=target, plan=plan)
