"""A run's counts by the minute, and its waits, on a virtual clock."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from syncengine.engine.pacing import Pacing
from syncengine.engine.run_monitor import RunMonitor
from syncengine.engine.tally import Tally
from syncengine.model.calls import OutcomeKind
from syncengine.model.contact import Known
from syncengine.model.limits import Limit
from syncengine.model.progress import MOST_CODES, WaitReason, snapshot_from
from syncengine.model.work import ContactOutcome, Record, Status
from tests.support.virtual_time import run

NIGHT = datetime(2026, 11, 28, 2, 29, 30, tzinfo=UTC)


def ended(contact_id: str, kind: OutcomeKind, code: str = "") -> Record:
    outcome = ContactOutcome(kind, (), 1, code)
    return Record(contact_id, Known(), Status.SYNCED, None, outcome=outcome)


def monitored(
    test: Callable[[RunMonitor, Pacing, Tally], Awaitable[None]], *limits: Limit
) -> None:
    """Run the test in virtual time with the monitor of a run that has begun."""

    async def whole() -> None:
        tally = Tally()
        async with Pacing(limits, in_flight=4, settles_within=5.0) as pacing:
            pacing.prove()
            monitor = RunMonitor(pacing, tally)
            monitor.set_database_time(NIGHT)
            pacing.on_request = monitor.requested
            await test(monitor, pacing, tally)

    run(whole())


async def send(pacing: Pacing, number: int) -> None:
    for _ in range(number):
        permit = await pacing.permit("GET")
        permit.answered()


def test_each_request_counts_in_its_own_minute_of_the_databases_clock() -> None:
    async def test(monitor: RunMonitor, pacing: Pacing, tally: Tally) -> None:
        assert 29.9 < monitor.until_next_minute() <= 30.0
        # 60 a minute, evenly: 30 before half past two, the others after it.
        await send(pacing, 45)
        tally.count(1, ended("1", OutcomeKind.REJECTED, "invalid_phone"))
        first, second = monitor.minutes()
        assert first.begins_at == NIGHT - timedelta(seconds=30)
        assert second.begins_at == NIGHT + timedelta(seconds=30)
        assert (first.requests, second.requests) == (30, 15)
        assert second.outcomes == {"rejected": 1}
        assert second.codes == {"invalid_phone": 1}
        assert monitor.snapshot().last_minute == 45
        # What is stored and over is forgotten; the present minute goes on.
        monitor.stored([first, second])
        assert [each.minute for each in monitor.minutes()] == [second.minute]
        await asyncio.sleep(90.0)
        assert monitor.snapshot().last_minute == 0
        assert monitor.snapshot().requests == 45

    monitored(test, Limit(60, 60.0))


def test_minutes_that_could_not_be_stored_are_kept() -> None:
    async def test(monitor: RunMonitor, pacing: Pacing, tally: Tally) -> None:
        for number in range(3):
            await send(pacing, 2)
            tally.count(1, ended(str(number), OutcomeKind.APPLIED))
            assert monitor.minutes()[-1].outcomes == {"applied": 1}
            await asyncio.sleep(60.0)
        assert [each.requests for each in monitor.minutes()] == [2, 2, 2]

    monitored(test)


def test_the_reason_of_a_wait_is_told_with_its_seconds() -> None:
    async def test(monitor: RunMonitor, pacing: Pacing, tally: Tally) -> None:
        del tally
        assert monitor.snapshot().waiting is None
        failing = asyncio.create_task(pacing.back_off(8.0))
        await asyncio.sleep(1.0)
        assert _reason(monitor) == (WaitReason.OUTAGE, 7)
        pacing.pause(30.0)
        assert _reason(monitor) == (WaitReason.THROTTLED, 30)
        await asyncio.sleep(31.0)
        assert monitor.snapshot().waiting is None
        again = asyncio.create_task(pacing.back_off(8.0))
        await asyncio.sleep(1.0)
        pacing.prove()
        assert monitor.snapshot().waiting is None, "the vendor has answered since"
        pacing.heed("GET", {"retry-after": "20"}, 200)
        assert _reason(monitor) == (WaitReason.LIMIT_NEAR, 20)
        assert monitor.snapshot().throttled == 1
        await asyncio.gather(failing, again)

    monitored(test)


def _reason(monitor: RunMonitor) -> tuple[WaitReason, int]:
    wait = monitor.snapshot().waiting
    assert wait is not None
    assert wait.seconds is not None
    return wait.reason, round(wait.seconds)


def test_a_snapshot_is_read_as_it_was_stored() -> None:
    async def test(monitor: RunMonitor, pacing: Pacing, tally: Tally) -> None:
        monitor.started(100)
        for number in range(40):
            await send(pacing, 1)
            record = ended(str(number), OutcomeKind.REJECTED, f"code_{number % 25}")
            tally.count(1, record)
            monitor.advanced(1)
        pacing.pause(12.0)
        snapshot = monitor.snapshot()
        assert (snapshot.done, snapshot.total) == (40, 100)
        assert len(snapshot.codes) == MOST_CODES
        assert snapshot.seconds_left is not None
        stored = snapshot.public()
        assert stored["limit"]["text"] == "60 a minute"
        read = snapshot_from(stored)
        assert read is not None
        assert read.public() == stored
        monitor.advanced(1000)
        assert monitor.snapshot().done == 100, "never more than there are"

    monitored(test, Limit(60, 60.0))


def test_a_comparison_has_no_outcomes_and_says_what_it_did() -> None:
    async def whole() -> None:
        async with Pacing((), in_flight=4, settles_within=5.0) as pacing:
            monitor = RunMonitor(pacing, Tally(), counts_as="compared")
            monitor.started(10)
            monitor.advanced(4)
            assert monitor.snapshot().outcomes == {"compared": 4}
            assert not monitor.minutes()

    run(whole())
