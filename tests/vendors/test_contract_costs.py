"""The contract: an exchange takes as many requests as the vendor says beforehand. Names no vendor; see subjects.py."""

from __future__ import annotations

from dataclasses import replace

import pytest

from syncengine.model.contact import MatchKey
from syncengine.model.costs import Cost, exactly
from syncengine.ports import RequestCosts
from tests.support.vendors.benches import Bench
from tests.support.vendors.subjects import Subject, subjects

SUBJECTS = tuple(
    subject for subject in subjects() if subject.vendor.capabilities.find_by
)
BRAZIL = "+5511987654321"
"""A phone that WhatsApp may know without its ninth digit."""


def _cost(subject: Subject, key: MatchKey) -> Cost:
    vendor = subject.vendor
    return vendor.look_up_cost(key) if isinstance(vendor, RequestCosts) else exactly(1)


def _spent(bench: Bench, key: MatchKey) -> int:
    before = len(bench.responses)
    bench.do(bench.subject.vendor.find(key))
    return len(bench.responses) - before


@pytest.mark.parametrize("subject", SUBJECTS, ids=str)
def test_a_look_up_takes_as_many_requests_as_was_told(subject: Subject) -> None:
    bench = Bench(subject)
    bench.make(1)
    keys = [key for number in (1, 2) for key in subject.keys(number)]
    phones = [
        replace(key, value=BRAZIL) for key in keys if "phone" in key.field.lower()
    ]
    assert keys
    for key in [*keys, *phones]:
        cost = _cost(subject, key)
        assert cost.least <= cost.usual <= cost.most
        found = key in subject.keys(1)
        spent = _spent(bench, key)
        assert cost.least <= spent <= cost.most, key
        assert found or spent == cost.usual, key
