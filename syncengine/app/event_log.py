"""Events as lines of the log."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import assert_never

import structlog

from syncengine.model.events import Event, OnEvent, ignore_event
from syncengine.model.http import Json

_REMINDER = 30.0
"""Seconds between two lines about a database that stays away."""


def event_log(**context: Json) -> OnEvent:
    """Return a function that writes events to the log, each with this context.

    Nothing is written as long as logs are not set up.
    """
    if not structlog.is_configured():
        return ignore_event
    log = structlog.get_logger().bind(**context)

    def tell(event: Event, /, **facts: Json) -> None:
        log.log(level(event), event.value, **facts)

    return tell


def sparingly(tell: OnEvent, clock: Callable[[], float] = time.monotonic) -> OnEvent:
    """Return a function that passes events on, and repeats little of an absent database.

    The lease and the writers of an account notice by themselves that the database is
    away, and each time they try. It is passed on when it begins, as a reminder now and
    then, and once when it is over.
    """
    reminded: float | None = None

    def spare(event: Event, /, **facts: Json) -> None:
        nonlocal reminded
        if event is Event.DATABASE_AWAY:
            now = clock()
            if reminded is not None and now < reminded + _REMINDER:
                return
            reminded = now
        elif event is Event.DATABASE_BACK:
            if reminded is None:
                return
            reminded = None
        tell(event, **facts)

    return spare


def level(event: Event) -> int:
    """Return the log level of an event; terminals show warnings and above at once."""
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
        ):
            return logging.WARNING
        case (
            Event.RUN_STARTED
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
