"""A vendor that takes many contacts in one request, with waves in front of it.

The ``Bank`` is the simplest ``BulkVendor``: its requests hold the contacts they are
about, and its answers name them. ``Asking`` are contacts that ask it side by side.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, cast

import orjson

from syncengine.engine.consent import Consent, ContactCheck
from syncengine.engine.crowd import Crowd
from syncengine.engine.exchange import Meter
from syncengine.engine.pacing import Pacing
from syncengine.engine.retry import AnsweredExchange, Retrier, RetryPolicy
from syncengine.engine.waves import Waves
from syncengine.errors import ContactSuppressed, VendorUnavailable
from syncengine.model.calls import Action, Answer, Applied, Call, CallResult, Rejected
from syncengine.model.capabilities import (
    Bulk,
    Capabilities,
    Deletion,
    ListCall,
    TagCall,
    Write,
)
from syncengine.model.contact import MatchKey, Remote
from syncengine.model.http import Exchange, Json, Request, Response
from syncengine.planning.attempt.steps import Send
from syncengine.planning.waves import VendorStep
from syncengine.ports import SendCheck, Vendor

ROUND_TRIP = 0.2
"""Seconds from a request to its answer."""
REFUSED_AS_A_WHOLE = 400

Answering = Callable[[Request], Response]
"""The vendor's side: the response to a request; raises what the transport raises."""


def capabilities(size: int) -> Capabilities:
    """Return capabilities with so many contacts in one request of each kind."""
    bulk = Bulk(size)
    return Capabilities(
        create=Write(bulk=bulk, keyed_by=("email",)),
        update=Write(bulk=bulk, repeatable=True),
        add_tags=TagCall(bulk=bulk),
        delete=Deletion(bulk=bulk),
        join_lists=ListCall(bulk=bulk),
        leave_lists=ListCall(),
        find_by=("email",),
        find_many=size,
        read_many=size,
    )


class Bank:
    """The vendor. What is special about an answer is up to its server."""

    name = "bank"

    def __init__(self, size: int) -> None:
        self.capabilities = capabilities(size)
        self.unsendable: set[str] = set()
        """Contacts that no request can express."""

    @staticmethod
    def same(field_name: str, ours: Json, theirs: Json) -> bool:
        del field_name
        return bool(ours == theirs)

    def find_many(
        self, keys: Sequence[MatchKey]
    ) -> Exchange[Mapping[MatchKey, Sequence[Remote]]]:
        answer = yield _request("find", [key.value for key in keys], reads=True)
        held = _body(answer)
        return {
            key: tuple(Remote(each, {}) for each in held[key.value])
            for key in keys
            if key.value in held
        }

    def find(self, key: MatchKey) -> Exchange[Sequence[Remote]]:
        found = yield from self.find_many((key,))
        return found[key]

    def read_many(
        self, external_ids: Sequence[str]
    ) -> Exchange[Mapping[str, Remote | None]]:
        answer = yield _request("read", list(external_ids), reads=True)
        held = _body(answer)
        return {
            each: Remote(each, {}) if held[each] else None
            for each in external_ids
            if each in held
        }

    def read(self, external_id: str) -> Exchange[Remote | None]:
        shown = yield from self.read_many((external_id,))
        return shown[external_id]

    def send_many(
        self, calls: Sequence[Call]
    ) -> Exchange[Sequence[CallResult] | Rejected]:
        by_contact = {call.contact_id: call for call in calls}
        if not self.unsendable.isdisjoint(by_contact):
            raise ValueError("no request can express it")
        answer = yield _request(calls[0].action, list(by_contact))
        if answer.status >= REFUSED_AS_A_WHOLE:
            return Rejected("refused", "refused as a whole", status=answer.status)
        # A list of pairs: an answer may name a contact twice.
        return [
            CallResult(by_contact[contact_id], _answer(said))
            for contact_id, said in _body(answer)
        ]

    def send(self, call: Call) -> Exchange[Answer]:
        results = yield from self.send_many((call,))
        if isinstance(results, Rejected):
            return results
        return results[0].answer


def _request(name: str, contacts: list[str], *, reads: bool = False) -> Request:
    body = cast("Json", contacts)
    return Request("POST", f"/{name}", f"POST /{name}", json=body, reads=reads)


def _body(response: Response) -> Any:
    return orjson.loads(response.body)


def _answer(said: str) -> Answer:
    if said.startswith("refused"):
        return Rejected(said.removeprefix("refused "), "refused", status=400)
    return Applied(said)


def told(value: object) -> Response:
    """Return a response with this body."""
    return Response(200, {}, orjson.dumps(value))


def contacts_in(request: Request) -> list[str]:
    """Return the contacts, keys or ids that a request is about."""
    return cast("list[str]", request.json)


def all_well(request: Request) -> Response:
    """Answer a request to which there is nothing special.

    Nobody is found, everybody known is there, and everything is carried out.
    """
    names = contacts_in(request)
    match request.path:
        case "/find":
            return told({name: [] for name in names})
        case "/read":
            return told(dict.fromkeys(names, True))
        case _:
            return told([[name, f"id of {name}"] for name in names])


@dataclass
class Server:
    """The vendor's side, and the requests that came."""

    answering: Answering = all_well
    requests: list[Request] = field(default_factory=list)
    before: Callable[[], None] = lambda: None
    """Called before consent is asked, and before the bytes of a request go out."""

    async def send(
        self, request: Request, allowed: SendCheck | None = None
    ) -> Response:
        """Carry out a request as the transport does."""
        self.before()
        if allowed is not None:
            await allowed()
        self.requests.append(request)
        await asyncio.sleep(ROUND_TRIP)
        return self.answering(request)

    def sizes(self, path: str) -> list[int]:
        """Return the number of contacts of each request to a path, in order."""
        return [len(contacts_in(each)) for each in self.requests if each.path == path]


@dataclass
class Asking:
    """Contacts that ask the vendor side by side."""

    server: Server
    bank: Bank
    workers: int = 1000
    attempts: int = 2
    accepted: list[int] = field(default_factory=list)
    """Numbers of the answers that the waves have told of as acceptances."""
    said_no: dict[str, ContactSuppressed] = field(default_factory=dict)
    """Contacts about which nothing may be sent, with the error."""
    busy: float = 0.0
    """Seconds for which one contact more is worked on, without asking for anything."""

    async def together(self, *steps: VendorStep) -> list[Any]:
        """Return the end of each contact's step, in order: an answer or an error."""
        ends = await self.ended(*steps)
        return [end.value if isinstance(end, AnsweredExchange) else end for end in ends]

    async def ended(self, *steps: VendorStep) -> list[Any]:
        """Return the same, each answer with its note on lost tries."""
        ends = await self.scripts([[step] for step in steps])
        return [of_contact[0] for of_contact in ends]

    async def scripts(self, scripts: Sequence[Sequence[VendorStep]]) -> list[list[Any]]:
        """Have each contact ask for its steps, one after the other.

        Returns the ends of each contact's steps.
        """
        crowd = Crowd(self.workers)
        async with Pacing((), in_flight=8, settles_within=1.0) as pacing:
            policy = RetryPolicy(attempts=self.attempts, base=0.1)
            retrier = Retrier(self.server, pacing, policy, Random(1))
            waves = Waves(cast("Vendor", self.bank), retrier, crowd, ("email", "phone"))
            waves.on_accepted = self.accepted.append
            self.meters = [Meter(self._check(script)) for script in scripts]
            crowd.feed()
            for _ in (*scripts, self):
                crowd.hand_out()
            crowd.end_feed()
            playing = [
                self._play(waves, crowd, script, meter)
                for script, meter in zip(scripts, self.meters, strict=True)
            ]
            *ends, _ = await asyncio.gather(*playing, self._be_busy(crowd))
            return ends

    async def _be_busy(self, crowd: Crowd) -> list[Any]:
        with crowd.working():
            if self.busy:
                await asyncio.sleep(self.busy)
        return []

    async def _play(
        self, waves: Waves, crowd: Crowd, script: Sequence[VendorStep], meter: Meter
    ) -> list[Any]:
        ends: list[Any] = []
        with crowd.working():
            for step in script:
                try:
                    answered: AnsweredExchange[Any] = await waves.ask(step, meter)
                except Exception as error:  # noqa: BLE001 - tests look at it
                    ends.append(error)
                else:
                    ends.append(answered)
        return ends

    def _check(self, script: Sequence[VendorStep]) -> SendCheck:
        sends = [step for step in script if isinstance(step, Send)]
        contact_id = sends[0].call.contact_id if sends else ""
        return ContactCheck(_SaidNo(self.said_no), contact_id, (), wanted=True)


class _SaidNo(Consent):
    """Consent of contacts, some of which have said no."""

    def __init__(self, said_no: Mapping[str, ContactSuppressed]) -> None:
        self._said_no = said_no

    async def refused(
        self, checks: Sequence[ContactCheck]
    ) -> Mapping[ContactCheck, ContactSuppressed]:
        return {
            check: self._said_no[check.contact_id]
            for check in checks
            if check.contact_id in self._said_no
        }


def create(name: str, email: str = "") -> Send:
    """Return the step that creates a contact."""
    fields = {"email": email or f"{name}@example.org"}
    return Send(Call(Action.CREATE, name, fields=fields), repeatable=False)


def update(name: str, *, is_just_created: bool = False) -> Send:
    """Return the step that changes a contact."""
    call = Call(Action.UPDATE, name, f"id of {name}", fields={"city": "Berlin"})
    return Send(call, repeatable=True, is_just_created=is_just_created)


def lost(request: Request) -> Response:
    """Lose the answer to a request that may have been carried out."""
    raise VendorUnavailable("no answer", maybe_applied=request.writes)
