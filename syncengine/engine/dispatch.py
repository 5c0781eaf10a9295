"""Dispatch of a run: its contacts, batch by batch, to a fixed number of workers.

One task prepares batches and puts their jobs into a bounded queue; the workers pull
them from there, so that the next batch is prepared while they work. The parts of a run
come one after the other:

    probes          one contact of each group that was refused alike
    batches         removals first: they free match keys for the others
    recreations     contacts that were deleted at the vendor
    more attempts   contacts that waited for another one, or for the vendor, in rounds
    judgement       of contacts that still wait, when all others have ended
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import assert_never

from syncengine.engine.contact import ContactSync
from syncengine.engine.crowd import Crowd
from syncengine.engine.judgement import Judge
from syncengine.engine.open_batches import OpenBatches
from syncengine.engine.postponed import Postponed
from syncengine.engine.prepare import Preparer
from syncengine.engine.prepared import Prepared
from syncengine.engine.recorder import Recorder
from syncengine.engine.refusal_groups import RefusalGroups
from syncengine.engine.stopping import (
    StopFlag,
    broken_off_by,
    sleep_unless_stopped,
)
from syncengine.engine.tally import Tally
from syncengine.engine.waiting import Waiting
from syncengine.errors import AccountStopped, RunStopped, SourceError
from syncengine.model.calls import OutcomeKind
from syncengine.model.events import Event, OnEvent, ignore_event
from syncengine.model.work import Batch, BatchKind, ContactOutcome, Record, Status
from syncengine.planning.attempt.job import Job
from syncengine.planning.attempt.progress import LAST_ATTEMPT, AttemptEnding
from syncengine.ports import BatchStore

Recreations = Callable[[], Awaitable[Sequence[str]]]
"""Returns the contacts deleted at the vendor that are created again."""

Advance = Callable[[int], None]
"""Called with the number of contacts that are through since the last call."""

_AT_ONCE = 500
"""Number of contacts in one batch of later attempts."""

_MOST_READY = 100
"""Contacts that wait for a worker, at most. The next batch is prepared only then: each
contact that is prepared takes memory."""


async def nobody_is_created_again() -> Sequence[str]:
    """Return no contact."""
    return ()


class Dispatcher:
    """Works through a run's batches.

    It ends early, without error, when the run is to stop.
    """

    def __init__(
        self,
        *,
        preparer: Preparer,
        contacts: ContactSync,
        batches: BatchStore,
        recorder: Recorder,
        tally: Tally,
        crowd: Crowd,
        stopping: StopFlag,
        stop: Callable[[AccountStopped], None],
        advance: Advance,
        on_event: OnEvent = ignore_event,
        unsettled: Callable[[], float] = lambda: 0.0,
        waiting: Waiting | None = None,
        recreations: Recreations = nobody_is_created_again,
        begun: Callable[[Job], None] = lambda _: None,
        refusal_groups: RefusalGroups | None = None,
    ) -> None:
        """Take the parts of a run.

        ``crowd`` is that of ``contacts``: it says how many are worked on at once.
        ``stop`` stops the account, and ``stopping`` is set once it is stopped.
        ``unsettled`` returns the seconds in which earlier requests may still take
        effect. ``begun`` is called with each job that is handed out, probes aside.
        Without ``waiting``, contacts that wait for another one are deferred; without
        ``refusal_groups`` there are no probes.
        """
        self._preparer = preparer
        self._contacts = contacts
        self._batches = batches
        self._recorder = recorder
        self._tally = tally
        self._crowd = crowd
        self._stopping = stopping
        self._advance = advance
        self._on_event = on_event
        self._unsettled = unsettled
        self._waiting = waiting
        self._recreations = recreations
        self._are_removals_through = False
        self._brought_back: set[str] = set()
        """Contacts refused in former runs that this one has tried again."""
        self._begun = begun
        self._refusal_groups = refusal_groups
        standing: Mapping[str, int] = {}
        if refusal_groups is not None:
            standing = refusal_groups.standing
        self._judge = Judge(self._finish, stop, standing)
        contacts.tell_of_acceptances(self._judge.accepted)
        most_ready = min(crowd.workers, _MOST_READY)
        self._queue: asyncio.Queue[Job] = asyncio.Queue(maxsize=most_ready)
        self._open_batches = OpenBatches(batches, recorder, tally, on_event)
        self._giving_keys_back: list[tuple[int, AttemptEnding]] = []
        """Contacts that an undo leaves alone after all, each with its batch."""
        self._postponed = Postponed("" if waiting is None else waiting.destination)

    async def run(self) -> SourceError | None:
        """Work through every waiting batch. Raises StorageError, LeaseLost.

        Returns the error of a source that could not be read any more; attempts under
        way are finished all the same.
        """
        broken: SourceError | None = None
        async with asyncio.TaskGroup() as group:
            workers = [
                group.create_task(self._work(), name=f"worker {number}")
                for number in range(self._crowd.workers)
            ]
            try:
                await self._work_through()
            except SourceError as error:
                broken = error
                await self._settle()
            await self._end_run(is_finished=broken is None)
            for worker in workers:
                worker.cancel()
        return broken

    async def _work_through(self) -> None:
        """Work through the run's parts, in the order that each part relies on."""
        await self._probe()
        await self._feed()
        await self._settle()
        # Behind all others: by now the account has proved to be the known one.
        await self._recreate()
        attempt, was_tried = 2, True
        # Further rounds are for chains of contacts that wait for each other. They come
        # to an end: before a contact is tried again, its owner was.
        while attempt <= LAST_ATTEMPT or was_tried:
            was_tried = await self._try_again(attempt)
            attempt += 1

    async def _end_run(self, *, is_finished: bool) -> None:
        """End the contacts whose end depends on those of others."""
        for batch, record in self._postponed.records.values():
            self._tally.count(batch, record)
        self._advance(len(self._postponed.records))
        self._judge.release()
        # The records of all owners are written before those that wait for them are
        # judged: the judgement reads them from the state.
        await self._settle()
        await self._end_waiting(finished=is_finished and not self._stopping.is_set())
        if self._refusal_groups is not None:
            await self._refusal_groups.end()

    async def _probe(self) -> None:
        """Try one contact of each group that was refused alike, before all others."""
        if self._refusal_groups is None or not self._refusal_groups.batches:
            return
        for batch in self._refusal_groups.batches:
            if self._stopping.is_set():
                return
            await self._take(batch, recreates=True)
        await self._settle()
        await self._refusal_groups.judge()

    async def _feed(self) -> None:
        """Hand out every batch that waits, removals first."""
        probes: set[int] = set()
        if self._refusal_groups is not None:
            probes = {batch.number for batch in self._refusal_groups.batches}
        async for batch in self._batches.waiting():
            if self._stopping.is_set():
                return
            if batch.number in probes:
                # A probe of it waits for another contact, so that it is still open.
                continue
            if batch.kind is not BatchKind.REMOVALS:
                await self._end_removals()
                if self._stopping.is_set():
                    return
            await self._take(batch)

    async def _end_removals(self) -> None:
        """Wait, once, until the removals are through.

        Removed contacts give match keys up before newcomers ask for them. Removals that
        were given up and sent again must not arrive behind what a newcomer writes
        there.
        """
        if self._are_removals_through:
            return
        self._are_removals_through = True
        await self._settle()
        wait = self._unsettled()
        if wait:
            await sleep_unless_stopped(self._stopping, wait)

    async def _end_waiting(self, *, finished: bool) -> None:
        """Judge the contacts that still wait for another one.

        It comes last, when the ends of all others are known.
        """
        ended: Sequence[tuple[int, Record]] = ()
        if self._waiting is not None:
            ended = await self._waiting.judge(finished=finished)
        # After the judgement, for which the owners count as in step, and before the
        # contacts that wrote over them are recorded: after a crash in between they do
        # so again.
        await self._contacts.note_overwritten()
        for batch, record in ended:
            self._finish(batch, record)
        await self._settle()

    async def _recreate(self) -> None:
        """Create the contacts again that were deleted at the vendor."""
        if not self._stopping.is_set():
            await self._work_on(await self._recreations(), attempt=1, recreates=True)

    async def _try_again(self, attempt: int) -> bool:
        """Try the contacts again that waited for another contact or for the vendor.

        Those that wait since a former run, for a contact that has moved in this one,
        are tried as well. Returns whether there were any.
        """
        wait = self._postponed.take_wait()
        if wait:
            await sleep_unless_stopped(self._stopping, wait)
        if self._stopping.is_set():
            return False
        returning: list[str] = []
        if self._waiting is not None:
            waits = self._postponed.waits_for_values()
            returning += await self._waiting.closing_rings(waits)
            returning += await self._waiting.moved()
        # Once in a run: one that is refused again, or whose row has gone, is still among
        # them, and would be for ever.
        returning = [each for each in returning if each not in self._brought_back]
        self._brought_back.update(returning)
        waited = self._postponed.take_ready(besides=returning) + returning
        # Each contact once: one may be among both.
        waited = list(dict.fromkeys(waited))
        self._postponed.begin_round(waited)
        await self._work_on(waited, attempt)
        return bool(waited)

    async def _work_on(
        self, contact_ids: Sequence[str], attempt: int, *, recreates: bool = False
    ) -> None:
        """Work on batches of these contacts only, to their end."""
        if not contact_ids:
            return
        added: set[int] = set()
        for at in range(0, len(contact_ids), _AT_ONCE):
            slice_ids = contact_ids[at : at + _AT_ONCE]
            added.add(await self._batches.add(BatchKind.CHANGES, slice_ids))
        # Where no batch of changes came before, the removals may still be under way.
        await self._end_removals()
        async for batch in self._batches.waiting():
            # By their numbers: an earlier batch of the same contacts may be open still.
            if batch.number in added:
                await self._take(batch, attempt, recreates=recreates)
        await self._settle()

    async def _take(
        self, batch: Batch, attempt: int = 1, *, recreates: bool = False
    ) -> None:
        """Prepare a batch and hand out its jobs, while earlier ones are worked on."""
        self._crowd.feed()
        await self._open_batches.finish_complete()
        try:
            async with broken_off_by(self._stopping):
                prepared = await self._preparer.prepare(
                    batch, attempt, recreates=recreates
                )
        except RunStopped:
            # The batch stays open, and its contacts are counted as not reached.
            return
        await self._hand_out(batch, prepared)

    async def _hand_out(self, batch: Batch, prepared: Prepared) -> None:
        for record in prepared.records:
            self._emit(batch.number, record)
        self._advance(len(batch.contact_ids) - len(prepared.jobs))
        self._open_batches.open(batch.number, len(prepared.jobs))
        for job in prepared.jobs:
            if self._refusal_groups is None or not self._refusal_groups.is_probe(job):
                self._begun(job)
            self._crowd.hand_out()
            # Bounded: a batch is handed out no faster than it is worked on.
            await self._queue.put(job)

    async def _work(self) -> None:
        """Work on one contact after the other, until cancelled."""
        while True:
            await self._work_on_next()

    async def _work_on_next(self) -> None:
        # A function of its own, so that a worker that waits for the next contact does
        # not keep all that was learned of the last one.
        job = await self._queue.get()
        try:
            with self._crowd.working():
                ending = await self._contacts.sync(job)
            self._note(job, ending)
        finally:
            self._queue.task_done()

    def _note(self, job: Job, ending: AttemptEnding) -> None:
        """Note the end of an attempt, which need not be the contact's end."""
        if self._refusal_groups is not None:
            ending = self._refusal_groups.after_attempt(job, ending)
            self._tally.probes = self._refusal_groups.probes
        if ending.gives_keys_back:
            self._giving_keys_back.append((job.batch, ending))
            return
        if self._postponed.is_worth_another(ending):
            # Recorded, and counted only if no further attempt replaces it.
            self._postponed.add(job, ending)
            self._recorder.put(job.batch, ending.record)
            self._open_batches.close_one(job.batch)
            return
        # A contact that an undo cannot put back yet stays deferred: nothing counts
        # against its row, and the undo can be repeated.
        waiting = self._waiting if job.undo is None else None
        if ending.waits_for and waiting is not None:
            # Its batch stays open until it is judged, at the run's end.
            waiting.add(job.batch, ending)
            self._recorder.put(job.batch, ending.record)
        else:
            self._judge.note(job.batch, ending)
        self._advance(1)

    def _finish(self, batch: int, record: Record) -> None:
        """Take a contact's believed ending; until then its batch stays open."""
        self._emit(batch, record)
        self._open_batches.close_one(batch)

    def _emit(self, batch: int, record: Record) -> None:
        """Count a contact's final record, have it written, and report it."""
        self._tally.count(batch, record)
        self._recorder.put(batch, record)
        if record.outcome is not None:
            _report_contact(record, record.outcome, batch, self._on_event)

    async def _settle(self) -> None:
        """Wait until everything handed out is through and written down."""
        self._crowd.end_feed()
        await self._queue.join()
        await self._give_keys_back()
        await self._recorder.flush()
        await self._open_batches.finish_complete()

    async def _give_keys_back(self) -> None:
        """Free the match keys of contacts that an undo leaves alone, and end these.

        In this order: what is recorded as left alone is looked at no more, and others
        would lose these keys for good.
        """
        if not self._giving_keys_back:
            return
        ended = self._giving_keys_back
        contact_ids = [ending.record.contact_id for _, ending in ended]
        # Without the rows nobody knows their present keys: these contacts stay open,
        # and the next run sees to them.
        with suppress(SourceError):
            await self._preparer.claim_for_rows(contact_ids)
            self._giving_keys_back = []
            for batch, ending in ended:
                self._judge.note(batch, ending)
            self._advance(len(ended))


def _report_contact(
    record: Record, outcome: ContactOutcome, batch: int, on_event: OnEvent
) -> None:
    """Report a contact that was rejected, deferred, or is unknown.

    The vendor's words are left out: reports and ``sync_outcome`` have them.
    """
    facts = {
        "contact_id": record.contact_id,
        "code": outcome.code,
        "http_status": outcome.http_status,
        "batch": batch,
    }
    match outcome.kind:
        case OutcomeKind.REJECTED:
            dead = record.status is Status.DEAD
            on_event(
                Event.CONTACT_REJECTED,
                **facts,
                refusals=record.rejections,
                dead_letter=dead,
            )
        case OutcomeKind.DEFERRED | OutcomeKind.UNKNOWN:
            on_event(
                Event.CONTACT_DEFERRED,
                **facts,
                sent_in_doubt=outcome.kind is OutcomeKind.UNKNOWN,
            )
        case (
            OutcomeKind.APPLIED
            | OutcomeKind.UNSUPPORTED
            | OutcomeKind.SUPPRESSED
            | OutcomeKind.GONE
            | OutcomeKind.PROBED
        ):
            pass
        case _:
            assert_never(outcome.kind)
