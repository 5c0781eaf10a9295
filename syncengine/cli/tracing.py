"""Spans of runs and their batches for OpenTelemetry (extra ``otel``).

They are made from the events that a run reports anyway: one span for each run, and one
for each of its batches; none for a request, which would cost more than the request's own
work. Nothing is traced unless the standard variable ``OTEL_EXPORTER_OTLP_ENDPOINT`` (or
``OTEL_EXPORTER_OTLP_TRACES_ENDPOINT``) names a collector. The other variables of the
OpenTelemetry specification (headers, time-out, service name) hold as they do everywhere.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from syncengine.app.event_log import EventRecord
from syncengine.cli.terminal import err
from syncengine.model.events import Event
from syncengine.model.http import Json
from syncengine.model.reports import RunStatus
from syncengine.version import __version__

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span, Tracer

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_PACKAGES = "opentelemetry-sdk opentelemetry-exporter-otlp-proto-http"
"""What the extra ``otel`` needs."""
_PREFIX = "syncengine."
"""Beginning of the names of our attributes."""
_NUMBERS = ("calls", "requests", "probes", "throttled")
"""Numbers of a run's report that its span has as attributes."""


class RunSpans:
    """Listener that turns the events of runs into spans.

    An attribute is a name, a code or a number: never a contact's id or value.
    """

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self._runs: dict[Json, Span] = {}
        """By run id: the spans of runs under way."""
        self._batch_began: dict[Json, int] = {}
        """By run id: when its next batch began, in nanoseconds since 1970."""

    def __call__(self, record: EventRecord) -> None:
        """Begin or end the span that an event is about."""
        facts = record.facts
        if record.event is Event.RUN_STARTED:
            self._begin_run(facts["run_id"], str(facts["destination"]), facts["kind"])
        elif record.event is Event.BATCH_FINISHED:
            self._add_batch(record)
        elif record.event is Event.RUN_FINISHED:
            self._end_run(record)

    def close(self) -> None:
        """End the spans of runs that never reported an end."""
        for span in self._runs.values():
            _mark_failed(span, "the process ended before the run did")
            span.end()
        self._runs.clear()

    def _begin_run(
        self, run_id: Json, destination: str, kind: Json, began: int | None = None
    ) -> Span:
        began = began or time.time_ns()
        span = self._tracer.start_span(f"run {destination}", start_time=began)
        _describe(span, {"destination": destination, "run_id": run_id, "kind": kind})
        self._runs[run_id] = span
        self._batch_began[run_id] = began
        return span

    def _add_batch(self, record: EventRecord) -> None:
        """Add a finished batch to its run; it began when the one before ended."""
        from opentelemetry.trace import set_span_in_context  # noqa: PLC0415

        run_id = record.facts["run_id"]
        run = self._runs.get(run_id)
        if run is None:
            return
        now = time.time_ns()
        span = self._tracer.start_span(
            "batch",
            context=set_span_in_context(run),
            start_time=self._batch_began[run_id],
        )
        counts = {
            name: value for name, value in record.facts.items() if name != "run_id"
        }
        _describe(span, counts)
        span.end(now)
        self._batch_began[run_id] = now

    def _end_run(self, record: EventRecord) -> None:
        facts = record.facts
        run_id = facts["run_id"]
        now = time.time_ns()
        span = self._runs.pop(run_id, None)
        if span is None:
            # It was refused, or broke off, before it knew its contacts.
            began = now - round(float(facts.get("seconds") or 0) * 1e9)
            destination = str(facts["destination"])
            span = self._begin_run(run_id, destination, facts.get("kind"), began)
            del self._runs[run_id]
        self._batch_began.pop(run_id, None)
        _describe(span, {"status": facts["status"]})
        _describe(span, {name: facts.get(name) for name in _NUMBERS})
        contacts = facts.get("contacts")
        if isinstance(contacts, dict):
            numbers = {f"contacts.{name}": value for name, value in contacts.items()}
            _describe(span, numbers)
        if facts["status"] != RunStatus.DONE.value:
            _mark_failed(span, str(facts["status"]))
        span.end(now)


def _describe(span: Span, facts: dict[str, Json]) -> None:
    """Set attributes; a fact that is no text and no number is left out."""
    for name, value in facts.items():
        if isinstance(value, str | int | float):
            span.set_attribute(_PREFIX + name, value)


def _mark_failed(span: Span, reason: str) -> None:
    from opentelemetry.trace import StatusCode  # noqa: PLC0415

    span.set_status(StatusCode.ERROR, reason)


@contextmanager
def exported_spans() -> Iterator[RunSpans | None]:
    """Yield the listener whose spans are exported; None where nothing is traced.

    The end of the block waits until the spans are delivered, for ten seconds at most
    (``OTEL_EXPORTER_OTLP_TIMEOUT``). A collector that is away costs its spans, and
    nothing else.
    """
    endpoint = next((name for name in _ENDPOINTS if os.environ.get(name)), None)
    provider = None if endpoint is None else _provider(endpoint)
    if provider is None:
        yield None
        return
    spans = RunSpans(provider.get_tracer("syncengine", __version__))
    try:
        yield spans
    finally:
        spans.close()
        provider.shutdown()


def _provider(endpoint: str) -> TracerProvider | None:
    """Return what sends spans to the collector; None without the extra."""
    # Imported only where it is wanted: that takes a third of a second.
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
            OTLPSpanExporter,
        )
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import ReadableSpan, TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import (  # noqa: PLC0415
            BatchSpanProcessor,
            SpanExportResult,
        )
    except ImportError:
        err.print(
            f"{endpoint} is set, but the packages of the extra otel are not installed: "
            f"pip install {_PACKAGES}. Nothing is traced."
        )
        return None

    class WatchedExporter(OTLPSpanExporter):
        """Exporter that says once, in our words, that the collector takes nothing."""

        has_complained = False

        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            """Send spans; the library's own complaint names internals only."""
            result = super().export(spans)
            if result is SpanExportResult.FAILURE and not self.has_complained:
                self.has_complained = True
                err.print(
                    f"The collector that {endpoint} names took no spans. The run is "
                    "not affected; see whether the collector is up and the address is "
                    "right."
                )
            return result

    logging.getLogger("opentelemetry").addHandler(logging.NullHandler())
    service = os.environ.get("OTEL_SERVICE_NAME", "syncengine")
    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    provider.add_span_processor(BatchSpanProcessor(WatchedExporter()))
    return provider
