"""Deletion of old data: runs with their batches and outcomes, changes, and minutes.

Changes have a time of their own (``keep_changes``). Minutes are expired when no limit looks back at them any more.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

from pydantic import TypeAdapter, ValidationError

from syncengine.app.databases import open_databases
from syncengine.config.models import Retention as KeepOutcomes
from syncengine.config.project import Config
from syncengine.errors import ConfigError, Problem
from syncengine.model.limits import REMEMBERED
from syncengine.model.reports import PruneReport
from syncengine.storage.state.retention import Retention

_LATE = 120.0
"""Seconds beyond a limit's window in which a minute may still count."""


async def prune(
    config: Config, *, older_than: str | None = None, stop: asyncio.Event | None = None
) -> PruneReport:
    """Delete runs that ended longer ago than ``keep_outcomes``.

    ``older_than`` (such as ``90d``) takes its place. The newest run of each destination
    and every run that is not over stay. Runs may be under way meanwhile. ``stop`` ends
    it after the slice it is at. Raises ConfigError, StorageError.
    """
    began = time.monotonic()
    if stop is None:
        # Never set: nobody stops it.
        stop = asyncio.Event()
    kept = config.engine.keep_outcomes
    if older_than is not None:
        kept = _seconds(older_than)
    runs = batches = outcomes = changes = minutes = 0
    async with open_databases(config, ()) as databases:
        retention = Retention(databases.state)
        # A run that is deleted below loses its changes as well, however long they are
        # to be kept.
        changes_kept = min(kept, config.engine.keep_changes)
        for run_id in await retention.runs_with_changes(changes_kept):
            changes += await _sum(retention.changes(run_id), stop)
        for run_id in await retention.expired_runs(kept):
            # The run goes last: one that was begun is found again if this breaks off.
            outcomes += await _sum(retention.outcomes(run_id), stop)
            changes += await _sum(retention.changes(run_id), stop)
            batches += await _sum(retention.batches(run_id), stop)
            if stop.is_set():
                break
            runs += await retention.run(run_id)
        # Counts of requests by minute, by which limits are kept over several runs. A
        # file that cannot be read may name a longer window than all others.
        if not stop.is_set() and not config.broken:
            old_minutes = retention.minutes(_longest_window(config))
            minutes = await _sum(old_minutes, stop)
    return PruneReport(
        older_than=kept,
        runs=runs,
        batches=batches,
        outcomes=outcomes,
        changes=changes,
        quota_minutes=minutes,
        seconds=time.monotonic() - began,
    )


async def _sum(slices: AsyncIterator[int], stop: asyncio.Event) -> int:
    """Return how many rows were deleted, slice by slice."""
    deleted = 0
    if stop.is_set():
        return deleted
    async for number in slices:
        deleted += number
        if stop.is_set():
            break
    return deleted


def _seconds(older_than: str) -> float:
    """Return a duration in seconds. Raises ConfigError."""
    try:
        return TypeAdapter(KeepOutcomes).validate_python(older_than)
    except ValidationError as error:
        (problem, *_) = error.errors(include_input=False, include_url=False)
        what = problem["msg"].removeprefix("Value error, ")
        raise ConfigError([Problem("--older-than", what)]) from None


def _longest_window(config: Config) -> float:
    """Return the seconds for which minutes may still count."""
    longest: float = REMEMBERED
    for destination in config.destinations:
        for limit in destination.limits:
            longest = max(longest, limit.per + _LATE)
    return longest
