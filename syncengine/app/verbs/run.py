"""Runs of destinations."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from syncengine.app.accounts import LeasedAccount
from syncengine.app.alerting import alerting
from syncengine.app.broken_off_run import broken_off_report, with_standing
from syncengine.app.credentials import settled
from syncengine.app.databases import Databases, open_databases
from syncengine.app.destination_run import run_destination
from syncengine.app.event_log import event_log
from syncengine.app.markers import warn_where_new
from syncengine.app.pipelines import side_by_side
from syncengine.app.plan_file import PlanFile
from syncengine.app.run_progress import RunProgress
from syncengine.app.run_request import RunRequest
from syncengine.app.session import session
from syncengine.app.undoable import destination_to_undo
from syncengine.config.destination import DestinationConfig
from syncengine.config.project import Config
from syncengine.errors import ConfigError, Problem, SyncEngineError
from syncengine.model.events import Event
from syncengine.model.reports import Progress, RunReport
from syncengine.planning.plan_file import Digests
from syncengine.storage.state.plan_files import state_key
from syncengine.storage.state.restores import state_identity
from syncengine.storage.state.runs import former_run


async def run(
    config: Config,
    names: Sequence[str],
    request: RunRequest,
    *,
    plan: Path | None = None,
    progress: Progress | None = None,
    stop: asyncio.Event | None = None,
) -> list[RunReport]:
    """Run the named destinations, or all; one report each, in their order.

    ``plan`` is a plan file: what it says is sent, and nothing else.
    ``stop`` ends the run cleanly once it is set. Raises RunRefused for what concerns
    the whole call.
    """
    if plan is None:
        return await _run(config, names, request, progress, stop)
    # In a thread: a large file takes a while, and a signal must not wait for it.
    plan_file = await asyncio.to_thread(PlanFile, plan)
    try:
        request = replace(request, plan=plan_file)
        planned = _planned(plan_file, names)
        return await _run(config, planned, request, progress, stop)
    finally:
        plan_file.close()


def _planned(plan: PlanFile, names: Sequence[str]) -> tuple[str, ...]:
    """Return the destinations of a plan, or those named. Raises ConfigError."""
    missing = [name for name in names if name not in plan.destinations]
    if missing:
        what = (
            f'is no plan for destination "{missing[0]}", only for '
            f"{', '.join(plan.destinations)}"
        )
        raise ConfigError([Problem(str(plan.path), what)])
    return tuple(names) or plan.destinations


async def _run(
    config: Config,
    names: Sequence[str],
    request: RunRequest,
    progress: Progress | None,
    stop: asyncio.Event | None,
) -> list[RunReport]:
    config = await settled(config)
    # Which destination a run to retry or to undo belongs to is known only from the
    # state, so the databases of all are opened.
    destinations = config.destinations
    finds_destination = request.retry_of is not None or request.undo is not None
    if not finds_destination:
        destinations = config.chosen(tuple(names))
    async with (
        open_databases(config, destinations) as databases,
        alerting(config, databases.state) as desk,
    ):
        if request.plan is not None:
            identity = await state_identity(databases.state)
            digests = Digests(await state_key(databases.state))
            request.plan.refuse_other_state(identity.state_id, digests)
        await warn_where_new(databases)
        if request.retry_of is not None:
            destinations = await _retried(config, databases, request)
        if request.undo is not None:
            destinations = await destination_to_undo(
                config, databases, request.undo, names
            )
        started: dict[str, RunProgress] = {}

        async def work(
            destination: DestinationConfig, account: LeasedAccount
        ) -> RunReport:
            async with session(
                destination,
                account,
                config,
                databases,
                request.kind,
                request=request,
                progress=progress,
            ) as s:
                # Kept outside of the session: what breaks the session off is reported
                # with the counts up to there.
                so_far = RunProgress(s.name, account.pacing, s.live.tally, s.began)
                started[s.name] = so_far
                return await finished(await run_destination(s, so_far))

        async def failed(
            destination: DestinationConfig, error: SyncEngineError
        ) -> RunReport:
            so_far = started.get(destination.name)
            return await finished(broken_off_report(destination, error, so_far))

        async def finished(report: RunReport) -> RunReport:
            whole = await with_standing(databases, report)
            if request.undo is not None:
                whole = replace(whole, undo_of=request.undo.run_id)
            event_log()(Event.RUN_FINISHED, **whole.public())
            await desk.note_run(whole, request)
            return whole

        return await side_by_side(config, databases, destinations, work, failed, stop)


async def _retried(
    config: Config, databases: Databases, request: RunRequest
) -> tuple[DestinationConfig, ...]:
    """Return the destination of the run to retry. Raises ConfigError, StorageError."""
    assert request.retry_of is not None
    former = await former_run(databases.state, request.retry_of, request.batch)
    configured = [*(each.name for each in config.destinations), *config.broken]
    if former.destination not in configured:
        what = (
            f'that run was for destination "{former.destination}", which has no file '
            "here now"
        )
        raise ConfigError([Problem(f"retry {request.retry_of}", what)])
    return config.chosen((former.destination,))
