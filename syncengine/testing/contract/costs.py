"""An exchange takes as many requests as the vendor says beforehand."""

from __future__ import annotations

from dataclasses import replace

from syncengine.model.contact import MatchKey
from syncengine.model.costs import Cost, exactly
from syncengine.ports import RequestCosts
from syncengine.testing.benches import Bench
from syncengine.testing.cases import for_each, with_look_up
from syncengine.testing.vendors_under_test import VendorUnderTest

BRAZIL = "+5511987654321"
"""A phone that WhatsApp may know without its ninth digit."""


def _cost(subject: VendorUnderTest, key: MatchKey) -> Cost:
    vendor = subject.vendor
    return vendor.look_up_cost(key) if isinstance(vendor, RequestCosts) else exactly(1)


def _spent(bench: Bench, key: MatchKey) -> int:
    before = len(bench.responses)
    bench.do(bench.subject.vendor.find(key))
    return len(bench.responses) - before


@for_each("subject", with_look_up)
def test_a_look_up_takes_as_many_requests_as_was_told(subject: VendorUnderTest) -> None:
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
