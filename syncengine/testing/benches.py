"""An adapter and its twin on one bench, joined without a socket."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TypeVar
from urllib.parse import quote, urlencode

import orjson

from syncengine.model.calls import Action, Answer, Applied, Call
from syncengine.model.capabilities import matches
from syncengine.model.contact import Fields, Remote
from syncengine.model.http import Exchange, Json, Request, Response
from syncengine.sandbox import twins
from syncengine.sandbox.twins.twin import Twin, TwinRequest
from syncengine.testing.driving import drive
from syncengine.testing.vendors_under_test import VendorUnderTest, secrets

_T = TypeVar("_T")
ENDLESS = 60
"""More requests than any exchange of these tests may need."""


def over_the_wire(request: Request) -> TwinRequest:
    """Return a request as the twin's server would read it."""
    body = b"" if request.json is None else orjson.dumps(request.json)
    headers = {
        "host": "twin.example",
        **({"content-type": "application/json"} if body else {}),
        **request.headers,
    }
    return TwinRequest(
        request.method,
        request.path,
        urlencode(request.query, quote_via=quote),
        headers,
        body,
    )


@dataclass
class Bench:
    """One subject before a fresh twin.

    A minute passes between requests, so that no limit is met.
    """

    subject: VendorUnderTest
    twin: Twin = field(init=False)
    now: float = 1_700_000_000.0
    responses: list[Response] = field(default_factory=list)
    """The answers of the twin so far."""

    def __post_init__(self) -> None:
        spec = self.subject.spec
        assert spec.twin is not None, f"the VendorSpec of {spec.name} names no twin"
        self.twin = twins.load(spec.twin)
        self.twin.configure(self.subject.switches)

    def stranger(self) -> VendorUnderTest:
        """Return the same vendor with credentials that the twin does not know."""
        unknown = dict.fromkeys(secrets(self.subject.spec), "another-secret")
        return self.subject.with_settings(unknown)

    # --- talking ----------------------------------------------------------------------

    def do(self, exchange: Exchange[_T]) -> _T:
        return drive(exchange, self.answer)

    def answer(self, request: Request) -> Response:
        """Return the twin's answer to a request."""
        self.now += 60.0
        self.responses.append(self.twin.handle(over_the_wire(request), self.now))
        return self.responses[-1]

    def last_answer_to(self, exchange: Exchange[object]) -> Response:
        self.do(exchange)
        return self.responses[-1]

    def pretend(self, exchange: Exchange[_T], response: Response) -> _T:
        """Let the vendor answer everything with this response."""
        left = iter(range(ENDLESS))

        def answering(_: Request) -> Response:
            assert next(left, None) is not None, "it would go on for ever"
            return response

        return drive(exchange, answering)

    def send(self, call: Call) -> Answer:
        return self.do(self.subject.vendor.send(call))

    def applied(self, call: Call) -> Applied:
        """Send a call that has to be carried out, whole."""
        answer = self.send(call)
        assert isinstance(answer, Applied), answer
        assert answer.dropped == ()
        return answer

    # --- contacts ---------------------------------------------------------------------

    def make(self, number: int) -> str:
        """Make a sample contact with all its fields and no tags; return its id."""
        can = self.subject.vendor.capabilities
        calls = self._making(number)
        external_id = self.applied(next(calls)).external_id
        assert external_id
        for call in calls:
            self.applied(replace(call, external_id=external_id))
        assert can.reads or self.held(external_id)
        return external_id

    def _making(self, number: int) -> Iterator[Call]:
        call = replace(self.subject.call(self.subject.first, number, None), add_tags=())
        yield call
        fields = self.subject.fields(number)
        rest = {
            name: value for name, value in fields.items() if name not in call.fields
        }
        for action in (Action.UPDATE, Action.UPSERT, Action.SET_LIFECYCLE):
            write = self.subject.write(action)
            fitting = {
                name: value
                for name, value in rest.items()
                if write and matches(name, write.fields)
            }
            if write and fitting:
                carried = {name: fields[name] for name in write.must_carry}
                yield replace(
                    self.subject.call(action, number, None),
                    fields={**carried, **fitting},
                    add_tags=(),
                )
                rest = {
                    name: value for name, value in rest.items() if name not in fitting
                }
        assert not rest, f"no write of this vendor takes {', '.join(rest)}"

    def ready(self, action: Action) -> Call:
        """Return a call that can be sent now: its contact is there."""
        if action in (Action.CREATE, Action.UPSERT):
            return self.subject.call(action, 1, None)
        return self.subject.call(action, 1, self.make(1))

    def read(self, external_id: str) -> Remote | None:
        return self.do(self.subject.vendor.read(external_id))

    def state(self) -> list[dict[str, Json]]:
        return self.twin.contacts(self.now)

    def held(self, external_id: str) -> Remote | None:
        """Return a contact as the twin stores it."""
        for contact in self.state():
            if contact["id"] == external_id:
                return Remote(
                    external_id, contact["fields"], frozenset(contact["tags"])
                )
        return None

    def assert_holds(
        self, external_id: str, fields: Fields, tags: frozenset[str] | None = None
    ) -> None:
        """Assert that the twin stores these values, and that reads show them."""
        sights = [self.held(external_id)]
        if self.subject.vendor.capabilities.reads:
            sights.append(self.read(external_id))
        for sight in sights:
            assert sight is not None
            assert sight.external_id == external_id
            assert tags is None or sight.tags == tags
            for name, value in fields.items():
                if self.subject.hides(name) and name not in sight.fields:
                    assert sight is not sights[0], f"{name} is not held"
                    continue
                assert self.shows(sight, name, value), f"{name} is not what was written"

    def shows(self, sight: Remote, name: str, value: Json) -> bool:
        """Return whether a contact has a value, by the adapter's own judgement."""
        theirs = sight.fields.get(name)
        if self.subject.accumulates(name):
            return any(
                self.subject.vendor.same(name, value, each) for each in theirs or ()
            )
        return self.subject.vendor.same(name, value, theirs)
