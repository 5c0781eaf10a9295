"""Calls of the engine that write its events to the log."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import structlog

from syncengine.app.event_log import EventRecord, listening

T = TypeVar("T")


def write_event(record: EventRecord) -> None:
    """Write an event as one line of the log that ``logs.set_up`` configured."""
    log = structlog.get_logger()
    log.log(record.level, record.event.value, **record.facts)


def run_engine(work: Coroutine[Any, Any, T]) -> T:
    """Run a call of the engine to its end."""
    with listening(write_event):
        return asyncio.run(work)
