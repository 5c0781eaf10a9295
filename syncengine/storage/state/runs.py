"""Runs: how they begin and end, and which contacts they concerned."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass

import orjson

from syncengine.errors import ConfigError, Problem
from syncengine.model.http import Json
from syncengine.model.texts import printable
from syncengine.model.unsupported import in_words
from syncengine.model.work import BatchKind, DiffSlice, RunKind
from syncengine.storage.connect import Pool
from syncengine.storage.state.access import read_state
from syncengine.storage.state.accounts import move_account, start_anew
from syncengine.storage.state.destinations import Identity, write_remembered
from syncengine.storage.state.fence import Fence
from syncengine.storage.state.outcomes import unsupported_from
from syncengine.storage.statements import statements

_SQL = statements("runs")


@dataclass(frozen=True, slots=True)
class FormerRun:
    """A former run, as the state has it."""

    run_id: int
    destination: str
    status: str


@dataclass(frozen=True, slots=True)
class Note:
    """A contact worth a look after a run."""

    contact_id: str
    outcome: str
    code: str
    message: str


async def former_run(pool: Pool, run_id: int, batch: int | None) -> FormerRun:
    """Return the run to be retried. Raises ConfigError for an unknown run or batch."""
    async with read_state(pool) as connection:
        row = await connection.fetchrow(_SQL["run"], run_id)
        last = await connection.fetchval(_SQL["last_run"])
        batches = await connection.fetchval(_SQL["last_batch"], run_id)
    if row is None:
        raise ConfigError([Problem(f"retry {run_id}", _no_run(run_id, last))])
    if batch is not None and not 1 <= batch <= batches:
        only = f", only 1 to {batches}" if batches else ": it found nothing to do"
        raise ConfigError(
            [Problem(f"retry {run_id}", f"run {run_id} has no batch {batch}{only}")]
        )
    if row["status"] == "refused" or (row["status"] == "stopped" and not batches):
        what = "that run was stopped before it sent anything, so nothing is to be retried: start a new `run`"
        raise ConfigError([Problem(f"retry {run_id}", what)])
    return FormerRun(row["run_id"], row["destination"], row["status"])


def _no_run(run_id: int, last: int | None) -> str:
    if last is None:
        return "no run has taken place yet"
    if 0 < run_id < last:
        return f"there is no run {run_id} (any more: `syncengine prune` deletes old ones); the last one was {last}"
    return f"there is no run {run_id}; the last one was {last}"


async def unsuccessful_contacts(
    pool: Pool,
    run_id: int,
    batch: int | None,
) -> AsyncIterator[DiffSlice]:
    """Yield the contacts that did not succeed in a run, or in one batch of it."""
    async with read_state(pool) as connection:
        rows = await connection.fetch(_SQL["unmade"], run_id, batch)
    for kind in BatchKind:
        of_kind = (row["contact_id"] for row in rows if row["kind"] == kind.value)
        if contact_ids := tuple(of_kind):
            yield DiffSlice(kind, contact_ids)


async def start_run(
    fence: Fence,
    destination: str,
    identity: Identity,
    kind: RunKind,
    *,
    retry_of: int | None = None,
    moving: Sequence[str] = (),
    starting_anew: Sequence[str] = (),
    beside: Collection[str] = (),
) -> int:
    """Begin a run; return its id.

    A former run of the same destination that still counts as running has died.
    ``moving`` are destinations of the account that are remembered under a former name
    of it, and move with this one. Those ``starting_anew`` lose the ids and values that
    are known of their contacts, since the account is another one. ``beside`` are former
    accounts whose leases this call took.
    """
    async with fence.writing(sending=True) as connection:
        for name in sorted({*starting_anew}):
            await start_anew(connection, name)
        await move_account(connection, fence.account, [destination, *moving], beside)
        await connection.execute(_SQL["died"], destination)
        await write_remembered(connection, destination, identity)
        # Before the new run exists: these look at the waiting batches of the last run.
        await connection.execute(_SQL["let_go_unmade"], destination)
        await connection.execute(_SQL["look_again"], destination)
        await connection.execute(_SQL["no_longer_waiting"], destination)
        run_id: int = await connection.fetchval(
            _SQL["start"], destination, fence.account, kind.value, retry_of, fence.epoch
        )
        return run_id


def printable_error(error: str | None) -> str | None:
    """Return an error as it is stored for people.

    Some read it with psql, in a terminal.
    """
    return None if error is None else printable(error, lines=True)


async def finish_run(
    fence: Fence, run_id: int, status: str, totals: Json, error: str | None
) -> None:
    """Record how a run ended."""

    async def note() -> None:
        async with fence.writing() as connection:
            await connection.execute(
                _SQL["finish"],
                run_id,
                status,
                orjson.dumps(totals).decode(),
                printable_error(error),
            )

    await fence.patience.wait_out(note)


async def break_off_run(fence: Fence, destination: str, error: str) -> None:
    """End the run that an unforeseen error left unfinished, if one was under way."""

    async def note() -> None:
        async with fence.writing() as connection:
            await connection.execute(
                _SQL["break_off"], destination, fence.epoch, printable_error(error)
            )

    await fence.patience.wait_out(note)


NOTES = 20
"""Number of a run's contacts that are named one by one."""


async def notes(
    pool: Pool,
    run_id: int,
    *,
    one_by_one: bool,
    most: int = NOTES,
) -> list[Note]:
    """Return the contacts of a run that did not simply succeed, the worst first.

    Those that are refused alike are told of together, unless ``one_by_one``.
    """
    async with read_state(pool) as connection:
        rows = await connection.fetch(_SQL["noteworthy"], run_id, one_by_one, most)
    return [
        Note(
            row["contact_id"],
            row["outcome"],
            row["code"],
            row["message"] or in_words(unsupported_from(row["unsupported"])),
        )
        for row in rows
    ]


async def notes_left(
    pool: Pool,
    run_id: int,
    *,
    one_by_one: bool,
    most: int = NOTES,
) -> int:
    """Return the number of contacts that ``notes`` does not name."""
    async with read_state(pool) as connection:
        mine = run_id, one_by_one
        number = int(await connection.fetchval(_SQL["noteworthy_number"], *mine))
    return max(0, number - most)
