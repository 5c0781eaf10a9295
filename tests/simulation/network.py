"""The network to a twin, on virtual time, with everything that can go wrong on it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from enum import StrEnum
from math import inf
from random import Random
from urllib.parse import unquote

from syncengine.errors import VendorUnavailable
from syncengine.model.capabilities import Capabilities
from syncengine.model.http import Json, Request, Response
from syncengine.ports import Gate, SendCheck
from syncengine.sandbox.twins.twin import Twin
from syncengine.testing.benches import over_the_wire
from tests.simulation.life import Life
from tests.simulation.wave_log import WaveEvent, WaveLog

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

    # These meet batches alone: requests about several contacts.
    HALF = "half"
    """Some of the contacts are carried out, the others never; a bad gateway in HTML."""
    HALF_LATE = "half late"
    """The connection breaks when some are carried out; the others still follow, within
    ``settles_within``."""
    ONE_UNTOLD = "one untold"
    """The answer says nothing of one contact, carried out or not."""


_LEAVING_UNKNOWN = (Fate.LATE, Fate.ANSWER_LOST, Fate.ERROR_AFTER)
"""Fates after which a sender knows least; they come more often than the others."""
_OF_BATCHES = (Fate.HALF, Fate.HALF_LATE, Fate.ONE_UNTOLD)
FAULTS = (
    *(fate for fate in Fate if fate not in (Fate.FINE, *_OF_BATCHES)),
    *_LEAVING_UNKNOWN,
    *_LEAVING_UNKNOWN,
)
_FAULTS_OF_BATCHES = (*FAULTS, *(3 * _OF_BATCHES))
_EVENTS = {
    Fate.HALF: WaveEvent.HALF_CARRIED_OUT,
    Fate.HALF_LATE: WaveEvent.HALF_CARRIED_OUT,
    Fate.ONE_UNTOLD: WaveEvent.ONE_UNTOLD,
}
# The request may have been carried out, and its sender cannot know.
_UNHEARD = (
    Fate.LATE,
    Fate.ANSWER_LOST,
    Fate.ANSWER_CUT,
    Fate.ANSWER_SLOW,
    Fate.ERROR,
    Fate.ERROR_AFTER,
    *_OF_BATCHES,
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

    def fate(self, random: Random, now: float, *, in_batch: bool) -> Fate:
        if now < self.ends:
            return self.outage
        if random.random() >= self.faults:
            return Fate.FINE
        return random.choice(_FAULTS_OF_BATCHES if in_batch else FAULTS)


@dataclass(eq=False, slots=True)
class _Flight:
    """A request on its way."""

    request: Request
    fate: Fate
    label: str
    """What the request is called among the places where a process waits."""
    response: asyncio.Future[Response]
    inputs: Sequence[Json] = ()
    """What each contact of a batch gets; empty where it is no batch."""
    arrival: asyncio.TimerHandle | None = None
    rest: list[Json] = field(default_factory=list)
    """Inputs that are carried out later than the others."""


class Network:
    """The only way of one process to the twin."""

    def __init__(
        self,
        twin: Twin,
        clock: Callable[[], float],
        random: Random,
        weather: Weather,
        capabilities: Capabilities,
        refused_in: Callable[[Request], AbstractSet[str]],
        misdirected: Counter[str],
    ) -> None:
        self.fates: Counter[Fate] = Counter()
        """Fates that requests met, each with how often."""
        self.left_half = False
        """True if a dead process has left a batch of which only some are carried out."""
        self._twin = twin
        self._clock = clock
        self._random = random
        self._weather = weather
        self._refused_in = refused_in
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
        now = asyncio.get_running_loop().time()
        in_batch = len(self._inputs(request)) > 1
        fate = self._weather.fate(self._random, now, in_batch=in_batch)
        self.fates[fate] += 1
        if fate is Fate.UNSENT:
            raise VendorUnavailable(
                f"{request.route}: no connection", maybe_applied=False
            )
        return fate

    def _inputs(self, request: Request) -> Sequence[Json]:
        if request.json is None:
            return ()
        return self._twin.inputs(over_the_wire(request))

    def send(
        self, request: Request, fate: Fate, life: Life, label: str
    ) -> asyncio.Future[Response]:
        """Put a request on its way; the future holds the response."""
        loop = asyncio.get_running_loop()
        inputs = self._inputs(request)
        flight = _Flight(request, fate, label, loop.create_future(), inputs)
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
            ends: tuple[str, ...] = ("in time", "late", "never")
            if len(flight.inputs) > 1:
                ends += ("half", "half late")
            end = self._random.choice(ends)
            self.left_half = self.left_half or end.startswith("half")
            match end:
                case "late":
                    flight.arrival.cancel()
                    there = self._random.uniform(0, 0.9 * self._settles_within)
                    flight.arrival = loop.call_later(
                        there, self._arrive, flight, 0.0, None
                    )
                case "never":
                    flight.arrival.cancel()
                case "half":
                    flight.fate = Fate.HALF
                case "half late":
                    flight.fate = Fate.HALF_LATE
        self._flying.clear()

    def _arrive(self, flight: _Flight, back: float, life: Life | None) -> None:
        self._flying.discard(flight)
        response = self._answer(flight)
        loop = asyncio.get_running_loop()
        if flight.rest:
            latest = max(0.0, 0.9 * self._settles_within - _WAY[1])
            there = self._random.uniform(0, latest)
            loop.call_later(there, self._carry_out, flight, flight.rest)
        if life is not None:
            life.witness(f"{flight.label}: {flight.fate} at the vendor")
        if flight.fate in (Fate.LATE, Fate.ANSWER_SLOW):
            return
        if flight.fate in (Fate.ANSWER_LOST, Fate.HALF_LATE):
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
        refusal = self._twin.admit(request, now)
        if refusal is not None:
            return self._on_its_way_back(flight, refusal)
        if self._is_refused_as_a_whole(flight):
            return self._twin.refusal(422, "That value is not taken")
        if flight.fate in _OF_BATCHES:
            return self._in_parts(flight)
        before = len(self._twin.contacts(now)) if flight.fate is Fate.TWICE else 0
        response = self._carry_out(flight)
        if (
            flight.fate is Fate.TWICE
            and response.status < 300
            and (self._repeatable or len(self._twin.contacts(now)) <= before)
        ):
            # Past the limiter: the sender knows nothing of this request.
            self._carry_out(flight)
        return self._on_its_way_back(flight, response)

    def _is_refused_as_a_whole(self, flight: _Flight) -> bool:
        """Return whether the vendor refuses a request because of a value in it.

        A vendor that knows what it refuses may refuse one contact of a batch alone.
        """
        if not self._refused_in(flight.request):
            return False
        if not flight.inputs or not hasattr(self._twin.switches, "refused_values"):
            return True
        return self._random.random() < 0.5

    def _in_parts(self, flight: _Flight) -> Response:
        """Carry out some contacts of a batch; return the answer."""
        inputs = list(flight.inputs)
        self._random.shuffle(inputs)
        first = self._random.randint(1, len(inputs) - 1)
        if flight.fate is Fate.ONE_UNTOLD:
            response = self._carry_out(flight, inputs[1:])
            # A body that is no object is a change of a list. There an answer leaves out
            # whoever was on the list before: never a contact that is not on it.
            is_of_list = isinstance(flight.request.json, list)
            if is_of_list or self._random.random() < 0.5:
                self._carry_out(flight, inputs[:1])
            return response
        self._carry_out(flight, inputs[:first])
        if flight.fate is Fate.HALF_LATE:
            flight.rest = inputs[first:]
        return Response(502, {"content-type": "text/html"}, _PAGE)

    def _carry_out(
        self, flight: _Flight, inputs: Sequence[Json] | None = None
    ) -> Response:
        """Carry out a request that was admitted, or a batch of some of its inputs."""
        request = over_the_wire(flight.request)
        if inputs is not None:
            request = self._twin.with_inputs(request, inputs)
        refused = self._refused_in(flight.request)
        if not refused:
            return self._twin.commit(request, self._clock())
        self._twin.configure({"refused_values": sorted(refused)})
        try:
            return self._twin.commit(request, self._clock())
        finally:
            self._twin.configure({"refused_values": []})

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
        waves: WaveLog,
    ) -> None:
        self._network = network
        self._gate = gate
        self._life = life
        self._sends = sends
        self._waves = waves

    async def send(
        self, request: Request, allowed: SendCheck | None = None
    ) -> Response:
        about = self._waves.about(request, allowed)
        self._life.point(f"{about.label}: permit asked")
        permit = await self._gate.permit(request.method, request.items)
        try:
            await self._life.hop(f"{about.label}: permit granted")
            if allowed is not None:
                with about.asking():
                    await allowed()
            self._gate.check()
            fate = self._network.fate(request)
        except BaseException:
            permit.unsent()
            raise
        self._sends(allowed, request.writes)
        coming = self._network.send(request, fate, self._life, about.label)
        try:
            self._life.point(f"{about.label}: sent")
            if fate in _EVENTS:
                self._waves.counts[_EVENTS[fate]] += 1
            with about.log.under_way():
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
        about.answered(response)
        self._life.point(f"{about.label}: answered")
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
