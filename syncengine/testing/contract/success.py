"""A write is applied only where the vendor says so in its own form."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import orjson
import pytest

from syncengine.errors import VendorUnavailable
from syncengine.model.calls import Action, Rejected
from syncengine.model.http import Exchange, Json, Request, Response
from syncengine.ports import Merger
from syncengine.testing.benches import Bench
from syncengine.testing.cases import VendorsUnderTest, for_each, plain, with_actions
from syncengine.testing.driving import answer, drive
from syncengine.testing.vendors_under_test import VendorUnderTest

_MERGE = "merge"


def _writes(subjects: VendorsUnderTest) -> list[tuple[VendorUnderTest, str]]:
    """Return each vendor with each of its writes."""
    each = plain(subjects)
    mergers = [subject for subject in each if isinstance(subject.vendor, Merger)]
    return [*with_actions(each), *((subject, _MERGE) for subject in mergers)]


def _silent_writes(subjects: VendorsUnderTest) -> Iterator[object]:
    """Yield each write with an answer that says nothing, where the vendor says more."""
    for subject, what in _writes(subjects):
        for body in ({}, {"message": "OK"}):
            if (what, bool(body)) not in subject.unsaid():
                yield subject, what, body


every_write = for_each(("subject", "what"), _writes)
FAILURES: tuple[dict[str, Json], ...] = (
    {"error": "maintenance"},
    {"error": {"code": 1}},
    {"errors": ["no"]},
    {"success": False},
    {"success": "false"},
    {"success": False, "error": "quota"},
    {"ok": False},
    {"status": "error", "message": "x"},
    {"status": "Failed"},
    {"status": 503},
    {"code": 500, "message": "x"},
    {"code": "429"},
    {"statusCode": 502},
)


def writing(bench: Bench, subject: VendorUnderTest, what: str) -> Exchange[Any]:
    """Return an exchange that can be begun now."""
    vendor = subject.vendor
    if what == _MERGE:
        assert isinstance(vendor, Merger)
        return vendor.merge(bench.make(1), bench.make(2))
    if what == Action.UPDATE:
        return vendor.send(subject.call(Action.UPDATE, 2, bench.make(1)))
    return vendor.send(bench.ready(Action(what)))


def told(bench: Bench, make: partial[Exchange[Any]], body: Json, *, added: bool) -> Any:
    """Return the result of a write whose requests are answered like this.

    ``added``: the body is added to the twin's own answer.
    """

    def answering(request: Request) -> Response:
        if not request.writes:
            return bench.answer(request)
        return answer(
            {**orjson.loads(bench.answer(request).body), **body} if added else body
        )

    try:
        return drive(make(), answering)
    except VendorUnavailable as error:
        return error


def assert_no_success(result: Any) -> None:
    if isinstance(result, VendorUnavailable):
        assert result.maybe_applied, "nobody knows what became of it"
    else:
        assert isinstance(result, Rejected)


@every_write
@pytest.mark.parametrize("body", FAILURES, ids=str)
def test_what_says_that_it_failed_is_no_success(
    subject: VendorUnderTest, what: str, body: dict[str, Json]
) -> None:
    for added in (False, True):
        bench = Bench(subject)
        make = partial(writing, bench, subject, what)
        assert_no_success(told(bench, make, body, added=added))


@for_each(("subject", "what", "body"), _silent_writes)
def test_what_says_nothing_is_no_success_where_the_vendor_says_more(
    subject: VendorUnderTest, what: str, body: dict[str, Json]
) -> None:
    bench = Bench(subject)
    assert_no_success(
        told(bench, partial(writing, bench, subject, what), body, added=False)
    )
