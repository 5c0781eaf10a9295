"""Forecast of a run; sends nothing, and leaves the state as it is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from syncengine.app.credentials import settled
from syncengine.app.databases import open_databases
from syncengine.app.forecast import Forecast, prices_of, quotas_of
from syncengine.app.markers import warn_where_new
from syncengine.app.match_keys import keys_may_collide
from syncengine.app.plan_difference import DifferenceWatcher, EarlierWatcher
from syncengine.app.plan_file import PlanWriter, refuse_no_plan_file
from syncengine.app.plan_recorder import plan_writer, with_file
from syncengine.app.plan_sampling import ContactSampler
from syncengine.app.plan_watchers import PlanWatcher
from syncengine.app.planned_requests import RequestPreview
from syncengine.app.planned_run import plan_run
from syncengine.app.run_request import RunRequest
from syncengine.app.session import Reader
from syncengine.config.destination import DestinationConfig
from syncengine.config.project import Config
from syncengine.errors import RunRefused, SyncEngineError, root_error
from syncengine.model.plan_file import PlanBasis
from syncengine.model.plans import PlanReport
from syncengine.planning.timing import timing
from syncengine.storage.connect import Connection
from syncengine.storage.state.planned_keys import planned_claims
from syncengine.storage.state.runs import measured_round_trip


async def plan(
    config: Config,
    names: Sequence[str],
    request: RunRequest,
    *,
    sample: int | None = None,
    earlier: Config | None = None,
    out: Path | None = None,
    shows_values: bool = False,
) -> list[PlanReport]:
    """Plan the named destinations, or all, in the order of a run.

    ``sample`` is a number of contacts to show one by one; those that the request names
    are shown in any case, with the requests about them. ``earlier`` is a configuration
    to compare with. ``out`` is the plan file to write, and ``shows_values`` has it hold
    values. Raises RunRefused for what concerns the whole call.
    """
    file: _OutputFile | None = None
    if out is not None:
        refuse_no_plan_file(out)
        file = _OutputFile(out, shows_values)
        request = replace(request, for_file=True)
    watchers = _Watchers(request, sample)
    before: Mapping[str, PlanReport] = {}
    if earlier is not None:
        watchers.earlier = _earlier_watchers(config, names, earlier)
        before = await _earlier_reports(earlier, watchers.earlier, request)
    reports = await _plan_all(config, names, request, watchers.of, file)
    return [
        watchers.completed(report, before.get(report.destination)) for report in reports
    ]


class _Watchers:
    """Watchers of the destinations of one plan, and what they add to its reports."""

    def __init__(self, request: RunRequest, sample: int | None) -> None:
        self._request = request
        self._sample = sample
        self.earlier: Mapping[str, EarlierWatcher] | None = None
        """Watchers of the plan under an earlier configuration, by destination; None
        where nothing is compared with one."""
        self._samplers: dict[str, ContactSampler] = {}
        self._differences: dict[str, DifferenceWatcher] = {}

    def of(self, destination: DestinationConfig) -> tuple[PlanWatcher, ...]:
        """Return new watchers for a destination, and remember them."""
        name = destination.name
        found: list[PlanWatcher] = []
        if self._sample is not None or self._request.contacts:
            self._samplers[name] = _sampler(destination, self._request, self._sample)
            found.append(self._samplers[name])
        if self.earlier is not None:
            # A destination that the earlier configuration lacks would send nothing.
            watcher = self.earlier.get(name, EarlierWatcher())
            self._differences[name] = DifferenceWatcher(watcher.plan)
            found.append(self._differences[name])
        return tuple(found)

    def completed(self, report: PlanReport, before: PlanReport | None) -> PlanReport:
        """Return a report with what the watchers of its destination saw.

        ``before`` is its report under the earlier configuration.
        """
        shown = report
        sampler = self._samplers.get(report.destination)
        if sampler is not None:
            shown = replace(shown, sample=sampler.sample())
        difference = self._differences.get(report.destination)
        if difference is not None:
            shown = replace(shown, since_config=difference.report(before, report))
        return shown


def _sampler(
    destination: DestinationConfig, request: RunRequest, sample: int | None
) -> ContactSampler:
    """Return the sampler that chooses contacts to show one by one."""
    preview: RequestPreview | None = None
    if request.contacts:
        preview = RequestPreview(
            destination.vendor, destination.base_url, destination.secrets
        )
    return ContactSampler(sample or len(request.contacts), preview)


def _earlier_watchers(
    config: Config, names: Sequence[str], earlier: Config
) -> Mapping[str, EarlierWatcher]:
    """Return a watcher for each chosen destination that the earlier files have, too."""
    there = {each.name for each in earlier.readable} | earlier.unreadable.keys()
    chosen = [each.name for each in config.chosen(tuple(names))]
    return {name: EarlierWatcher() for name in chosen if name in there}


async def _earlier_reports(
    earlier: Config, watchers: Mapping[str, EarlierWatcher], request: RunRequest
) -> Mapping[str, PlanReport]:
    """Plan under an earlier configuration; the watchers remember what it would send."""
    if not watchers:
        return {}

    def watching(destination: DestinationConfig) -> tuple[PlanWatcher, ...]:
        return (watchers[destination.name],)

    # With databases and claims of its own: nothing of it may reach the present plan.
    reports = await _plan_all(earlier, tuple(watchers), request, watching)
    return {report.destination: report for report in reports}


async def _plan_all(
    config: Config,
    names: Sequence[str],
    request: RunRequest,
    watching: Callable[[DestinationConfig], tuple[PlanWatcher, ...]],
    file: _OutputFile | None = None,
) -> list[PlanReport]:
    """Plan destinations under one configuration."""
    config = await settled(config)
    destinations = config.chosen(tuple(names))
    reports: list[PlanReport] = []
    lasting: defaultdict[str, float] = defaultdict(float)
    async with AsyncExitStack() as open_until_end:
        databases = await open_until_end.enter_async_context(
            open_databases(config, destinations)
        )
        await warn_where_new(databases)
        # Claims of match keys are planned in a temporary table of one connection, which
        # all destinations share: those of one account compete for the keys.
        claims: Connection | None = None
        if any(keys_may_collide(each) for each in destinations):
            temporary = planned_claims(databases.state)
            claims = await open_until_end.enter_async_context(temporary)
        writer: PlanWriter | None = None
        if file is not None:
            fresh = await plan_writer(
                databases, file.path, shows_values=file.shows_values
            )
            writer = open_until_end.enter_context(fresh)
        for destination in destinations:
            reader = Reader(destination, config, databases)
            forecast = await _forecast(reader, watching(destination))
            cause = await _stopped_by(forecast, reader, request, claims, writer)
            # Destinations of one account send one after the other.
            wait = lasting[destination.account]
            report = await _report(forecast, reader, cause, wait)
            lasting[destination.account] += report.seconds
            reports.append(report)
        if writer is None or file is None:
            return reports
        return _finished(writer, reports, file.path)


@dataclass(frozen=True, slots=True)
class _OutputFile:
    """The plan file to write."""

    path: Path
    shows_values: bool


def _finished(
    writer: PlanWriter, reports: Sequence[PlanReport], path: Path
) -> list[PlanReport]:
    """Give the file its name, unless a part of the plan would be refused."""
    bases: Mapping[str, PlanBasis] = {}
    if all(report.ok for report in reports):
        writer.finish()
        bases = writer.bases
    return [
        with_file(report, path, bases.get(report.destination)) for report in reports
    ]


async def _forecast(reader: Reader, watchers: tuple[PlanWatcher, ...]) -> Forecast:
    """Return the empty totals of a destination. Raises StorageError."""
    destination = reader.destination
    prices = await prices_of(destination, reader.config, reader.databases)
    return Forecast(destination, prices, watchers=watchers)


async def _report(
    forecast: Forecast, reader: Reader, cause: SyncEngineError | None, wait: float
) -> PlanReport:
    """Return the report of a destination that may begin to send after so long.

    ``cause`` is what would stop its run.
    """
    destination = reader.destination
    lasting = timing(
        forecast.requests,
        destination.limits,
        items=forecast.items,
        by_method=forecast.by_method(),
        quotas=await quotas_of(destination, reader.databases),
        round_trip=await measured_round_trip(reader.databases.state, destination.name),
    )
    starts_at = datetime.now().astimezone() + timedelta(seconds=wait)
    return forecast.report(lasting, starts_at, cause)


async def _stopped_by(
    forecast: Forecast,
    reader: Reader,
    request: RunRequest,
    claims: Connection | None,
    writer: PlanWriter | None,
) -> SyncEngineError | None:
    """Plan one destination; return what would stop its run, if anything does."""
    try:
        await plan_run(forecast, reader, request, claims, writer)
    except RunRefused as refused:
        return refused
    except SyncEngineError:
        raise
    except Exception as unforeseen:  # noqa: BLE001
        # A mistake of ours or of a vendor's: the other destinations are planned.
        return root_error(unforeseen)
    return None
