"""The virtual clock, on which tests of pacing, retries and leases rely."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.virtual_time import Deadlock, run


def test_a_day_of_waiting_takes_no_time_and_is_exact() -> None:
    async def main() -> list[tuple[str, float]]:
        loop, woken = asyncio.get_running_loop(), list[tuple[str, float]]()

        async def sleeper(name: str, seconds: float) -> None:
            await asyncio.sleep(seconds)
            woken.append((name, loop.time()))

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(sleeper("day", 86_400))
            tasks.create_task(sleeper("week", 7 * 86_400))
            tasks.create_task(sleeper("blink", 0.001))
        return woken

    woken = run(main())
    assert [name for name, _ in woken] == ["blink", "day", "week"]
    assert [at for _, at in woken] == pytest.approx(
        [0.001, 86_400, 7 * 86_400], abs=1e-3
    )


def test_time_passes_even_when_nobody_waits() -> None:
    async def main() -> int:
        loop, turns = asyncio.get_running_loop(), 0
        while loop.time() < 0.001:
            turns += 1
            await asyncio.sleep(0)
        return turns

    assert run(main()) <= 1_000


def test_a_timeout_fires_in_virtual_time() -> None:
    async def main() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3_600):
                await asyncio.Event().wait()
        return asyncio.get_running_loop().time()

    assert run(main()) == pytest.approx(3_600, abs=1e-3)


def test_a_deadlock_is_reported_with_the_tasks_that_wait() -> None:
    async def waits_for_nobody() -> None:
        await asyncio.Event().wait()

    with pytest.raises(Deadlock, match="waits_for_nobody"):
        run(waits_for_nobody())


def test_a_deadlock_still_lets_the_tasks_clean_up() -> None:
    cleaned = []

    async def main() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.append(True)

    with pytest.raises(Deadlock):
        run(main())
    assert cleaned == [True]


def test_exceptions_come_through() -> None:
    async def main() -> None:
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        run(main())


def test_sockets_and_threads_are_refused() -> None:
    async def connects() -> None:
        await asyncio.open_connection("127.0.0.1", 9)

    async def goes_to_a_thread() -> None:
        await asyncio.to_thread(int)

    for refused in (connects, goes_to_a_thread):
        with pytest.raises(RuntimeError, match="real time"):
            run(refused())
