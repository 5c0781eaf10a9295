"""An adapter and its twin on one bench, joined without a socket.

A test of the contract makes a ``Bench`` of a vendor and plays exchanges on it: each
request of the adapter goes to a fresh twin, and the twin's answer comes back. Tests
look at both sides: at what the adapter returns, and at what the twin stores.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TypeVar
from urllib.parse import quote, urlencode

import orjson

from syncengine.model.calls import Action, Answer, Applied, Call
from syncengine.model.capabilities import matches
from syncengine.model.contact import LISTS, Fields, Remote
from syncengine.model.http import Exchange, Json, Request, Response
from syncengine.sandbox import twins
from syncengine.sandbox.twins.twin import Twin, TwinRequest
from syncengine.testing.driving import drive
from syncengine.testing.expectations import described
from syncengine.testing.vendors_under_test import VendorUnderTest, secrets

_T = TypeVar("_T")
ENDLESS = 60
"""More requests than any exchange of these tests may need."""


def over_the_wire(request: Request) -> TwinRequest:
    """Return a request as the twin's server would read it."""
    body = b"" if request.json is None else orjson.dumps(request.json)
    headers = {"host": "twin.example"}
    if body:
        headers["content-type"] = "application/json"
    headers |= request.headers
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
    requests: list[Request] = field(default_factory=list)
    """The requests that they answer."""

    def __post_init__(self) -> None:
        spec = self.subject.spec
        assert spec.twin is not None, (
            f"the VendorSpec of {spec.name} names no twin. The contract suite needs "
            'one: VendorSpec(twin="module.twin:ClassName").'
        )
        self.twin = twins.load(spec.twin)
        self.twin.configure(self.subject.switches)

    def stranger(self) -> VendorUnderTest:
        """Return the same vendor with credentials that the twin does not know."""
        unknown = dict.fromkeys(secrets(self.subject.spec), "another-secret")
        return self.subject.with_settings(unknown)

    # --- talking ----------------------------------------------------------------------

    def do(self, exchange: Exchange[_T]) -> _T:
        """Return the result of an exchange with the twin."""
        return drive(exchange, self.answer)

    def answer(self, request: Request) -> Response:
        """Return the twin's answer to a request."""
        self.now += 60.0
        self.requests.append(request)
        written = over_the_wire(request)
        carried = len(self.twin.inputs(written))
        assert request.items >= carried, (
            f"{self.subject}: {request.route} carries {carried} contacts, and "
            f"Request.items is {request.items}: some limits count these"
        )
        self.responses.append(self.twin.handle(written, self.now))
        return self.responses[-1]

    def last_answer_to(self, exchange: Exchange[object]) -> Response:
        self.do(exchange)
        return self.responses[-1]

    def pretend(self, exchange: Exchange[_T], response: Response) -> _T:
        """Let the vendor answer everything with this response."""
        requests = 0

        def answering(request: Request) -> Response:
            nonlocal requests
            requests += 1
            assert requests <= ENDLESS, (
                f"{self.subject} asks on and on: {ENDLESS} requests ({request.route}) "
                "while the vendor gives the same answer. Bound the loop, as "
                "collect_hits does."
            )
            return response

        return drive(exchange, answering)

    def send(self, call: Call) -> Answer:
        return self.do(self.subject.vendor.send(call))

    def applied(self, call: Call) -> Applied:
        """Send a call that has to be carried out, whole."""
        answer = self.send(call)
        where = f"{self.subject}-{call.action}"
        assert isinstance(answer, Applied), (
            f"{where}: {answer!r} in place of Applied. Capabilities declares this "
            f"call, so that adapter and twin have to carry it out: {call!r} with the "
            f"fields {dict(call.fields)}. The twin's last answer: "
            f"{described(self.responses[-1])}."
        )
        assert answer.dropped == (), (
            f"{where}: the adapter says that these changes were not taken: "
            f"{answer.dropped}. Either the twin drops them, or same() judges equal "
            "values as different."
        )
        return answer

    # --- contacts ---------------------------------------------------------------------

    def make(self, number: int) -> str:
        """Make a sample contact with all its fields and no tags; return its id."""
        can = self.subject.vendor.capabilities
        calls = self._making(number)
        external_id = self.applied(next(calls)).external_id
        assert external_id, (
            f"{self.subject}-{self.subject.first}: the answer names no id, so that the "
            "contact cannot be linked"
        )
        for call in calls:
            self.applied(replace(call, external_id=external_id))
        assert can.reads or self.stored(external_id), (
            f"{self.subject}: the twin stores no contact {external_id}, which a write "
            "has just made"
        )
        return external_id

    def _making(self, number: int) -> Iterator[Call]:
        """Yield the calls that bring a contact all its sample fields.

        The first makes the contact. Others follow for the fields that it cannot carry.
        """
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
        assert not rest, (
            f"{self.subject}: no write of Capabilities takes the sample fields "
            f"{', '.join(rest)}. Declare them in a write, or leave them out of "
            "ContractHints(sample=...)."
        )

    def ready(self, action: Action) -> Call:
        """Return a call that can be sent now: its contact is there."""
        if action in (Action.CREATE, Action.UPSERT):
            return self.subject.call(action, 1, None)
        return self.subject.call(action, 1, self.make(1))

    def read(self, external_id: str) -> Remote | None:
        return self.do(self.subject.vendor.read(external_id))

    def state(self) -> list[dict[str, Json]]:
        return self.twin.contacts(self.now)

    def stored(self, external_id: str) -> Remote | None:
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
        stored = self.stored(external_id)
        self._assert_shows("the twin stores", stored, external_id, fields, tags)
        if self.subject.vendor.capabilities.reads:
            # A read may leave out what the vendor never shows.
            read = self.read(external_id)
            shown = {
                name: value
                for name, value in fields.items()
                if read is None or name in read.fields or not self.subject.hides(name)
            }
            self._assert_shows("read() shows", read, external_id, shown, tags)

    def _assert_shows(
        self,
        who: str,
        sight: Remote | None,
        external_id: str,
        fields: Fields,
        tags: frozenset[str] | None,
    ) -> None:
        where = f"{self.subject}: of the contact {external_id}, {who}"
        assert sight is not None, f"{where} nothing at all"
        assert sight.external_id == external_id, f"{where} {sight.external_id}"
        assert tags is None or sight.tags == tags, (
            f"{where} the tags {sorted(sight.tags)} in place of {sorted(tags)}. See "
            "how the adapter sends and reads tags, and how the twin keeps them."
        )
        for name, value in fields.items():
            # What reads may hide has to be stored all the same, even as null.
            is_missing = self.subject.hides(name) and name not in sight.fields
            if name.startswith(LISTS) and value is None:
                # A list that was left is nowhere.
                is_missing = False
            is_as_written = not is_missing and self.shows(sight, name, value)
            assert is_as_written, (
                f"{where} {name} as {sight.fields.get(name)!r} in place of {value!r}. "
                "See how the adapter sends and reads the field, how the twin keeps it, "
                "and whether same() forgives the vendor's formatting."
            )

    def shows(self, sight: Remote, name: str, value: Json) -> bool:
        """Return whether a contact has a value, by the adapter's own judgement."""
        theirs = sight.fields.get(name)
        if self.subject.accumulates(name):
            # Such a field shows the list of all values that it was ever sent.
            values = theirs or ()
            return any(self.subject.vendor.same(name, value, each) for each in values)
        return self.subject.vendor.same(name, value, theirs)
