"""Runs: every account in its own task, so that a slow or broken vendor holds up nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from syncengine.app.accounts import by_account, held
from syncengine.app.databases import Databases, opened
from syncengine.app.destination_run import run_destination
from syncengine.app.request import Request
from syncengine.config import Config, DestinationConfig
from syncengine.errors import AccountStopped, LeaseHeld, RunRefused, SyncEngineError
from syncengine.model.reports import Progress, RunReport, Silent
from syncengine.storage.runs import former_run

__all__ = ["Request", "run"]


@dataclass(slots=True)
class _Reports:
    """Reports as they come in."""

    done: dict[str, RunReport] = field(default_factory=dict)


async def run(
    config: Config,
    names: Sequence[str],
    request: Request,
    *,
    progress: Progress | None = None,
    stop: asyncio.Event | None = None,
) -> list[RunReport]:
    """Run the named destinations, or all; one report each, in their order.

    ``stop`` ends the run cleanly once it is set. Raises RunRefused for what concerns the whole call.
    """
    progress, stop = progress or Silent(), stop or asyncio.Event()
    destinations = config.chosen(tuple(names))
    async with opened(config, destinations) as databases:
        if request.retry_of is not None:
            former = await former_run(databases.state, request.retry_of, request.batch)
            destinations = config.chosen((former.destination,))
        reports = _Reports()
        async with asyncio.TaskGroup() as group:
            for account, members in by_account(destinations).items():
                work = _account(config, account, members, databases, request, progress, stop, reports)
                group.create_task(work, name=f"account {account}")
    return [reports.done[destination.name] for destination in destinations]


async def _account(
    config: Config,
    account: str,
    destinations: Sequence[DestinationConfig],
    databases: Databases,
    request: Request,
    progress: Progress,
    stop: asyncio.Event,
    reports: _Reports,
) -> None:
    try:
        async with held(account, destinations, databases, config.engine.lease_ttl) as mine:
            for destination in destinations:
                reports.done[destination.name] = await run_destination(
                    destination, mine, databases, request, progress, stop, batch_size=config.engine.batch_size
                )
    except* SyncEngineError as errors:
        error = _first(errors)
        for destination in destinations:
            if destination.name not in reports.done:
                reports.done[destination.name] = failed(destination.name, error)


def failed(destination: str, error: SyncEngineError) -> RunReport:
    """The report of a destination whose run could not begin or could not go on."""
    match error:
        case LeaseHeld():
            status, code = "held", 3
        case RunRefused():
            status, code = "refused", 2
        case AccountStopped():
            status, code = "halted", 1
        case _:
            status, code = "halted", 1
    return RunReport(destination, None, status, error=str(error), exit_code=code)


def _first(errors: BaseExceptionGroup[SyncEngineError]) -> SyncEngineError:
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, SyncEngineError)
    return error
