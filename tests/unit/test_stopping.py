"""Nothing waits for the vendor of an account that is stopped."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Generator, Mapping, Sequence
from contextlib import asynccontextmanager
from random import Random
from typing import cast

import pytest

from syncengine.app.stopping import Stopping, stop_account_on
from syncengine.engine.contact import ContactSync
from syncengine.engine.crowd import Crowd
from syncengine.engine.dispatch import Dispatcher
from syncengine.engine.exchange import Meter
from syncengine.engine.pacing import Pacing
from syncengine.engine.prepare import Preparer
from syncengine.engine.prepared import Prepared
from syncengine.engine.recorder import Recorder
from syncengine.engine.retry import Retrier, RetryPolicy
from syncengine.engine.stopping import broken_off_by
from syncengine.engine.tally import Tally
from syncengine.engine.task import Task
from syncengine.errors import (
    AccountStopped,
    RunStopped,
    VendorHalted,
    VendorUnavailable,
)
from syncengine.model.calls import OutcomeKind
from syncengine.model.capabilities import Capabilities, Write
from syncengine.model.contact import Desired, Known, MatchKey, Pending, Remote
from syncengine.model.http import Json, Request, Response
from syncengine.model.mapping import Mapping as FieldMapping
from syncengine.model.mapping import OnRemoved
from syncengine.model.work import (
    Batch,
    BatchKind,
    ContactOutcome,
    ContactState,
    Record,
    Status,
)
from syncengine.planning.attempt.job import Job
from syncengine.planning.attempt.progress import AttemptEnding
from syncengine.planning.plan import Plan
from syncengine.ports import BatchStore, ContactStore, SendCheck, Sender, Vendor
from tests.support.virtual_time import run

KEY = MatchKey("ref", "7")
JOB = Job(1, ContactState("7"), Desired("7", {"ref": "7"}, keys=(KEY,)), 1, Plan())


@asynccontextmanager
async def stopped_after(
    seconds: float, *, by_call: bool
) -> AsyncIterator[tuple[Stopping, Pacing]]:
    """Stop an account after so much time.

    Either it is halted, or its whole call is stopped.
    """
    stop = asyncio.Event()
    async with (
        Pacing((), in_flight=2, settles_within=5.0) as pacing,
        stop_account_on(stop, pacing) as stopping,
    ):
        loop = asyncio.get_running_loop()
        if by_call:
            loop.call_later(seconds, stop.set)
        else:
            halted = VendorHalted("the key was withdrawn")
            loop.call_later(seconds, pacing.stop, halted)
        yield stopping, pacing


def now() -> float:
    return asyncio.get_running_loop().time()


class Waiters:
    """A contact whose create the vendor still has in its queue.

    Its second attempt would be due in 100 seconds.
    """

    turns = 0

    async def sync(self, job: Job) -> AttemptEnding:
        del job
        self.turns += 1
        outcome = ContactOutcome(OutcomeKind.DEFERRED)
        return AttemptEnding(
            Record("7", Known(), Status.PENDING, None, outcome=outcome),
            postponed=True,
            ready_in=100.0,
        )

    async def prepare(self, batch: Batch, turn: int = 1, **_: bool) -> Prepared:
        del batch, turn
        return Prepared((JOB,))

    async def note_overwritten(self) -> None: ...

    def tell_of_acceptances(self, told: Callable[[int], None]) -> None: ...


class OneBatch:
    """The batches of the run: one, and those that are added."""

    def __init__(self) -> None:
        self.left = {1: Batch(1, BatchKind.CHANGES, ("7",))}

    async def add(self, kind: BatchKind, contact_ids: Sequence[str]) -> int:
        self.left[2] = Batch(2, kind, tuple(contact_ids))
        return 2

    async def waiting(self) -> AsyncIterator[Batch]:
        for batch in list(self.left.values()):
            yield batch

    async def finish(self, number: int, totals: Mapping[str, int]) -> None:
        del totals
        self.left.pop(number, None)


class NoStore:
    async def record(self, batch: int, records: Sequence[Record]) -> None: ...


async def dispatched(waiters: Waiters, *, by_call: bool) -> tuple[float, Tally]:
    """Return when a run of one batch is over, and what was counted."""
    tally, recorder = Tally(), Recorder(cast("ContactStore", NoStore()))
    through: list[int] = []
    async with (
        stopped_after(7.0, by_call=by_call) as (stopping, pacing),
        recorder.running(),
    ):
        await Dispatcher(
            preparer=cast("Preparer", waiters),
            contacts=cast("ContactSync", waiters),
            batches=cast("BatchStore", OneBatch()),
            recorder=recorder,
            tally=tally,
            crowd=Crowd(1),
            stopping=stopping,
            stop=pacing.stop,
            advance=through.append,
        ).run()
    assert sum(through) <= 1, "a contact with several attempts is through once"
    return now(), tally


@pytest.mark.parametrize("by_call", [True, False])
def test_a_second_attempt_is_not_waited_for_once_the_account_is_stopped(
    *, by_call: bool
) -> None:
    waiters = Waiters()
    ended, tally = run(dispatched(waiters, by_call=by_call))
    assert ended == pytest.approx(7.0, abs=0.1)
    assert waiters.turns == 1
    assert tally.contacts["deferred"] == 1, "it was to be tried again"


class Slow(Waiters):
    """A source that takes its time."""

    async def prepare(self, batch: Batch, turn: int = 1, **_: bool) -> Prepared:
        await asyncio.sleep(3600.0)
        return await super().prepare(batch, turn)


@pytest.mark.parametrize("by_call", [True, False])
def test_a_batch_is_not_waited_for_once_the_account_is_stopped(
    *, by_call: bool
) -> None:
    slow = Slow()
    ended, _ = run(dispatched(slow, by_call=by_call))
    assert ended == pytest.approx(7.0, abs=0.1)
    assert slow.turns == 0


class Nobody:
    """A vendor that finds no contact, within 100 seconds of a create without answer."""

    name = "nobody"
    capabilities = Capabilities(create=Write(), find_by=("ref",), settles_within=100.0)
    asked = 0

    @staticmethod
    def same(field: str, ours: Json, theirs: Json) -> bool:
        del field
        return bool(ours == theirs)

    def find(self, key: MatchKey) -> Generator[Request, Response, Sequence[Remote]]:
        del key
        self.asked += 1
        yield Request("GET", "/", "GET /")
        return ()


class Answers:
    """A vendor that answers."""

    async def send(
        self, request: Request, allowed: SendCheck | None = None
    ) -> Response:
        del request, allowed
        return Response(200)


class Paced:
    """Lets requests out as long as the account is not stopped."""

    def __init__(self, sender: Sender, pacing: Pacing) -> None:
        self._sender = sender
        self._pacing = pacing

    async def send(
        self, request: Request, allowed: SendCheck | None = None
    ) -> Response:
        (await self._pacing.permit(request.method)).answered()
        return await self._sender.send(request, allowed)


@pytest.mark.parametrize("by_call", [True, False])
def test_a_lost_create_is_not_waited_for_once_the_account_is_stopped(
    *, by_call: bool
) -> None:
    unknown = Known(pending=Pending(creates=True, keys=(KEY,), age=0.0))
    job = Job(1, ContactState("7", unknown), JOB.desired, 1, Plan())
    task = Task("here", FieldMapping(), "id", OnRemoved.IGNORE)

    async def whole() -> tuple[float, Record]:
        async with stopped_after(7.0, by_call=by_call) as (stopping, pacing):
            retrier = Retrier(
                Paced(Answers(), pacing), pacing, RetryPolicy(), Random(1)
            )
            vendor, store = cast("Vendor", Nobody()), cast("ContactStore", NoStore())
            recorder = Recorder(store)
            ending = await ContactSync(
                task, vendor, retrier, store, recorder, stopping
            ).sync(job)
            return now(), ending.record

    ended, record = run(whole())
    assert ended == pytest.approx(7.0, abs=0.1)
    assert record.outcome is not None
    assert (record.outcome.kind, record.outcome.code) == (
        OutcomeKind.DEFERRED,
        "account_stopped",
    )
    assert record.known.pending is not None, "the next run looks again"


class Down:
    """A vendor that is down."""

    async def send(
        self, request: Request, allowed: SendCheck | None = None
    ) -> Response:
        del request, allowed
        raise VendorUnavailable("down", maybe_applied=False)


@pytest.mark.parametrize("by_call", [True, False])
def test_a_vendor_that_is_down_is_not_tried_again_once_the_account_is_stopped(
    *, by_call: bool
) -> None:
    async def whole() -> float:
        policy = RetryPolicy(attempts=1000, base=1e9, most=1e9)
        async with stopped_after(7.0, by_call=by_call) as (_, pacing):
            retrier = Retrier(Paced(Down(), pacing), pacing, policy, Random(1))
            with pytest.raises(AccountStopped):
                await retrier.run(lambda: Nobody().find(KEY), Meter(), repeatable=True)
            return now()

    assert run(whole()) == pytest.approx(7.0, abs=0.1)


def test_what_precedes_the_first_request_is_broken_off_once_the_call_is_to_stop() -> (
    None
):
    async def whole() -> float:
        stop = asyncio.Event()
        asyncio.get_running_loop().call_later(7.0, stop.set)
        with pytest.raises(RunStopped):
            async with broken_off_by(stop):
                await asyncio.sleep(3600.0)
        with pytest.raises(RunStopped):
            async with broken_off_by(stop):
                pytest.fail("it is stopped already")
        return now()

    assert run(whole()) == pytest.approx(7.0, abs=0.1)


def test_a_timeout_of_its_own_is_no_stop() -> None:
    async def whole() -> None:
        async with broken_off_by(asyncio.Event()):
            raise TimeoutError

    with pytest.raises(TimeoutError):
        run(whole())
