"""The sandbox's limits, against counts made by hand and by brute force."""

from __future__ import annotations

import random

import pytest

from syncengine.sandbox.limiter import Limit, Limiter


def test_without_limits_everything_is_let_in() -> None:
    limiter = Limiter()
    assert [limiter.arrive("GET", 0.0) for _ in range(1000)] == [None] * 1000


def test_a_sliding_window_frees_a_place_one_window_after_it_was_taken() -> None:
    limiter = Limiter([Limit(2, 10.0)])
    assert limiter.arrive("GET", 0.0) is None
    assert limiter.arrive("GET", 4.0) is None
    assert limiter.arrive("GET", 9.0) == pytest.approx(1.0)
    assert limiter.arrive("GET", 9.999) == pytest.approx(0.001)
    assert limiter.arrive("GET", 10.0) is None
    assert limiter.arrive("GET", 10.0) == pytest.approx(4.0)


def test_a_fixed_window_frees_all_places_when_its_period_ends() -> None:
    limiter = Limiter([Limit(2, 10.0, "fixed", phase=3.0)])
    assert [limiter.arrive("GET", at) for at in (12.0, 12.9)] == [None, None]
    assert limiter.arrive("GET", 12.95) == pytest.approx(0.05)
    assert [limiter.arrive("GET", at) for at in (13.0, 13.0)] == [None, None]
    assert limiter.arrive("GET", 14.0) == pytest.approx(9.0)


def test_a_refused_request_takes_no_place_in_any_limit() -> None:
    limiter = Limiter([Limit(1, 1.0), Limit(3, 100.0)])
    assert limiter.arrive("GET", 0.0) is None
    assert limiter.arrive("GET", 0.5) is not None
    assert limiter.arrive("GET", 1.0) is None
    assert limiter.arrive("GET", 2.0) is None
    assert limiter.arrive("GET", 3.0) == pytest.approx(97.0)


def test_a_limit_of_one_method_leaves_the_others_alone() -> None:
    limiter = Limiter([Limit(1, 10.0, method="POST")])
    assert limiter.arrive("POST", 0.0) is None
    assert limiter.arrive("POST", 0.0) is not None
    assert limiter.arrive("GET", 0.0) is None


def test_scopes_are_counted_apart() -> None:
    limiter = Limiter([Limit(1, 10.0)])
    assert limiter.arrive("GET", 0.0, "one") is None
    assert limiter.arrive("GET", 0.0, "two") is None
    assert limiter.arrive("GET", 0.0, "one") is not None
    assert limiter.worst(Limit(1, 10.0)).calls == 2


def test_new_limits_start_afresh_and_keep_the_arrivals() -> None:
    limiter = Limiter([Limit(1, 10.0)])
    limiter.arrive("GET", 0.0)
    limiter.configure([Limit(2, 10.0)])
    assert limiter.limits == (Limit(2, 10.0),)
    assert [limiter.arrive("GET", 1.0) is None for _ in range(3)] == [True, True, False]
    assert limiter.worst(Limit(1, 10.0)).calls == 4
    limiter.reset()
    assert limiter.worst(Limit(1, 10.0)).calls == 0
    assert limiter.arrive("GET", 1.0) is None


@pytest.mark.parametrize("seed", range(20))
def test_no_window_lets_in_more_than_allowed_and_none_is_wasted(seed: int) -> None:
    generator = random.Random(seed)
    limit = Limit(7, 16.0, generator.choice(["sliding", "fixed"]), phase=generator.randrange(16))
    limiter = Limiter([limit])
    let_in: list[float] = []
    now = 0.0
    for _ in range(500):
        now += generator.randrange(4)  # whole numbers: the edges of windows are met exactly
        if limit.kind == "sliding":
            others = sum(now - 16 < at <= now for at in let_in)
        else:
            others = sum((at - limit.phase) // 16 == (now - limit.phase) // 16 for at in let_in)
        wait = limiter.arrive("GET", now)
        assert (wait is None) == (others < 7)
        if wait is None:
            let_in.append(now)


@pytest.mark.parametrize("seed", range(20))
def test_the_worst_window_is_told(seed: int) -> None:
    generator = random.Random(seed)
    limiter = Limiter()
    times = sorted(float(generator.randrange(300)) for _ in range(200))
    for at in times:
        limiter.arrive("GET", at)
    sliding = max(sum(start <= at < start + 20 for at in times) for start in times)
    fixed = max(sum(start <= at < start + 20 for at in times) for start in range(0, 300, 20))
    assert limiter.worst(Limit(1, 20.0)).calls == sliding
    assert limiter.worst(Limit(1, 20.0, "fixed")).calls == fixed
    assert limiter.worst(Limit(1, 20.0, method="POST")).calls == 0
