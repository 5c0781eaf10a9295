"""A look-up takes as many requests as the vendor says beforehand.

Forecasts (``syncengine plan``) count requests. An adapter whose look-ups take more than
one request says how many by ``RequestCosts``; without it, each takes exactly one.
"""

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


def _declared_cost(subject: VendorUnderTest, key: MatchKey) -> Cost:
    vendor = subject.vendor
    if isinstance(vendor, RequestCosts):
        return vendor.look_up_cost(key)
    return exactly(1)


def _requests_spent(bench: Bench, key: MatchKey) -> int:
    before = len(bench.responses)
    bench.do(bench.subject.vendor.find(key))
    return len(bench.responses) - before


@for_each("subject", with_look_up)
def test_a_look_up_takes_as_many_requests_as_declared(subject: VendorUnderTest) -> None:
    bench = Bench(subject)
    bench.make(1)
    present = list(subject.keys(1))
    keys = [*present, *subject.keys(2)]
    assert keys, (
        f"{subject}: no field of Capabilities.find_by differs between the sample "
        "contacts 1 and 2. Bring such samples by ContractHints(sample=...)."
    )
    phones = [
        replace(key, value=BRAZIL) for key in keys if "phone" in key.field.lower()
    ]
    for key in [*keys, *phones]:
        cost = _declared_cost(subject, key)
        assert cost.least <= cost.usual <= cost.most, (
            f"{subject}: look_up_cost({key}) is {cost}; it has to rise from least to "
            "most"
        )
        spent = _requests_spent(bench, key)
        assert cost.least <= spent <= cost.most, (
            f"{subject}: find({key}) took {spent} requests, and {cost.least} to "
            f"{cost.most} are declared. Correct look_up_cost (RequestCosts), or find."
        )
        assert key in present or spent == cost.usual, (
            f"{subject}: find({key}) of a contact that is not there took {spent} "
            f"requests, and the usual cost is {cost.usual}. Correct look_up_cost."
        )
