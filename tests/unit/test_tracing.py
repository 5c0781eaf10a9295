"""Spans of runs, from their events to a collector."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
)
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from syncengine.app.event_log import EventRecord
from syncengine.cli.tracing import RunSpans, exported_spans
from syncengine.model.events import Event
from syncengine.model.http import Json

_TOTALS: dict[str, Json] = {
    "calls": 3,
    "requests": 4,
    "throttled": 0,
    "seconds": 1.5,
    "error": "contact 4711 said something",
    "contacts": {"changed": 3, "applied": 2, "rejected": 1},
}


def _record(event: Event, **facts: Json) -> EventRecord:
    return EventRecord(event, logging.INFO, facts)


def _started(run_id: int) -> EventRecord:
    return _record(
        Event.RUN_STARTED, destination="crm", run_id=run_id, kind="sync", contacts=3
    )


def _finished(run_id: int, status: str) -> EventRecord:
    return _record(
        Event.RUN_FINISHED, destination="crm", run_id=run_id, status=status, **_TOTALS
    )


@pytest.fixture
def memory() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def spans(memory: InMemorySpanExporter) -> RunSpans:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(memory))
    return RunSpans(provider.get_tracer("test"))


def _id(span: ReadableSpan) -> int:
    context = span.get_span_context()
    assert context is not None
    return context.span_id


def _attributes(span: ReadableSpan) -> dict[str, object]:
    assert span.attributes is not None
    return dict(span.attributes)


def test_a_run_has_a_span_with_its_batches_and_their_numbers(
    spans: RunSpans, memory: InMemorySpanExporter
) -> None:
    batch = {"destination": "crm", "run_id": 7, "applied": 2, "rejected": 1}
    spans(_started(7))
    spans(_record(Event.BATCH_FINISHED, batch=1, **batch))
    spans(_record(Event.BATCH_FINISHED, batch=2, **batch))
    spans(_finished(7, "done"))
    first, second, run = memory.get_finished_spans()
    assert (first.name, second.name, run.name) == ("batch", "batch", "run crm")
    for each in (first, second):
        assert each.parent is not None
        assert each.parent.span_id == _id(run)
    assert second.start_time == first.end_time
    assert first.start_time == run.start_time
    assert _attributes(first) == {
        "syncengine.destination": "crm",
        "syncengine.batch": 1,
        "syncengine.applied": 2,
        "syncengine.rejected": 1,
    }
    assert _attributes(run) == {
        "syncengine.destination": "crm",
        "syncengine.run_id": 7,
        "syncengine.kind": "sync",
        "syncengine.status": "done",
        "syncengine.calls": 3,
        "syncengine.requests": 4,
        "syncengine.throttled": 0,
        "syncengine.contacts.changed": 3,
        "syncengine.contacts.applied": 2,
        "syncengine.contacts.rejected": 1,
    }
    assert run.status.status_code is StatusCode.UNSET


def test_runs_side_by_side_keep_their_batches_apart(
    spans: RunSpans, memory: InMemorySpanExporter
) -> None:
    spans(_started(7))
    spans(_started(8))
    spans(_record(Event.BATCH_FINISHED, destination="crm", run_id=7, batch=1))
    spans(_finished(8, "done"))
    spans(_finished(7, "done"))
    batch, other, run = memory.get_finished_spans()
    assert batch.parent is not None
    assert batch.parent.span_id == _id(run)
    assert _attributes(other)["syncengine.run_id"] == 8


@pytest.mark.parametrize("status", ["halted", "incomplete", "refused"])
def test_a_run_that_fell_short_is_an_error_and_one_refused_has_a_span_too(
    spans: RunSpans, memory: InMemorySpanExporter, status: str
) -> None:
    spans(_finished(7, status))
    (run,) = memory.get_finished_spans()
    assert run.status.status_code is StatusCode.ERROR
    assert run.status.description == status
    assert run.start_time is not None
    assert run.end_time is not None
    assert run.end_time - run.start_time == 1_500_000_000
    # A report's own text may name a contact, so it is no attribute.
    assert "4711" not in run.to_json()


def test_a_run_without_an_end_is_an_error(
    spans: RunSpans, memory: InMemorySpanExporter
) -> None:
    spans(_started(7))
    spans.close()
    (run,) = memory.get_finished_spans()
    assert run.status.status_code is StatusCode.ERROR


@contextmanager
def _collector(status: int) -> Iterator[tuple[str, list[str]]]:
    """Serve a collector; yield its address, and the names of the spans it gets."""
    names: list[str] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            request = ExportTraceServiceRequest.FromString(body)
            for resource in request.resource_spans:
                for scope in resource.scope_spans:
                    names.extend(span.name for span in scope.spans)
            self.send_response(status)
            self.end_headers()

        def log_message(self, *args: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Collector) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", names
        finally:
            server.shutdown()
            thread.join()


def test_spans_reach_the_collector_before_the_command_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with _collector(200) as (address, names):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
        with exported_spans() as spans:
            assert spans is not None
            spans(_started(7))
            spans(_finished(7, "done"))
        assert names == ["run crm"]


def test_a_collector_that_takes_nothing_costs_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with _collector(400) as (address, _):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
        with exported_spans() as spans:
            assert spans is not None
            spans(_finished(7, "done"))
            spans(_finished(8, "done"))
    said = " ".join(capsys.readouterr().err.split())
    assert said.count("took no spans. The run is not affected") == 1
    assert address not in said


def test_nothing_is_traced_without_a_collector(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", raising=False)
    with exported_spans() as spans:
        assert spans is None
