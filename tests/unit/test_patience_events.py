"""Waiting for a database is one event, however many wait, and its return another.

A stop ends the wait.
"""

from __future__ import annotations

import asyncio

import pytest

from syncengine.errors import StorageError
from syncengine.model.events import Event
from syncengine.model.http import Json
from syncengine.storage.patience import DatabasePatience
from tests.support.virtual_time import run


def _told(*, waiters: int, away: float) -> list[Event]:
    events: list[Event] = []

    def tell(event: Event, /, **_facts: Json) -> None:
        events.append(event)

    async def attempt() -> None:
        if asyncio.get_running_loop().time() < away:
            error = StorageError("the server is starting")
            error.may_pass = True
            raise error

    async def main() -> None:
        patience = DatabasePatience(60.0, tell)
        await asyncio.gather(
            *(patience.wait_out(attempt) for _ in range(waiters)),
            return_exceptions=True,
        )

    run(main())
    return events


@pytest.mark.parametrize("waiters", [1, 8])
def test_however_many_wait_it_is_one_event(waiters: int) -> None:
    assert _told(waiters=waiters, away=10.0) == [
        Event.DATABASE_AWAY,
        Event.DATABASE_BACK,
    ]


def test_a_database_that_stays_away_is_not_said_to_be_back() -> None:
    assert _told(waiters=2, away=600.0) == [Event.DATABASE_AWAY]


def test_a_database_that_is_there_is_not_worth_a_word() -> None:
    assert _told(waiters=2, away=0.0) == []


def test_once_the_run_is_to_stop_the_database_is_not_waited_for_long() -> None:
    async def attempt() -> None:
        error = StorageError("the server is starting")
        error.may_pass = True
        raise error

    async def main() -> float:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        loop.call_later(100.0, stop.set)
        with pytest.raises(StorageError, match="starting"):
            await DatabasePatience(3600.0, stop=stop).wait_out(attempt)
        return loop.time()

    assert 100.0 < run(main()) < 115.0
