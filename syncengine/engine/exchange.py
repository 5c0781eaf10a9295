"""Drive a vendor's exchange over a sender."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

from syncengine.errors import (
    CannotBeSent,
    SyncEngineError,
    VendorUnavailable,
    where_it_broke,
)
from syncengine.model.http import Exchange, Request, Response
from syncengine.ports import SendCheck, Sender

T = TypeVar("T")


_MOST_BYTES = 16 * 1024 * 1024
"""Bytes that all answers of one exchange may have together: pages may be many, and what
they show is kept."""


class Meter:
    """Counts the requests of one contact; ``allowed`` is asked before each goes out."""

    def __init__(self, allowed: SendCheck | None = None) -> None:
        self.requests = 0
        self.maybe_applied = False
        """True where a part of the exchange under way may have been carried out, and no
        answer confirms or denies it."""
        self.lost = False
        """True where an earlier try of it was given up and may have been carried out.
        """
        self.overdue = False
        """True where a write was given up that carries values read before it: if it
        still arrives, it undoes everything written since."""
        self.allowed = allowed


@dataclass(frozen=True, slots=True)
class _Result(Generic[T]):
    """Result of an exchange."""

    value: T


async def drive(make: Callable[[], Exchange[T]], sender: Sender, meter: Meter) -> T:
    """Send what the exchange yields and hand it the responses; returns its result.

    What the sender or the vendor raises on purpose is passed on. Anything else that an
    adapter raises is contained: before the first request nothing can be sent
    (CannotBeSent), and after an answer that answer is unreadable (VendorUnavailable).
    """
    begun, read = meter.requests, 0
    exchange, step = _begun(make)
    try:
        while not isinstance(step, _Result):
            request = step
            meter.requests += 1
            response = await sender.send(request, meter.allowed)
            written = request.writes
            # The write was sent twice and carries what this exchange read before it:
            # its first copy may still arrive behind later writes.
            if response.resent and written and meter.requests > begun + 1:
                meter.overdue = True
            read += len(response.body)
            _refuse_flood(request, read)
            step = _answered(exchange, request, response)
            if not isinstance(step, _Result):
                # It goes on: what was written stands, whatever comes of the rest.
                accepted = written and response.status < 400
                meter.maybe_applied = meter.maybe_applied or accepted
    except VendorUnavailable as error:
        if error.maybe_applied and meter.requests > begun + 1 and request.writes:
            meter.overdue = True
        raise
    finally:
        with suppress(
            Exception
        ):  # an adapter that cannot be closed has nothing left to say
            exchange.close()
    return step.value


def _refuse_flood(request: Request, read: int) -> None:
    if read > _MOST_BYTES:
        raise VendorUnavailable(
            f"{request.route}: all answers together are far too long",
            maybe_applied=request.writes,
        )


def _begun(make: Callable[[], Exchange[T]]) -> tuple[Exchange[T], Request | _Result[T]]:
    """Return the exchange and its first request, or its result without one."""
    try:
        exchange = make()
        try:
            return exchange, _request(next(exchange))
        except StopIteration as end:
            return exchange, _Result(end.value)
    except SyncEngineError:
        raise
    except ValueError:  # an adapter's own word for what it cannot send
        broken = ""
    except Exception as error:  # noqa: BLE001 - whatever it is, it is about this one contact
        broken = f" ({where_it_broke(error)})"
    raise CannotBeSent(
        f"no request can be made of what is to be sent{broken}; look at the values of its row, and at what the mapping "
        "makes of them"
    )


def _answered(
    exchange: Exchange[T], request: Request, response: Response
) -> Request | _Result[T]:
    """Return the next request, or the result."""
    try:
        return _request(exchange.send(response))
    except StopIteration as end:
        return _Result(end.value)
    except SyncEngineError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, it is about this one answer
        reason = where_it_broke(error)
    raise VendorUnavailable(
        f"{request.route}: the answer (status {response.status}) cannot be read ({reason})",
        maybe_applied=request.writes,
        status=response.status,
    )


def _request(yielded: object) -> Request:
    if not isinstance(yielded, Request):
        raise TypeError("an adapter yields requests only")
    return yielded
