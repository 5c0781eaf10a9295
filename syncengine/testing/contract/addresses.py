"""An answer that does not come from the API is about its address, whatever was asked.

A moved address answers every contact alike. The account stops and names the setting,
and no contact is rejected or taken for one that is gone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import pytest

from syncengine.errors import VendorHalted
from syncengine.model.calls import Action, Applied, Call, Rejected
from syncengine.model.http import Request, Response
from syncengine.ports import DetailReader, Directory, Merger
from syncengine.testing.benches import Bench
from syncengine.testing.cases import VendorsUnderTest, for_each, plain
from syncengine.testing.contract.answers import Act, acts, stubborn
from syncengine.testing.driving import answer, drive, html
from syncengine.testing.vendors_under_test import VendorUnderTest

ID, OTHER = "177640998", "177640999"
PLACES = (
    html(404),
    html(410),
    Response(404),
    Response(410),
    Response(404, {"content-type": "text/plain"}, b"404 page not found"),
    Response(404, {"content-type": "text/plain"}, b"Cannot GET /contacts"),
    answer({"message": "no Route matched with those values"}, 404),
    answer({"message": "The route api/contact/7 could not be found."}, 404),
    answer({"status": 404, "error": "Not Found", "path": "/contacts/7"}, 404),
    answer({"detail": "Not Found"}, 404),
    answer("Contact not found", 404),
    answer(None, 404),
    answer({}, 404),
    answer([], 404),
    answer({"message": "Gone"}, 410),
    html(405),
    answer({"message": "Contact not found"}, 405),
    html(301),
    html(302),
    answer({"message": "Contact not found"}, 307),
    answer({"message": "Contact not found"}, 308),
)
"""Answers of a moved address, of a gateway, of an API that has ended."""


def _asked(subjects: VendorsUnderTest) -> Iterator[Act]:
    """Yield every kind of request that an adapter makes."""
    yield from acts(subjects)
    for subject in plain(subjects):
        vendor = subject.vendor
        if isinstance(vendor, Directory):
            yield Act(subject, "page", partial(vendor.page, None), ())
        if isinstance(vendor, DetailReader):
            yield Act(subject, "details", partial(vendor.details, ID), ())
        if isinstance(vendor, Merger):
            yield Act(subject, "merge", partial(vendor.merge, ID, OTHER), ())


every_act = for_each("act", _asked)


@every_act
@pytest.mark.parametrize(
    "response", PLACES, ids=lambda response: f"{response.status}-{response.body[:20]!r}"
)
def test_an_answer_that_is_not_the_apis_stops_the_account(
    act: Act, response: Response
) -> None:
    halted = stubborn(act, response).result
    assert isinstance(halted, VendorHalted)
    assert halted.setting == "settings.base_url"
    assert "settings.base_url" in str(halted)


@every_act
def test_the_vendors_own_router_stops_the_account(act: Act) -> None:
    bench = Bench(act.subject)

    def moved(request: Request) -> Response:
        return bench.answer(replace(request, path=f"/moved{request.path}"))

    with pytest.raises(VendorHalted) as halted:
        drive(act.start(), moved)
    assert halted.value.setting == "settings.base_url"


def _about(subject: VendorUnderTest) -> Iterator[Call]:
    """Calls about a contact that the vendor does not have."""
    for action in subject.actions():
        if action not in (Action.CREATE, Action.UPSERT):
            yield subject.call(action, 7, OTHER)


@for_each(
    ("subject", "call"),
    lambda subjects: [
        pytest.param(subject, call, id=f"{subject}-{call.action}")
        for subject in plain(subjects)
        for call in _about(subject)
    ],
)
def test_the_vendors_own_words_are_about_the_contact(
    subject: VendorUnderTest, call: Call
) -> None:
    answered = Bench(subject).send(call)
    if call.action is Action.DELETE:
        assert isinstance(answered, Applied)
        return
    assert isinstance(answered, Rejected)
    assert answered.code == "not_found"
