"""Events on their way out: to the caller's ``on_event``, and to the standard logger.

Whoever calls the engine says with ``listening`` who is told about the events of that
call. Two calls on one event loop have a listener each.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TypeAlias, assert_never

from syncengine.model.events import Event, OnEvent
from syncengine.model.http import Json

_REMINDER = 30.0
"""Seconds between two reminders of a database that stays away."""

_logger = logging.getLogger("syncengine")
# The library configures no logging: without a handler of the caller's nothing is
# printed, not even by Python's handler of last resort.
_logger.addHandler(logging.NullHandler())


@dataclass(frozen=True, slots=True)
class EventRecord:
    """An event with its facts, as ``on_event`` is called with it."""

    event: Event
    level: int
    """Severity, as in the standard module ``logging``."""
    facts: Mapping[str, Json]
    """Names, ids, codes and numbers; never a value of a contact's field."""


Listener: TypeAlias = Callable[[EventRecord], object]
"""Receives events, one at a time, on the event loop of the run: it must not block."""


@dataclass(frozen=True, slots=True)
class _Subscription:
    """A listener, and the least severe events that it is called with."""

    listener: Listener
    least: int


_subscription: ContextVar[_Subscription | None] = ContextVar(
    "subscription", default=None
)


@contextmanager
def listening(
    listener: Listener | None, *, least: int = logging.DEBUG
) -> Iterator[None]:
    """Pass the events of what is called in this block to the listener.

    Events below the level ``least`` are left out. Without a listener, the one of an
    outer block stays.

    The listener is kept in a context variable, and not in a global one: tasks that are
    begun in the block inherit it, and other calls of the process do not see it.
    """
    before = _subscription.get()
    if listener is not None:
        _subscription.set(_Subscription(listener, least))
    try:
        yield
    finally:
        _subscription.set(before)


def event_log(**context: Json) -> OnEvent:
    """Return a function that sends events out, each with this context."""
    subscription = _subscription.get()

    def emit(event: Event, /, **facts: Json) -> None:
        # Called for every request: where nobody listens, nothing is put together.
        level = _LEVELS[event]
        is_heard = subscription is not None and level >= subscription.least
        if not is_heard and not _logger.isEnabledFor(level):
            return
        record = EventRecord(event, level, {**context, **facts})
        _log(record)
        if subscription is not None and is_heard:
            _pass_on(record, subscription.listener)

    return emit


def _log(record: EventRecord) -> None:
    """Write an event to the standard logger, its facts as text and as ``extra``."""
    if _logger.isEnabledFor(record.level):
        facts = " ".join(f"{name}={value}" for name, value in record.facts.items())
        message = f"{record.event.value} {facts}".rstrip()
        _logger.log(record.level, "%s", message, extra={"facts": record.facts})


def _pass_on(record: EventRecord, listener: Listener) -> None:
    """Call the listener. What it raises must not end a run that is sending."""
    try:
        listener(record)
    except Exception:
        _logger.exception("on_event failed at %s", record.event.value)


def sparingly(emit: OnEvent, clock: Callable[[], float] = time.monotonic) -> OnEvent:
    """Return a function that passes events on, and repeats absences only sparingly.

    The lease and the writers of an account notice by themselves that the database is
    away, and each time they try. It is passed on when it begins, as a reminder now and
    then, and once when it is over.
    """
    reminded_at: float | None = None

    def emit_sparingly(event: Event, /, **facts: Json) -> None:
        nonlocal reminded_at
        if event is Event.DATABASE_AWAY:
            now = clock()
            if reminded_at is not None and now < reminded_at + _REMINDER:
                return
            reminded_at = now
        elif event is Event.DATABASE_BACK:
            if reminded_at is None:
                return
            reminded_at = None
        emit(event, **facts)

    return emit_sparingly


def level_of(event: Event) -> int:
    """Return the severity of an event; terminals show warnings and above at once."""
    match event:
        case Event.ACCOUNT_HALTED | Event.LEASE_LOST:
            return logging.ERROR
        case (
            Event.THROTTLED
            | Event.STATE_IS_NEW
            | Event.LEASE_AWAITED
            | Event.LEASE_AHEAD
            | Event.DATABASE_AWAY
            | Event.DATABASE_BACK
            | Event.ALERT_NOT_DELIVERED
        ):
            return logging.WARNING
        case (
            Event.RUN_STARTED
            | Event.RUN_PROGRESS
            | Event.RUN_FINISHED
            | Event.BATCH_FINISHED
            | Event.CONTACT_REJECTED
            | Event.CONTACT_DEFERRED
            | Event.RUN_STOPPED
            | Event.LEASE_TAKEN
            | Event.HEADER_IGNORED
        ):
            return logging.INFO
        case Event.REQUEST_ANSWERED | Event.REQUEST_FAILED | Event.LIMIT_NEAR:
            return logging.DEBUG
        case _:
            assert_never(event)


_LEVELS = {event: level_of(event) for event in Event}
"""Severity by event: to look it up is faster than to work it out for each request."""
