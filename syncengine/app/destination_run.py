"""One run of one destination, from the diff to the report."""

from __future__ import annotations

from syncengine.app.accounts import stopped_by
from syncengine.app.event_log import event_log
from syncengine.app.markers import note
from syncengine.app.meaning import meaning_of
from syncengine.app.run_forecast import make_forecast
from syncengine.app.run_parts import RunParts, run_parts
from syncengine.app.run_preparation import (
    PreparedWork,
    apply_distrust,
    prepare,
    remember_accepted,
)
from syncengine.app.run_progress import RunProgress
from syncengine.app.run_report import report_of
from syncengine.app.session import Session
from syncengine.app.vendor_access import vendor_access
from syncengine.engine.consent import Consent
from syncengine.engine.contact import ContactSync
from syncengine.engine.crowd import Crowd
from syncengine.engine.dispatch import Dispatcher
from syncengine.engine.recorder import Recorder
from syncengine.engine.stopping import broken_off_by
from syncengine.errors import RunRefused, RunStopped, SourceError
from syncengine.model.events import Event
from syncengine.model.reports import RunReport, RunStatus
from syncengine.planning.waves import contacts_at_once
from syncengine.storage.state.destinations import note_looked_up, remember_meaning
from syncengine.storage.state.retention import Retention


async def run_destination(s: Session, progress: RunProgress) -> RunReport:
    """Run one destination.

    A refusal comes back as a report. Raises StorageError and LeaseLost when the run
    cannot go on.
    """
    # First of all: should the database be lost in the next line, the report still says
    # which run it was.
    progress.run_id = s.run_id
    run = await run_parts(s, progress)
    # The run is written down, so its number may be noted on this machine, too. Before
    # the first request: a state that is restored meanwhile is then found out.
    await note(s.destination, s.config, s.databases, accepted=True)
    work = await _do_work(run)
    unreached = 0
    if work is not None and s.ending.status is not RunStatus.REFUSED:
        # Contacts of batches that were not finished. A refused run tried nobody, and
        # counts nobody as deferred.
        unreached = await s.batches.left()
        progress.tally.defer(unreached)
    _judge_ending(run)
    await _remember_comparison(run, is_complete=work is not None and not unreached)
    await _delete_old_changes(s)
    report = await report_of(run, work, unreached)
    # Last: as long as the run counts as running, the next one of this destination knows
    # that it died, and looks at what it left.
    await s.finish(report.public())
    return report


async def _do_work(run: RunParts) -> PreparedWork | None:
    """Prepare the run and carry it out.

    Returns None where it ended before its contacts were known.
    """
    s = run.session
    work: PreparedWork | None = None
    try:
        async with broken_off_by(s.account.stopping.requested):
            work = await prepare(run)
            # From here on the state changes by what the brakes have let pass. Each of
            # the two is one transaction, and neither does harm if the process dies
            # behind it: the next run begins with what is remembered.
            await remember_accepted(run)
            await apply_distrust(run)
            outlook = run.progress.outlook = await make_forecast(run, work)
        run.progress.total = work.contacts
        if outlook is not None:
            s.live.expect(outlook.requests)
        try:
            await _carry_out(run, work)
        finally:
            if outlook is not None:
                outlook.end()
    except RunRefused as refused:
        # A refusal promises that nothing was sent.
        if run.progress.requests:
            raise
        s.ending.status, s.ending.error = RunStatus.REFUSED, str(refused)
        s.ending.cause = refused
    except RunStopped as stopped:
        s.ending.status, s.ending.error = RunStatus.STOPPED, str(stopped)
    return work


async def _carry_out(run: RunParts, work: PreparedWork) -> None:
    """Send what differs, and record it. Raises StorageError, LeaseLost."""
    s, task = run.session, run.task
    sent_before = s.account.pacing.requests
    s.live.started(work.contacts)
    emit = event_log(destination=s.name, run_id=s.run_id)
    emit(Event.RUN_STARTED, kind=s.request.kind.value, contacts=work.contacts)
    recorder = Recorder(s.contacts)
    consent: Consent | None = None
    if task.needs_consent:
        consent = Consent(s.contacts, run.rows, task.mapping)
    crowd = Crowd(contacts_at_once(task.in_flight, s.destination.vendor.capabilities))

    # In this order: the recorder writes its last outcomes while the connection to the
    # vendor is open still, and no request goes out any more.
    async with vendor_access(s.destination, s.account) as retrier, recorder.running():
        source_error = await Dispatcher(
            preparer=run.preparer,
            contacts=ContactSync(
                task,
                s.destination.vendor,
                retrier,
                s.contacts,
                recorder,
                s.account.stopping,
                consent,
                crowd,
            ),
            batches=s.batches,
            recorder=recorder,
            tally=run.progress.tally,
            crowd=crowd,
            stopping=s.account.stopping,
            stop=s.account.pacing.stop,
            advance=s.live.advanced,
            on_event=emit,
            unsettled=s.account.pacing.unsettled,
            waiting=run.waiting,
            recreations=run.recreations.wanted,
            begun=run.count_cause,
            refusal_groups=work.refusal_groups,
        ).run()
    if source_error is not None:
        has_sent = s.account.pacing.requests > sent_before
        _end_without_source(s, source_error, has_sent=has_sent)


def _end_without_source(s: Session, error: SourceError, *, has_sent: bool) -> None:
    """Note that the source could not be read any more."""
    s.ending.error = f"{s.destination.file}: {error}; the next run goes on"
    s.ending.cause = error
    s.ending.status = RunStatus.INCOMPLETE if has_sent else RunStatus.REFUSED


def _judge_ending(run: RunParts) -> None:
    """Note whether the account stopped, or contacts fell short."""
    s, ending = run.session, run.session.ending
    halted = s.account.pacing.stopped
    if halted is not None and not isinstance(halted, RunStopped):
        ending.status = RunStatus.HALTED
        ending.error = stopped_by(halted, s.destination)
        ending.cause = halted
        return
    if ending.status is not RunStatus.DONE:
        return
    if run.recreations.braked:
        ending.status, ending.error = RunStatus.INCOMPLETE, run.recreations.braked
    elif run.progress.tally.fell_short:
        # Contacts that a stop kept from being tried are deferred, too.
        is_stopped = s.is_stopping
        ending.status = RunStatus.STOPPED if is_stopped else RunStatus.INCOMPLETE


async def _remember_comparison(run: RunParts, *, is_complete: bool) -> None:
    """Record what the whole destination has behind it after this run.

    ``is_complete``: every contact of the run was reached.
    """
    s = run.session
    if not s.request.about_everybody:
        return
    status = s.ending.status
    if status is RunStatus.DONE and s.recognised.looks_up:
        await note_looked_up(s.fence, s.name)
    if is_complete and status in (RunStatus.DONE, RunStatus.INCOMPLETE):
        # Every contact was compared by the present mapping.
        await remember_meaning(s.fence, s.name, meaning_of(s.destination))


_MOST_SLICES = 100
"""Slices of old changes that one run deletes: what is left over is for the next one."""


async def _delete_old_changes(s: Session) -> None:
    """Delete what former runs changed at contacts, where it is kept no longer.

    Each slice is a short transaction of its own, so that nobody waits for it.
    """
    retention = Retention(s.databases.state)
    slices = 0
    for run_id in await retention.runs_with_changes(
        s.config.engine.keep_changes, s.name
    ):
        async for _ in retention.changes(run_id):
            slices += 1
            if slices >= _MOST_SLICES or s.is_stopping:
                return
