"""Contacts that fell short: in one run, or by now at each destination."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence

from syncengine.app.databases import Databases, open_databases
from syncengine.app.next_steps import next_step
from syncengine.app.verbs.runs import known_run
from syncengine.config.project import Config
from syncengine.errors import ConfigError, Problem
from syncengine.model.desk import Failure
from syncengine.storage.state.failures import (
    NOT_REACHED,
    FailedContact,
    RunsThatCount,
    all_failed_in_run,
    all_standing_besides,
    all_unreached,
    runs_that_count,
)
from syncengine.storage.state.taken_back import is_under_way


async def failures(
    config: Config,
    names: Sequence[str],
    run_id: int | None = None,
    code: str | None = None,
) -> AsyncGenerator[list[Failure], None]:
    """Yield the contacts that fell short, page by page.

    With ``run_id`` those of that run. Without it those of the last run of each named
    destination (or of all) that looked at all contacts and is over, but for those that
    a later one tried again; those of the later ones; and those that are left alone
    since earlier runs. With ``code`` only those refused with it. Runs may be under way meanwhile. Raises
    ConfigError, StorageError.
    """
    chosen = config.named(tuple(names)) if names or run_id is None else ()
    async with open_databases(config, ()) as databases:
        if run_id is not None:
            destination = await _destination_of(databases, run_id, chosen)
            async for page in _of_run(databases, destination, run_id, code):
                yield _failures(destination, page)
            return
        for name in chosen:
            async for page in _by_now(databases, name, code):
                yield _failures(name, page)


async def _of_run(
    databases: Databases, destination: str, run_id: int, code: str | None
) -> AsyncIterator[list[FailedContact]]:
    """Yield the contacts that fell short in a run, then those it did not come to."""
    state = databases.state
    async for page in all_failed_in_run(state, destination, run_id, code):
        yield page
    # A run that is under way has not come to them yet.
    if code in (None, NOT_REACHED) and not await is_under_way(state, run_id):
        async for page in all_unreached(state, destination, run_id):
            yield page


async def _by_now(
    databases: Databases, destination: str, code: str | None
) -> AsyncIterator[list[FailedContact]]:
    """Yield the contacts whose newest try fell short, and those that stand."""
    state = databases.state
    runs = await runs_that_count(state, destination)
    for run_id in runs.run_ids:
        later = runs.after(run_id)
        async for page in all_failed_in_run(state, destination, run_id, code, later):
            yield page
    if code in (None, NOT_REACHED):
        async for page in _unreached_by_now(databases, destination, runs):
            yield page
    async for page in all_standing_besides(state, destination, runs, code):
        yield page


async def _unreached_by_now(
    databases: Databases, destination: str, runs: RunsThatCount
) -> AsyncIterator[list[FailedContact]]:
    """Yield the contacts that the runs did not come to, each once."""
    state = databases.state
    seen: set[str] = set()
    for run_id in runs.run_ids:
        # A run that is under way has not come to them yet.
        if await is_under_way(state, run_id):
            continue
        async for page in all_unreached(state, destination, run_id, runs):
            yield [each for each in page if each.contact_id not in seen]
            # Of one run alone none comes twice.
            if len(runs.run_ids) > 1:
                seen.update(each.contact_id for each in page)


async def _destination_of(
    databases: Databases, run_id: int, chosen: Sequence[str]
) -> str:
    """Return the destination of a run. Raises ConfigError where it was not asked for."""
    run = await known_run(databases, f"failures {run_id}", run_id)
    if chosen and run.destination not in chosen:
        what = (
            f'that run was for destination "{run.destination}": leave out '
            "--destination, or name that one"
        )
        raise ConfigError([Problem(f"failures {run_id}", what)])
    return run.destination


def _failures(destination: str, page: Sequence[FailedContact]) -> list[Failure]:
    return [failure_of(destination, each) for each in page]


def failure_of(destination: str, contact: FailedContact) -> Failure:
    """Return a contact that fell short, with what comes next for it."""
    return Failure(
        destination=destination,
        contact_id=contact.contact_id,
        outcome=contact.outcome,
        code=contact.code,
        message=contact.message,
        http_status=contact.http_status,
        requests=contact.requests,
        run_id=contact.run_id,
        since_run_id=contact.since_run_id,
        rejections=contact.rejections,
        standing=contact.standing,
        at=contact.at,
        next_step=next_step(destination, contact),
    )
