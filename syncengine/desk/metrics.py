"""Metrics for Prometheus: a few numbers for each destination, read when asked for.

No label holds a contact or a run: their number would grow without end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from syncengine.model.desk_pages import AlertFacts, DestinationFacts
from syncengine.model.run_record import OUTCOMES, RunFacts
from syncengine.ports import DeskState

_PREFIX = "syncengine_"
_HEALTHY = "ok"
"""State of an alert that reports nothing."""


@dataclass(frozen=True, slots=True)
class MetricFacts:
    """Facts that the metrics are made of."""

    destinations: Sequence[DestinationFacts]
    alerts: Sequence[AlertFacts]


async def read_facts(state: DeskState) -> MetricFacts:
    """Read the facts of all destinations, page by page. Raises StorageError."""
    found: list[DestinationFacts] = []
    page = await state.destinations(None)
    while page:
        found += page
        page = await state.destinations(page[-1].destination)
    return MetricFacts(found, await state.alerts())


def exposition(facts: MetricFacts) -> bytes:
    """Return the metrics in Prometheus's text format."""
    registry = CollectorRegistry()
    registry.register(_DeskCollector(facts))
    return generate_latest(registry)


class _DeskCollector(Collector):
    """Turns facts into metrics."""

    def __init__(self, facts: MetricFacts) -> None:
        self._facts = facts

    def collect(self) -> Iterable[Metric]:
        runs = [
            (each.destination, each.last_run)
            for each in self._facts.destinations
            if each.last_run is not None
        ]
        yield from _of_last_runs(runs)
        yield from _of_runs_in_progress(runs)
        yield from _of_destinations(self._facts.destinations)
        yield from _of_alerts(self._facts.alerts)


def _gauge(name: str, about: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(_PREFIX + name, about, labels=["destination", *labels])


def _of_last_runs(runs: Sequence[tuple[str, RunFacts]]) -> Iterator[Metric]:
    status = _gauge("last_run_status", "1 for the last run's status", "kind", "status")
    started = _gauge("last_run_started_timestamp_seconds", "When it started")
    ended = _gauge("last_run_ended_timestamp_seconds", "When it ended; none: not yet")
    seconds = _gauge("last_run_duration_seconds", "How long it took, or has taken")
    contacts = _gauge("last_run_contacts", "Its contacts, by outcome", "outcome")
    requests = _gauge("last_run_requests", "Requests that it sent")
    throttled = _gauge("last_run_throttled", "Refusals for the rate limit")
    for name, run in runs:
        status.add_metric([name, run.kind, run.present_status.value], 1)
        started.add_metric([name], run.started_at.timestamp())
        if run.ended_at is not None:
            ended.add_metric([name], run.ended_at.timestamp())
        seconds.add_metric([name], run.seconds)
        for outcome in OUTCOMES:
            contacts.add_metric([name, outcome], run.contacts.get(outcome, 0))
        requests.add_metric([name], run.so_far("requests"))
        throttled.add_metric([name], run.so_far("throttled"))
    yield from (status, started, ended, seconds, contacts, requests, throttled)


def _of_runs_in_progress(runs: Sequence[tuple[str, RunFacts]]) -> Iterator[Metric]:
    running = _gauge("run_in_progress", "1 while a process works on a run")
    done = _gauge("run_contacts_done", "Contacts of the run that are through")
    total = _gauge("run_contacts", "Contacts of the run in progress")
    left = _gauge("run_seconds_left", "Estimate, from the real pace")
    last_minute = _gauge("run_requests_last_minute", "Requests of the last minute")
    for name, run in runs:
        running.add_metric([name], int(run.is_running))
        progress = run.progress or {}
        if not run.is_running:
            continue
        shown = (
            (done, "done"),
            (total, "total"),
            (left, "seconds_left"),
            (last_minute, "last_minute"),
        )
        for metric, key in shown:
            value = progress.get(key)
            if isinstance(value, int | float):
                metric.add_metric([name], value)
    yield from (running, done, total, left, last_minute)


def _of_destinations(destinations: Sequence[DestinationFacts]) -> Iterator[Metric]:
    succeeded = _gauge("last_success_timestamp_seconds", "When a run was last done")
    standing = _gauge("standing_contacts", "Left alone, by reason", "reason")
    lease = _gauge("lease_held", "1 while a process works on the account", "account")
    for each in destinations:
        name = each.destination
        if each.succeeded_at is not None:
            succeeded.add_metric([name], each.succeeded_at.timestamp())
        for reason, contacts in (each.standing or {}).items():
            standing.add_metric([name, reason.value], contacts)
        lease.add_metric([name, each.account], int(each.holder is not None))
    yield from (succeeded, standing, lease)


def _of_alerts(alerts: Sequence[AlertFacts]) -> Iterator[Metric]:
    active = _gauge("alert_active", "1 while something is wrong", "concern")
    since = _gauge("alert_since_timestamp_seconds", "When that changed", "concern")
    for each in alerts:
        labels = [each.destination, each.concern]
        active.add_metric(labels, int(each.state != _HEALTHY))
        since.add_metric(labels, each.since.timestamp())
    yield from (active, since)
