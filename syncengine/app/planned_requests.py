"""Requests that a run would send about one contact, made by the real adapter.

Each look-up and each call is an exchange of the adapter. Its first request is certain;
later ones depend on the answer: they are rehearsed where the vendor has a stand-in, and
else only counted. Nothing is sent.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from syncengine.app.rehearsal import Rehearsal
from syncengine.model.calls import CREATING, Call
from syncengine.model.contact import Known, MatchKey
from syncengine.model.http import Exchange, Json, Request
from syncengine.model.plan_sample import (
    SECRET,
    PlannedRequest,
    PlannedStep,
    RequestCase,
)
from syncengine.planning.attempt.conclusions import is_repeatable
from syncengine.planning.attempt.job import Job
from syncengine.planning.attempt.steps import Find, Read, Send
from syncengine.planning.distrust import known_before_distrust, should_read_back
from syncengine.planning.exchanges import first_request
from syncengine.planning.forecast import Prices, requests_of
from syncengine.planning.found_contacts import known_after_not_found
from syncengine.planning.look_up import LookUp, plan_look_up
from syncengine.planning.match_keys import keys_at_vendor
from syncengine.planning.plan import Plan, plan_contact
from syncengine.planning.waves import VendorStep, sharing_of
from syncengine.ports import Vendor

_NEW_ID = "{id}"
"""Stands for the id that the vendor's answer will bring."""
_SECRET_HEADER = re.compile(r"auth|key|token|secret|cookie", re.IGNORECASE)
"""Names of headers whose values are never shown."""


@dataclass(frozen=True, slots=True)
class RequestPreview:
    """Shows the requests about contacts of one destination."""

    vendor: Vendor
    base_url: str
    secrets: Collection[str]

    def steps(self, job: Job, likely: Plan, prices: Prices) -> tuple[PlannedStep, ...]:
        """Return the look-ups and calls about a contact, with their requests."""
        rehearsal = Rehearsal(self.vendor, self.base_url)
        steps = _Steps(self.vendor, self.secrets, prices, rehearsal)
        return tuple(steps.about(job, likely))


@dataclass(frozen=True, slots=True)
class _Steps:
    """The steps about contacts, at given prices."""

    vendor: Vendor
    secrets: Collection[str]
    prices: Prices
    rehearsal: Rehearsal

    def about(self, job: Job, likely: Plan) -> Iterator[PlannedStep]:
        """Yield the look-ups and calls about a contact, in order."""
        known, capabilities = job.state.known, self.prices.capabilities
        if job.refusal is None and should_read_back(known, capabilities):
            yield from self._read_back(known)
            before = known_before_distrust(known)
            yield from self._calls(RequestCase.AS_KNOWN, likely.calls, before)
            return
        # A refused row asks for nothing: only an unknown create is looked up.
        desired = None if job.refusal else job.desired
        look_up = plan_look_up(
            desired,
            known,
            capabilities,
            find_first=self.prices.find_first or job.recreates,
            always=job.gone,
        )
        if look_up is None:
            yield from self._calls(RequestCase.ALWAYS, job.plan.calls, known)
            return
        for key in look_up.keys:
            yield self._look_up(RequestCase.ALWAYS, key)
        if job.refusal is None and job.desired is not None:
            yield from self._after_look_up(job, look_up)

    def _after_look_up(self, job: Job, look_up: LookUp) -> Iterator[PlannedStep]:
        """Yield what follows a look-up: once if it finds nothing, once if it does."""
        desired, known = job.desired, job.state.known
        assert desired is not None, "the caller has asked"
        capabilities = self.prices.capabilities
        # One that was deleted there, and is only looked up, is not created.
        if not job.gone:
            absent = known_after_not_found(known, capabilities)
            fresh = plan_contact(desired, absent, capabilities)
            if isinstance(fresh, Plan):
                yield from self._calls(RequestCase.NOT_FOUND, fresh.calls)
        found = Known(_NEW_ID, key=known.key or look_up.keys[0])
        differing = plan_contact(desired, found, capabilities)
        if isinstance(differing, Plan):
            yield from self._calls(RequestCase.FOUND, differing.calls)

    def _read_back(self, known: Known) -> Iterator[PlannedStep]:
        if self.prices.capabilities.reads:
            assert known.external_id is not None, "only a linked contact is read back"
            request = self._first(self.vendor.read(known.external_id))
            contacts = self._sharing(Read(known.external_id))
            yield PlannedStep(RequestCase.ALWAYS, "read", request, contacts=contacts)
            return
        for key in keys_at_vendor(known, self.prices.capabilities):
            yield self._look_up(RequestCase.ALWAYS, key)

    def _look_up(self, case: RequestCase, key: MatchKey) -> PlannedStep:
        more = max(0, self.prices.look_up(key).usual - 1)
        request = self._first(self.vendor.find(key))
        contacts = self._sharing(Find(key))
        return PlannedStep(case, "look_up", request, more, contacts=contacts)

    def _calls(
        self, case: RequestCase, calls: Sequence[Call], known: Known | None = None
    ) -> Iterator[PlannedStep]:
        """Yield the calls; ``known`` is what the vendor has until now, if it is."""
        for call in calls:
            addressed = call
            if call.external_id is None and call.action not in CREATING:
                addressed = replace(call, external_id=_NEW_ID)
            request = self._first(self.vendor.send(addressed))
            more = requests_of(call, self.prices) - 1
            following: tuple[PlannedRequest, ...] = ()
            # Later requests depend on the answer to the first: a twin gives it, which
            # needs to have the contact.
            if more and known is not None and call.external_id is not None:
                later = self.rehearsal.later_requests(call, known)
                following = tuple(self._shown(each) for each in later)
            contacts = self._sharing(
                Send(addressed, is_repeatable(addressed, self.prices.capabilities))
            )
            yield PlannedStep(
                case, call.action.value, request, more, following, contacts
            )

    def _sharing(self, step: VendorStep) -> int:
        """Return how many contacts a request for such a step may carry."""
        return sharing_of(step, self.prices.capabilities, ()).size

    def _first(self, exchange: Exchange[object]) -> PlannedRequest | None:
        """Return the first request of an exchange, without its secrets."""
        request = first_request(exchange)
        return None if request is None else self._shown(request)

    def _shown(self, request: Request) -> PlannedRequest:
        return PlannedRequest(
            method=request.method,
            path=self._clean(request.path).replace("%7Bid%7D", _NEW_ID),
            query=tuple((name, self._clean(value)) for name, value in request.query),
            headers=self._clean_headers(request.headers),
            body=self._clean_json(request.json),
        )

    def _clean_headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Return the headers; those whose names speak of a key have no value left."""
        cleaned: dict[str, str] = {}
        for name, value in headers.items():
            cleaned[name] = self._clean(value)
            if _SECRET_HEADER.search(name):
                cleaned[name] = SECRET
        return cleaned

    def _clean(self, text: str) -> str:
        """Return a text without the destination's secrets."""
        for secret in self.secrets:
            text = text.replace(secret, SECRET)
        return text

    def _clean_json(self, value: Json) -> Json:
        """Return a body without the destination's secrets."""
        if isinstance(value, str):
            return self._clean(value)
        if isinstance(value, list):
            return [self._clean_json(each) for each in value]
        if isinstance(value, dict):
            return {name: self._clean_json(each) for name, each in value.items()}
        return value
