"""A call and a look-up take as many requests as the vendor says beforehand.

Plans choose the cheapest calls, and forecasts (``syncengine plan``) count requests. A
call takes what its capability declares; an adapter whose look-ups take more than one
request, or some of whose calls take more, says how many by ``RequestCosts``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from syncengine.model.calls import Action, Call
from syncengine.model.contact import LISTS, MatchKey
from syncengine.model.costs import Cost, exactly
from syncengine.ports import RequestCosts
from syncengine.testing.benches import Bench
from syncengine.testing.cases import (
    VendorsUnderTest,
    for_each,
    with_actions,
    with_look_up,
)
from syncengine.testing.full_calls import full_call
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


# --- calls ----------------------------------------------------------------------------


def _as_documented(subjects: VendorsUnderTest) -> list[tuple[VendorUnderTest, Action]]:
    """Return each action of the vendors whose twin behaves as documented.

    What a vendor may do otherwise (``switches``) may cost more than is declared.
    """
    return with_actions(subject for subject in subjects if not subject.switches)


@for_each(("subject", "action"), _as_documented)
def test_a_call_takes_as_many_requests_as_declared(
    subject: VendorUnderTest, action: Action
) -> None:
    for size in ("small", "ordinary", "full"):
        bench = Bench(subject)
        call = _sized(subject, _changing(bench, action), size)
        offer = getattr(subject.vendor.capabilities, action)
        extra = 0
        if isinstance(subject.vendor, RequestCosts):
            extra = subject.vendor.extra_requests(call)
        if action is Action.REMOVE_TAGS:
            _add_tags(bench, call)
        before = len(bench.responses)
        bench.applied(call)
        routes = [request.route for request in bench.requests[before:]]
        more = f", and extra_requests() adds {extra}" if extra else ""
        assert len(routes) == offer.requests + extra, (
            f"{subject}: Capabilities.{action}.requests is {offer.requests}{more}, but "
            f"a {size} {action} sent {_requests(routes)}. "
            "Plans and forecasts count by that number: correct it, or the adapter. "
            "Where single calls take more, extra_requests (RequestCosts) says so."
        )


def _changing(bench: Bench, action: Action) -> Call:
    """Return a call that changes something: an adapter may spare one that does not."""
    subject = bench.subject
    can = subject.vendor.capabilities
    call = bench.ready(action)
    match action:
        case Action.UPDATE | Action.SET_LIFECYCLE:
            # The values of another contact.
            return subject.call(action, 2, call.external_id)
        case Action.LEAVE_LISTS if can.join_lists is not None:
            bench.applied(subject.call(Action.JOIN_LISTS, 1, call.external_id))
    return call


def _add_tags(bench: Bench, removal: Call) -> None:
    """Give the contact the tags that a call removes, as far as the vendor can."""
    offer = bench.subject.vendor.capabilities.add_tags
    if offer is None:
        return
    call = bench.subject.call(Action.ADD_TAGS, 1, removal.external_id)
    tags = removal.remove_tags
    size = offer.max_tags or len(tags)
    for start in range(0, len(tags), size):
        bench.applied(replace(call, add_tags=tags[start : start + size]))


def _sized(subject: VendorUnderTest, call: Call, size: str) -> Call:
    """Return a call with as little or as much as it may carry."""
    match size:
        case "small":
            return _small(subject, call)
        case "full":
            return full_call(subject, call)
        case _:
            return call


def _small(subject: VendorUnderTest, call: Call) -> Call:
    """Return a call with one tag or, beside what it must carry, one field."""
    write = subject.write(call.action)
    if write is None:
        return replace(
            call, add_tags=call.add_tags[:1], remove_tags=call.remove_tags[:1]
        )
    carried = set(write.must_carry)
    # A create or upsert needs what the vendor knows the contact by.
    if call.action in (Action.CREATE, Action.UPSERT):
        carried.update(write.keyed_by)
        carried.update(key.field for key in subject.keys(1))
    fields = {name: value for name, value in call.fields.items() if name in carried}
    for name, value in call.fields.items():
        if name not in fields and not name.startswith(LISTS):
            fields[name] = value
            break
    return replace(call, fields=fields, add_tags=())


def _requests(routes: Sequence[str]) -> str:
    noun = "request" if len(routes) == 1 else "requests"
    return f"{len(routes)} {noun} ({', '.join(routes)})"
