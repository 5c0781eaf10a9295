"""One twin on the stage of the server: admits a request, plays a fault, answers.

A twin itself never fails: it answers at once, and as its vendor would. All that may go
wrong between a client and a vendor is played here, around the twin's *commit*, the
moment at which the vendor has carried the request out:

- before it (the connection breaks, the request changes nothing)
- after it (the connection breaks, although the vendor has made the contact)
- later (the client has been told that it failed, and the vendor carries it out then)

``faults`` chooses what goes wrong with which request.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from aiohttp import web

from syncengine.model.http import Json, Response
from syncengine.sandbox.faults import Fault, FaultKind, Faults
from syncengine.sandbox.holds import Holds
from syncengine.sandbox.journal import Entry, Journal, impersonal
from syncengine.sandbox.misnaming import misnamed
from syncengine.sandbox.twins.kit.answers import html_page
from syncengine.sandbox.twins.twin import Twin, TwinRequest

_PIECES = 8
"""Number of pieces in which a slow answer comes."""
_ERROR_PAGE = (
    b"<html><head><title>Error</title></head>"
    b"<body><h1>The server is having a bad day</h1></body></html>"
)
_DROPPED = 0
"""Status in the journal of a request whose connection was dropped instead."""


@dataclass(frozen=True, slots=True)
class _Visit:
    """A request that meets a fault."""

    request: TwinRequest
    wire: web.BaseRequest
    """The same request as aiohttp has it, with the client's connection."""
    entry: Entry
    """Its entry in the journal."""
    resets: int
    """How often the twin had been reset when the request came."""

    def gone(self) -> bool:
        """Return whether the client has left."""
        transport = self.wire.transport
        return transport is None or transport.is_closing()

    def drop_connection(self) -> None:
        """Reset the connection, in place of an answer."""
        if self.wire.transport is not None:
            self.wire.transport.abort()


class Stage:
    """A twin, its faults, its journal and the requests that wait.

    ``clock`` gives seconds since 1970.
    """

    def __init__(self, twin: Twin, clock: Callable[[], float]) -> None:
        self.twin = twin
        self.faults = Faults()
        self.journal = Journal()
        self.holds = Holds()
        self.clock = clock
        self._late: set[asyncio.Task[None]] = set()
        """Tasks that commit a request after its client was told that it failed."""
        self._resets = 0
        """How often the twin was reset."""
        self._in_flight = 0
        """Number of requests that are being answered now."""

    def reset(self) -> None:
        """Forget contacts, requests, faults and late commits; keep switches and limits.

        Requests still on their way, above all those that a fault holds back, are
        dropped and commit nothing more.
        """
        # Counted first: requests that ``release`` lets go must find it changed.
        self._resets += 1
        self.faults.clear()
        self.twin.reset()
        self.journal.reset()
        self.holds.release()

    async def close(self) -> None:
        """End what still waits, committing nothing more."""
        for task in self._late:
            task.cancel()
        await asyncio.gather(*self._late, return_exceptions=True)

    async def answer(
        self, request: TwinRequest, wire: web.BaseRequest
    ) -> web.StreamResponse:
        """Answer a request to the twin; ``wire`` is the same request at aiohttp."""
        self._in_flight += 1
        try:
            return await self._answer(request, wire)
        finally:
            self._in_flight -= 1

    async def _answer(
        self, request: TwinRequest, wire: web.BaseRequest
    ) -> web.StreamResponse:
        now = self.clock()
        path = impersonal(request.path)
        contacts = len(self.twin.inputs(request))
        entry = Entry(
            now, request.method, path, self.twin.route(request), contacts=contacts
        )
        self.journal.arrived(entry)
        # A request that the vendor refuses at its door meets no fault: limits count
        # strictly at the arrival, whatever else goes wrong.
        refusal = self._refuse_crowd() or self.twin.admit(request, now)
        if refusal is not None:
            self.journal.answered(entry, refusal.status)
            return as_web_response(refusal)
        fault = self.faults.choose(request)
        if fault is None:
            response = self.twin.commit(request, now)
            self.journal.answered(entry, response.status)
            return as_web_response(response)
        entry.fault = str(fault.kind)
        visit = _Visit(request, wire, entry, self._resets)
        return await self._play(fault, visit)

    def _refuse_crowd(self) -> Response | None:
        """Return the refusal of a request while too many are under way, else None."""
        most = self.twin.max_in_flight
        if most is None or self._in_flight <= most:
            return None
        return self.twin.refusal(503, "Too many connections")

    async def _play(self, fault: Fault, visit: _Visit) -> web.StreamResponse:
        """Answer a request as its fault has it."""
        response = await self._response_under(fault, visit)
        # A reset while the request waited has dropped it: it gets no answer.
        if self._was_reset_since(visit):
            response = None
        if response is None or visit.gone():
            visit.drop_connection()
            self._journal_answer(visit, _DROPPED)
            # aiohttp wants a response, although nobody is there to read it.
            return web.Response()
        self._journal_answer(visit, response.status)
        if fault.kind is FaultKind.SLOW_DRIP:
            return await _drip(visit.wire, response, fault.seconds)
        return as_web_response(self._spoiled(fault, response))

    def _spoiled(self, fault: Fault, response: Response) -> Response:
        """Return an answer as the client gets it: in full, or falsified."""
        if fault.kind is FaultKind.TRUNCATED_JSON:
            # The headers fit the shorter body, so that only its JSON is broken.
            half = response.body[: len(response.body) // 2]
            return replace(response, body=half)
        if fault.kind is FaultKind.OTHER_ID:
            contacts = self.twin.contacts(self.clock())
            ids = [str(contact["id"]) for contact in contacts]
            return misnamed(response, ids)
        return response

    async def _response_under(self, fault: Fault, visit: _Visit) -> Response | None:
        """Return the client's answer, or None where the connection is dropped."""
        match fault.kind:
            case FaultKind.THROTTLE | FaultKind.REFUSE:
                return self._refusal(fault)
            case FaultKind.HALF_BATCH | FaultKind.ONE_UNTOLD:
                return self._commit_in_parts(fault, visit)
            case FaultKind.COMMIT_LATE:
                self._commit_late(fault, visit)
                return None
            case (
                FaultKind.HOLD_BEFORE_COMMIT
                | FaultKind.HOLD_AFTER_COMMIT
                | FaultKind.HOLD_HALF_COMMITTED
            ):
                return await self._hold(fault, visit)
            case FaultKind.TRUNCATED_JSON | FaultKind.SLOW_DRIP | FaultKind.OTHER_ID:
                return self._commit(visit)
            case FaultKind.LATENCY | FaultKind.ERROR_HTML | FaultKind.RESET:
                return await self._before_or_after(fault, visit)

    async def _hold(self, fault: Fault, visit: _Visit) -> Response | None:
        """Wait until the request is released, before or after the commit."""
        if fault.kind is FaultKind.HOLD_HALF_COMMITTED:
            return await self._hold_half(fault, visit)
        if fault.kind is FaultKind.HOLD_AFTER_COMMIT:
            response = self._commit(visit)
            await self.holds.hold(visit.entry, visit.gone)
            return response
        await self.holds.hold(visit.entry, visit.gone)
        # Servers differ in what becomes of a request whose client has given up while
        # it was waiting: ``commit_if_gone`` plays those that carry it out all the same.
        if visit.gone() and not fault.commit_if_gone:
            return None
        return self._commit(visit)

    async def _hold_half(self, fault: Fault, visit: _Visit) -> Response | None:
        """Carry out the first half of a batch, and wait until it is released."""
        inputs = self.twin.inputs(visit.request)
        middle = len(inputs) // 2
        if not middle:
            return self._commit(visit)
        self._commit_part(visit, inputs[:middle])
        await self.holds.hold(visit.entry, visit.gone)
        if not visit.gone():
            return html_page(fault.status, _ERROR_PAGE)
        if fault.commit_if_gone:
            self._commit_part(visit, inputs[middle:])
        return None

    async def _before_or_after(self, fault: Fault, visit: _Visit) -> Response | None:
        """Play a fault that comes before or after the commit."""
        committed = None
        if fault.when == "after":
            committed = self._commit(visit)
        if fault.kind is FaultKind.LATENCY:
            await asyncio.sleep(fault.seconds)
            return committed or self._commit(visit)
        if fault.kind is FaultKind.ERROR_HTML:
            return html_page(fault.status, _ERROR_PAGE)
        # RESET: whatever was committed, the client learns nothing of it.
        return None

    def _commit(self, visit: _Visit) -> Response | None:
        """Carry the request out; None where the twin was reset since it arrived."""
        if self._was_reset_since(visit):
            return None
        return self.twin.commit(visit.request, self.clock())

    def _refusal(self, fault: Fault) -> Response:
        """Return a refusal in the vendor's own form."""
        if fault.kind is FaultKind.THROTTLE:
            return self.twin.refusal(429, "Too Many Requests", fault.retry_after)
        return self.twin.refusal(fault.status, fault.text, fault.retry_after)

    def _commit_in_parts(self, fault: Fault, visit: _Visit) -> Response | None:
        """Carry out a part of a batch, or all of it in two parts."""
        inputs = self.twin.inputs(visit.request)
        if fault.kind is FaultKind.HALF_BATCH:
            half = inputs[: len(inputs) // 2]
            if half:
                self._commit_part(visit, half)
            return html_page(fault.status, _ERROR_PAGE)
        if len(inputs) < 2:
            return self._commit(visit)
        response = self._commit_part(visit, inputs[:-1])
        if fault.when == "after":
            self._commit_part(visit, inputs[-1:])
        if response is not None and response.status in (200, 201):
            return replace(response, status=207)
        return response

    def _commit_part(self, visit: _Visit, inputs: Sequence[Json]) -> Response | None:
        """Carry out a batch as if it had these inputs alone."""
        part = self.twin.with_inputs(visit.request, inputs)
        return self._commit(replace(visit, request=part))

    def _commit_late(self, fault: Fault, visit: _Visit) -> None:
        """Commit later, from a task of its own: the client gets no answer now."""

        async def commit() -> None:
            if fault.until_released:
                await self.holds.hold(visit.entry, gone=lambda: True)
            else:
                await asyncio.sleep(fault.seconds)
            self._commit(visit)

        task = asyncio.get_running_loop().create_task(commit())
        # The event loop keeps only weak references to tasks.
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    def _journal_answer(self, visit: _Visit, status: int) -> None:
        # After a reset the journal is a new one, which does not know the request.
        if not self._was_reset_since(visit):
            self.journal.answered(visit.entry, status)

    def _was_reset_since(self, visit: _Visit) -> bool:
        """Return whether the twin was reset after a request had arrived.

        Such a request belongs to a test that is over. It must leave no trace in the
        next one: no contact, no entry of the journal.
        """
        return visit.resets != self._resets


def as_web_response(response: Response) -> web.Response:
    """Return a twin's response in the form of the HTTP server."""
    return web.Response(
        status=response.status, headers=response.headers, body=response.body
    )


async def _drip(
    wire: web.BaseRequest, response: Response, seconds: float
) -> web.StreamResponse:
    """Send a response piece by piece over so many seconds."""
    stream = web.StreamResponse(status=response.status, headers=response.headers)
    stream.content_length = len(response.body)
    # Rounded up, and at least 1: an empty body has no pieces, but ``range`` needs a
    # step.
    size = max(1, math.ceil(len(response.body) / _PIECES))
    try:
        await stream.prepare(wire)
        for start in range(0, len(response.body), size):
            await asyncio.sleep(seconds / _PIECES)
            await stream.write(response.body[start : start + size])
        await stream.write_eof()
    except ConnectionError:
        # The client may give up while it waits.
        pass
    return stream
