"""An answer that does not come from the API is about its address, whatever was asked.

A moved address, a gateway without a route or an API that was shut down answers 404 to
every contact alike. Taken for "no such contact", it would reject or unlink everybody in
one night. An adapter raises ``VendorHalted`` that names ``settings.base_url``; only the
vendor's own words about a contact (as its twin says them) mean the contact.
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
from syncengine.testing.contract.answers import Act, acts, end, stubborn
from syncengine.testing.driving import answer, html
from syncengine.testing.expectations import described, expect
from syncengine.testing.vendors_under_test import VendorUnderTest

ID, OTHER = "177640998", "177640999"
"""The ids of no contact."""
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


def _acts_of_every_port(subjects: VendorsUnderTest) -> Iterator[Act]:
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


every_act = for_each("act", _acts_of_every_port)


def _name_of(response: Response) -> str:
    return f"{response.status}-{response.body[:20]!r}"


def _assert_stops_for_the_address(result: object, where: str) -> None:
    halted = expect(
        VendorHalted,
        result,
        where,
        "it is no answer of the API, so that the address is wrong and no contact is "
        "judged. Ask by send_request or look_up and read Reply.not_found, which knows "
        "the API's own answers; for a path that names no contact, map 404 and 410 to "
        "BASE_URL.",
    )
    assert halted.setting == "settings.base_url", (
        f"{where}: VendorHalted names {halted.setting} instead of settings.base_url"
    )
    assert "settings.base_url" in str(halted), (
        f"{where}: the text of VendorHalted does not name settings.base_url"
    )


@every_act
@pytest.mark.parametrize("response", PLACES, ids=_name_of)
def test_an_answer_that_is_not_the_apis_stops_the_account(
    act: Act, response: Response
) -> None:
    where = f"{act}, answered {described(response)}"
    _assert_stops_for_the_address(stubborn(act, response).result, where)


@every_act
def test_the_vendors_own_router_stops_the_account(act: Act) -> None:
    bench = Bench(act.subject)

    def moved(request: Request) -> Response:
        return bench.answer(replace(request, path=f"/moved{request.path}"))

    result = end(act, moved).result
    where = f"{act}, at a path that the twin does not have"
    _assert_stops_for_the_address(result, where)


def _calls_about_nobody(subject: VendorUnderTest) -> Iterator[Call]:
    """Yield calls about a contact that the vendor does not have."""
    for action in subject.actions():
        if action not in (Action.CREATE, Action.UPSERT):
            yield subject.call(action, 7, OTHER)


def _lost_calls(subjects: VendorsUnderTest) -> Iterator[object]:
    for subject in plain(subjects):
        for call in _calls_about_nobody(subject):
            yield pytest.param(subject, call, id=f"{subject}-{call.action}")


@for_each(("subject", "call"), _lost_calls)
def test_the_vendors_own_words_are_about_the_contact(
    subject: VendorUnderTest, call: Call
) -> None:
    result = Bench(subject).send(call)
    where = f"{subject}: {call.action} of a contact that the twin does not have"
    if call.action is Action.DELETE:
        advice = "what is gone need not be deleted: Applied(was_gone=True)."
        expect(Applied, result, where, advice)
        return
    rejected = expect(
        Rejected,
        result,
        where,
        'return rejection(..., code="not_found") where Reply.not_found is true.',
    )
    assert rejected.code == "not_found", (
        f'{where}: the code is "{rejected.code}". The engine takes a contact '
        'for gone only after "not_found".'
    )
