from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import pairwise

import pytest

from syncengine.engine.pace import Pace
from syncengine.model.limits import Limit
from tests.support.virtual_time import run


def drawn(limits: Sequence[Limit], methods: Sequence[str]) -> list[float]:
    """Return when each of these requests was let through."""

    async def draw() -> list[float]:
        pace, times = Pace(limits), []
        for method in methods:
            await pace.draw(method)
            times.append(asyncio.get_running_loop().time())
        return times

    return run(draw())


def test_requests_are_spread_evenly_over_the_window() -> None:
    times = drawn([Limit(200, 60.0)], ["GET"] * 201)
    assert times == pytest.approx([0.3 * number for number in range(201)], abs=0.01)


def test_the_tightest_limit_is_the_pace() -> None:
    times = drawn([Limit(10, 1.0), Limit(60, 60.0)], ["GET"] * 11)
    assert times[-1] == pytest.approx(10.0, abs=0.01)


def test_above_twenty_a_second_a_few_may_go_at_once() -> None:
    times = drawn([Limit(100, 1.0)], ["GET"] * 104)
    assert times[3] == pytest.approx(0.0, abs=0.001)
    assert times[-1] == pytest.approx(1.0, abs=0.01)


def test_a_method_of_its_own_limit_waits_for_both() -> None:
    times = drawn(
        [Limit(10, 1.0), Limit(1, 1.0, "POST")], ["GET", "POST", "POST", "GET"]
    )
    assert times == pytest.approx([0.0, 0.1, 1.1, 1.1], abs=0.01)


def test_a_batch_waits_until_the_items_before_it_have_had_their_time() -> None:
    limits = [Limit(items=1000, per=60.0), Limit(items=5, per=1.0, method="GET")]

    async def draw() -> list[float]:
        pace, times = Pace(limits), []
        for method, items in [("POST", 100), ("POST", 50), ("GET", 1), ("GET", 1)]:
            await pace.draw(method, items)
            times.append(asyncio.get_running_loop().time())
        return times

    # A thousand a minute: a hundred have their time after six seconds, fifty after
    # three. The reads wait for their own limit, too.
    assert run(draw()) == pytest.approx([0.0, 6.0, 9.0, 9.2], abs=0.06)


def test_time_in_which_nothing_is_sent_is_not_saved_up() -> None:
    async def draw() -> float:
        pace = Pace([Limit(items=10, per=1.0)])
        await pace.draw("GET", 10)
        await asyncio.sleep(60.0)
        began = asyncio.get_running_loop().time()
        for _ in range(3):
            await pace.draw("GET", 10)
        return asyncio.get_running_loop().time() - began

    assert run(draw()) >= 1.9


def test_without_limits_nothing_waits() -> None:
    assert drawn([], ["GET"] * 1000)[-1] < 0.01


@pytest.mark.parametrize(
    ("late", "seconds"),
    [
        # Within the bound nothing is lost but what the last timer is late.
        (0.04, 10.04),
        # Beyond it, each of a hundred waits loses the rest.
        (0.25, 10.0 + 100 * 0.2 + 0.05),
    ],
)
def test_late_timers_cost_nothing_up_to_a_bound(
    monkeypatch: pytest.MonkeyPatch, late: float, seconds: float
) -> None:
    in_time = asyncio.sleep

    async def too_late(wait: float) -> None:
        await in_time(wait + late)

    monkeypatch.setattr(asyncio, "sleep", too_late)
    times = drawn([Limit(10, 1.0)], ["GET"] * 101)
    assert times[-1] == pytest.approx(seconds, abs=0.01)
    gaps = [later - former for former, later in pairwise(times)]
    assert min(gaps) >= 0.1 - 0.05 - 1e-3, "two come closer by the bound at most"
