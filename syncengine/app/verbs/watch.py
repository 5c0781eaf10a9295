"""Runs that somebody else has started, looked at again and again.

Only reads the state: no source, no vendor, no lease. It needs SELECT and nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from pydantic import TypeAdapter, ValidationError

from syncengine.app.credentials import settled
from syncengine.app.databases import open_databases
from syncengine.config.project import Config
from syncengine.engine.stopping import sleep_unless_stopped
from syncengine.errors import ConfigError, Problem, StorageError
from syncengine.model.watching import WatchReport, WatchState
from syncengine.storage.connect import Pool
from syncengine.storage.state.watching import read_newest_runs
from syncengine.vendors.kit.settings import Duration

_SHORTEST = 0.1
"""Seconds between two looks, at least."""


@dataclass(frozen=True, slots=True)
class WatchedMoment:
    """View of the newest runs at one moment."""

    reports: Sequence[WatchReport]
    """The destinations; as they were seen last, where ``problem`` is given."""
    problem: str = ""
    """Reason why the state cannot be read at the moment."""

    @property
    def is_over(self) -> bool:
        """Return whether no run is under way."""
        return not any(each.state is WatchState.RUNNING for each in self.reports)


async def watch(
    config: Config,
    names: Sequence[str],
    *,
    interval: str = "2s",
    until_done: bool = False,
    once: bool = False,
    stop: asyncio.Event,
) -> AsyncIterator[WatchedMoment]:
    """Yield what is seen of the named destinations, or of all, in their order.

    It ends once ``stop`` is set; after the first moment with ``once``; with
    ``until_done``, once no run is under way any more. A database that goes away
    meanwhile is waited for. Raises ConfigError, StorageError.
    """
    seconds = _seconds(interval)
    config = await settled(config)
    watched = config.named(tuple(names))
    # None of their sources is opened.
    async with open_databases(config, ()) as databases:
        moment = WatchedMoment(await read_newest_runs(databases.state, watched))
        while True:
            yield moment
            # A problem says nothing of the runs: they go on.
            is_done = until_done and moment.is_over and not moment.problem
            if once or is_done or stop.is_set():
                return
            await sleep_unless_stopped(stop, seconds)
            # Whoever has stopped it does not wait for one more statement.
            if stop.is_set():
                return
            moment = await _next_moment(databases.state, watched, moment)


async def _next_moment(
    pool: Pool, watched: Sequence[str], last: WatchedMoment
) -> WatchedMoment:
    """Return what is seen now, or seen last while the database is away."""
    try:
        return WatchedMoment(await read_newest_runs(pool, watched))
    except StorageError as error:
        # A wrong password stays wrong; a database that restarts comes back.
        if not error.may_pass:
            raise
        return WatchedMoment(last.reports, str(error))


def _seconds(interval: str) -> float:
    """Return a duration in seconds. Raises ConfigError."""
    try:
        seconds: float = TypeAdapter(Duration).validate_python(interval)
    except ValidationError as error:
        (problem, *_) = error.errors(include_input=False, include_url=False)
        what = problem["msg"].removeprefix("Value error, ")
        raise ConfigError([Problem("--interval", what)]) from None
    if seconds < _SHORTEST:
        raise ConfigError([Problem("--interval", "must be 100ms or more")])
    return seconds
