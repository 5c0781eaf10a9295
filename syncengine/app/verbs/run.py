"""Runs of destinations."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from syncengine.app.accounts import LeasedAccount
from syncengine.app.credentials import settled
from syncengine.app.databases import Databases, open_databases
from syncengine.app.destination_run import run_destination
from syncengine.app.event_log import event_log
from syncengine.app.markers import warn_where_new
from syncengine.app.pipelines import side_by_side
from syncengine.app.run_progress import RunProgress
from syncengine.app.run_request import RunRequest
from syncengine.config.destination import DestinationConfig
from syncengine.config.project import Config
from syncengine.errors import (
    ConfigError,
    CutShort,
    LeaseHeld,
    Problem,
    RunRefused,
    RunStopped,
    StorageError,
    SyncEngineError,
)
from syncengine.model.events import Event
from syncengine.model.reports import NoProgress, Progress, RunReport, RunStatus
from syncengine.storage.state.runs import former_run
from syncengine.storage.state.standing import number_standing

__all__ = ["RunRequest", "run"]


async def run(
    config: Config,
    names: Sequence[str],
    request: RunRequest,
    *,
    progress: Progress | None = None,
    stop: asyncio.Event | None = None,
) -> list[RunReport]:
    """Run the named destinations, or all; one report each, in their order.

    ``stop`` ends the run cleanly once it is set. Raises RunRefused for what concerns
    the whole call.
    """
    config = await settled(config)
    underway: dict[str, RunProgress] = {}
    heard, ended = progress or NoProgress(), stop or asyncio.Event()
    destinations = (
        config.destinations
        if request.retry_of is not None
        else config.chosen(tuple(names))
    )
    async with open_databases(config, destinations) as databases:
        await warn_where_new(databases)
        if request.retry_of is not None:
            destinations = await _retried(
                config, databases, request.retry_of, request.batch
            )

        async def work(
            destination: DestinationConfig, account: LeasedAccount
        ) -> RunReport:
            progress_so_far = underway[destination.name] = RunProgress(
                destination.name, account.pacing
            )
            return await told(
                await run_destination(
                    destination,
                    account,
                    config,
                    databases,
                    request,
                    heard,
                    progress_so_far,
                )
            )

        async def told(report: RunReport) -> RunReport:
            whole = await _with_standing(databases, report)
            event_log()(Event.RUN_FINISHED, **whole.public())
            return whole

        async def gave_up(
            destination: DestinationConfig, error: SyncEngineError
        ) -> RunReport:
            return await told(
                failed(destination, error, underway.get(destination.name))
            )

        return await side_by_side(config, databases, destinations, work, gave_up, ended)


async def _with_standing(databases: Databases, report: RunReport) -> RunReport:
    """Return the report of a destination whose run could not begin.

    It numbers the contacts that are not tried any more.
    """
    if report.standing is not None:
        return report
    try:
        standing = await number_standing(databases.state, report.destination)
    except StorageError:
        return report  # it says already why the database cannot be asked
    return replace(report, standing=standing)


async def _retried(
    config: Config, databases: Databases, run_id: int, batch: int | None
) -> tuple[DestinationConfig, ...]:
    former = await former_run(databases.state, run_id, batch)
    if former.destination not in {
        *(destination.name for destination in config.destinations),
        *config.broken,
    }:
        what = f'that run was for destination "{former.destination}", and there is no such destination (any more)'
        raise ConfigError([Problem(f"retry {run_id}", what)])
    return config.chosen((former.destination,))


def failed(
    destination: DestinationConfig,
    error: SyncEngineError,
    progress_so_far: RunProgress | None,
) -> RunReport:
    """Return the report of a destination whose run could not begin or go on."""
    status = status_of(error)
    if progress_so_far is None:
        return RunReport(destination.name, None, status, error=str(error))
    if isinstance(error, CutShort):
        progress_so_far.break_off()
    return progress_so_far.report(status, str(error))


def status_of(error: SyncEngineError) -> RunStatus:
    """Return the status of a destination that this error ended."""
    match error:
        case LeaseHeld():
            return RunStatus.HELD
        case RunRefused():
            return RunStatus.REFUSED
        case RunStopped():
            return RunStatus.STOPPED
        case _:
            return RunStatus.HALTED
