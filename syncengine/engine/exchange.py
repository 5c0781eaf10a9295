"""Drive a vendor's exchange over a sender.

An exchange is a generator of the vendor's adapter: it yields requests, is sent their
responses, and returns what these mean (``model.http.Exchange``). ``drive`` sends the
requests, and sees to it that no mistake of an adapter reaches another contact. It runs
one try; ``Retrier`` runs several.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

from syncengine.errors import (
    AccountStopped,
    CannotBeSent,
    ContactSuppressed,
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
    """Counts the requests of one contact, and holds what is asked before each of them.

    ``allowed`` is the consent check that the sender calls before a request goes out;
    None: none is made.
    """

    __slots__ = ("_has_late_write", "allowed", "requests")

    def __init__(self, allowed: SendCheck | None = None) -> None:
        self.requests = 0
        self.allowed = allowed
        self._has_late_write = False

    def note_late_write(self) -> None:
        """Note a write that was given up, and that carries values read before it.

        If it still arrives, it undoes everything written since.
        """
        self._has_late_write = True

    def take_late_write(self) -> bool:
        """Return whether such a write was noted since the last call, and forget it.

        A caller that gets True has to wait until the write cannot arrive any more.
        """
        had_late_write = self._has_late_write
        self._has_late_write = False
        return had_late_write


@dataclass(slots=True)
class UnknownEffects:
    """Effects that the tries of one exchange may have had, without an answer.

    There is one for each exchange, shared by its tries: what an earlier try may have
    done is not undone when a later one fails.
    """

    part_written: bool = False
    """True where a write of the exchange was accepted and more was to follow: that part
    stands, whatever comes of the rest."""
    lost_try: bool = False
    """True where a try was given up, and may have been carried out."""

    def note_failure(self, error: VendorUnavailable) -> None:
        """Note that a try failed without an answer."""
        if error.maybe_applied:
            self.lost_try = True

    @property
    def maybe_applied(self) -> bool:
        """True where anything may have been done that no answer tells of."""
        return self.part_written or self.lost_try


@dataclass(frozen=True, slots=True)
class _Result(Generic[T]):
    """Result of an exchange."""

    value: T


async def drive(
    make: Callable[[], Exchange[T]],
    sender: Sender,
    meter: Meter,
    effects: UnknownEffects | None = None,
) -> T:
    """Send what the exchange yields, hand it the responses, and return its result.

    ``make`` begins the exchange. What it has written is noted in ``effects``, for a
    caller that tries again.

    What the sender or the vendor raises on purpose is passed on. Anything else that an
    adapter raises is contained: before the first request nothing can be sent
    (CannotBeSent), and after an answer that answer is unreadable (VendorUnavailable).
    """
    requests_before = meter.requests
    bytes_read = 0
    exchange, step = _begin(make)
    try:
        while not isinstance(step, _Result):
            request = step
            meter.requests += 1
            is_first = meter.requests == requests_before + 1
            response = await _sent(request, sender, meter)
            # The write was sent twice, and carries what this exchange read before it:
            # its first copy may still arrive behind later writes.
            if response.resent and request.writes and not is_first:
                meter.note_late_write()
            bytes_read += len(response.body)
            _refuse_flood(request, bytes_read)
            step = _next_step(exchange, request, response)
            is_accepted = request.writes and response.status < 400
            if effects is not None and is_accepted and not isinstance(step, _Result):
                effects.part_written = True
    except VendorUnavailable as error:
        # Only a loop iteration that sent a request can have raised it: ``request`` is
        # the one that failed.
        if error.maybe_applied and request.writes and not is_first:
            meter.note_late_write()
        raise
    finally:
        # An adapter that cannot even be closed has nothing left to say.
        with suppress(Exception):
            exchange.close()
    return step.value


async def _sent(request: Request, sender: Sender, meter: Meter) -> Response:
    """Send a request that is counted already, and return the response.

    It does not count where it was held back before its bytes went out.
    """
    try:
        return await sender.send(request, meter.allowed)
    except (AccountStopped, CannotBeSent, ContactSuppressed):
        meter.requests -= 1
        raise


def _refuse_flood(request: Request, bytes_read: int) -> None:
    """Raise VendorUnavailable where the answers of one exchange are too long."""
    if bytes_read > _MOST_BYTES:
        raise VendorUnavailable(
            f"{request.route}: all answers together are far too long",
            maybe_applied=request.writes,
        )


def _begin(make: Callable[[], Exchange[T]]) -> tuple[Exchange[T], Request | _Result[T]]:
    """Return the exchange and its first request, or its result without one."""
    try:
        exchange = make()
        try:
            return exchange, _request(next(exchange))
        except StopIteration as end:
            return exchange, _Result(end.value)
    except SyncEngineError:
        raise
    except ValueError:
        # By a ValueError an adapter itself says that a value cannot be sent: where it
        # was raised is of no use to the reader.
        place = ""
    except Exception as error:  # noqa: BLE001 - it ends with this contact
        place = f" ({where_it_broke(error)})"
    # Raised out here, where the adapter's exception does not cling to it as its
    # context: the text of that one may hold values.
    raise CannotBeSent(
        f"no request can be made of what is to be sent{place}; "
        "look at the values of its row, and at what the mapping makes of them"
    )


def _next_step(
    exchange: Exchange[T], request: Request, response: Response
) -> Request | _Result[T]:
    """Hand the response to the exchange; return its next request, or its result."""
    try:
        return _request(exchange.send(response))
    except StopIteration as end:
        return _Result(end.value)
    except SyncEngineError:
        raise
    except Exception as error:  # noqa: BLE001 - it ends with this answer
        place = where_it_broke(error)
    raise VendorUnavailable(
        f"{request.route}: the answer (status {response.status}) "
        f"cannot be read ({place})",
        maybe_applied=request.writes,
        status=response.status,
    )


def _request(yielded: object) -> Request:
    """Return what an exchange has yielded, if it is a request."""
    if not isinstance(yielded, Request):
        raise TypeError("an adapter yields requests only")
    return yielded
