"""Forecast of a run; sends nothing, and leaves the state as it is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import datetime, timedelta

from syncengine.app.credentials import settled
from syncengine.app.databases import open_databases
from syncengine.app.forecast import Forecast, prices_of, quotas_of
from syncengine.app.markers import warn_where_new
from syncengine.app.match_keys import keys_may_collide
from syncengine.app.planned_run import plan_run
from syncengine.app.run_request import RunRequest
from syncengine.app.session import Reader
from syncengine.config.project import Config
from syncengine.errors import RunRefused, SyncEngineError, root_error
from syncengine.model.plans import PlanReport
from syncengine.planning.timing import timing
from syncengine.storage.connect import Connection
from syncengine.storage.state.planned_keys import planned_claims


async def plan(
    config: Config, names: Sequence[str], request: RunRequest
) -> list[PlanReport]:
    """Plan the named destinations, or all, in the order of a run.

    Raises RunRefused for what concerns the whole call.
    """
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
                # Destinations of one account send one after the other.
                wait = lasting[destination.account]
                report = await _plan(reader, request, claims, wait)
                lasting[destination.account] += report.seconds
                reports.append(report)
            return reports


async def _plan(
    reader: Reader, request: RunRequest, claims: Connection | None, wait: float
) -> PlanReport:
    """Plan one destination; what stops it is part of its report.

    ``wait`` is the number of seconds until it may begin to send.
    """
    destination, databases = reader.destination, reader.databases
    prices = await prices_of(destination, reader.config, databases)
    forecast = Forecast(destination, prices)
    cause = await _stopped_by(forecast, reader, request, claims)
    lasting = timing(
        forecast.requests,
        destination.limits,
        by_method=forecast.by_method(),
        quotas=await quotas_of(destination, databases),
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
