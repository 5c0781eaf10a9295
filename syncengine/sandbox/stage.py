"""One twin on the stage of the server: admits a request, lets it meet its fault, answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

from aiohttp import web

from syncengine.model.http import Response
from syncengine.sandbox.faults import Fault, FaultKind, Faults
from syncengine.sandbox.holds import Holds
from syncengine.sandbox.journal import Entry, Journal, impersonal
from syncengine.sandbox.misnaming import misnamed
from syncengine.sandbox.twins.twin import Crowded, Twin, TwinRequest

_PIECES = 8
_PAGE = b"<html><head><title>Error</title></head><body><h1>The server is having a bad day</h1></body></html>"


@dataclass(frozen=True, slots=True)
class _Visit:
    """A request that meets a fault, and how often the twin had been reset when it came."""

    request: TwinRequest
    wire: web.BaseRequest
    entry: Entry
    resets: int

    def gone(self) -> bool:
        """Return whether the client has left."""
        return self.wire.transport is None or self.wire.transport.is_closing()


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
        self._resets = 0
        self._visits = 0

    def reset(self) -> None:
        """Forget contacts, requests, faults and late commits; keep switches and limits.

        Requests still on their way, above all those that a fault holds back, are
        dropped and commit nothing more.
        """
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
        self._visits += 1
        try:
            return await self._visited(request, wire)
        finally:
            self._visits -= 1

    async def _visited(
        self, request: TwinRequest, wire: web.BaseRequest
    ) -> web.StreamResponse:
        now = self.clock()
        entry = Entry(
            now, request.method, impersonal(request.path), self.twin.route(request)
        )
        self.journal.arrived(entry)
        response = self._crowded() or self.twin.admit(request, now)
        fault = None if response else self.faults.choose(request)
        if fault is None:
            self.journal.answered(
                entry, (response := response or self.twin.commit(request, now)).status
            )
            return _plain(response)
        entry.fault = str(fault.kind)
        return await self._strike(fault, _Visit(request, wire, entry, self._resets))

    def _crowded(self) -> Response | None:
        most = self.twin.max_in_flight if isinstance(self.twin, Crowded) else None
        return (
            self.twin.refusal(503, "Too many connections")
            if most and self._visits > most
            else None
        )

    async def _strike(self, fault: Fault, visit: _Visit) -> web.StreamResponse:
        response = await self._meet(fault, visit)
        # A reset while the request waited has dropped it: it gets no answer.
        if visit.resets != self._resets:
            response = None
        if response is None or visit.gone():
            if visit.wire.transport is not None:
                visit.wire.transport.abort()
            self._answered(visit, 0)
            return web.Response()  # nobody is there to read it
        self._answered(visit, response.status)
        if fault.kind is FaultKind.TRUNCATED_JSON:
            return _plain(
                replace(response, body=response.body[: len(response.body) // 2])
            )
        if fault.kind is FaultKind.OTHER_ID:
            held = [str(contact["id"]) for contact in self.twin.contacts(self.clock())]
            return _plain(misnamed(response, held))
        if fault.kind is FaultKind.SLOW_DRIP:
            return await _drip(visit.wire, response, fault.seconds)
        return _plain(response)

    async def _meet(self, fault: Fault, visit: _Visit) -> Response | None:
        """Return the client's answer; None: the connection is dropped."""
        match fault.kind:
            case FaultKind.THROTTLE:
                return self.twin.refusal(429, "Too Many Requests", fault.retry_after)
            case FaultKind.REFUSE:
                return self.twin.refusal(fault.status, fault.text)
            case FaultKind.COMMIT_LATE:
                self._commit_late(fault, visit)
                return None
            case FaultKind.HOLD_BEFORE_COMMIT | FaultKind.HOLD_AFTER_COMMIT:
                return await self._hold(fault, visit)
            case FaultKind.TRUNCATED_JSON | FaultKind.SLOW_DRIP | FaultKind.OTHER_ID:
                return self._commit(visit)
            case FaultKind.LATENCY | FaultKind.ERROR_HTML | FaultKind.RESET:
                return await self._before_or_after(fault, visit)

    async def _hold(self, fault: Fault, visit: _Visit) -> Response | None:
        response = (
            self._commit(visit) if fault.kind is FaultKind.HOLD_AFTER_COMMIT else None
        )
        await self.holds.hold(visit.entry, visit.gone)
        if response is None and (fault.commit_if_gone or not visit.gone()):
            return self._commit(visit)
        return response

    async def _before_or_after(self, fault: Fault, visit: _Visit) -> Response | None:
        committed = self._commit(visit) if fault.when == "after" else None
        if fault.kind is FaultKind.LATENCY:
            await asyncio.sleep(fault.seconds)
            return committed or self._commit(visit)
        if fault.kind is FaultKind.ERROR_HTML:
            return Response(
                fault.status, {"content-type": "text/html; charset=utf-8"}, _PAGE
            )
        return None

    def _commit(self, visit: _Visit) -> Response | None:
        """Carry the request out; None when the twin was reset since it arrived."""
        return (
            self.twin.commit(visit.request, self.clock())
            if visit.resets == self._resets
            else None
        )

    def _commit_late(self, fault: Fault, visit: _Visit) -> None:
        async def late() -> None:
            if fault.until_released:
                await self.holds.hold(visit.entry, lambda: True)
            else:
                await asyncio.sleep(fault.seconds)
            self._commit(visit)

        task = asyncio.get_running_loop().create_task(late())
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    def _answered(self, visit: _Visit, status: int) -> None:
        if visit.resets == self._resets:
            self.journal.answered(visit.entry, status)


def _plain(response: Response) -> web.Response:
    return web.Response(
        status=response.status, headers=response.headers, body=response.body
    )


async def _drip(
    wire: web.BaseRequest, response: Response, seconds: float
) -> web.StreamResponse:
    stream = web.StreamResponse(status=response.status, headers=response.headers)
    stream.content_length = len(response.body)
    size = -(-len(response.body) // _PIECES) or 1
    try:
        await stream.prepare(wire)
        for start in range(0, len(response.body), size):
            await asyncio.sleep(seconds / _PIECES)
            await stream.write(response.body[start : start + size])
        await stream.write_eof()
    except ConnectionError:
        pass  # the client has lost its patience, as it may
    return stream
