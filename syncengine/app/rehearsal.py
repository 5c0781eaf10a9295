"""Rehearsal of a call: its requests after the first, as a stand-in would be sent them.

Some calls take several requests, of which later ones depend on the answers: a vendor
whose update replaces the contact is read first. So the adapter's exchange is played
against the vendor's twin, in this process, which has what is known of the contact.
What else the vendor may have is not known, and so it is missing in these requests.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlencode, urlsplit

import orjson

from syncengine import vendors
from syncengine.model.calls import Call
from syncengine.model.contact import LISTS, Known
from syncengine.model.http import Json, Request, Response
from syncengine.ports import Vendor
from syncengine.sandbox.twins import load
from syncengine.sandbox.twins.twin import Seed, Twin, TwinRequest

_MOST = 20
"""Number of requests after which an exchange is given up."""


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """Plays calls of one destination against a twin of its vendor."""

    vendor: Vendor
    base_url: str

    def later_requests(self, call: Call, known: Known) -> Sequence[Request]:
        """Return the requests of a call after its first; none where it cannot be played.

        ``known`` is what the vendor is known to have of the contact.
        """
        try:
            return self._played(call, known)
        except Exception:  # noqa: BLE001 - it costs a part of a preview, nothing else
            return ()

    def _played(self, call: Call, known: Known) -> Sequence[Request]:
        assert call.external_id is not None, "only a contact that exists is changed"
        spec = vendors.load(self.vendor.name)
        for prefix in self._prefixes():
            # A new twin for each try: the one before may have changed its contact.
            twin = load(spec.twin or "")
            now = time.time()
            (twin_id,) = twin.seed([_seed(known)], now)
            there = replace(call, external_id=twin_id)
            played = self._exchange(twin, there, prefix, now)
            if played is not None:
                ids = (twin_id, call.external_id)
                return [_with_id(request, *ids) for request in played[1:]]
        return ()

    def _prefixes(self) -> Iterator[str]:
        """Yield what may come before a path at the twin: a part of the address."""
        parts = urlsplit(self.base_url).path.strip("/").split("/")
        for start in range(len(parts)):
            yield "/" + "/".join(parts[start:]) if parts[start] else ""
        yield ""

    def _exchange(
        self, twin: Twin, call: Call, prefix: str, now: float
    ) -> list[Request] | None:
        """Return all requests of an exchange; None where the twin refuses the first."""
        exchange = self.vendor.send(call)
        requests = [next(exchange)]
        try:
            while len(requests) < _MOST:
                answer = _answered(twin, requests[-1], prefix, now)
                # The prefix is another one, or the twin does not have this request.
                if len(requests) == 1 and answer.status >= 400:
                    return None
                requests.append(exchange.send(answer))
        except StopIteration:
            return requests
        finally:
            exchange.close()
        return requests


def _seed(known: Known) -> Seed:
    fields = {
        name: value
        # Lists of the real vendor do not exist at the twin, which would refuse them.
        for name, value in known.fields.items()
        if value not in (None, "") and not name.startswith(LISTS)
    }
    return Seed(fields, tuple(sorted(known.tags | known.found_tags)))


def _answered(twin: Twin, request: Request, prefix: str, now: float) -> Response:
    """Return the twin's answer to a request, whatever key it carries."""
    body = b"" if request.json is None else orjson.dumps(request.json)
    headers = {name.lower(): value for name, value in request.headers.items()}
    headers.setdefault("content-type", "application/json")
    return twin.commit(
        TwinRequest(
            request.method,
            prefix + request.path,
            urlencode(request.query),
            headers,
            body,
        ),
        now,
    )


def _with_id(request: Request, twin_id: str, external_id: str) -> Request:
    """Return a request about the contact at the twin as one about the real contact."""
    return replace(
        request,
        path=request.path.replace(twin_id, external_id),
        json=_with_value(request.json, twin_id, external_id),
    )


def _with_value(value: Json, old: str, new: str) -> Json:
    """Return a body in which one value is replaced, where it is a whole value."""
    if isinstance(value, dict):
        return {name: _with_value(each, old, new) for name, each in value.items()}
    if isinstance(value, list):
        return [_with_value(each, old, new) for each in value]
    return new if str(value) == old else value
