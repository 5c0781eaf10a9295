"""Runs that took place, and the batches of one of them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

from syncengine.app.databases import Databases, open_databases
from syncengine.config.project import Config
from syncengine.errors import ConfigError, Problem
from syncengine.model.desk import BatchSummary, RunSummary
from syncengine.storage.state import run_list
from syncengine.storage.state.runs import no_run_in_words


async def runs(
    config: Config, names: Sequence[str], most: int
) -> AsyncGenerator[list[RunSummary], None]:
    """Yield the newest runs of the named destinations, or of all, page by page.

    Without names, runs of destinations that have no file any more are among them. Runs
    may be under way meanwhile. Raises ConfigError, StorageError.
    """
    chosen: list[str] | None = None
    if names:
        chosen = list(config.named(tuple(names)))
    before: int | None = None
    left = most
    async with open_databases(config, ()) as databases:
        while left > 0:
            size = min(left, run_list.PAGE)
            page = await run_list.runs_page(
                databases.state, chosen, before=before, most=size
            )
            if not page:
                return
            yield page
            before = page[-1].run_id
            left -= len(page)


async def one_run(
    config: Config, run_id: int
) -> AsyncGenerator[list[RunSummary], None]:
    """Yield a page of one run.

    Raises ConfigError where there is none of this number, and StorageError.
    """
    async with open_databases(config, ()) as databases:
        yield [await known_run(databases, f"runs --run {run_id}", run_id)]


async def batches(
    config: Config, run_id: int
) -> AsyncGenerator[list[BatchSummary], None]:
    """Yield the batches of a run, page by page.

    Raises ConfigError where there is no such run, and StorageError.
    """
    async with open_databases(config, ()) as databases:
        await known_run(databases, f"runs --run {run_id}", run_id)
        async for page in run_list.all_batches(databases.state, run_id):
            yield page


async def known_run(databases: Databases, place: str, run_id: int) -> RunSummary:
    """Return a run. Raises ConfigError, in the name of ``place``, where there is none.

    Raises StorageError.
    """
    run = await run_list.find_run(databases.state, run_id)
    if run is not None:
        return run
    last = await run_list.last_run_id(databases.state)
    raise ConfigError([Problem(place, no_run_in_words(run_id, last))])
