"""Time left and binding limits: what a run says about itself while it is under way."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncengine.model.limits import Limit
from syncengine.planning.run_pace import (
    WINDOW,
    PaceSample,
    binding_limit,
    seconds_left,
)

A_MINUTE = Limit(200, 60.0)
A_SECOND = Limit(20, 1.0)
A_DAY = Limit(10_000, 86400.0)


def steady(
    seconds: float, contacts: float, requests: float, *, every: float = 2.0
) -> list[PaceSample]:
    """Return samples of a run with so many contacts and requests a second."""
    times = [number * every for number in range(int(seconds / every) + 1)]
    return [PaceSample(at, int(at * contacts), int(at * requests)) for at in times]


@pytest.mark.parametrize(
    ("seconds", "contacts", "total", "left"),
    [
        (60, 1.0, 660, 600.0),
        (60, 10.0, 660, 6.0),
        (600, 1.0, 660, 60.0),
        (60, 1.0, 60, 0.0),
    ],
)
def test_a_steady_run_is_through_when_its_pace_says_so(
    seconds: int, contacts: float, total: int, left: float
) -> None:
    samples = steady(seconds, contacts, 2 * contacts)
    assert seconds_left(samples, total, None) == pytest.approx(left)


def test_nothing_is_said_rather_than_nonsense() -> None:
    assert seconds_left([], 100, None) is None
    assert seconds_left([PaceSample(0.0, 0, 0)], 100, None) is None
    assert seconds_left(steady(8, 10.0, 10.0), 10_000, None) is None, "too early"
    assert seconds_left(steady(60, 0.1, 1.0), 10_000, None) is None, "too few"
    assert seconds_left(steady(60, 0.1, 1.0), 20, None) is not None, "a small run"
    stuck = [*steady(60, 1.0, 1.0), PaceSample(60 + WINDOW, 60, 60)]
    stuck.append(PaceSample(61 + WINDOW, 60, 60))
    assert seconds_left(stuck, 1000, None) is None, "nothing moves"


def test_the_recent_pace_counts_and_not_that_of_hours_ago() -> None:
    fast = steady(3600, 10.0, 10.0)
    slow = [
        PaceSample(3600.0 + second, 36_000 + second, 36_000 + second)
        for second in range(1, int(WINDOW) + 2)
    ]
    left = seconds_left([*fast, *slow], 37_000, None)
    assert left == pytest.approx(37_000 - slow[-1].contacts, rel=0.02)


def test_waits_come_in_addition_and_no_estimate_beats_the_limit() -> None:
    samples = steady(60, 1.0, 2.0)
    assert seconds_left(samples, 660, None, wait=25.0) == pytest.approx(625.0)
    # Two requests for each of the 600 contacts, at 200 a minute at most.
    burst = steady(60, 100.0, 200.0)
    assert seconds_left(burst, 6600, A_MINUTE) == pytest.approx(1200 * 60 / 200)


def test_a_forecast_counts_less_the_more_is_measured() -> None:
    # The first contacts took one request each; by the forecast the others take five.
    early = steady(60, 1.0, 1.0)
    left = seconds_left(early, 600, None, expected_requests=60 + 540 * 5)
    assert left == pytest.approx(0.1 * 540 + 0.9 * 2700)
    late = steady(540, 1.0, 1.0)
    left = seconds_left(late, 600, None, expected_requests=540 + 60 * 5)
    assert left == pytest.approx(0.9 * 60 + 0.1 * 300)


def test_contacts_without_a_request_have_a_pace_of_their_own() -> None:
    assert seconds_left(steady(60, 100.0, 0.0), 60_000, A_MINUTE) == 540.0


@given(
    contacts=st.floats(0.2, 500.0),
    requests=st.floats(0.0, 500.0),
    seconds=st.floats(0.0, 400.0),
    total=st.integers(0, 100_000),
    expected=st.none() | st.integers(0, 1_000_000),
    wait=st.floats(0.0, 4000.0),
)
def test_an_estimate_is_never_nonsense(
    contacts: float,
    requests: float,
    seconds: float,
    total: int,
    expected: int | None,
    wait: float,
) -> None:
    samples = steady(seconds, contacts, requests)
    left = seconds_left(samples, total, A_MINUTE, wait=wait, expected_requests=expected)
    if left is None:
        assert samples[-1].contacts < total
        return
    assert 0.0 <= left < float("inf")
    is_through = samples[-1].contacts >= total
    assert (left == 0.0) == is_through or left >= wait
    more = seconds_left(
        samples, total + 10, A_MINUTE, wait=wait, expected_requests=expected
    )
    if expected is None and more is not None:
        assert more >= left, "more contacts never take less time"


@pytest.mark.parametrize(
    ("limits", "methods", "binding"),
    [
        ((), {"GET"}, None),
        ((A_MINUTE, A_SECOND), {"GET"}, A_MINUTE),
        ((A_MINUTE, A_DAY), {"GET"}, A_MINUTE),
        ((A_DAY,), {"GET"}, A_DAY),
        ((A_MINUTE, Limit(10, 60.0, "POST")), {"GET"}, A_MINUTE),
        ((A_MINUTE, Limit(items=300, per=60.0)), {"POST"}, A_MINUTE),
        ((A_MINUTE, Limit(10, 60.0, "POST")), {"POST"}, Limit(10, 60.0, "POST")),
    ],
)
def test_the_limit_that_binds_is_the_tightest_of_those_that_apply(
    limits: tuple[Limit, ...], methods: set[str], binding: Limit | None
) -> None:
    assert binding_limit(limits, methods) == binding


def test_a_limit_of_items_binds_where_requests_carry_many() -> None:
    of_items = Limit(items=300, per=60.0)
    limits = (A_MINUTE, of_items)
    assert binding_limit(limits, {"POST"}, items_a_request=100.0) == of_items
    samples = [PaceSample(0.0, 0, 0), PaceSample(20.0, 1000, 10)]
    # Ninety more requests of a hundred contacts each, three a minute.
    left = seconds_left(samples, 10_000, of_items, items_a_request=100.0)
    assert left == pytest.approx(90 / 3 * 60.0)
