"""Calls of the engine that write its events to the log."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import structlog

from syncengine.app.event_log import EventRecord, listening
from syncengine.cli.options import options
from syncengine.cli.tracing import exported_spans

T = TypeVar("T")


@contextmanager
def logging_events() -> Iterator[None]:
    """Write the events of the engine's calls in this block to the log.

    Where a collector is named, they become spans as well.
    """
    least = options.least_severity
    with exported_spans() as spans:
        if spans is None:
            with listening(write_event, least=least):
                yield
            return
        trace = spans

        def write_and_trace(record: EventRecord) -> None:
            if record.level >= least:
                write_event(record)
            trace(record)

        with listening(write_and_trace, least=min(least, logging.INFO)):
            yield


def run_engine(work: Coroutine[Any, Any, T]) -> T:
    """Run a call of the engine to its end."""
    with logging_events():
        return asyncio.run(work)


def write_event(record: EventRecord) -> None:
    """Write an event as one line of the log that ``logs.set_up`` configured."""
    log = structlog.get_logger()
    log.log(record.level, record.event.value, **record.facts)
