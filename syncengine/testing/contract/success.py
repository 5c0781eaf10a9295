"""A write is applied only where the vendor says so in its own form.

Some APIs answer 200 and say in the body that it failed; a proxy answers 200 and ``{}``.
Taken for a success, the change is lost for good: the engine believes the contact in
step and does not send it again. An adapter therefore reads the fields that the vendor
documents for a success, and takes anything else for unknown or refused.
"""

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
    """Return each vendor with each of its writes: its actions, and perhaps a merge."""
    each = plain(subjects)
    mergers = [subject for subject in each if isinstance(subject.vendor, Merger)]
    merges = [(subject, _MERGE) for subject in mergers]
    return [*with_actions(each), *merges]


def _silent_writes(subjects: VendorsUnderTest) -> Iterator[object]:
    """Yield each write with an answer that says nothing, where the vendor says more."""
    empty: dict[str, Json] = {}
    for subject, what in _writes(subjects):
        for body in (empty, {"message": "OK"}):
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
"""Bodies in which APIs report a failure under status 200."""


def _started(bench: Bench, what: str) -> Exchange[Any]:
    """Return a write that the twin would carry out now."""
    subject = bench.subject
    vendor = subject.vendor
    if what == _MERGE:
        assert isinstance(vendor, Merger)
        return vendor.merge(bench.make(1), bench.make(2))
    if what == Action.UPDATE:
        return vendor.send(subject.call(Action.UPDATE, 2, bench.make(1)))
    return vendor.send(bench.ready(Action(what)))


def _result_when_answered(
    bench: Bench, start: partial[Exchange[Any]], body: Json, *, added: bool
) -> Any:
    """Return the result of a write whose requests are answered with this body.

    ``added``: the body is added to the twin's own answer, in place of replacing it.
    """

    def answering(request: Request) -> Response:
        if not request.writes:
            return bench.answer(request)
        if added:
            honest = bench.answer(request)
            # Some successes have no body (204).
            return answer({**orjson.loads(honest.body or b"{}"), **body})
        # The twin does not get this write: a read after it must not show it.
        return answer(body)

    try:
        return drive(start(), answering)
    except VendorUnavailable as error:
        return error


def _assert_no_success(result: Any, where: str) -> None:
    if isinstance(result, VendorUnavailable):
        assert result.maybe_applied, (
            f"{where}: maybe_applied is not set, and the write may have been carried "
            "out. parse_reply raises it with the mark."
        )
        return
    assert isinstance(result, Rejected), (
        f"{where}: the result is {result!r}.\n"
        "It has to be Rejected or VendorUnavailable(maybe_applied=True). Read the "
        "answer by parse_reply with a ReplyModel that requires what the vendor "
        "documents for a success. If it documents nothing, name the write in "
        "ContractHints(unsaid=...)."
    )


@every_write
@pytest.mark.parametrize("body", FAILURES, ids=str)
def test_what_says_that_it_failed_is_no_success(
    subject: VendorUnderTest, what: str, body: dict[str, Json]
) -> None:
    for added in (False, True):
        bench = Bench(subject)
        start = partial(_started, bench, what)
        result = _result_when_answered(bench, start, body, added=added)
        place = "added to the twin's answer" if added else "alone"
        _assert_no_success(result, f"{subject}-{what}, answered 200 and {body} {place}")


@for_each(("subject", "what", "body"), _silent_writes)
def test_what_says_nothing_is_no_success_where_the_vendor_says_more(
    subject: VendorUnderTest, what: str, body: dict[str, Json]
) -> None:
    bench = Bench(subject)
    start = partial(_started, bench, what)
    result = _result_when_answered(bench, start, body, added=False)
    _assert_no_success(result, f"{subject}-{what}, answered 200 and {body}")
