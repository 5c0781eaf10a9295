"""Drive a vendor's exchange over a sender."""

from __future__ import annotations

from contextlib import closing
from typing import TypeVar

from syncengine.model.http import Exchange
from syncengine.ports import Allowed, Sender

T = TypeVar("T")


class Meter:
    """Counts the requests of one contact; ``allowed`` is asked before each goes out."""

    def __init__(self, allowed: Allowed | None = None) -> None:
        self.requests = 0
        self.maybe_applied = False
        """Whether something of the exchange under way may have been carried out, and no answer tells."""
        self.allowed = allowed


async def drive(exchange: Exchange[T], sender: Sender, meter: Meter) -> T:
    """Send what the exchange yields and hand it the responses; returns its result.

    Whatever the sender or the vendor raises ends the exchange and is passed on.
    """
    with closing(exchange):
        try:
            request = next(exchange)
            while True:
                meter.requests += 1
                response = await sender.send(request, meter.allowed)
                written = request.writes
                request = exchange.send(response)
                # It goes on: what was written stands, whatever comes of the rest.
                meter.maybe_applied = meter.maybe_applied or written
        except StopIteration as end:
            result: T = end.value
            return result
