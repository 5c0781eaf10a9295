"""What a run would send; sends and writes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from syncengine.app.brakes import refuse_changes
from syncengine.app.databases import Databases, look_at, opened
from syncengine.app.destination_run import cut, slices, task_of
from syncengine.app.request import Request
from syncengine.config import Config, DestinationConfig
from syncengine.engine.prepare import Preparer
from syncengine.errors import BrakeApplied, RunRefused
from syncengine.model.calls import OutcomeKind
from syncengine.model.reports import PlanReport
from syncengine.model.work import Batch
from syncengine.planning.forecast import seconds
from syncengine.planning.settle import needs_look_up
from syncengine.storage.contacts import Contacts
from syncengine.storage.fence import Fence
from syncengine.storage.source import KeyKind
from syncengine.storage.source_rows import SourceRows


async def plan(config: Config, names: Sequence[str], request: Request) -> list[PlanReport]:
    """Plan the named destinations, or all."""
    destinations = config.chosen(tuple(names))
    async with opened(config, destinations) as databases:
        return [await _plan(config, destination, databases, request) for destination in destinations]


async def _plan(config: Config, destination: DestinationConfig, databases: Databases, request: Request) -> PlanReport:
    actions: Counter[str] = Counter()
    rejected: Counter[str] = Counter()
    contacts = unsupported = look_ups = requests = 0
    stopped: str | None = None
    error: str | None = None
    task, capabilities = task_of(destination), destination.vendor.capabilities
    try:
        await refuse_changes(destination, databases, request.accept)
        source = await look_at(destination, databases.source(destination))
        store = Contacts(
            Fence(databases.state, destination.account, 0),
            destination.name,
            0,
            numbered=source.kind is KeyKind.NUMBER,
        )
        preparer = Preparer(task, capabilities, SourceRows(databases.source(destination), source), store, None)
        found = slices(destination, databases, source, request)
        async for piece in cut(found, config.engine.batch_size, request.limit):
            prepared = await preparer.plan(Batch(0, piece.kind, piece.contact_ids))
            for job in prepared.jobs:
                contacts += 1
                requests += job.plan.requests
                actions.update(call.action.value for call in job.plan.calls)
                unsupported += bool(job.plan.unsupported)
                known = job.state.known
                look_ups += needs_look_up(job.desired, known, capabilities, find_first=task.find_first) is not None
            for record in prepared.records:
                if record.outcome is None:
                    continue
                contacts += 1
                if record.outcome.kind is OutcomeKind.REJECTED:
                    rejected[record.outcome.code] += 1
                unsupported += bool(record.outcome.unsupported)
    except BrakeApplied as brake:
        stopped = str(brake)
    except RunRefused as refused:
        error = str(refused)
    return PlanReport(
        destination=destination.name,
        contacts=contacts,
        actions=dict(sorted(actions.items())),
        unsupported=unsupported,
        rejected=dict(sorted(rejected.items())),
        look_ups=look_ups,
        requests=requests,
        seconds=seconds(requests + look_ups, destination.limits),
        brake=stopped,
        error=error,
    )
