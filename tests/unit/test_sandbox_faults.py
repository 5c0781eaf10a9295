"""Choice of the fault that a request meets."""

from __future__ import annotations

from typing import Any

import pytest

from syncengine.sandbox.faults import (
    Chance,
    Fault,
    FaultKind,
    Faults,
    RandomFaults,
    Rule,
)
from syncengine.sandbox.twins.twin import TwinRequest
from syncengine.sandbox.validation import validated

POST = TwinRequest("POST", "/contact/", body=b'{"crm_id": "crm-7"}')
GET = TwinRequest("GET", "/contact/177640021")


def met(faults: Faults, *requests: TwinRequest) -> list[str | None]:
    chosen = [faults.choose(request) for request in requests]
    return [fault.kind.value if fault else None for fault in chosen]


def test_nothing_goes_wrong_by_itself() -> None:
    assert met(Faults(), POST, GET) == [None, None]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (Rule(FaultKind.RESET), ["reset", "reset"]),
        (Rule(FaultKind.RESET, method="GET"), [None, "reset"]),
        (Rule(FaultKind.RESET, path=r"^/contact/\d+$"), [None, "reset"]),
        (Rule(FaultKind.RESET, path="contact"), ["reset", "reset"]),
        (Rule(FaultKind.RESET, body="crm-7"), ["reset", None]),
        (Rule(FaultKind.RESET, method="GET", body="crm-7"), [None, None]),
    ],
)
def test_a_rule_strikes_the_requests_that_it_matches(
    rule: Rule, expected: list[str | None]
) -> None:
    faults = Faults()
    faults.configure([rule])
    assert met(faults, POST, GET) == expected


def test_a_rule_waits_and_wears_out() -> None:
    faults = Faults()
    faults.configure([Rule(FaultKind.RESET, method="POST", after=1, times=2)])
    assert met(faults, POST, GET, POST, POST, POST) == [
        None,
        None,
        "reset",
        "reset",
        None,
    ]
    assert faults.matched() == [4]


def test_the_first_rule_that_strikes_counts() -> None:
    faults = Faults()
    faults.configure(
        [Rule(FaultKind.RESET, times=1), Rule(FaultKind.THROTTLE, times=1)]
    )
    assert met(faults, POST, POST, POST) == ["reset", "throttle", None]


def test_new_faults_replace_the_old_ones() -> None:
    faults = Faults()
    faults.configure([Rule(FaultKind.RESET)])
    faults.configure([Rule(FaultKind.LATENCY, method="GET")])
    assert met(faults, POST, GET) == [None, "latency"]
    faults.clear()
    assert met(faults, POST, GET) == [None, None]


def test_a_chance_repeats_itself_and_keeps_its_share() -> None:
    def answer(seed: int) -> list[Fault | None]:
        faults = Faults()
        faults.configure(
            Chance(
                seed, 0.25, (FaultKind.RESET, Fault(FaultKind.THROTTLE, retry_after=2))
            )
        )
        return [faults.choose(GET) for _ in range(4000)]

    first = answer(7)
    assert answer(7) == first
    assert answer(8) != first
    assert 900 < sum(fault is not None for fault in first) < 1100
    assert {fault and (fault.kind, fault.retry_after) for fault in first} == {
        None,
        (FaultKind.RESET, None),
        (FaultKind.THROTTLE, 2),
    }


@pytest.mark.parametrize(("share", "hits"), [(0.0, 0), (1.0, 100)])
def test_a_share_of_nothing_and_of_all(share: float, hits: int) -> None:
    faults = Faults()
    faults.configure(Chance(1, share, (FaultKind.RESET,)))
    assert sum(fault is not None for fault in map(faults.choose, [GET] * 100)) == hits


def test_rules_are_read_from_json() -> None:
    answer: list[dict[str, Any]] = [{"kind": kind.value} for kind in FaultKind]
    assert [rule.kind for rule in validated(tuple[Rule, ...], answer)] == list(
        FaultKind
    )
    read = validated(
        RandomFaults,
        {
            "random": {
                "seed": 1,
                "share": 0.5,
                "kinds": ["reset", {"kind": "refuse", "status": 422}],
            }
        },
    )
    assert read.random.kinds == (FaultKind.RESET, Fault(FaultKind.REFUSE, status=422))


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"kind": "x"},
        {"kind": "reset", "nope": 1},
        {"kind": "refuse", "status": 200},
        {"kind": "reset", "path": "("},
    ],
)
def test_a_wrong_rule_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\S+: \S+"):
        validated(tuple[Rule, ...], [wrong])
