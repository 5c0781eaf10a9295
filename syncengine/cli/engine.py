"""Calls of the engine that write its events to the log."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import AbstractContextManager
from typing import Any, TypeVar

import structlog

from syncengine.app.event_log import EventRecord, listening
from syncengine.cli.options import options

T = TypeVar("T")


def logging_events() -> AbstractContextManager[None]:
    """Return a block whose calls of the engine write their events to the log."""
    return listening(write_event, least=options.least_severity)


def run_engine(work: Coroutine[Any, Any, T]) -> T:
    """Run a call of the engine to its end."""
    with logging_events():
        return asyncio.run(work)


def write_event(record: EventRecord) -> None:
    """Write an event as one line of the log that ``logs.set_up`` configured."""
    log = structlog.get_logger()
    log.log(record.level, record.event.value, **record.facts)
