"""Drive a vendor's exchange over a sender."""

from __future__ import annotations

from contextlib import closing
from typing import TypeVar

from syncengine.errors import VendorUnavailable
from syncengine.model.http import Exchange
from syncengine.ports import Allowed, Sender

T = TypeVar("T")


class Meter:
    """Counts the requests of one contact; ``allowed`` is asked before each goes out."""

    def __init__(self, allowed: Allowed | None = None) -> None:
        self.requests = 0
        self.maybe_applied = False
        """Whether something of the exchange under way may have been carried out, and no answer tells."""
        self.lost = False
        """Whether an earlier try of it was given up and may have been carried out."""
        self.overdue = False
        """Whether a write was given up that carries what was read before it: should it arrive yet, it takes back
        whatever was written since."""
        self.allowed = allowed


async def drive(exchange: Exchange[T], sender: Sender, meter: Meter) -> T:
    """Send what the exchange yields and hand it the responses; returns its result.

    Whatever the sender or the vendor raises ends the exchange and is passed on.
    """
    begun = meter.requests
    with closing(exchange):
        try:
            request = next(exchange)
            while True:
                meter.requests += 1
                response = await sender.send(request, meter.allowed)
                written = request.writes
                if response.resent and written and meter.requests > begun + 1:
                    meter.overdue = True
                request = exchange.send(response)
                # It goes on: what was written stands, whatever comes of the rest.
                meter.maybe_applied = meter.maybe_applied or written
        except StopIteration as end:
            result: T = end.value
            return result
        except VendorUnavailable as error:
            if error.maybe_applied and meter.requests > begun + 1 and request.writes:
                meter.overdue = True
            raise
