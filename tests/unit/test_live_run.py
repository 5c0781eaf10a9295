"""A run writes its progress beside its work: no write delays it, and none ends it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import cast

import pytest

from syncengine.app.live_run import LiveRun
from syncengine.engine.pacing import Pacing
from syncengine.errors import LeaseLost, StorageError
from syncengine.model.progress import RunMinute, RunSnapshot
from syncengine.model.reports import NoProgress, Progress
from syncengine.model.work import RunKind
from syncengine.storage.connect import Pool
from syncengine.storage.state.fence import Fence
from tests.support.virtual_time import run


def now() -> float:
    return asyncio.get_running_loop().time()


class Store:
    """A database that takes its time, or fails."""

    def __init__(self, fails: Exception | None = None, takes: float = 0.0) -> None:
        self._fails = fails
        self._takes = takes
        self.written: list[tuple[float, int]] = []
        """When something was written, and how many contacts were through then."""

    async def write(
        self, snapshot: RunSnapshot, minutes: Sequence[RunMinute]
    ) -> datetime:
        del minutes
        await asyncio.sleep(self._takes)
        if self._fails is not None:
            raise self._fails
        self.written.append((round(now(), 1), snapshot.done))
        # Its clock stands at half past a minute at the beginning.
        return datetime.fromtimestamp(30.0 + now(), UTC)


class Shown(NoProgress):
    """A caller with a view, which may be broken."""

    def __init__(self, *, breaks: bool) -> None:
        self._breaks = breaks
        self.shown: list[float] = []

    def updated(self, destination: str, snapshot: RunSnapshot) -> None:
        del destination
        self.shown.append(round(snapshot.seconds, 1))
        if self._breaks:
            raise ValueError("the view is broken")


def live(
    test: Callable[[LiveRun, Store], Awaitable[None]],
    store: Store,
    progress: Progress | None = None,
    beside: int = 0,
) -> None:
    """Run the test with a run that writes to the store, in virtual time.

    So many other runs of the process are under way as well.
    """

    async def whole() -> None:
        fence = Fence(cast("Pool", None), "acme", 1)
        async with Pacing((), in_flight=1, settles_within=1.0) as pacing:
            runs = [
                LiveRun(
                    f"shop_{number}",
                    number,
                    fence,
                    pacing,
                    progress or NoProgress(),
                    RunKind.SYNC,
                )
                for number in range(1, beside + 2)
            ]
            async with AsyncExitStack() as stack:
                for each in runs:
                    each._store = store if each is runs[0] else Store()  # type: ignore[assignment]
                    await stack.enter_async_context(each.watched())
                await test(runs[0], store)

    run(whole())


def test_it_writes_at_once_when_sending_begins_and_every_five_seconds() -> None:
    async def test(run_: LiveRun, store: Store) -> None:
        await asyncio.sleep(3.5)
        run_.started(10)
        await asyncio.sleep(8.0)
        run_.advanced(4)
        await run_.end()
        assert store.written == [(1.0, 0), (3.5, 0), (8.5, 0), (11.5, 4)]
        await asyncio.sleep(60.0)
        assert len(store.written) == 4, "nothing after the last one"

    live(test, Store())


def test_a_process_with_hundreds_of_runs_writes_each_of_them_less_often() -> None:
    async def test(_: LiveRun, store: Store) -> None:
        await asyncio.sleep(100.0)
        assert [at for at, _ in store.written] == [1.0, 21.0, 41.0, 61.0, 81.0]

    live(test, Store(), beside=199)


@pytest.mark.parametrize(
    "error", [StorageError("the disk is full"), LeaseLost("somebody took over")]
)
def test_a_write_that_fails_is_made_up_for_by_the_next_one(error: Exception) -> None:
    async def test(run_: LiveRun, store: Store) -> None:
        await asyncio.sleep(12.0)
        store._fails = None
        run_.advanced(3)
        await asyncio.sleep(5.0)
        assert store.written == [(16.0, 3)]

    live(test, Store(fails=error))


def test_a_database_that_does_not_answer_delays_the_end_by_a_second() -> None:
    async def test(run_: LiveRun, store: Store) -> None:
        await asyncio.sleep(20.0)
        began = now()
        await run_.end()
        assert now() - began == pytest.approx(1.0, abs=0.1)
        assert store.written == []

    live(test, Store(takes=3600.0))


def test_a_caller_is_shown_a_snapshot_every_second() -> None:
    shown = Shown(breaks=False)

    async def test(run_: LiveRun, store: Store) -> None:
        await asyncio.sleep(3.5)
        await run_.end()
        assert [at for at, _ in store.written] == [1.0, 3.5]
        assert shown.shown == [0.0, 1.0, 2.0, 3.0, 3.5]

    live(test, Store(), shown)


def test_a_view_that_breaks_ends_nothing() -> None:
    shown = Shown(breaks=True)

    async def test(run_: LiveRun, store: Store) -> None:
        await asyncio.sleep(6.5)
        await run_.end()
        assert [at for at, _ in store.written] == [1.0, 6.0, 6.5]
        assert shown.shown == [0], "it is not asked again"

    live(test, Store(), shown)
