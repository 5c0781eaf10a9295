"""Events as lines of the log."""

from __future__ import annotations

import logging
from typing import assert_never

import structlog

from syncengine.model.events import Event, Tell, nobody
from syncengine.model.http import Json


def telling(**context: Json) -> Tell:
    """Return a function that writes events to the log, each with this context.

    Nothing is written as long as logs are not set up.
    """
    if not structlog.is_configured():
        return nobody
    log = structlog.get_logger().bind(**context)

    def tell(event: Event, /, **facts: Json) -> None:
        log.log(level(event), event.value, **facts)

    return tell


def level(event: Event) -> int:
    """Return the log level of an event; terminals show warnings and above at once."""
    match event:
        case Event.ACCOUNT_HALTED | Event.LEASE_LOST:
            return logging.ERROR
        case Event.THROTTLED | Event.LEASE_AWAITED | Event.LEASE_AHEAD | Event.DATABASE_AWAY | Event.DATABASE_BACK:
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
