"""An attempt that may have been carried out stays unknown.

Nothing that comes after makes it certain that it was not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import cast

import pytest

from syncengine.engine.contact import ContactSync
from syncengine.engine.exchange import Meter
from syncengine.engine.recorder import Recorder
from syncengine.engine.retry import Retrier, RetryPolicy
from syncengine.engine.task import Task
from syncengine.errors import (
    LeaseLost,
    VendorHalted,
    VendorThrottled,
    VendorUnavailable,
)
from syncengine.model.calls import Answer, Applied, Call, Rejected
from syncengine.model.capabilities import Capabilities, TagCall, Write
from syncengine.model.contact import Desired, Known, Pending
from syncengine.model.http import Json, Request, Response
from syncengine.model.mapping import Mapping, OnRemoved
from syncengine.model.work import ContactState
from syncengine.planning.attempt.job import Job
from syncengine.planning.attempt.progress import AttemptEnding
from syncengine.planning.plan import Plan, plan_contact
from syncengine.ports import ContactStore, Vendor
from tests.support.virtual_time import run

PUT, GET = Request("PUT", "/contact/v7", "write"), Request("GET", "/contact/v7", "read")
LIST = Request("POST", "/contact/list", "list", reads=True)
LOST = VendorUnavailable("no answer", maybe_applied=True)
UNSENT = VendorUnavailable("no connection", maybe_applied=False)
FINE, BAD = Response(200, {}, b"{}"), Response(400, {}, b"{}")
CAN = Capabilities(update=Write(), add_tags=TagCall(), remove_tags=TagCall())


@dataclass
class Line:
    """A line that gives these answers in order; also the brakes and the recorder."""

    answers: list[Response | Exception]
    steps: list[object] = field(default_factory=list)
    stopped: None = None

    async def send(self, request: Request, *_: object) -> Response:
        del request
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def prove(self) -> None: ...

    def stop(self, error: object) -> None: ...

    def pause(self, seconds: float) -> None: ...

    def scheduled(self) -> None: ...

    async def wait_until_settled(self) -> None: ...

    async def back_off(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def put(self, batch: int, record: object) -> None:
        self.steps.append((batch, record))

    @property
    def retrier(self) -> Retrier:
        return Retrier(self, self, RetryPolicy(), Random(1))


def tried(
    requests: Sequence[Request], *answers: Response | Exception, repeatable: bool = True
) -> bool:
    """Return whether the failed exchange is reported as possibly applied."""

    def exchange() -> Generator[Request, Response, None]:
        for request in requests:  # noqa: UP028 - a list's iterator takes no answers
            yield request

    async def whole() -> bool:
        with pytest.raises((VendorUnavailable, VendorHalted, LeaseLost)) as caught:
            await Line([*answers]).retrier.run(exchange, Meter(), repeatable=repeatable)
        return (
            isinstance(caught.value, VendorUnavailable) and caught.value.maybe_applied
        )

    return run(whole())


@pytest.mark.parametrize(
    "end",
    [LeaseLost("over"), VendorHalted("no"), VendorThrottled("429", retry_after=9999.0)],
)
def test_an_account_that_stops_leaves_earlier_attempts_unknown(
    end: Exception,
) -> None:
    assert tried([PUT], LOST, end)
    assert not tried([PUT], UNSENT, end)


@pytest.mark.parametrize("end", [LeaseLost("over"), UNSENT])
def test_what_an_exchange_has_written_is_kept_though_the_rest_of_it_fails(
    end: Exception,
) -> None:
    assert tried([PUT, GET], FINE, end, repeatable=False)
    answers: list[Response | Exception] = [FINE, end]
    assert not tried([GET, PUT], *answers * 4)
    assert not tried([LIST, PUT], *answers * 4)


def test_what_must_not_be_written_twice_is_not_because_the_rest_was_too_fast() -> None:
    too_fast = VendorThrottled("429", retry_after=0.0)
    assert tried([PUT, GET], FINE, too_fast, repeatable=False)


def synced(
    known: Known, desired: Desired, *answers: Response | Exception
) -> AttemptEnding:
    """Make one attempt of contact 7."""
    line = Line([*answers])
    plan = plan_contact(desired, known, CAN)
    assert isinstance(plan, Plan)
    job = Job(1, ContactState("7", known), desired, 1, plan)

    async def whole() -> AttemptEnding:
        task = Task("here", Mapping(), "id", OnRemoved.UNTAG)
        contacts = ContactSync(
            task,
            cast("Vendor", _Translator()),
            line.retrier,
            cast("ContactStore", None),
            cast("Recorder", line),
            asyncio.Event(),
        )
        return await contacts.sync(job)

    return run(whole())


class _Translator:
    capabilities = CAN

    @staticmethod
    def same(field: str, ours: Json, theirs: Json) -> bool:
        del field
        return bool(ours == theirs)

    def send(self, call: Call) -> Generator[Request, Response, Answer]:
        del call
        response = yield PUT
        if response.status == 200:
            return Applied()
        return Rejected("invalid", "no", 400)


def test_a_refusal_settles_nothing_that_was_tried_before() -> None:
    known = Known("v7", fields={"name": "old"})
    pending = synced(
        known, Desired("7", {"name": "new"}), LOST, BAD
    ).record.known.pending
    assert pending is not None
    assert pending.fields == {"name": "new"}
    assert (
        synced(known, Desired("7", {"name": "new"}), BAD).record.known.pending is None
    )


def test_a_refusal_of_a_later_call_leaves_unknown_what_was_and_was_not_sent_again() -> (
    None
):
    known = Known(
        "v7", fields={"name": "old"}, pending=Pending(add_tags=frozenset({"gone"}))
    )
    ending = synced(known, Desired("7", {"name": "new"}), FINE, BAD)
    assert ending.record.known.fields == {"name": "new"}
    assert ending.record.known.pending is not None
    assert ending.record.known.pending.remove_tags == {"gone"}
