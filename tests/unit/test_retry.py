"""Retries: of what, after how long, and how they end; in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from random import Random

import pytest

from syncengine.engine.exchange import Meter
from syncengine.engine.retry import Retrier, RetryPolicy
from syncengine.errors import (
    AccountStopped,
    RequestFailed,
    VendorHalted,
    VendorThrottled,
    VendorUnavailable,
)
from syncengine.model.http import Request, Response
from tests.support.virtual_time import run

GET = Request("GET", "/contact", "look up")
FINE = Response(200, {}, b"{}")


@dataclass
class Vendor:
    """A vendor that gives these answers in order, and succeeds from then on.

    It is also the brakes.
    """

    answers: list[Exception]
    sent: list[float] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    free_at: float = 0.0
    stopped: None = None

    async def send(self, _request: Request, *_: object) -> Response:
        now = asyncio.get_running_loop().time()
        await asyncio.sleep(max(0.0, self.free_at - now))
        self.sent.append(asyncio.get_running_loop().time())
        if self.answers:
            raise self.answers.pop(0)
        return FINE

    def prove(self) -> None:
        self.told.append("prove")

    def stop(self, error: AccountStopped) -> None:
        self.told.append(f"stop: {getattr(error, 'setting', None)}")

    def pause(self, seconds: float) -> None:
        self.told.append(f"pause {seconds:g}")
        self.free_at = asyncio.get_running_loop().time() + seconds

    def scheduled(self) -> None: ...

    async def wait_until_settled(self) -> None:
        self.told.append("calm")

    async def back_off(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def exchange() -> Generator[Request, Response, str]:
    response = yield GET
    return f"answered {response.status}"


def tried(
    *answers: Exception,
    repeatable: bool = True,
    policy: RetryPolicy | None = None,
    seed: int = 1,
) -> tuple[Vendor, str | RequestFailed | AccountStopped]:
    """Return how the exchange ended, and what the vendor saw of it."""
    vendor = Vendor(list(answers))

    async def whole() -> str | RequestFailed | AccountStopped:
        retrier = Retrier(vendor, vendor, policy or RetryPolicy(), Random(seed))
        try:
            return await retrier.run(exchange, Meter(), repeatable=repeatable)
        except (RequestFailed, AccountStopped) as error:
            return error

    return vendor, run(whole())


def lost(*, maybe_applied: bool = True) -> VendorUnavailable:
    return VendorUnavailable("no answer", maybe_applied=maybe_applied)


def throttled(retry_after: float | None = None) -> VendorThrottled:
    return VendorThrottled("429", retry_after=retry_after)


def test_an_answer_proves_the_key_and_is_the_result() -> None:
    vendor, result = tried()
    assert (result, vendor.told, len(vendor.sent)) == ("answered 200", ["prove"], 1)


def test_what_may_be_repeated_is_tried_four_times() -> None:
    vendor, result = tried(*[lost()] * 3)
    assert (result, len(vendor.sent)) == ("answered 200", 4)
    vendor, result = tried(*[lost()] * 4)
    assert isinstance(result, VendorUnavailable)
    assert result.maybe_applied
    assert len(vendor.sent) == 4


def test_what_must_not_be_repeated_is_tried_again_only_where_nothing_was_done() -> None:
    vendor, result = tried(lost(maybe_applied=False), lost(), repeatable=False)
    assert isinstance(result, VendorUnavailable)
    assert result.maybe_applied
    assert len(vendor.sent) == 2


def test_once_something_may_have_been_done_the_failure_says_so() -> None:
    _, result = tried(lost(), *[lost(maybe_applied=False)] * 3)
    assert isinstance(result, VendorUnavailable)
    assert result.maybe_applied


def test_tries_are_spread_at_random_over_waits_that_double() -> None:
    waits: list[list[float]] = [[], [], []]
    for seed in range(200):
        vendor, _ = tried(*[lost()] * 3, seed=seed)
        for number, (earlier, later) in enumerate(
            zip(vendor.sent, vendor.sent[1:], strict=False)
        ):
            waits[number].append(later - earlier)
    for most, spread in zip((1.0, 2.0, 4.0), waits, strict=True):
        assert 0.9 * most < max(spread) <= most + 0.001
        assert min(spread) < 0.1 * most


@pytest.mark.parametrize("asked", [1.0, 7.0, 120.0])
def test_a_wait_the_vendor_asks_for_is_the_accounts_and_no_failure(
    asked: float,
) -> None:
    vendor, result = tried(*[throttled(asked)] * 12)
    assert result == "answered 200"
    assert vendor.told == [f"pause {asked:g}"] * 12 + ["prove"]
    assert all(
        later - earlier >= asked
        for earlier, later in zip(vendor.sent, vendor.sent[1:], strict=False)
    )


@pytest.mark.parametrize(
    ("asked", "waits"),
    [
        (0.0, (0.1, 0.2, 0.4, 0.5, 0.5)),
        (-5.0, (0.1, 0.2, 0.4, 0.5, 0.5)),
        (0.3, (0.3, 0.3, 0.4, 0.5)),
    ],
)
def test_a_vendor_that_asks_for_no_wait_again_and_again_is_not_asked_again_at_once(
    asked: float, waits: tuple[float, ...]
) -> None:
    vendor, _ = tried(*[throttled(asked)] * len(waits))
    assert vendor.told[:-1] == [f"pause {wait:g}" for wait in waits]


def test_without_a_word_how_long_the_wait_doubles_up_to_half_a_minute() -> None:
    vendor, _ = tried(*[throttled()] * 7)
    assert vendor.told[:-1] == [
        f"pause {seconds}" for seconds in (1, 2, 4, 8, 16, 30, 30)
    ]


def test_a_wait_of_ours_is_never_longer_than_the_longest_allowed() -> None:
    """The vendor did not ask for it, so it must not end the run in its name."""
    vendor, result = tried(*[throttled()] * 7, policy=RetryPolicy(max_wait=5.0))
    assert result == "answered 200"
    assert vendor.told[:-1] == [f"pause {seconds}" for seconds in (1, 2, 4, 5, 5, 5, 5)]


def halted(case: Callable[[], tuple[Vendor, object]]) -> tuple[Vendor, VendorHalted]:
    vendor, result = case()
    assert isinstance(result, VendorHalted)
    return vendor, result


def test_a_wait_too_long_halts_the_account_at_once() -> None:
    vendor, error = halted(lambda: tried(throttled(120.5)))
    assert vendor.told == ["stop: max_wait"]
    assert "asks to wait" in str(error)


def test_refusals_without_end_halt_the_account() -> None:
    vendor, error = halted(lambda: tried(*[throttled(1.0)] * 13))
    assert vendor.told == ["pause 1"] * 12 + ["stop: limits"]
    assert "13 times in a row" in str(error)


def test_a_refused_key_stops_the_account_at_its_first_request() -> None:
    vendor, error = halted(
        lambda: tried(VendorHalted("wrong key", setting="settings.token"))
    )
    assert (vendor.told, len(vendor.sent), str(error)) == (
        ["stop: settings.token"],
        1,
        "wrong key",
    )


PUT = Request("PUT", "/contact", "write")
LOST = VendorUnavailable("no answer", maybe_applied=True)


@pytest.mark.parametrize(
    ("requests", "failure", "told"),
    [
        ((GET, PUT), LOST, ["prove", "calm", "prove"]),
        (
            (GET, PUT),
            VendorUnavailable("no connection", maybe_applied=False),
            ["prove", "prove"],
        ),
        ((GET, GET), LOST, ["prove", "prove"]),
        ((PUT,), LOST, ["prove", "prove"]),
    ],
    ids=[
        "a write of what was read",
        "one that never left",
        "a read",
        "a write of what is new",
    ],
)
def test_behind_a_lost_read_change_write_the_next_call_waits_it_out(
    requests: tuple[Request, ...], failure: VendorUnavailable, told: list[str]
) -> None:
    """Arriving later, it would undo what the next call writes."""
    vendor = Vendor([])

    def both() -> Generator[Request, Response, None]:
        for number, request in enumerate(requests, 1):
            if number == len(requests) and not vendor.told:
                vendor.answers = [failure] if failure not in seen else []
                seen.append(failure)
            yield request

    async def twice() -> None:
        retrier, meter = Retrier(vendor, vendor, RetryPolicy(), Random(1)), Meter()
        await retrier.run(both, meter, repeatable=True)
        await retrier.run(both, meter, repeatable=True)

    seen: list[VendorUnavailable] = []
    run(twice())
    assert vendor.told == told


def test_a_limit_that_is_never_free_halts_the_account_after_as_many_waits() -> None:
    vendor = Vendor([throttled(0.0)] * 100)

    async def side_by_side() -> None:
        retrier = Retrier(vendor, vendor, RetryPolicy(throttles=12), Random(1))
        turns = [retrier.run(exchange, Meter(), repeatable=True) for _ in range(8)]
        await asyncio.gather(*turns, return_exceptions=True)

    run(side_by_side())
    refusals = vendor.sent[: vendor.told.index("stop: limits") + 1]
    assert len(set(refusals)) == 13
