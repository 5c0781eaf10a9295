"""Player of contacts' attempts: does what the steps of each ask for.

What is done about a contact, and in which order, is decided without input or output by
``planning.attempt``. Here are the effects: requests to the vendor, questions to the
state, records, waits. The workers of the ``Dispatcher`` call ``ContactSync``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from syncengine.engine.account_check import AccountCheck
from syncengine.engine.consent import Consent
from syncengine.engine.crowd import Crowd
from syncengine.engine.exchange import Meter
from syncengine.engine.ownership import Ownership
from syncengine.engine.recorder import Recorder
from syncengine.engine.retry import Retrier
from syncengine.engine.stopping import StopFlag, sleep_unless_stopped
from syncengine.engine.task import Task
from syncengine.engine.value_waits import ValueWaits
from syncengine.engine.waves import Waves
from syncengine.model.calls import Applied
from syncengine.planning.attempt.contact_attempt import contact_attempt, not_begun
from syncengine.planning.attempt.job import Job
from syncengine.planning.attempt.progress import AttemptEnding, Overwritten
from syncengine.planning.attempt.steps import (
    AnsweredCall,
    AskErasure,
    AskGoingOn,
    AskOwnerOfAnswer,
    AskOwners,
    CheckAccount,
    Checkpoint,
    Claim,
    Find,
    NoteAccount,
    NoteValueWait,
    Read,
    Send,
    Step,
    Wait,
    WriteIntent,
)
from syncengine.planning.waves import LONGEST_WAIT
from syncengine.ports import ContactStore, Vendor


class ContactSync:
    """Works on the contacts of one destination, several at a time."""

    def __init__(
        self,
        task: Task,
        vendor: Vendor,
        retrier: Retrier,
        store: ContactStore,
        recorder: Recorder,
        stopping: StopFlag,
        consent: Consent | None = None,
        crowd: Crowd | None = None,
    ) -> None:
        """Put the parts together; without ``consent`` none is asked, as in an erasure.

        Once ``stopping`` is set, no further attempt begins. Contacts that share
        requests have a ``crowd``; without one each is alone.
        """
        self._rules = task.rules(vendor)
        self._retrier = retrier
        self._store = store
        self._recorder = recorder
        self._stopping = stopping
        self._consent = consent
        self._ownership = Ownership(task.destination, store)
        self._account = AccountCheck(
            vendor, retrier, store, consent, passed=task.gone_accepted
        )
        self._crowd = Crowd(1) if crowd is None else crowd
        self._waves = Waves(vendor, retrier, self._crowd, task.mapping.match_on)
        self._overwritten: list[Overwritten] = []
        self._value_waits = ValueWaits(self._rules)

    async def sync(self, job: Job) -> AttemptEnding:
        """Carry out one attempt of the contact, to its end.

        Raises StorageError and LeaseLost only: whatever else happens ends with this
        contact.
        """
        if self._stopping.is_set():
            return not_begun(job, self._rules, self._retrier.stopped)
        self._value_waits.begin(job.state.contact_id)
        allowed = None if self._consent is None else self._consent.about(job)
        meter = Meter(allowed)
        ending = await self._play(job, meter)
        if ending.overwritten is not None:
            self._overwritten.append(ending.overwritten)
        return _with_requests(ending, meter.requests)

    def tell_of_acceptances(self, told: Callable[[int], None]) -> None:
        """Call ``told`` as ``Waves.on_accepted``."""
        self._waves.on_accepted = told

    async def note_overwritten(self) -> None:
        """Note which vendor contacts were written over: the next run mends them.

        It is done once all owners are recorded: one that was being worked on meanwhile
        would else be recorded as in step afterwards.
        """
        overwritten, self._overwritten = self._overwritten, []
        for each in overwritten:
            await self._store.overwritten(each.owner, each.external_id, each.written)

    async def _play(self, job: Job, meter: Meter) -> AttemptEnding:
        """Do what the attempt asks for, step by step."""
        attempt = contact_attempt(job, self._rules)
        go_on: Callable[[], Step[Any]] = partial(next, attempt)
        while True:
            try:
                step = go_on()
            except StopIteration as end:
                ending: AttemptEnding = end.value
                return ending
            try:
                answer = await self._do(step, job, meter)
            except Exception as error:  # noqa: BLE001 - the attempt judges it
                go_on = partial(attempt.throw, error)
            else:
                go_on = partial(attempt.send, answer)

    async def _do(self, step: Step[Any], job: Job, meter: Meter) -> object:
        """Do what a step asks for, and return its answer."""
        answer: object = None
        match step:
            case Send():
                answer = await self._send(step, meter)
            case Find() | Read():
                answered = await self._waves.ask(step, meter)
                answer = answered.value
            case CheckAccount():
                await self._account.check(job.state.contact_id, meter)
            case NoteAccount():
                self._account.seen()
            case Wait(seconds):
                answer = await self._wait(seconds)
            case AskGoingOn():
                answer = not self._stopping.is_set()
            case _:
                answer = await self._ask_or_write(step, job)
        return answer

    async def _ask_or_write(self, step: Step[Any], job: Job) -> object:
        """Do what a step asks for that is about the state alone."""
        answer: object = None
        contact_id = job.state.contact_id
        match step:
            case Claim():
                answer = await self._ownership.claim(contact_id, step)
            case AskOwners(external_ids):
                answer = await self._ownership.others_among(
                    contact_id, external_ids, takes_over=job.takes_over
                )
            case AskOwnerOfAnswer():
                answer = await self._ownership.owner_of_answer(contact_id, step)
            case AskErasure(external_id, within):
                answer = await self._store.is_erasing(external_id, within)
            case NoteValueWait(wait):
                answer = self._value_waits.note(contact_id, wait)
            case WriteIntent(intent):
                await self._store.intend([intent])
            case Checkpoint(record, is_awaited):
                self._recorder.put(job.batch, record)
                if is_awaited:
                    await self._recorder.flush()
            case _:
                raise TypeError(f"no such step: {type(step).__name__}")
        return answer

    async def _send(self, step: Send, meter: Meter) -> AnsweredCall:
        """Send a call until it is answered."""
        answered = await self._waves.ask(step, meter)
        answer = answered.value
        if isinstance(answer, Applied) and answer.receipt:
            # The vendor has only accepted it, and carries it out some time later.
            self._retrier.scheduled()
        return AnsweredCall(answer, answered.after_lost_try, answered.number)

    async def _wait(self, seconds: float) -> bool:
        """Wait so long, or until the run is stopped; False where it is already."""
        if self._stopping.is_set():
            return False
        # Nobody waits for a contact that comes back much later. In the last seconds
        # others do: those that waited with it wake up one by one, and share requests.
        far_away = max(0.0, seconds - LONGEST_WAIT)
        self._crowd.park()
        try:
            await sleep_unless_stopped(self._stopping, far_away)
        finally:
            self._crowd.resume()
        await sleep_unless_stopped(self._stopping, seconds - far_away)
        return True


def _with_requests(ending: AttemptEnding, requests: int) -> AttemptEnding:
    """Return the end of an attempt that took so many requests."""
    outcome = ending.record.outcome
    if outcome is None:
        return ending
    record = replace(ending.record, outcome=replace(outcome, requests=requests))
    return replace(ending, record=record)
