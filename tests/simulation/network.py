"""The way to a twin and back on virtual time, with everything that can go wrong on it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from random import Random

from syncengine.errors import VendorUnavailable
from syncengine.model.http import Request, Response
from syncengine.ports import Gate
from syncengine.sandbox.twins.twin import Twin
from tests.simulation.life import Life
from tests.vendors.benches import over_the_wire

TIMEOUT = 30.0
_WAY = (0.005, 0.3)
"""Seconds of one way, at least and at most."""
_PAGE = b"<html><body><h1>Bad Gateway</h1></body></html>"


class Fate(StrEnum):
    """What happens to a request."""

    FINE = "fine"
    UNSENT = "unsent"
    """No connection: nothing leaves the machine."""
    LOST = "lost"
    """It never arrives."""
    LATE = "late"
    """The connection breaks, and the request arrives all the same, within ``settles_within``."""
    ANSWER_LOST = "answer lost"
    ANSWER_CUT = "answer cut"
    """Half of the body."""
    ANSWER_SLOW = "answer slow"
    """Slower than anybody waits."""
    THROTTLED = "throttled"
    ERROR = "error"
    """A server error in HTML, nothing was done."""
    ERROR_AFTER = "error after"
    """A bad gateway in HTML, although it was done."""


FAULTS = tuple(fate for fate in Fate if fate is not Fate.FINE)


@dataclass(eq=False, slots=True)
class _Flight:
    """A request on its way."""

    request: Request
    fate: Fate
    response: asyncio.Future[Response]
    arrival: asyncio.TimerHandle | None = None


class Network:
    """The only way to the twin. ``faults`` is the share of requests that something happens to."""

    def __init__(
        self, twin: Twin, clock: Callable[[], float], random: Random, settles_within: float, faults: float = 0.0
    ) -> None:
        self.faults = faults
        self._twin = twin
        self._clock = clock
        self._random = random
        self._settles_within = settles_within
        self._flying: set[_Flight] = set()

    def fate(self, request: Request) -> Fate:
        """What will happen to a request. Raises VendorUnavailable where nothing of it leaves the machine."""
        fate = self._random.choice(FAULTS) if self._random.random() < self.faults else Fate.FINE
        if fate is Fate.UNSENT:
            raise VendorUnavailable(f"{request.route}: no connection", maybe_applied=False)
        return fate

    def send(self, request: Request, fate: Fate, life: Life) -> asyncio.Future[Response]:
        """Put a request on its way; the future holds what comes back."""
        loop = asyncio.get_running_loop()
        flight = _Flight(request, fate, loop.create_future())
        there, back = self._random.uniform(*_WAY), self._random.uniform(*_WAY)
        if fate in (Fate.LOST, Fate.LATE):
            loop.call_later(there + back, _break, flight.response)
        if fate is Fate.LATE:
            there = self._random.uniform(there, 0.9 * self._settles_within)
        if fate is not Fate.LOST:
            flight.arrival = loop.call_later(there, self._arrive, flight, back, life)
            self._flying.add(flight)
        return flight.response

    def abandon(self) -> None:
        """The process is dead: what it sent arrives as it would have, or late, or never."""
        loop = asyncio.get_running_loop()
        for flight in sorted(self._flying, key=lambda each: each.request.route):
            assert flight.arrival is not None
            match self._random.choice(("in time", "late", "never")):
                case "late":
                    flight.arrival.cancel()
                    there = self._random.uniform(0, 0.9 * self._settles_within)
                    flight.arrival = loop.call_later(there, self._arrive, flight, 0.0, None)
                case "never":
                    flight.arrival.cancel()
        self._flying.clear()

    def _arrive(self, flight: _Flight, back: float, life: Life | None) -> None:
        self._flying.discard(flight)
        response = self._answer(flight)
        if life is not None:
            life.witness(f"{flight.request.route}: {flight.fate} at the vendor")
        if flight.fate in (Fate.LATE, Fate.ANSWER_SLOW):
            return
        loop = asyncio.get_running_loop()
        if flight.fate is Fate.ANSWER_LOST:
            loop.call_later(back, _break, flight.response)
        else:
            loop.call_later(back, _deliver, flight.response, response)

    def _answer(self, flight: _Flight) -> Response:
        request, now = over_the_wire(flight.request), self._clock()
        if flight.fate is Fate.ERROR:
            return Response(500, {"content-type": "text/html"}, _PAGE)
        if flight.fate is Fate.THROTTLED:
            return self._twin.refusal(429, "Too Many Requests", self._random.choice((None, 1.0, 7.0)))
        response = self._twin.handle(request, now)
        if flight.fate is Fate.ERROR_AFTER:
            return Response(502, {"content-type": "text/html"}, _PAGE)
        if flight.fate is Fate.ANSWER_CUT:
            return replace(response, body=response.body[: len(response.body) // 2])
        return response


class Wire:
    """``ports.Sender``, with permits as the transport takes them."""

    def __init__(self, network: Network, gate: Gate, life: Life) -> None:
        self._network = network
        self._gate = gate
        self._life = life

    async def send(self, request: Request) -> Response:
        self._life.point(f"{request.route}: permit asked")
        permit = await self._gate.permit(request.method)
        try:
            await self._life.hop(f"{request.route}: permit granted")
            self._gate.check()
            fate = self._network.fate(request)
        except BaseException:
            permit.unsent()
            raise
        coming = self._network.send(request, fate, self._life)
        try:
            self._life.point(f"{request.route}: sent")
            async with asyncio.timeout(TIMEOUT):
                response = await coming
        except (ConnectionError, TimeoutError):
            permit.abandoned()
            raise VendorUnavailable(f"{request.route}: the connection broke", maybe_applied=True) from None
        except BaseException:
            permit.abandoned()
            raise
        permit.answered()
        self._life.point(f"{request.route}: answered")
        return response


def _break(response: asyncio.Future[Response]) -> None:
    if not response.done():
        response.set_exception(ConnectionResetError())


def _deliver(response: asyncio.Future[Response], what: Response) -> None:
    if not response.done():
        response.set_result(what)
