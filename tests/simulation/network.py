"""The network to a twin, on virtual time, with everything that can go wrong on it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from math import inf
from random import Random
from urllib.parse import unquote

from syncengine.errors import VendorUnavailable
from syncengine.model.capabilities import Capabilities
from syncengine.model.http import Request, Response
from syncengine.ports import Gate, SendCheck
from syncengine.sandbox.twins.twin import Twin
from syncengine.testing.benches import over_the_wire
from tests.simulation.life import Life

TIMEOUT = 30.0
_WAY = (0.005, 0.3)
"""Seconds of one way: the shortest and the longest."""
_DRIP = 3.0
"""Seconds that an answer which drips takes at least."""
_PAGE = b"<html><body><h1>Bad Gateway</h1></body></html>"


class Fate(StrEnum):
    """A way in which a request may end."""

    FINE = "fine"
    UNSENT = "unsent"
    """No connection: nothing leaves the machine."""
    LOST = "lost"
    """It never arrives."""
    LATE = "late"
    """The connection breaks; the request still arrives, within ``settles_within``."""
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
    TWICE = "twice"
    """Something on the way delivers it a second time.

    Never a request that makes a contact: nobody could find out about the second one.
    """
    OTHER_ID = "other id"
    """The answer to a write that names a contact by its id names another one."""
    DRIPS = "drips"
    """The answer comes after a long time, but while it is still waited for."""


_LEAVING_UNKNOWN = (Fate.LATE, Fate.ANSWER_LOST, Fate.ERROR_AFTER)
"""Fates after which a sender knows least; they come more often than the others."""
FAULTS = (
    *(fate for fate in Fate if fate is not Fate.FINE),
    *_LEAVING_UNKNOWN,
    *_LEAVING_UNKNOWN,
)
# The request may have been carried out, and its sender cannot know.
_UNHEARD = (
    Fate.LATE,
    Fate.ANSWER_LOST,
    Fate.ANSWER_CUT,
    Fate.ANSWER_SLOW,
    Fate.ERROR,
    Fate.ERROR_AFTER,
)
OUTAGES = (Fate.UNSENT, Fate.LOST, Fate.ANSWER_LOST, Fate.THROTTLED, Fate.ERROR)
"""Fates that may meet every request for a while."""


@dataclass
class Weather:
    """The fates of requests, whoever sends them."""

    faults: float = 0.0
    """The share of requests that something happens to."""
    outage: Fate = Fate.FINE
    ends: float = -inf
    """The loop's time until which the outage happens to all."""

    def fate(self, random: Random, now: float) -> Fate:
        if now < self.ends:
            return self.outage
        return random.choice(FAULTS) if random.random() < self.faults else Fate.FINE


@dataclass(eq=False, slots=True)
class _Flight:
    """A request on its way."""

    request: Request
    fate: Fate
    response: asyncio.Future[Response]
    arrival: asyncio.TimerHandle | None = None


class Network:
    """The only way of one process to the twin."""

    def __init__(
        self,
        twin: Twin,
        clock: Callable[[], float],
        random: Random,
        weather: Weather,
        capabilities: Capabilities,
        refuses: Callable[[Request], bool],
        misdirected: Counter[str],
    ) -> None:
        self.fates: Counter[Fate] = Counter()
        """Fates that requests met, each with how often."""
        self._twin = twin
        self._clock = clock
        self._random = random
        self._weather = weather
        self._refuses = refuses
        self._misdirected = misdirected
        self._settles_within = capabilities.settles_within
        self._repeatable = capabilities.create is None or capabilities.create.repeatable
        self._flying: set[_Flight] = set()

    @property
    def lost(self) -> bool:
        """Return whether a request may have been carried out unknown to its sender."""
        return any(self.fates[fate] for fate in _UNHEARD)

    def fate(self, request: Request) -> Fate:
        """Draw the fate of a request.

        Raises VendorUnavailable where nothing of it leaves the machine.
        """
        fate = self._weather.fate(self._random, asyncio.get_running_loop().time())
        self.fates[fate] += 1
        if fate is Fate.UNSENT:
            raise VendorUnavailable(
                f"{request.route}: no connection", maybe_applied=False
            )
        return fate

    def send(
        self, request: Request, fate: Fate, life: Life
    ) -> asyncio.Future[Response]:
        """Put a request on its way; the future holds the response."""
        loop = asyncio.get_running_loop()
        flight = _Flight(request, fate, loop.create_future())
        there, back = self._random.uniform(*_WAY), self._random.uniform(*_WAY)
        if fate is Fate.DRIPS:
            back = self._random.uniform(_DRIP, TIMEOUT - 1)
        if fate in (Fate.LOST, Fate.LATE):
            loop.call_later(there + back, _break, flight.response)
        if fate is Fate.LATE:
            there = self._random.uniform(there, 0.9 * self._settles_within)
        if fate is not Fate.LOST:
            flight.arrival = loop.call_later(there, self._arrive, flight, back, life)
            self._flying.add(flight)
        return flight.response

    def abandon(self) -> None:
        """Let what a dead process sent arrive in time, late, or never."""
        loop = asyncio.get_running_loop()
        # In a fixed order: a set of objects has another order in every process, and the
        # draws have to be the same.
        for flight in sorted(self._flying, key=lambda each: each.request.route):
            assert flight.arrival is not None
            match self._random.choice(("in time", "late", "never")):
                case "late":
                    flight.arrival.cancel()
                    there = self._random.uniform(0, 0.9 * self._settles_within)
                    flight.arrival = loop.call_later(
                        there, self._arrive, flight, 0.0, None
                    )
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
            return self._twin.refusal(
                429, "Too Many Requests", self._random.choice((None, 1.0, 7.0))
            )
        if self._refuses(flight.request):
            return self._twin.admit(request, now) or self._twin.refusal(
                422, "That value is not taken"
            )
        before = len(self._twin.contacts(now)) if flight.fate is Fate.TWICE else 0
        response = self._twin.handle(request, now)
        if (
            flight.fate is Fate.TWICE
            and response.status < 300
            and (self._repeatable or len(self._twin.contacts(now)) <= before)
        ):
            # Past the limiter: the sender knows nothing of this request.
            self._twin.commit(request, now)
        return self._on_its_way_back(flight, response)

    def _on_its_way_back(self, flight: _Flight, response: Response) -> Response:
        """Return the answer to a request that was carried out, as it arrives."""
        if flight.fate is Fate.ERROR_AFTER:
            return Response(502, {"content-type": "text/html"}, _PAGE)
        if flight.fate is Fate.OTHER_ID and flight.request.writes:
            return self._for_another(flight.request, response)
        if flight.fate is Fate.ANSWER_CUT:
            return replace(response, body=response.body[: len(response.body) // 2])
        return response

    def _for_another(self, request: Request, response: Response) -> Response:
        """Return the answer with another id in place of the addressed contact's.

        It is another contact's, or one that no contact has.
        """
        ids = [str(each["id"]) for each in self._twin.contacts(self._clock())]
        addressed = next((each for each in ids if each in unquote(request.path)), None)
        if addressed is None:
            return response
        self._misdirected[addressed] += 1
        others = [each for each in (*ids, addressed[::-1]) if each != addressed]
        other = self._random.choice(others)
        return replace(
            response, body=response.body.replace(addressed.encode(), other.encode())
        )


class Wire:
    """A ``ports.Sender`` that takes permits as the transport does."""

    def __init__(
        self,
        network: Network,
        gate: Gate,
        life: Life,
        sends: Callable[[SendCheck | None, bool], None],
    ) -> None:
        self._network = network
        self._gate = gate
        self._life = life
        self._sends = sends

    async def send(
        self, request: Request, allowed: SendCheck | None = None
    ) -> Response:
        self._life.point(f"{request.route}: permit asked")
        permit = await self._gate.permit(request.method)
        try:
            await self._life.hop(f"{request.route}: permit granted")
            if allowed is not None:
                await allowed()
            self._gate.check()
            fate = self._network.fate(request)
        except BaseException:
            permit.unsent()
            raise
        self._sends(allowed, request.writes)
        coming = self._network.send(request, fate, self._life)
        try:
            self._life.point(f"{request.route}: sent")
            async with asyncio.timeout(TIMEOUT):
                response = await coming
        except (ConnectionError, TimeoutError):
            permit.abandoned()
            raise VendorUnavailable(
                f"{request.route}: the connection broke", maybe_applied=request.writes
            ) from None
        except BaseException:
            permit.abandoned()
            raise
        permit.answered()
        self._life.point(f"{request.route}: answered")
        return response


def _break(response: asyncio.Future[Response]) -> None:
    if not response.done():
        response.set_exception(ConnectionResetError())
        # Marks it as retrieved: perhaps nobody is left who waits for it, and asyncio
        # would warn.
        response.exception()


def _deliver(response: asyncio.Future[Response], what: Response) -> None:
    if not response.done():
        response.set_result(what)
