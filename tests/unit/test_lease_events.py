"""Events about a lease that is renewed with trouble, and an account that stops."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from syncengine.engine.lease import LeaseKeeper
from syncengine.engine.pacing import Pacing
from syncengine.errors import (
    AccountStopped,
    LeaseLost,
    RunStopped,
    StorageError,
    VendorHalted,
)
from syncengine.model.events import Event
from syncengine.model.http import Json
from syncengine.model.work import LeaseGrant
from tests.support.virtual_time import run

_TTL = 30.0
_GRANT = LeaseGrant("respond_de", epoch=3, ttl=_TTL, wait=0.0, ledger=None)
_AWAY = StorageError("the state database: the connection was lost")


class _Store:
    """A store whose renewals end as given; the last one repeats for ever."""

    def __init__(self, *answers: Exception | None) -> None:
        self._answers = list(answers)

    async def renew(self, grant: LeaseGrant) -> None:
        assert grant is _GRANT
        answer = self._answers[0]
        if len(self._answers) > 1:
            del self._answers[0]
        if answer is not None:
            raise answer

    async def acquire(
        self, account: str, *, ttl: float, settles_within: float
    ) -> LeaseGrant:
        raise NotImplementedError

    async def release(self, grant: LeaseGrant, ledger: Json) -> None:
        raise NotImplementedError


class _Told:
    def __init__(self) -> None:
        self.events: list[tuple[Event, dict[str, Json]]] = []

    def __call__(self, event: Event, /, **facts: Json) -> None:
        self.events.append((event, facts))

    @property
    def names(self) -> list[Event]:
        return [event for event, _ in self.events]


def _with_pacing(work: Callable[[Pacing, _Told], Coroutine[Any, Any, None]]) -> _Told:
    told = _Told()

    async def main() -> None:
        async with Pacing((), in_flight=1, settles_within=1.0, on_event=told) as pacing:
            await work(pacing, told)

    run(main())
    return told


def _kept(seconds: float, *answers: Exception | None) -> _Told:
    """Return the events of keeping a lease for so many seconds."""

    async def keep(pacing: Pacing, told: _Told) -> None:
        loop = asyncio.get_running_loop()
        keeper = LeaseKeeper(_Store(*answers), _GRANT, loop.time(), loop.time, told)
        async with keeper.kept(pacing.stop):
            await asyncio.sleep(seconds)

    return _with_pacing(keep)


def test_a_lease_that_is_renewed_is_not_worth_a_word() -> None:
    assert _kept(20 * _TTL, None).events == []


def test_a_database_that_goes_away_and_comes_back_is_one_event_each() -> None:
    told = _kept(4 * _TTL, None, _AWAY, None)
    assert told.names == [Event.DATABASE_AWAY, Event.DATABASE_BACK]
    assert told.events[0][1] == {"error": str(_AWAY)}


def test_a_database_that_is_back_before_the_lease_ran_out_costs_nothing() -> None:
    assert (
        Event.LEASE_LOST not in _kept(4 * _TTL, *[_AWAY] * 9, None).names
    )  # away for 18 of the 20 seconds left


def test_a_lease_that_runs_out_meanwhile_is_lost_with_one_event() -> None:
    told = _kept(9 * _TTL, _AWAY)
    assert told.names.count(Event.LEASE_LOST) == 1
    assert told.names[-1] is Event.LEASE_LOST
    assert "respond_de ran out before it was renewed" in told.events[-1][1]["error"]
    assert str(_AWAY) in told.events[-1][1]["error"], (
        "another cause than the one that was told before"
    )


@pytest.mark.parametrize(
    ("error", "event"),
    [
        (
            VendorHalted("the key is refused", setting="settings.token"),
            Event.ACCOUNT_HALTED,
        ),
        (LeaseLost("taken over"), Event.LEASE_LOST),
        (RunStopped("asked to"), Event.RUN_STOPPED),
    ],
)
def test_an_account_that_stops_says_so_once(
    error: AccountStopped, event: Event
) -> None:
    async def stopped(pacing: Pacing, _told: _Told) -> None:
        pacing.stop(error)
        pacing.stop(VendorHalted("and once more"))

    setting = getattr(error, "setting", None)
    assert _with_pacing(stopped).events == [
        (event, {"error": str(error), "setting": setting})
    ]


def test_each_refusal_for_the_rate_limit_is_an_event() -> None:
    async def throttled(pacing: Pacing, _told: _Told) -> None:
        pacing.pause(2.0)
        pacing.pause(0.12345)

    assert _with_pacing(throttled).events == [
        (Event.THROTTLED, {"seconds": 2.0}),
        (Event.THROTTLED, {"seconds": 0.123}),
    ]
