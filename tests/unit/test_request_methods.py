"""The HTTP methods by which a plan's requests are counted are the adapter's."""

from __future__ import annotations

from syncengine.app.request_methods import RequestMethods
from syncengine.model.calls import Action, Call
from syncengine.planning.attempt.steps import Find, Read, Send
from syncengine.planning.priced_steps import StepPricer, certain
from syncengine.planning.request_count import RequestCount, RunPart
from tests.support.vendors.of_hubspot import CRM_ID, hubspot, update


def test_many_contacts_have_the_method_of_their_common_request() -> None:
    methods = RequestMethods(hubspot())
    call = Send(update(512, firstname="Ilse"), repeatable=True)
    assert methods.method_of(call, is_shared=False) == "PATCH"
    assert methods.method_of(call, is_shared=True) == "POST"
    assert methods.method_of(Read("512"), is_shared=False) == "GET"
    assert methods.method_of(Read("512"), is_shared=True) == "POST"
    assert methods.method_of(Find(CRM_ID), is_shared=True) == "POST"


def test_requests_are_counted_by_method() -> None:
    adapter = hubspot()
    pricer, count = StepPricer(adapter.capabilities), RequestCount()
    for number in range(101):
        step = pricer.call(update(number, firstname="Ilse"), 1)
        count.add(RunPart.CHANGES, certain((step,)))
    alone = pricer.call(Call(Action.JOIN_LISTS, "c1", "1", fields={"lists.4": True}), 1)
    count.add(RunPart.CHANGES, certain((alone,)))
    by_method = count.by_method(RequestMethods(adapter).method_of)
    assert by_method == {"POST": 2, "PUT": 1}


def test_keys_that_a_vendor_may_take_for_one_are_in_two_requests() -> None:
    adapter = hubspot()
    pricer, count = StepPricer(adapter.capabilities), RequestCount()
    for number, crm_id in enumerate(("0015Gv7qJ", "0015Gv7QJ", "0015Gv7xx")):
        call = Call(Action.CREATE, f"c{number}", fields={"crm_id": crm_id})
        step = pricer.call(call, 1)
        marked = [(step, pricer.marks(call))]
        count.add(RunPart.CHANGES, certain((step,)), marked=marked)
    assert count.requests.usual == 2
