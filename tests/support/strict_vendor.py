"""A vendor that counts strictly when a request arrives, and a hostile network.

In virtual time. Nothing here knows how the engine keeps a limit: arrivals are recorded,
and afterwards every window is counted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from math import floor
from random import Random

from syncengine.model.limits import Limit
from syncengine.ports import Gate
from tests.support.virtual_time import VirtualTimeLoop

PHASES = 16


@dataclass(frozen=True, slots=True, order=True)
class Arrival:
    """One request as the vendor saw it; ``sender`` is for the test."""

    at: float
    method: str
    items: int
    sender: object = field(compare=False, repr=False)


@dataclass(slots=True)
class StrictVendor:
    """A record of arrivals, by a clock that runs ``speed`` times as fast as ours."""

    speed: float = 1.0
    arrivals: list[Arrival] = field(default_factory=list, repr=False)

    def expect(
        self, after: float, method: str, sender: object = None, items: int = 1
    ) -> None:
        """Let a request arrive so many seconds from now, whatever its sender does."""
        at = (asyncio.get_running_loop().time() + after) * self.speed
        self.arrivals.append(Arrival(at, method, items, sender))

    def excess(self, limits: Sequence[Limit], sender: object = None) -> dict[str, int]:
        """Return how far the fullest window exceeds each limit; empty if none does.

        With a sender only windows count that hold a request of it, among others.
        """
        found: dict[str, int] = {}
        for limit in limits:
            counted = sorted(
                arrival
                for arrival in self.arrivals
                if limit.method in (None, arrival.method)
            )
            times = [arrival.at for arrival in counted]
            # Number of requests, or of items, before each arrival and after the last.
            before = [0]
            for arrival in counted:
                share = 1 if limit.items is None else arrival.items
                before.append(before[-1] + share)
            for kind, first, end in windows(times, limit.per):
                beyond = before[end] - before[first] - (limit.calls or limit.items or 0)
                if beyond <= 0:
                    continue
                senders = [arrival.sender for arrival in counted[first:end]]
                if sender and not any(each is sender for each in senders):
                    continue
                found[kind] = max(beyond, found.get(kind, 0))
        return found

    def use(self, limit: Limit, since: float, windows: int) -> float:
        """Return the share of a limit used in this many windows from a moment on."""
        until = since + windows * limit.per
        within = [each for each in self.arrivals if since <= each.at < until]
        if limit.items is not None:
            return sum(each.items for each in within) / (windows * limit.items)
        assert limit.calls is not None
        return len(within) / (windows * limit.calls)


def windows(times: Sequence[float], per: float) -> Iterator[tuple[str, int, int]]:
    """Yield each window: its kind, its first arrival, and the one after its last.

    Sliding windows, and fixed ones of all phases. A sliding window includes both of its
    ends: no vendor can be stricter.
    """
    first = 0
    for last, at in enumerate(times):
        while times[first] < at - per:
            first += 1
        yield f"sliding, {per:g} s", first, last + 1
    for phase in range(PHASES):
        first = 0
        numbers = [floor(at / per + phase / PHASES) for at in times]
        for end in range(1, len(times) + 1):
            if end == len(times) or numbers[end] != numbers[first]:
                yield f"fixed, {per:g} s, phase {phase}/{PHASES}", first, end
                first = end


@dataclass(frozen=True, slots=True)
class Weather:
    """The fates of requests.

    Times are in seconds, the rest are shares of all requests.
    """

    latency: float = 0.0
    """Each way, at least."""
    jitter: float = 0.05
    """Each way, at most, on top."""
    service: float = 0.03
    connecting: float = 0.0
    """At most, between the permit and the first byte."""
    slow: float = 0.0
    lost: float = 0.0
    """No answer comes.

    The request may still arrive until ``settles_within`` after it was given up.
    """
    unsent: float = 0.0
    throttled: float = 0.0
    """Answered with a 429, whether or not the limit was kept."""
    frozen: float = 0.0
    """The process stands still for a while.

    Between the permit and the first byte, or before the answer is read.
    """


@dataclass(slots=True)
class Wire:
    """The way of one process's requests to the vendor, as the transport takes it."""

    vendor: StrictVendor
    weather: Weather
    random: Random
    settles_within: float = 30.0
    timeout: float = 30.0
    under_way: int = 0
    most_under_way: int = 0
    on_retry_after: Callable[[float], None] = lambda _seconds: None
    """Called with the seconds when a 429 was read."""
    permits: list[float] = field(default_factory=list)
    """The times at which permits were given."""

    async def send(self, gate: Gate, method: str, items: int = 1) -> None:
        """Send one request, whatever becomes of it."""
        loop, weather = asyncio.get_running_loop(), self.weather
        permit = await gate.permit(method, items)
        self.permits.append(loop.time())
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        end = permit.unsent
        try:
            await asyncio.sleep(self._upto(weather.connecting))
            self._freeze()
            if self._happens(weather.unsent):
                return
            gate.check()
            end = permit.abandoned
            if self._happens(weather.lost):
                await self._lose(method, items)
                return
            up = weather.latency + self._upto(weather.jitter)
            self.vendor.expect(up, method, self, items)
            served = weather.service
            if self._happens(weather.slow):
                served += self._upto(5.0)
            down = weather.latency + self._upto(weather.jitter)
            await asyncio.sleep(up + served + down)
            self._freeze()
            end = permit.answered
        finally:
            self.under_way -= 1
            end()
        if self._happens(weather.throttled):
            self.on_retry_after(self._upto(3.0))

    async def _lose(self, method: str, items: int) -> None:
        """Wait in vain for an answer.

        The request arrives meanwhile, or within ``settles_within`` of being given up,
        or never.
        """
        patience = self._upto(self.timeout)
        arrives_early = self._happens(0.3)
        if arrives_early:
            soonest = min(patience, self.settles_within)
            self.vendor.expect(self._upto(soonest), method, self, items)
        try:
            await asyncio.sleep(patience)
        finally:
            if not arrives_early and self._happens(0.7):
                late = self._upto(self.settles_within)
                self.vendor.expect(late, method, self, items)

    def _freeze(self) -> None:
        loop = asyncio.get_running_loop()
        if isinstance(loop, VirtualTimeLoop) and self._happens(self.weather.frozen):
            loop.stand_still(self._upto(8.0))

    def _upto(self, most: float) -> float:
        return self.random.uniform(0.0, most)

    def _happens(self, share: float) -> bool:
        return self.random.random() < share
