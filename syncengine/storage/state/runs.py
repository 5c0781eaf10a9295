"""Runs: how they begin and end, and which contacts they concerned."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass

import asyncpg
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
    """Status as it is stored (``model.reports.RunStatus``)."""
    kind: str = ""
    """Kind as it is stored (``model.work.RunKind``)."""


@dataclass(frozen=True, slots=True)
class Note:
    """A contact worth a look after a run."""

    contact_id: str
    outcome: str
    """Outcome as it is stored (``model.calls.OutcomeKind``)."""
    code: str
    message: str


async def former_run(pool: Pool, run_id: int, batch: int | None) -> FormerRun:
    """Return the run to be retried. Raises ConfigError for an unknown run or batch."""
    async with read_state(pool) as connection:
        row = await connection.fetchrow(_SQL["run"], run_id)
        last = await connection.fetchval(_SQL["last_run"])
        batches = await connection.fetchval(_SQL["last_batch"], run_id)
    if row is None:
        raise _retry_error(run_id, no_run_in_words(run_id, last))
    if batch is not None and not 1 <= batch <= batches:
        raise _retry_error(run_id, _no_batch(run_id, batch, batches))
    # A run that was stopped after its batches were written has contacts that it did not
    # reach, and these can be retried. A refused run has judged nobody.
    is_without_work = row["status"] == "stopped" and not batches
    if row["status"] == "refused" or is_without_work:
        raise _retry_error(
            run_id,
            "that run was stopped before it sent anything, so nothing is to be "
            "retried: start a new `run`",
        )
    if row["undo_of"] is not None:
        raise _retry_error(
            run_id,
            f"that run took back what run {row['undo_of']} had changed: "
            f"`syncengine undo {row['undo_of']} --yes` goes on with what is left of it",
        )
    return FormerRun(row["run_id"], row["destination"], row["status"], row["kind"])


async def run_to_undo(pool: Pool, run_id: int) -> FormerRun:
    """Return the run whose changes are to be taken back.

    Raises ConfigError for a run that is not there.
    """
    async with read_state(pool) as connection:
        row = await connection.fetchrow(_SQL["run"], run_id)
        last = await connection.fetchval(_SQL["last_run"])
    if row is None:
        raise ConfigError([Problem(f"undo {run_id}", no_run_in_words(run_id, last))])
    return FormerRun(row["run_id"], row["destination"], row["status"], row["kind"])


def _retry_error(run_id: int, what: str) -> ConfigError:
    return ConfigError([Problem(f"retry {run_id}", what)])


def no_run_in_words(run_id: int, last: int | None) -> str:
    """Return that there is no run of this number; ``last`` is the newest run."""
    if last is None:
        return "no run has taken place yet"
    if 0 < run_id < last:
        return (
            f"there is no run {run_id} (`syncengine prune` deletes old ones); the last "
            f"one was {last}"
        )
    return f"there is no run {run_id}; the last one was {last}"


def _no_batch(run_id: int, batch: int, batches: int) -> str:
    if batches:
        return f"run {run_id} has no batch {batch}, only 1 to {batches}"
    return f"run {run_id} has no batch {batch}: it found nothing to do"


async def unsuccessful_contacts(
    pool: Pool,
    run_id: int,
    batch: int | None,
) -> AsyncIterator[DiffSlice]:
    """Yield the contacts that did not succeed in a run, or in one batch of it."""
    async with read_state(pool) as connection:
        rows = await connection.fetch(_SQL["unsuccessful_contacts"], run_id, batch)
    for kind in BatchKind:
        contact_ids = tuple(
            row["contact_id"] for row in rows if row["kind"] == kind.value
        )
        if contact_ids:
            yield DiffSlice(kind, contact_ids)


NO_RUN = 0
"""Number of a run that does not exist, for stores whose user records none."""


async def start_run(
    fence: Fence,
    destination: str,
    identity: Identity,
    kind: RunKind,
    *,
    retry_of: int | None = None,
    plan_id: str | None = None,
    undo_of: int | None = None,
    whole: bool = True,
    moving: Sequence[str] = (),
    starting_anew: Sequence[str] = (),
    beside: Collection[str] = (),
) -> int:
    """Begin a run; return its id.

    A former run of the same destination that still counts as running has died.
    ``moving`` are destinations of the account that are remembered under a former name
    of it, and move with this one. Those ``starting_anew`` lose the ids and values that
    are known of their contacts, since the account is another one. ``beside`` are former
    accounts whose leases this call took. ``plan_id`` is that of the plan file whose
    calls the run sends. A run that looks at some of the contacts only is not ``whole``.
    """
    # All of it is one transaction. A crash leaves either no trace of this run, and the
    # next one does the same again, or a run that counts as running until the next one
    # finds it and marks it as died.
    async with fence.writing(sending=True) as connection:
        # In the order of their names, as everywhere: two processes that lock rows of
        # several destinations never wait for each other.
        for name in sorted({*starting_anew}):
            await start_anew(connection, name)
        await move_account(connection, fence.account, [destination, *moving], beside)
        await connection.execute(_SQL["died"], destination)
        await write_remembered(connection, destination, identity)
        # These three look at the waiting batches of the destination's newest run. So
        # they come before the insert, after which the newest run would be this one.
        await connection.execute(_SQL["release_keys_of_unreached"], destination)
        await connection.execute(_SQL["plan_unreached_again"], destination)
        await connection.execute(_SQL["drop_ended_waits"], destination)
        run_id: int = await connection.fetchval(
            _SQL["start"],
            destination,
            fence.account,
            kind.value,
            retry_of,
            fence.epoch,
            plan_id,
            undo_of,
            whole,
        )
        return run_id


def printable_error(error: str | None) -> str | None:
    """Return an error as it is stored for people.

    Some read it with psql, in a terminal.
    """
    if error is None:
        return None
    return printable(error, lines=True)


async def measured_round_trip(pool: Pool, destination: str) -> float:
    """Return the seconds until an answer, as the newest run has measured them.

    0 where none has. Raises StorageError.
    """
    async with read_state(pool) as connection:
        seconds: float | None = await connection.fetchval(
            _SQL["round_trip"], destination
        )
    return seconds or 0.0


async def note_forecast(fence: Fence, run_id: int, forecast: Json) -> None:
    """Record what a run expects of itself. Raises LeaseLost, StorageError."""
    stored = orjson.dumps(forecast).decode()

    async def note() -> None:
        async with fence.writing() as connection:
            await connection.execute(_SQL["forecast"], run_id, stored)

    await fence.patience.wait_out(note)


async def finish_run(
    fence: Fence, run_id: int, status: str, totals: Json, error: str | None
) -> None:
    """Record how a run ended. Raises LeaseLost once another run took over."""
    stored_totals = orjson.dumps(totals).decode()
    stored_error = printable_error(error)

    async def note() -> None:
        # Not ``sending``: a run whose lease ran out may still say how it ended, unless
        # another one took over, which has marked it as died by then.
        async with fence.writing() as connection:
            await connection.execute(
                _SQL["finish"], run_id, status, stored_totals, stored_error
            )

    await fence.patience.wait_out(note)


async def break_off_run(fence: Fence, destination: str, error: str) -> None:
    """End the run that an unforeseen error left unfinished, if one was under way.

    The run is found by the epoch of its lease, since the error may have come before its
    id was known.
    """

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

    Those that are refused alike are reported as a group, elsewhere, and left out here
    unless ``one_by_one``.
    """
    async with read_state(pool) as connection:
        rows = await connection.fetch(_SQL["notes"], run_id, one_by_one, most)
    return [_note(row) for row in rows]


def _note(row: asyncpg.Record) -> Note:
    """Return a row of the statement ``notes``, with words for people."""
    # An outcome that is only ``unsupported`` has no message of the vendor.
    message = row["message"] or in_words(unsupported_from(row["unsupported"]))
    return Note(row["contact_id"], row["outcome"], row["code"], message)


async def notes_left(
    pool: Pool,
    run_id: int,
    *,
    one_by_one: bool,
    most: int = NOTES,
) -> int:
    """Return the number of contacts that ``notes`` does not name."""
    async with read_state(pool) as connection:
        number: int = await connection.fetchval(
            _SQL["number_of_notes"], run_id, one_by_one
        )
    return max(0, number - most)
