"""Forecast of a run; sends nothing, and leaves the state as it is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from datetime import datetime, timedelta

from syncengine.app.credentials import settled
from syncengine.app.databases import open_databases
from syncengine.app.forecast import Forecast, prices_of, quotas_of
from syncengine.app.markers import warn_where_new
from syncengine.app.match_keys import keys_may_collide
from syncengine.app.plan_difference import DifferenceWatcher, EarlierWatcher
from syncengine.app.plan_sampling import ContactSampler
from syncengine.app.plan_watchers import PlanWatcher
from syncengine.app.planned_requests import RequestPreview
from syncengine.app.planned_run import plan_run
from syncengine.app.run_request import RunRequest
from syncengine.app.session import Reader
from syncengine.config.destination import DestinationConfig
from syncengine.config.project import Config
from syncengine.errors import RunRefused, SyncEngineError, root_error
from syncengine.model.plans import PlanReport
from syncengine.planning.timing import timing
from syncengine.storage.connect import Connection
from syncengine.storage.state.planned_keys import planned_claims


async def plan(
    config: Config,
    names: Sequence[str],
    request: RunRequest,
    *,
    sample: int | None = None,
    earlier: Config | None = None,
) -> list[PlanReport]:
    """Plan the named destinations, or all, in the order of a run.

    ``sample`` is a number of contacts to show one by one; those that the request names
    are shown in any case, with the requests about them. ``earlier`` is a configuration
    to compare with. Raises RunRefused for what concerns the whole call.
    """
    before: Mapping[str, PlanReport] = {}
    watchers: dict[str, EarlierWatcher] = {}
    if earlier is not None:
        chosen = [each.name for each in config.chosen(tuple(names))]
        there = {each.name for each in earlier.readable} | earlier.unreadable.keys()
        watchers = {name: EarlierWatcher() for name in chosen if name in there}
        before = await _earlier_reports(earlier, watchers, request)
    reports: list[PlanReport] = []
    differences: dict[str, DifferenceWatcher] = {}
    samplers: dict[str, ContactSampler] = {}

    def watching(destination: DestinationConfig) -> tuple[PlanWatcher, ...]:
        name = destination.name
        found: list[PlanWatcher] = []
        if sample is not None or request.contacts:
            samplers[name] = _sampler(destination, request, sample)
            found.append(samplers[name])
        if earlier is not None:
            watcher = watchers.get(name, EarlierWatcher())
            differences[name] = DifferenceWatcher(watcher.plan)
            found.append(differences[name])
        return tuple(found)

    for report in await _plan_all(config, names, request, watching):
        name = report.destination
        shown = report
        if name in samplers:
            shown = replace(shown, sample=samplers[name].sample())
        if name in differences:
            difference = differences[name].report(before.get(name), report)
            shown = replace(shown, since_config=difference)
        reports.append(shown)
    return reports


def _sampler(
    destination: DestinationConfig, request: RunRequest, sample: int | None
) -> ContactSampler:
    """Return what chooses contacts to show one by one."""
    preview: RequestPreview | None = None
    if request.contacts:
        preview = RequestPreview(
            destination.vendor, destination.base_url, destination.secrets
        )
    return ContactSampler(sample or len(request.contacts), preview)


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
) -> list[PlanReport]:
    """Plan destinations under one configuration."""
    config = await settled(config)
    destinations = config.chosen(tuple(names))
    async with open_databases(config, destinations) as databases:
        await warn_where_new(databases)
        # Claims of match keys are planned in a temporary table of one connection, which
        # all destinations share: those of one account compete for the keys.
        has_claims = any(keys_may_collide(each) for each in destinations)
        temporary = planned_claims(databases.state) if has_claims else nullcontext()
        async with temporary as claims:
            reports: list[PlanReport] = []
            lasting: defaultdict[str, float] = defaultdict(float)
            for destination in destinations:
                reader = Reader(destination, config, databases)
                forecast = await _forecast(reader, watching(destination))
                cause = await _stopped_by(forecast, reader, request, claims)
                # Destinations of one account send one after the other.
                wait = lasting[destination.account]
                report = await _report(forecast, reader, cause, wait)
                lasting[destination.account] += report.seconds
                reports.append(report)
            return reports


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
        by_method=forecast.by_method(),
        quotas=await quotas_of(destination, reader.databases),
    )
    starts_at = datetime.now().astimezone() + timedelta(seconds=wait)
    return forecast.report(lasting, starts_at, cause)


async def _stopped_by(
    forecast: Forecast,
    reader: Reader,
    request: RunRequest,
    claims: Connection | None,
) -> SyncEngineError | None:
    """Plan one destination; return what would stop its run, if anything does."""
    try:
        await plan_run(forecast, reader, request, claims)
    except RunRefused as refused:
        return refused
    except SyncEngineError:
        raise
    except Exception as unforeseen:  # noqa: BLE001
        # A mistake of ours or of a vendor's: the other destinations are planned.
        return root_error(unforeseen)
    return None
