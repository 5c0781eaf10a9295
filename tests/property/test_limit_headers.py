"""Headers slow the gate down before the refusal, and never speed it up."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from itertools import pairwise
from math import floor

from hypothesis import given, settings
from hypothesis import strategies as st

from syncengine.engine.pacing import Pacing
from syncengine.model.limits import Limit
from tests.support.virtual_time import run

WINDOW = 2.0
LATENCY = 0.02
_WILD = st.text(max_size=6) | st.integers(-10, 10**12).map(str)
_HEADERS = st.dictionaries(
    st.sampled_from(
        ["x-ratelimit-remaining", "x-ratelimit-reset", "ratelimit", "retry-after"]
    ),
    _WILD | st.builds("remaining={}, reset={}".format, _WILD, _WILD),
)


class Shared:
    """A vendor with a fixed window. Others take a part of it as soon as it begins."""

    def __init__(self, calls: int, others: int) -> None:
        self.calls, self.others = calls, others
        self.served: dict[int, int] = {}
        self.refused = 0

    def answer(self, now: float) -> Mapping[str, str]:
        window = floor(now / WINDOW)
        taken = self.served.get(window, self.others)
        if taken >= self.calls:
            self.refused += 1
            return {}
        self.served[window] = taken + 1
        return {
            "x-ratelimit-remaining": str(self.calls - taken - 1),
            "x-ratelimit-reset": f"{(window + 1) * WINDOW - now:.6f}",
        }


async def _work(pacing: Pacing, vendor: Shared, requests: int) -> None:
    loop = asyncio.get_running_loop()
    for _ in range(requests):
        permit = await pacing.permit("GET")
        await asyncio.sleep(LATENCY / 2)
        headers = vendor.answer(loop.time())
        await asyncio.sleep(LATENCY / 2)
        permit.answered()
        pacing.heed("GET", headers, 200)


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 12), st.data(), st.integers(1, 4))
def test_a_limit_shared_with_others_is_not_overrun(
    calls: int, data: st.DataObject, workers: int
) -> None:
    others = data.draw(st.integers(0, calls - 1))
    vendor = Shared(calls, others)

    async def play() -> None:
        limits = [Limit(calls, WINDOW)]
        async with Pacing(limits, in_flight=1, settles_within=1.0) as pacing:
            pacing.prove()
            async with asyncio.TaskGroup() as group:
                for _ in range(workers):
                    group.create_task(_work(pacing, vendor, 20))

    run(play())
    assert vendor.refused == 0


@settings(max_examples=60, deadline=None)
@given(st.lists(_HEADERS, min_size=1, max_size=20), st.integers(1, 6))
def test_no_header_lets_more_through_than_the_limit(
    headers: list[dict[str, str]], calls: int
) -> None:
    arrivals: list[float] = []

    async def play() -> None:
        limits = [Limit(calls, WINDOW)]
        loop = asyncio.get_running_loop()
        pacing = Pacing(limits, in_flight=8, settles_within=1.0, max_wait=10.0)
        async with pacing:
            pacing.prove()
            for each in headers * 2:
                permit = await pacing.permit("GET")
                arrivals.append(loop.time())
                permit.answered()
                pacing.heed("GET", each, 200)

    run(play())
    for first, last in zip(arrivals, arrivals[calls:], strict=False):
        assert last - first >= WINDOW
    longest = max(10.0, 2 * WINDOW)
    for one, other in pairwise(arrivals):
        assert other - one <= longest + 0.1, "a hostile header holds up for ever"
