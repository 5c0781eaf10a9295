"""One run of one destination, from the diff to the report."""

from __future__ import annotations

import asyncio
import time

from syncengine.app.accounts import Account, stopped_by
from syncengine.app.asking import asking, task_of
from syncengine.app.brakes import brake_on_survey, identity_of, refuse_changes
from syncengine.app.candidates import Candidates, cut
from syncengine.app.databases import Databases, look_at
from syncengine.app.remarks import remarks
from syncengine.app.request import Request
from syncengine.app.stopping import heeding
from syncengine.app.telling import telling
from syncengine.config import DestinationConfig
from syncengine.engine.consent import Consent
from syncengine.engine.contact import ContactSync
from syncengine.engine.dispatch import Dispatcher
from syncengine.engine.prepare import Preparer
from syncengine.engine.recorder import Recorder
from syncengine.engine.tally import Tally
from syncengine.errors import RunRefused, RunStopped
from syncengine.model.events import Event, Tell
from syncengine.model.reports import Noteworthy, Progress, RunReport
from syncengine.model.work import BatchKind
from syncengine.planning.match_keys import may_collide
from syncengine.planning.survey import Survey
from syncengine.storage.contacts import Contacts
from syncengine.storage.keys import Keys
from syncengine.storage.runs import Batches, finish_run, notes, start_run
from syncengine.storage.source import KeyKind
from syncengine.storage.source_rows import SourceRows


async def run_destination(
    destination: DestinationConfig,
    account: Account,
    databases: Databases,
    request: Request,
    progress: Progress,
    stop: asyncio.Event,
    *,
    batch_size: int,
) -> RunReport:
    """Run it. A refusal comes back as a report; raises StorageError and LeaseLost when the run cannot go on."""
    began = time.monotonic()
    sent, throttled = account.pacing.requests, account.pacing.throttled
    fence = account.fence
    try:
        await refuse_changes(destination, databases, request)
        source_pool = databases.source(destination)
        source = await look_at(destination, source_pool)
    except RunRefused as error:
        return RunReport(destination.name, None, "refused", error=str(error), exit_code=2)
    run_id = await start_run(fence, destination.name, identity_of(destination), request.kind, retry_of=request.retry_of)
    tally = Tally()
    batches = Batches(fence, run_id)
    task = task_of(destination)
    numbered = source.kind is KeyKind.NUMBER
    store = Contacts(fence, destination.name, run_id, numbered=numbered)
    keys = Keys(fence, destination.name, numbered=numbered) if may_collide(task.mapping, task.source_key) else None
    rows = SourceRows(source_pool, source, fence.patience)
    preparer = Preparer(task, destination.vendor.capabilities, rows, store, keys)
    said: str | None = None
    status, code, total = "done", 0, 0
    try:
        candidates = Candidates(destination, databases, source, request)
        async for piece in cut(candidates.slices(), batch_size, request.limit):
            await batches.add(piece.kind, piece.contact_ids)
            total += len(piece.contact_ids)
        total += await claim_keys(preparer, keys, batches)
        await _survey(destination, databases, candidates, preparer, batches, request)
        tell = _started(destination, run_id, request, progress, total)
        recorder = Recorder(store)

        def advance(contacts: int) -> None:
            progress.advanced(destination.name, contacts, account.pacing.requests - sent)

        async with (
            asking(destination, account) as retrier,
            recorder.running(),
            heeding(stop, account.pacing) as stopping,
        ):
            broken = await Dispatcher(
                preparer=preparer,
                contacts=ContactSync(
                    task,
                    destination.vendor,
                    retrier,
                    store,
                    recorder,
                    stopping,
                    Consent(store, rows, task.mapping) if task.needs_consent else None,
                ),
                batches=batches,
                recorder=recorder,
                tally=tally,
                workers=task.in_flight,
                stopping=stopping,
                stop=account.pacing.stop,
                advance=advance,
                tell=tell,
                unsettled=account.pacing.unsettled,
            ).run()
        if broken is not None:
            status, code, said = "incomplete", 1, f"{destination.file}: {broken}; the next run goes on"
            if account.pacing.requests == sent:
                status, code = "refused", 2
    except RunRefused as refused:
        if account.pacing.requests > sent:
            raise
        status, code, said = "refused", 2, str(refused)
    tally.defer(await batches.left() if status != "refused" else 0)
    halted = account.pacing.stopped
    if halted is not None and not isinstance(halted, RunStopped):
        status, code, said = "halted", 1, stopped_by(halted, destination)
    elif status == "done" and tally.fell_short:
        status, code = ("stopped" if stop.is_set() else "incomplete"), 1
    report = RunReport(
        destination=destination.name,
        run_id=run_id,
        status=status,
        contacts=tally.public_contacts(),
        actions=dict(sorted(tally.actions.items())),
        calls=tally.calls,
        requests=account.pacing.requests - sent,
        throttled=account.pacing.throttled - throttled,
        seconds=time.monotonic() - began,
        error=said,
        exit_code=code,
        noteworthy=tuple(
            Noteworthy(note.contact_id, note.outcome, note.code, note.message)
            for note in await notes(databases.state, run_id)
        ),
        remarks=await remarks(
            destination, databases, request, rows, run_id, total=total, changed=sum(tally.contacts.values())
        ),
    )
    await finish_run(fence, run_id, status, report.public(), said)
    progress.finished(destination.name)
    return report


def _started(destination: DestinationConfig, run_id: int, request: Request, progress: Progress, total: int) -> Tell:
    """Tell that the first request may go out; returns whom to tell of the rest."""
    progress.started(destination.name, total)
    tell = telling(destination=destination.name, run_id=run_id)
    tell(Event.RUN_STARTED, kind=request.kind.value, contacts=total)
    return tell


async def _survey(
    destination: DestinationConfig,
    databases: Databases,
    candidates: Candidates,
    preparer: Preparer,
    batches: Batches,
    request: Request,
) -> None:
    """Raise BrakeApplied when the run would do something drastic to what is known."""
    totals, survey = candidates.totals, Survey()
    if totals is None or not totals.known_contacts:
        return
    async for batch in batches.waiting():
        await preparer.survey(batch, survey)
    await brake_on_survey(destination, databases, survey, totals, request)


async def claim_keys(preparer: Preparer, keys: Keys | None, batches: Batches) -> int:
    """Judge match keys over everything the run wants; brings back contacts whose key was let go."""
    if keys is None:
        return 0
    async for batch in batches.waiting():
        await preparer.claim(batch)
    freed = dict.fromkeys(await keys.freed())
    if freed:
        async for batch in batches.waiting():  # whose own row changed has its turn already: two would be two creates
            for contact_id in batch.contact_ids:
                freed.pop(contact_id, None)
    if freed:
        await batches.add(BatchKind.CHANGES, tuple(freed))
    return len(freed)
