"""The sandbox's limits, against counts made by hand and by brute force."""

from __future__ import annotations

import math
import random
from itertools import pairwise
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncengine.sandbox.limiter import Limiter
from syncengine.sandbox.limits import TwinLimit


def test_without_limits_everything_is_let_in() -> None:
    limiter = Limiter()
    assert [limiter.arrive("GET", 0.0) for _ in range(1000)] == [None] * 1000


def test_a_sliding_window_frees_a_place_one_window_after_it_was_taken() -> None:
    limiter = Limiter([TwinLimit(2, 10.0)])
    assert limiter.arrive("GET", 0.0) is None
    assert limiter.arrive("GET", 4.0) is None
    assert limiter.arrive("GET", 9.0) == pytest.approx(1.0)
    assert limiter.arrive("GET", 9.999) == pytest.approx(0.001)
    assert limiter.arrive("GET", 10.0) is None
    assert limiter.arrive("GET", 10.0) == pytest.approx(4.0)


def test_a_fixed_window_frees_all_places_when_its_period_ends() -> None:
    limiter = Limiter([TwinLimit(2, 10.0, "fixed", phase=3.0)])
    assert [limiter.arrive("GET", at) for at in (12.0, 12.9)] == [None, None]
    assert limiter.arrive("GET", 12.95) == pytest.approx(0.05)
    assert [limiter.arrive("GET", at) for at in (13.0, 13.0)] == [None, None]
    assert limiter.arrive("GET", 14.0) == pytest.approx(9.0)


def test_a_refused_request_takes_no_place_in_any_limit() -> None:
    limiter = Limiter([TwinLimit(1, 1.0), TwinLimit(3, 100.0)])
    assert limiter.arrive("GET", 0.0) is None
    assert limiter.arrive("GET", 0.5) is not None
    assert limiter.arrive("GET", 1.0) is None
    assert limiter.arrive("GET", 2.0) is None
    assert limiter.arrive("GET", 3.0) == pytest.approx(97.0)


def test_a_limit_of_one_method_leaves_the_others_alone() -> None:
    limiter = Limiter([TwinLimit(1, 10.0, method="POST")])
    assert limiter.arrive("POST", 0.0) is None
    assert limiter.arrive("POST", 0.0) is not None
    assert limiter.arrive("GET", 0.0) is None


def test_scopes_are_counted_apart() -> None:
    limiter = Limiter([TwinLimit(1, 10.0)])
    assert limiter.arrive("GET", 0.0, "one") is None
    assert limiter.arrive("GET", 0.0, "two") is None
    assert limiter.arrive("GET", 0.0, "one") is not None
    assert limiter.worst(TwinLimit(1, 10.0)).calls == 2


def test_new_limits_start_afresh_and_keep_the_arrivals() -> None:
    limiter = Limiter([TwinLimit(1, 10.0)])
    limiter.arrive("GET", 0.0)
    limiter.configure([TwinLimit(2, 10.0)])
    assert limiter.limits == (TwinLimit(2, 10.0),)
    assert [limiter.arrive("GET", 1.0) is None for _ in range(3)] == [True, True, False]
    assert limiter.worst(TwinLimit(1, 10.0)).calls == 4
    limiter.reset()
    assert limiter.worst(TwinLimit(1, 10.0)).calls == 0
    assert limiter.arrive("GET", 1.0) is None


@pytest.mark.parametrize("seed", range(20))
def test_no_window_lets_in_more_than_allowed_and_none_is_wasted(seed: int) -> None:
    generator = random.Random(seed)
    limit = TwinLimit(
        7, 16.0, generator.choice(["sliding", "fixed"]), phase=generator.randrange(16)
    )
    limiter = Limiter([limit])
    let_in: list[float] = []
    now = 0.0
    for _ in range(500):
        now += generator.randrange(
            4
        )  # whole numbers: the edges of windows are met exactly
        if limit.kind == "sliding":
            others = sum(now - 16 < at <= now for at in let_in)
        else:
            others = sum(
                (at - limit.phase) // 16 == (now - limit.phase) // 16 for at in let_in
            )
        wait = limiter.arrive("GET", now)
        assert (wait is None) == (others < 7)
        if wait is None:
            let_in.append(now)


@pytest.mark.parametrize("seed", range(20))
def test_the_fullest_window_is_counted(seed: int) -> None:
    generator = random.Random(seed)
    limiter = Limiter()
    times = sorted(float(generator.randrange(300)) for _ in range(200))
    for at in times:
        limiter.arrive("GET", at)
    sliding = max(sum(start <= at < start + 20 for at in times) for start in times)
    fixed = max(
        sum(start <= at < start + 20 for at in times) for start in range(0, 300, 20)
    )
    assert limiter.worst(TwinLimit(1, 20.0)).calls == sliding
    assert limiter.worst(TwinLimit(1, 20.0, "fixed")).calls == fixed
    assert limiter.worst(TwinLimit(1, 20.0, method="POST")).calls == 0


def test_a_bucket_lets_a_burst_in_and_then_its_rate() -> None:
    limiter = Limiter([TwinLimit(4, 1.0, "bucket", burst=2)])
    assert [limiter.arrive("GET", 0.0) for _ in range(3)] == [None, None, 0.25]
    assert limiter.arrive("GET", 0.125) == pytest.approx(0.125)
    assert [limiter.arrive("GET", 0.25) for _ in range(2)] == [None, 0.25]
    assert [limiter.arrive("GET", 60.0) for _ in range(3)] == [None, None, 0.25]


def test_a_limit_of_some_routes_takes_no_place_for_others() -> None:
    searches = TwinLimit(1, 1.0, route="/search$")
    everything = TwinLimit(3, 10.0)
    limiter = Limiter([searches, everything])
    assert limiter.arrive("POST", 0.0, route="POST /search") is None
    assert limiter.arrive("POST", 0.25, route="POST /search") == 0.75
    assert limiter.arrive("POST", 0.5, route="POST /other") is None
    standings = limiter.standings("POST", 0.5, route="POST /search")
    assert [(each.limit, each.left) for each in standings] == [
        (searches, 0),
        (everything, 1),
    ]
    assert len(limiter.standings("POST", 0.5, route="POST /other")) == 1
    assert limiter.worst(searches).calls == 2
    with pytest.raises(ValueError, match="route is not a regular expression"):
        TwinLimit(1, 1.0, route="(")


def test_only_a_bucket_has_a_burst() -> None:
    with pytest.raises(ValueError, match="only a bucket has a burst"):
        TwinLimit(4, 1.0, burst=2)


def test_a_client_that_never_waits_stays_out_where_refused_requests_count() -> None:
    limiter = Limiter([TwinLimit(1, 4.0, count_refused=True)])
    assert [limiter.arrive("GET", float(at)) is None for at in range(12)] == [True] + [
        False
    ] * 11
    assert limiter.arrive("GET", 14.0) == 1.0
    assert limiter.arrive("GET", 18.0) is None


def test_the_end_of_a_period_is_strict_where_rounding_blurs_it() -> None:
    limit = TwinLimit(1, 4.9, "fixed")
    edge = 984_770 * limit.per  # belongs, divided again, to the period before
    assert limit.period(edge) == 984_769
    limiter = Limiter([limit])
    assert limiter.arrive("GET", edge - 1.0) is None
    assert limiter.arrive("GET", edge) == 0.0


def test_the_headers_show_the_tightest_limit() -> None:
    wide, narrow = TwinLimit(10, 60.0), TwinLimit(2, 10.0, method="POST")
    limiter = Limiter([wide, narrow])
    assert Limiter().standing("GET", 0.0) is None
    limiter.arrive("POST", 0.0)
    limiter.arrive("POST", 4.0)
    for method, expected in (("POST", (narrow, 0, 5.0)), ("GET", (wide, 8, 0.0))):
        standing = limiter.standing(method, 5.0)
        assert standing is not None
        assert (standing.limit, standing.left, standing.free_in) == expected
    assert limiter.arrive("POST", 10.0) is None


@st.composite
def limits(draw: st.DrawFn) -> TwinLimit:
    kinds: list[Literal["sliding", "fixed", "bucket"]] = ["sliding", "fixed", "bucket"]
    kind = draw(st.sampled_from(kinds))
    burst = draw(st.none() | st.integers(1, 6)) if kind == "bucket" else None
    # with powers of two every count below is exact
    calls, per = 2 ** draw(st.integers(0, 3)), 2.0 ** draw(st.integers(0, 4))
    method = draw(st.sampled_from([None, "POST"]))
    return TwinLimit(
        calls,
        per,
        kind,
        method,
        float(draw(st.integers(0, 15))),
        burst,
        draw(st.booleans()),
    )


def room(limit: TwinLimit, taken: list[float], now: float) -> bool:
    """Return whether a place is free, counted from the times at which places were
    taken.
    """
    if limit.kind == "sliding":
        return sum(now - limit.per < at for at in taken) < limit.calls
    if limit.kind == "fixed":
        start = math.floor((now - limit.phase) / limit.per) * limit.per + limit.phase
        return sum(start <= at for at in taken) < limit.calls
    size = limit.burst or limit.calls
    level = float(size)
    for at, until in pairwise([*taken, now]):
        level -= level >= 1
        level = min(size, level + (until - at) * limit.calls / limit.per)
    return level >= 1


@given(
    several=st.lists(limits(), min_size=1, max_size=3),
    arrivals=st.lists(
        st.tuples(st.integers(0, 5), st.sampled_from(["GET", "POST"])), max_size=60
    ),
)
def test_several_limits_agree_with_a_count_by_brute_force(
    several: list[TwinLimit], arrivals: list[tuple[int, str]]
) -> None:
    limiter = Limiter(several)
    taken: list[list[float]] = [[] for _ in several]
    now = 0.0
    for step, method in arrivals:
        now += step / 2
        covering = [
            number
            for number, limit in enumerate(several)
            if limit.method in (None, method)
        ]
        free = all(room(several[number], taken[number], now) for number in covering)
        wait = limiter.arrive(method, now)
        assert (wait is None) == free
        for number in covering:
            if free or several[number].count_refused:
                taken[number].append(now)


@given(limit=limits(), full=st.integers(1, 12))
def test_a_request_after_the_given_wait_is_let_in(limit: TwinLimit, full: int) -> None:
    limiter = Limiter([limit])
    now = 32.0
    for _ in range(full):
        wait = limiter.arrive("POST", now)
        if wait is not None and not limit.count_refused:
            assert wait > 0
            assert limiter.arrive("POST", now + wait / 2) is not None
            assert limiter.arrive("POST", now + wait) is None
            return


@pytest.mark.parametrize("kind", ["sliding", "fixed", "bucket"])
def test_a_limit_of_items_counts_what_a_request_carries(
    kind: Literal["sliding", "fixed", "bucket"],
) -> None:
    items = TwinLimit(100, 10.0, kind, counts="items")
    limiter = Limiter([items, TwinLimit(3, 10.0)])
    assert limiter.arrive("POST", 0.0, items=60) is None
    wait = limiter.arrive("POST", 0.0, items=41)
    assert wait == pytest.approx(0.1 if kind == "bucket" else 10.0)
    assert limiter.arrive("POST", 0.0, items=40) is None
    assert limiter.arrive("GET", 0.05) is not None
    # Beyond all places for ever: it is told to wait for a while.
    assert limiter.arrive("POST", 50.0, items=101) == 10.0
    assert limiter.worst(items).calls == 60 + 41 + 40 + 1
    assert limiter.worst(TwinLimit(1, 10.0)).calls == 4
    # Answers tell of requests only.
    standing = limiter.standing("POST", 50.0)
    assert standing is not None
    assert standing.limit.counts == "requests"


@pytest.mark.parametrize("seed", range(10))
def test_no_window_lets_more_items_in_and_the_given_wait_is_right(seed: int) -> None:
    generator = random.Random(seed)
    limiter = Limiter([TwinLimit(10, 16.0, counts="items")])
    let_in: list[tuple[float, int]] = []
    now = 0.0
    for _ in range(300):
        now += generator.randrange(6)
        items = generator.randint(1, 10)
        inside = sum(number for at, number in let_in if now - 16 < at)
        wait = limiter.arrive("GET", now, items=items)
        assert (wait is None) == (inside + items <= 10)
        if wait is not None:
            now += wait
            assert limiter.arrive("GET", now, items=items) is None
        let_in.append((now, items))
