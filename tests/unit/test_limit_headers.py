"""Headers that state a vendor's limits, and how the gate heeds them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from syncengine.engine.limit_headers import NOTHING, LimitNotice, Remaining, read_limits
from syncengine.engine.pacing import Pacing
from syncengine.model.events import Event
from syncengine.model.http import Json
from syncengine.model.limits import Limit
from tests.support.virtual_time import run

MAX_WAIT = 120.0
DATE = {"date": "Sun, 06 Nov 1994 08:49:37 GMT"}
AT = 784111777
"""The same moment, in seconds since 1970."""
A_YEAR = 365 * 86400


@pytest.mark.parametrize(
    ("headers", "standing"),
    [
        ({}, NOTHING),
        ({"content-type": "application/json", **DATE}, NOTHING),
        ({"x-ratelimit-limit": "5"}, LimitNotice()),
        ({"x-ratelimit-remaining": "3"}, LimitNotice(left=Remaining(3, None))),
        (
            {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "7"},
            LimitNotice(left=Remaining(0, 7.0)),
        ),
        (
            {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(AT + 7), **DATE},
            LimitNotice(left=Remaining(0, 7.0)),
        ),
        (
            {"x-ratelimit-remaining": "0", "x-ratelimit-reset": f"{AT}500", **DATE},
            LimitNotice(left=Remaining(0, 0.5)),
        ),
        (
            {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(AT - 9), **DATE},
            LimitNotice(left=Remaining(0, 0.0)),
        ),
        (
            {
                "x-ratelimit-remaining": "0",
                "x-ratelimit-reset": "1994-11-06T08:49:47Z",
                **DATE,
            },
            LimitNotice(left=Remaining(0, 10.0)),
        ),
        (
            {"ratelimit-remaining": " 0 ", "ratelimit-reset": "0.5"},
            LimitNotice(left=Remaining(0, 0.5)),
        ),
        (
            {"ratelimit": "limit=100, remaining=2, reset=30"},
            LimitNotice(left=Remaining(2, 30.0)),
        ),
        ({"ratelimit": '"minute";r=0;t=30'}, LimitNotice(left=Remaining(0, 30.0))),
        (
            {"ratelimit": '"second";r=4;t=1, "minute";r=1;t=40'},
            LimitNotice(left=Remaining(1, 40.0)),
        ),
        (
            {"x-ratelimit-remaining": "4", "ratelimit-remaining": "0"},
            LimitNotice(left=Remaining(0, None)),
        ),
        (
            {
                "x-hubspot-ratelimit-remaining": "9",
                "x-hubspot-ratelimit-daily-remaining": "0",
                "x-hubspot-ratelimit-interval-milliseconds": "10000",
            },
            LimitNotice(left=Remaining(9, None)),
        ),
        ({"retry-after": "9"}, LimitNotice(wait=9.0)),
        (
            {"retry-after": "Sun, 06 Nov 1994 08:50:07 GMT", **DATE},
            LimitNotice(wait=30.0),
        ),
    ],
)
def test_what_vendors_say(headers: Mapping[str, str], standing: LimitNotice) -> None:
    assert read_limits(headers, MAX_WAIT) == standing


@pytest.mark.parametrize(
    ("headers", "ignored"),
    [
        ({"x-ratelimit-remaining": "-1"}, "x-ratelimit-remaining"),
        ({"x-ratelimit-remaining": "many"}, "x-ratelimit-remaining"),
        ({"x-ratelimit-remaining": ""}, "x-ratelimit-remaining"),
        ({"x-ratelimit-remaining": "9" * 400}, "x-ratelimit-remaining"),
        ({"ratelimit": '"minute";r=nan;t=30'}, "ratelimit"),
        ({"ratelimit": '"minute";r=0;t=-3'}, "ratelimit"),
        *(
            ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": reset}, name)
            for name in ["x-ratelimit-reset"]
            for reset in (
                "-5",
                "soon",
                "",
                "1e3",
                "inf",
                "9" * 400,
                str(A_YEAR),
                str(AT + 7),
            )
        ),
        (
            {
                "x-ratelimit-remaining": "0",
                "x-ratelimit-reset": str(AT + A_YEAR),
                **DATE,
            },
            "x-ratelimit-reset",
        ),
        ({"retry-after": "-1"}, "retry-after"),
        ({"retry-after": "a while"}, "retry-after"),
        ({"retry-after": str(A_YEAR)}, "retry-after"),
    ],
)
def test_what_makes_no_sense_is_named_and_not_obeyed(
    headers: Mapping[str, str], ignored: str
) -> None:
    assert read_limits(headers, MAX_WAIT) == LimitNotice(ignored=(ignored,))


_WORDS = st.text(max_size=12) | st.integers().map(str) | st.floats().map(str)
_VALUES = st.one_of(
    _WORDS,
    st.builds("limit={}, remaining={}, reset={}".format, _WORDS, _WORDS, _WORDS),
    st.builds('"a";r={};t={}'.format, _WORDS, _WORDS),
    st.datetimes().map(str),
)
_NAMES = st.sampled_from(
    [
        f"{family}{part}"
        for family in ("x-ratelimit", "x-rate-limit", "ratelimit")
        for part in ("", "-limit", "-remaining", "-reset")
    ]
    + ["retry-after", "date"]
)


@given(st.dictionaries(_NAMES, _VALUES), st.floats(0, 1e6))
@example({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "0" * 15}, 0.0)
def test_no_header_asks_for_more_than_is_granted(
    headers: Mapping[str, str], max_wait: float
) -> None:
    standing = read_limits(headers, max_wait)
    assert 0 <= standing.wait <= max_wait
    assert set(standing.ignored) <= headers.keys()
    if standing.left is not None:
        assert standing.left.remaining >= 0
        assert 0 <= (standing.left.reset_in or 0.0) <= max_wait


# --- the gate -------------------------------------------------------------------------


NOTHING_LEFT = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "9"}


def gate(*limits: Limit, told: list[tuple[Event, Json]] | None = None) -> Pacing:
    def tell(event: Event, /, **facts: Json) -> None:
        if told is not None:
            told.append((event, facts))

    pacing = Pacing(limits, in_flight=8, settles_within=5.0, on_event=tell)
    pacing.prove()
    return pacing


def now() -> float:
    return asyncio.get_running_loop().time()


async def sent(pacing: Pacing, method: str = "GET") -> float:
    """Send a request that is answered at once; return when it went out."""
    permit = await pacing.permit(method)
    permit.answered()
    return now()


@pytest.mark.parametrize("limits", [(), (Limit(200, 60.0),)])
def test_a_limit_that_is_used_up_pauses_until_the_reset(
    limits: tuple[Limit, ...],
) -> None:
    async def play() -> None:
        async with gate(*limits) as pacing:
            await sent(pacing)
            began = now()
            pacing.heed("GET", NOTHING_LEFT, 200)
            assert await sent(pacing, "POST") == pytest.approx(began + 9.0, abs=0.01)
            assert pacing.throttled == 0, "the vendor has refused nothing"

    run(play())


def test_a_method_with_a_limit_of_its_own_holds_up_no_other() -> None:
    async def play() -> None:
        limits = (Limit(5, 1.0, "GET"), Limit(5, 1.0, "PUT"))
        async with gate(*limits) as pacing:
            pacing.heed("GET", NOTHING_LEFT, 200)
            assert await sent(pacing, "PUT") < 1.0
            assert await sent(pacing, "GET") >= 9.0

    run(play())


def test_the_remaining_requests_are_used_and_those_on_their_way_count() -> None:
    async def play() -> None:
        async with gate() as pacing:
            under_way = await pacing.permit("GET")
            headers = {"x-ratelimit-remaining": "3", "x-ratelimit-reset": "9"}
            pacing.heed("GET", headers, 200)
            assert [await sent(pacing) < 1.0 for _ in range(3)] == [True, True, False]
            under_way.answered()

    run(play())


def test_the_remaining_requests_count_without_a_reset() -> None:
    async def play() -> None:
        async with gate() as pacing:
            pacing.heed("GET", {"x-ratelimit-remaining": "2"}, 200)
            assert [await sent(pacing) < 0.1 for _ in range(3)] == [True, True, False]

    run(play())


def test_a_newer_answer_counts() -> None:
    async def play() -> None:
        async with gate() as pacing:
            pacing.heed("GET", NOTHING_LEFT, 200)
            pacing.heed("GET", {"x-ratelimit-remaining": "40"}, 200)
            assert await sent(pacing) < 1.0

    run(play())


def test_without_a_reset_only_what_our_own_limit_does_not_explain_is_waited_for() -> (
    None
):
    async def play() -> None:
        headers = {"x-ratelimit-remaining": "0"}
        async with gate(Limit(2, 10.0)) as pacing:
            await sent(pacing)
            pacing.heed("GET", headers, 200)  # one of ours, and the limit is used up
            began = now()
            assert await sent(pacing) == pytest.approx(began + 10.0, abs=0.01)
        async with gate(Limit(2, 10.0)) as pacing:
            began = await sent(pacing)
            await sent(pacing)
            pacing.heed("GET", headers, 200)
            first_is_free = began + 10.0 * 1.001
            assert await sent(pacing) == pytest.approx(first_is_free, abs=0.01)

    run(play())


def test_a_limit_of_items_explains_no_header_and_lends_it_no_window() -> None:
    """What the vendor says is left are requests."""

    async def play() -> None:
        limits = (Limit(items=3, per=5.0, method="GET"), Limit(20, 10.0))
        async with gate(*limits) as pacing:
            (await pacing.permit("GET", 3)).answered()
            began = now()
            pacing.heed("GET", {"x-ratelimit-remaining": "0"}, 200)
            assert await sent(pacing, "POST") == pytest.approx(began + 10.0, abs=0.01)

    run(play())


def test_retry_after_of_an_answer_that_refused_nothing_pauses_the_account() -> None:
    async def play() -> None:
        async with gate() as pacing:
            pacing.heed("GET", {"retry-after": "4"}, 503)
            assert await sent(pacing, "PUT") == pytest.approx(4.0, abs=0.01)
            began = now()
            pacing.heed("GET", {"retry-after": "4"}, 429)
            assert await sent(pacing) == began, "who tries again keeps that wait"

    run(play())


def test_hostile_values_delay_nobody_and_are_logged_once() -> None:
    async def play() -> None:
        told: list[tuple[Event, Json]] = []
        async with gate(told=told) as pacing:
            for value in ("-1", "a year", str(A_YEAR), "9" * 400):
                headers = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": value}
                pacing.heed("GET", headers, 200)
                assert await sent(pacing) < 1.0
        name = {"header": "x-ratelimit-reset"}
        assert told == [(Event.HEADER_IGNORED, name)]

    run(play())
