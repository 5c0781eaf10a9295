"""The forecast's time is the time that the real pacing takes, on a virtual clock."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from syncengine.engine.pacing import Pacing
from syncengine.engine.quota import counted_window
from syncengine.model.costs import Cost, exactly
from syncengine.model.limits import Limit
from syncengine.planning.timing import QuotaUse, timing
from tests.support.memory.quotas import Quotas
from tests.support.virtual_time import run

ROUND_TRIP = 0.03
TIMEOUT, SETTLES_WITHIN = 30.0, 5.0
A_MINUTE, A_SECOND = Limit(200, 60.0), Limit(5, 1.0)
A_DAY = Limit(1000, 86400.0)
DAY_WINDOW = counted_window(A_DAY, TIMEOUT + SETTLES_WITHIN) + 60.0


def paced(
    limits: Sequence[Limit],
    methods: Sequence[str],
    *,
    used: Sequence[tuple[float, int]] = (),
    filled: bool = False,
    round_trip: float = ROUND_TRIP,
    items: int = 1,
) -> float:
    """Return the seconds in which the gate lets requests of these methods through.

    ``used`` are requests of the quota: so many seconds ago, so many. ``filled``: the
    process before crashed, so that every limit counts as used up.
    """
    start = 10 * DAY_WINDOW

    async def whole() -> float:
        loop = asyncio.get_running_loop()
        clock = [0.0]
        quotas = Quotas(lambda: clock[0] or start + loop.time())
        for age, requests in sorted(used, reverse=True):
            clock[0] = start - age
            await quotas.reserve("all", [(A_DAY.most, DAY_WINDOW)], requests)
        clock[0] = 0.0
        gate = Pacing(
            limits,
            in_flight=8,
            settles_within=SETTLES_WITHIN,
            timeout=TIMEOUT,
            quotas=quotas,
            max_wait=1e9,
        )
        to_send = iter(methods)

        async def work() -> None:
            for method in to_send:
                permit = await gate.permit(method, items)
                await asyncio.sleep(round_trip)
                permit.answered()

        async with gate:
            gate.prove()
            if filled:
                gate.ledger.fill(gate.now())
            began = gate.now()
            await asyncio.gather(*(work() for _ in range(8)))
            return gate.now() - began

    return run(whole())


@pytest.mark.parametrize(
    ("limits", "methods"),
    [
        ((A_MINUTE,), ["PUT"] * 700),
        ((A_SECOND,), ["PUT"] * 400),
        ((Limit(30, 1.0),), ["PUT"] * 1500),
        ((A_MINUTE, A_SECOND), ["PUT"] * 700),
        ((Limit(5, 1.0, "POST"), Limit(5, 1.0, "PUT")), ["POST", "PUT"] * 200),
        ((Limit(5, 1.0, "POST"), Limit(2, 1.0, "PUT")), ["POST", "PUT"] * 200),
        ((A_MINUTE, Limit(50, 60.0, "POST")), ["POST", *["PUT"] * 3] * 100),
    ],
)
def test_under_paced_limits(limits: tuple[Limit, ...], methods: list[str]) -> None:
    by_method = {method: methods.count(method) for method in methods}
    # Without the round trip it is right within 5 %, with it within 1 %.
    simple = timing(exactly(len(methods)), limits, by_method=by_method)
    assert paced(limits, methods) == pytest.approx(simple.seconds.usual, rel=0.05)
    for round_trip in (ROUND_TRIP, 0.3):
        expected = timing(
            exactly(len(methods)), limits, by_method=by_method, round_trip=round_trip
        )
        real = paced(limits, methods, round_trip=round_trip)
        assert real == pytest.approx(expected.seconds.usual, rel=0.03)


BATCHES = [
    ((Limit(items=1000, per=60.0), A_MINUTE), 100),
    # Requests of 100 use 200 of 250 places.
    ((Limit(items=250, per=60.0), A_MINUTE), 100),
    ((Limit(items=100_000, per=60.0), A_SECOND), 100),
    ((Limit(items=5, per=1.0),), 1),
]


@pytest.mark.parametrize(("limits", "size"), BATCHES)
@pytest.mark.parametrize("round_trip", [ROUND_TRIP, 0.3])
def test_under_limits_of_items(
    limits: tuple[Limit, ...], size: int, round_trip: float
) -> None:
    """The slower one decides: that of the items, or that of the requests."""
    requests = 120
    expected = timing(
        exactly(requests),
        limits,
        items=exactly(requests * size),
        round_trip=round_trip,
    )
    real = paced(limits, ["POST"] * requests, items=size, round_trip=round_trip)
    assert real == pytest.approx(expected.seconds.usual, rel=0.03)
    assert expected.limit is not None
    assert expected.limit.counts_items is (limits[0].most != 100_000)


def test_a_quota_of_items_is_compared_with_the_items() -> None:
    day = Limit(items=1000, per=86400.0)
    quota = QuotaUse(day, DAY_WINDOW, ((3600.0, 400),))
    enough = timing(exactly(6), (day,), items=exactly(600), quotas=[quota])
    assert (enough.seconds.usual, enough.shortages) == (0.0, ())
    short = timing(exactly(7), (day,), items=exactly(700), quotas=[quota])
    assert short.limit == day
    assert short.seconds.usual == pytest.approx(DAY_WINDOW - 3600.0, rel=0.01)
    (shortage,) = short.shortages
    assert (shortage.left, shortage.beyond) == (600, 100)


def test_each_request_carries_one_item_where_nothing_else_is_known() -> None:
    limits = (Limit(items=60, per=60.0, method="POST"), Limit(100, 60.0))
    expected = timing(exactly(90), limits, by_method={"POST": 30, "GET": 60})
    assert expected.limit == limits[1]
    assert timing(exactly(90), limits).limit == limits[0]


def test_without_knowing_the_methods_the_time_is_a_range() -> None:
    limits = (Limit(5, 1.0, "POST"), Limit(2, 1.0, "PUT"))
    unknown = timing(exactly(400), limits).seconds
    for posts in (0, 100, 200, 400):
        by_method = {"POST": posts, "PUT": 400 - posts}
        known = timing(exactly(400), limits, by_method=by_method).seconds
        assert unknown.least <= known.usual <= unknown.most


@pytest.mark.parametrize(
    ("requests", "used"),
    [
        (900, ()),
        (900, ((40_000.0, 300),)),
        (2500, ()),
        (500, ((80_000.0, 700), (20_000.0, 200))),
    ],
)
def test_under_a_quota(requests: int, used: tuple[tuple[float, int], ...]) -> None:
    limits = (Limit(20, 1.0), A_DAY)
    quota = QuotaUse(A_DAY, DAY_WINDOW, used)
    expected = timing(exactly(requests), limits, quotas=(quota,))
    real = paced(limits, ["PUT"] * requests, used=used)
    assert real == pytest.approx(expected.seconds.usual, rel=0.05)
    suffices = requests + sum(number for _, number in used) <= A_DAY.most
    assert expected.limit == (limits[0] if suffices else A_DAY)
    assert [each.left + each.beyond for each in expected.shortages] == (
        [] if suffices else [requests]
    )


def test_after_a_crash_the_first_window_passes_in_silence() -> None:
    expected = timing(exactly(300), (A_MINUTE,), wait=60.0).seconds
    real = paced((A_MINUTE,), ["PUT"] * 300, filled=True)
    assert real == pytest.approx(expected.usual, rel=0.05)
    assert expected.usual > timing(exactly(300), (A_MINUTE,)).seconds.usual


def test_the_limit_that_decides_is_named() -> None:
    limits = (A_SECOND, A_MINUTE, Limit(1, 1.0, "DELETE"))
    assert timing(exactly(9), limits, by_method={"PUT": 9}).limit == A_MINUTE
    assert timing(exactly(9), limits, by_method={"DELETE": 9}).limit == limits[2]
    assert timing(Cost(), limits).limit is None
    assert timing(exactly(9), ()).limit is None


def test_more_than_a_lowered_quota_allows_was_sent_already() -> None:
    quota = QuotaUse(A_DAY, 100.0, ((90.0, 800), (50.0, 700)))
    assert quota.left == -500
    seconds = timing(exactly(301), (A_DAY,), quotas=(quota,)).seconds
    # 800 leave after ten seconds: 500 of them were too many.
    assert seconds.usual == 50.0
    (shortage,) = timing(exactly(301), (A_DAY,), quotas=(quota,)).shortages
    assert (shortage.left, shortage.beyond) == (0, 301)
