"""One run of one destination, from the diff to the report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from syncengine.app.accounts import LeasedAccount, stopped_by
from syncengine.app.brakes import (
    Recognised,
    Removed,
    brake_on_no_file,
    brake_on_scope,
    brake_on_survey,
    compared_as_a_whole,
    judge_scope,
    refuse_changes,
    refuse_empty_state,
    refuse_new_name,
    resyncing,
)
from syncengine.app.candidates import Candidates, cut
from syncengine.app.consent_changes import ConsentChange, consent_rules
from syncengine.app.contradictions import contradictions
from syncengine.app.databases import Databases, inspect_source
from syncengine.app.event_log import event_log
from syncengine.app.markers import note
from syncengine.app.meaning import (
    causes_since,
    meaning_of,
    on_taken_over,
    remarks_on,
    survey_of,
)
from syncengine.app.neighbours import Beside, beside
from syncengine.app.recreations import Recreations
from syncengine.app.remarks import of_created_after_a_loss, remarks
from syncengine.app.run_progress import RunProgress
from syncengine.app.run_request import NO_FILE, RunRequest
from syncengine.app.stranded import recognise_people
from syncengine.app.vendor_access import distrust_by, task_of, vendor_access
from syncengine.config.destination import DestinationConfig
from syncengine.config.project import Config
from syncengine.engine.circumstances import Circumstances, choose
from syncengine.engine.consent import Consent
from syncengine.engine.contact import ContactSync
from syncengine.engine.dispatch import Dispatcher
from syncengine.engine.neighbours import Neighbours
from syncengine.engine.prepare import Preparer
from syncengine.engine.recorder import Recorder
from syncengine.engine.stopping import broken_off_by
from syncengine.engine.tally import Tally
from syncengine.engine.task import Job, Task
from syncengine.engine.waiting import Waiting
from syncengine.errors import BrakeApplied, RunRefused, RunStopped, StorageError
from syncengine.model.calls import Action
from syncengine.model.contact_ids import contact_id_of
from syncengine.model.events import Event, OnEvent
from syncengine.model.reports import Noteworthy, Progress, RunReport, RunStatus
from syncengine.model.work import Batch, BatchKind, Scope, Standing
from syncengine.planning.causes import CauseCounter
from syncengine.planning.match_keys import may_collide
from syncengine.planning.survey import Survey
from syncengine.storage.source.rows import SourceRows
from syncengine.storage.source.spec import KeyKind, Source
from syncengine.storage.state.batches import Batches
from syncengine.storage.state.contact_counts import known_contacts
from syncengine.storage.state.contacts import Contacts
from syncengine.storage.state.destinations import (
    note_compared_rows,
    note_looked_up,
    remember,
    remember_meaning,
)
from syncengine.storage.state.keys import Keys
from syncengine.storage.state.refusals import Refusals
from syncengine.storage.state.removals import count_removed
from syncengine.storage.state.renaming import release
from syncengine.storage.state.restores import accept_restore
from syncengine.storage.state.resync import distrust_all, distrust_contacts
from syncengine.storage.state.runs import finish_run, notes, start_run
from syncengine.storage.state.shares import Shares
from syncengine.storage.state.standing import number_standing
from syncengine.storage.state.waits import Waits


@dataclass(frozen=True, slots=True)
class _Run:
    """Subject and parts of a run."""

    destination: DestinationConfig
    account: LeasedAccount
    databases: Databases
    request: RunRequest
    recognised: Recognised
    source: Source
    run_id: int
    batches: Batches
    store: Contacts
    keys: Keys | None
    waiting: Waiting
    rows: SourceRows
    preparer: Preparer
    task: Task
    recreations: Recreations
    progress_so_far: RunProgress
    causes: CauseCounter
    neighbours: Neighbours | None
    without_file: tuple[str, ...]
    """Destinations of the account that have no file (any more)."""
    refusals: Refusals
    withheld_by: list[str] = field(default_factory=list)
    """Brakes that stopped contacts whose probe was accepted."""

    @property
    def tally(self) -> Tally:
        return self.progress_so_far.tally

    def begun(self, job: Job) -> None:
        """Count why a contact is worked on, at its first attempt."""
        if job.attempt == 1:
            self.causes.add(job.state, job.desired, job.source_hash, job.plan.calls)


@dataclass(frozen=True, slots=True)
class _Work:
    """Subject of a run, once all that precedes its first request is done."""

    contacts: int
    beyond: int
    """Contacts that its limit left out."""
    circumstances: Circumstances


@dataclass(frozen=True, slots=True)
class _End:
    """Result of a run."""

    status: RunStatus = RunStatus.DONE
    said: str | None = None


@dataclass(frozen=True, slots=True)
class _Looked:
    """Facts that are read from the state once a run is over."""

    noteworthy: tuple[Noteworthy, ...] = ()
    remarks: tuple[str, ...] = ()
    standing: Mapping[Standing, int] | None = None


async def run_destination(
    destination: DestinationConfig,
    account: LeasedAccount,
    config: Config,
    databases: Databases,
    request: RunRequest,
    progress: Progress,
    progress_so_far: RunProgress,
) -> RunReport:
    """Run one destination.

    A refusal comes back as a report. Raises StorageError and LeaseLost when the run
    cannot go on.
    """
    try:
        async with broken_off_by(account.stopping.requested):
            recognised = await refuse_changes(destination, config, databases, request)
            recognised, request = resyncing(recognised, request)
            await refuse_empty_state(destination, databases, request, recognised)
            await refuse_new_name(destination, config, databases, request)
            source = await inspect_source(destination, databases.source(destination))
    except RunRefused as error:
        return RunReport(destination.name, None, RunStatus.REFUSED, error=str(error))
    except RunStopped as stopped:
        return RunReport(destination.name, None, RunStatus.STOPPED, error=str(stopped))
    others = await beside(destination, config, databases, account.fence)
    await _accept(destination, account, recognised)
    run = await _begun(
        destination,
        account,
        databases,
        request,
        source,
        recognised,
        progress_so_far,
        others,
    )
    await note(destination, config, databases, accepted=True)
    work: _Work | None = None
    end = _End()
    try:
        async with broken_off_by(account.stopping.requested):
            work = await _prepared(run, config.engine.batch_size)
            await _remember(run)
            await _distrust(run)
        progress_so_far.total = work.contacts
        end = await _carried_out(run, progress, work)
    except RunRefused as refused:
        # A refusal promises that nothing was sent.
        if progress_so_far.requests:
            raise
        end = _End(RunStatus.REFUSED, str(refused))
    except RunStopped as stopped:
        end = _End(RunStatus.STOPPED, str(stopped))
    unreached = 0
    if work is not None and end.status != RunStatus.REFUSED:
        unreached = await run.batches.left()
        run.tally.defer(unreached)
    end = _judged(end, run)
    if (
        end.status == RunStatus.DONE
        and run.recognised.looks_up
        and run.request.about_everybody
    ):
        await note_looked_up(account.fence, destination.name)
    if work is not None and _is_whole(run, end, unreached):
        await remember_meaning(account.fence, destination.name, meaning_of(destination))
    looked = await _looked_at(run, work, unreached)
    report = replace(
        progress_so_far.report(end.status, end.said),
        standing=looked.standing,
        noteworthy=looked.noteworthy,
        remarks=(
            *_of_resync(run),
            *remarks_on(run.causes),
            *on_taken_over(run.store.taken_over),
            *looked.remarks,
        ),
    )
    await finish_run(account.fence, run.run_id, end.status, report.public(), end.said)
    progress.finished(destination.name)
    return report


def _of_resync(run: _Run) -> Iterator[str]:
    """Yield what a re-sync of everybody, as after a loss, has to say of those it created."""
    if run.request.resync and not run.request.contacts:
        created = run.tally.actions[Action.CREATE.value]
        yield from of_created_after_a_loss(run.destination.name, run.run_id, created)


def _is_whole(run: _Run, end: _End, unreached: int) -> bool:
    """Return whether every contact was compared by the present mapping."""
    return (
        run.request.about_everybody
        and end.status in (RunStatus.DONE, RunStatus.INCOMPLETE)
        and not unreached
    )


async def _looked_at(run: _Run, work: _Work | None, unreached: int) -> _Looked:
    """Read the facts that the report of a run shows.

    Where the database is gone there are fewer of them: that must not hide how the run
    ended.
    """
    state, run_id, changed = (
        run.databases.state,
        run.run_id,
        sum(run.tally.contacts.values()),
    )
    is_whole = work is not None and not run.account.stopping.requested.is_set()
    try:
        standing = await number_standing(state, run.destination.name)
        noted = await notes(state, run_id, one_by_one=bool(run.request.contacts))
        remarked = await remarks(
            run.destination,
            run.databases,
            run.request,
            run.source,
            run_id,
            total=work.contacts if work is not None and is_whole else None,
            changed=changed,
            left=work.beyond if work is not None else 0,
            unreached=unreached,
            withheld_by=run.withheld_by,
        )
        remarked += await contradictions(
            run.destination, run.databases, run.source, run.account.fence, run_id
        )
    except StorageError as error:
        told = f"what else there is to know could not be read ({error}); `syncengine show` tells it by contact"
        return _Looked(remarks=(told,))
    noteworthy = (
        Noteworthy(note.contact_id, note.outcome, note.code, note.message)
        for note in noted
    )
    return _Looked(tuple(noteworthy), remarked, standing)


async def _accept(
    destination: DestinationConfig, account: LeasedAccount, recognised: Recognised
) -> None:
    """Record that a restored or lost state is accepted, if it is one."""
    if restored := recognised.restored:
        name = None if restored.whole else destination.name
        await accept_restore(account.fence, restored.restores, name)


async def _begun(
    destination: DestinationConfig,
    account: LeasedAccount,
    databases: Databases,
    request: RunRequest,
    source: Source,
    recognised: Recognised,
    progress_so_far: RunProgress,
    others: Beside,
) -> _Run:
    name, fence = destination.name, account.fence
    if recognised.has_other_key:
        await recognise_people(databases)
    run_id = await start_run(
        fence,
        name,
        recognised.at_start,
        request.kind,
        retry_of=request.retry_of,
        moving=recognised.moving,
        starting_anew=recognised.starting_anew,
        beside=account.beside,
    )
    progress_so_far.run_id = run_id
    causes = await causes_since(destination, databases)
    task = task_of(destination, request)
    task = replace(task, find_first=task.find_first or recognised.looks_up)
    numbered = source.kind is KeyKind.NUMBER
    store = Contacts(fence, name, run_id, numbered=numbered)
    keys = (
        Keys(fence, name, numbered=numbered)
        if may_collide(task.mapping, task.source_key)
        else None
    )
    waiting = Waiting(name, Waits(fence, name), brings_back=request.about_everybody)
    rows = SourceRows(databases.source(destination), source, fence.patience)
    preparer = Preparer(
        task, destination.vendor.capabilities, rows, store, keys, others.neighbours
    )
    return _Run(
        destination=destination,
        account=account,
        databases=databases,
        request=request,
        recognised=recognised,
        task=task,
        source=source,
        run_id=run_id,
        batches=Batches(fence, run_id),
        store=store,
        keys=keys,
        waiting=waiting,
        rows=rows,
        preparer=preparer,
        recreations=Recreations(destination, databases, request, task, store),
        progress_so_far=progress_so_far,
        causes=causes,
        refusals=Refusals(fence, name, run_id),
        neighbours=others.neighbours,
        without_file=others.without_file,
    )


async def _remember(run: _Run) -> None:
    """Record what the brakes have let pass."""
    recognised, consent = run.recognised, consent_rules(run.destination)
    if recognised.consent is not None and not run.request.about_everybody:
        consent = recognised.consent  # the run about everybody is asked about everybody
    if (recognised.identity, consent) != (recognised.at_start, recognised.consent):
        await remember(
            run.account.fence, run.destination.name, recognised.identity, consent
        )


async def _prepared(run: _Run, batch_size: int) -> _Work:
    """Do everything that precedes the first request. Raises RunRefused."""
    request = run.request
    await _release(run)
    candidates = Candidates(run.destination, run.databases, run.source, request)
    survey = await survey_of(run.destination, run.databases, run.recognised)
    groups = await run.refusals.groups() if request.probes else ()
    probes = await choose(groups, run.refusals, run.preparer, request.limit)

    async def allowed(numbers: Sequence[int]) -> bool:
        return await _may_follow(run, survey, candidates.scope, numbers)

    circumstances = Circumstances(
        run.refusals,
        run.batches,
        run.preparer,
        groups,
        brings_back=request.about_everybody,
        allowed=allowed,
    )
    await circumstances.add(probes)
    limit = None if request.limit is None else request.limit - len(probes)
    total = 0
    async for piece in cut(candidates.slices(), batch_size, limit):
        await run.batches.add(piece.kind, piece.contact_ids)
        total += len(piece.contact_ids)
    beyond = max(0, candidates.found - total)
    await run.preparer.look_ahead(run.batches.waiting())
    if candidates.scope is not None:
        count = partial(_really_removed, run)
        candidates.scope = await judge_scope(
            run.destination, candidates.scope, request, count
        )
    # Which keys are free is known only after all claims, and the brakes judge the
    # contacts that are brought back, too: the order of these steps matters.
    await claim_keys(run.preparer, run.keys, run.batches)
    total += await bring_back(await _can_be_tried_again(run), run.batches, batch_size)
    await _look_for_strays(run)
    await _survey(run, survey, candidates.scope)
    change = ConsentChange(
        run.destination, run.databases, run.source, run.recognised, run.neighbours
    )
    if change.is_possible:
        async for batch in run.batches.waiting():
            await change.add(batch, await run.preparer.plan(batch))
        change.judge(request)
    return _Work(total + len(probes), beyond, circumstances)


async def _really_removed(run: _Run) -> Removed:
    """Count the removed contacts one by one."""
    removed = Removed()
    async for batch in run.batches.waiting():
        if batch.kind is BatchKind.REMOVALS:
            removed.add(await run.preparer.plan(batch))
    return removed


async def _release(run: _Run) -> None:
    """Let go of the contacts of destinations without a file, where that is accepted."""
    if run.without_file and NO_FILE in run.request.accept:
        await release(run.account.fence, run.without_file)


async def _look_for_strays(run: _Run) -> None:
    """Raise BrakeApplied for contacts that belong to destinations without a file."""
    if not run.without_file or NO_FILE in run.request.accept:
        return
    async for batch in run.batches.waiting():
        if batch.kind is BatchKind.CHANGES:
            await brake_on_no_file(
                run.destination,
                run.without_file,
                run.databases,
                batch.contact_ids,
                run.request,
            )


async def _distrust(run: _Run) -> None:
    """Mark unknown what a re-sync does not believe, before its first request.

    After the brakes, which judge by what was known. A run that is killed from here on
    leaves its contacts to the next one, of whatever kind.
    """
    fence, name, distrust = (
        run.account.fence,
        run.destination.name,
        distrust_by(run.destination),
    )
    if run.recognised.resync or (run.request.resync and not run.request.contacts):
        await distrust_all(fence, name, distrust)
    elif run.request.resync:
        contact_ids = [contact_id_of(key) for key in run.request.contacts]
        await distrust_contacts(fence, name, contact_ids, distrust)


async def _carried_out(run: _Run, progress: Progress, work: _Work) -> _End:
    destination, account, task = run.destination, run.account, run.task
    sent = account.pacing.requests
    tell = _started(destination, run.run_id, run.request, progress, work.contacts)
    recorder = Recorder(run.store)
    consent = Consent(run.store, run.rows, task.mapping) if task.needs_consent else None

    def advance(contacts: int) -> None:
        progress.advanced(destination.name, contacts, account.pacing.requests - sent)

    async with vendor_access(destination, account) as retrier, recorder.running():
        broken = await Dispatcher(
            preparer=run.preparer,
            contacts=ContactSync(
                task,
                destination.vendor,
                retrier,
                run.store,
                recorder,
                account.stopping,
                consent,
            ),
            batches=run.batches,
            recorder=recorder,
            tally=run.tally,
            workers=task.in_flight,
            stopping=account.stopping,
            stop=account.pacing.stop,
            advance=advance,
            tell=tell,
            unsettled=account.pacing.unsettled,
            waiting=run.waiting,
            recreations=run.recreations.wanted,
            begun=run.begun,
            circumstances=work.circumstances,
        ).run()
    if broken is None:
        return _End()
    said = f"{destination.file}: {broken}; the next run goes on"
    return (
        _End(RunStatus.INCOMPLETE, said)
        if account.pacing.requests > sent
        else _End(RunStatus.REFUSED, said)
    )


def _judged(end: _End, run: _Run) -> _End:
    """Return the end, adjusted for a stopped account and contacts that fell short."""
    halted = run.account.pacing.stopped
    if halted is not None and not isinstance(halted, RunStopped):
        return _End(RunStatus.HALTED, stopped_by(halted, run.destination))
    if end.status == RunStatus.DONE and run.recreations.braked:
        end = _End(RunStatus.INCOMPLETE, run.recreations.braked)
    if end.status == RunStatus.DONE and run.tally.fell_short:
        return _End(
            RunStatus.STOPPED
            if run.account.stopping.requested.is_set()
            else RunStatus.INCOMPLETE,
            end.said,
        )
    return end


def _started(
    destination: DestinationConfig,
    run_id: int,
    request: RunRequest,
    progress: Progress,
    total: int,
) -> OnEvent:
    """Report that the first request may go out.

    Returns the function that reports later events.
    """
    progress.started(destination.name, total)
    tell = event_log(destination=destination.name, run_id=run_id)
    tell(Event.RUN_STARTED, kind=request.kind.value, contacts=total)
    return tell


async def _survey(run: _Run, survey: Survey, scope: Scope | None) -> None:
    """Raise BrakeApplied when the run would change what is known drastically.

    Otherwise the size that it compared is noted.
    """
    if scope is None:
        return
    if scope.known:
        async for batch in run.batches.waiting():
            await run.preparer.survey(batch, survey)
        if await brake_on_survey(
            run.destination, run.databases, survey, scope, run.request
        ):
            await recognise_people(run.databases)
    if compared_as_a_whole(run.destination, scope, run.request):
        await note_compared_rows(
            run.account.fence, run.destination.name, scope.source_rows
        )


async def _may_follow(
    run: _Run,
    survey: Survey,
    scope: Scope | None,
    numbers: Sequence[int],
) -> bool:
    """Return whether revived contacts may be sent after what the run has surveyed.

    Where a brake stops them they are left to the person who accepts it: the rest of the
    run goes on.
    """
    if scope is None:
        return True
    if not scope.known:  # it was not counted where nothing had changed
        known = await known_contacts(run.databases.state, run.destination.name)
        scope = replace(scope, known=known)
    wanted = set(numbers)
    batches = [batch async for batch in run.batches.waiting() if batch.number in wanted]
    try:
        whole = await _with_removals(run, scope, batches)
        brake_on_scope(run.destination, whole, run.request)
        if scope.known:
            for batch in batches:
                await run.preparer.survey(batch, survey)
            where = run.destination, run.databases
            await brake_on_survey(*where, survey, scope, run.request)
    except BrakeApplied as brake:
        run.withheld_by.append(brake.name)
        return False
    return True


async def _with_removals(run: _Run, scope: Scope, batches: Sequence[Batch]) -> Scope:
    for batch in batches:
        if batch.kind is BatchKind.REMOVALS:
            left = await count_removed(
                run.databases.state, run.destination.name, batch.contact_ids
            )
            touched = None if scope.touched is None else scope.touched + left.known
            scope = replace(
                scope,
                removed=scope.removed + left.known,
                tagged=scope.tagged + left.tagged,
                touched=touched,
            )
    return scope


async def claim_keys(preparer: Preparer, keys: Keys | None, batches: Batches) -> None:
    """Claim the match keys of the whole run, so that they are judged together."""
    if keys is not None:
        async for batch in batches.waiting():
            await preparer.claim(batch)


async def _can_be_tried_again(run: _Run) -> Sequence[str]:
    """Return contacts whose match key was let go.

    A run about some contacts only leaves them to the next run about all.
    """
    if not run.request.about_everybody:
        return ()
    freed = await run.keys.freed() if run.keys else ()
    let_go = await Shares(run.account.fence).let_go(run.destination.name)
    return *freed, *let_go, *await run.waiting.moved()


async def bring_back(
    contact_ids: Sequence[str], batches: Batches, batch_size: int
) -> int:
    """Add contacts that can be tried again to the run; how many were not part of it."""
    missing = dict.fromkeys(contact_ids)
    if missing:
        async for batch in (
            batches.waiting()
        ):  # whose own row changed has its turn already: two would be two creates
            for contact_id in batch.contact_ids:
                missing.pop(contact_id, None)
    added = list(missing)
    for start in range(0, len(added), batch_size):
        await batches.add(BatchKind.CHANGES, added[start : start + batch_size])
    return len(added)
