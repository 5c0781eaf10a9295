"""Forecast of a run; sends nothing, and leaves the state as it is."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext

from syncengine.app.credentials import settled
from syncengine.app.databases import open_databases
from syncengine.app.forecast import Forecast, prices_of
from syncengine.app.markers import warn_where_new
from syncengine.app.match_keys import keys_may_collide
from syncengine.app.planned_run import plan_run
from syncengine.app.run_request import RunRequest
from syncengine.app.session import Reader
from syncengine.config.project import Config
from syncengine.errors import BrakeApplied, RunRefused, SyncEngineError, root_error
from syncengine.model.plans import PlanReport
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
            return [
                await _plan(Reader(destination, config, databases), request, claims)
                for destination in destinations
            ]


async def _plan(
    reader: Reader, request: RunRequest, claims: Connection | None
) -> PlanReport:
    """Plan one destination; what stops it is part of its report."""
    forecast = Forecast(reader.destination, await prices_of(reader))
    try:
        await plan_run(forecast, reader, request, claims)
    except BrakeApplied as brake:
        return forecast.report(brake=brake)
    except RunRefused as refused:
        return forecast.report(error=refused)
    except SyncEngineError:
        raise
    except Exception as unforeseen:  # noqa: BLE001
        # A mistake of ours or of a vendor's: the other destinations are planned.
        return forecast.report(error=root_error(unforeseen))
    return forecast.report()
