"""Contacts that fell short, page by page: those of a run, and those that stand.

They come by code, and those of one code by contact. People about whom nothing may be
sent are not among them: that is no failure.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from syncengine.model.calls import OutcomeKind
from syncengine.model.unsupported import in_words
from syncengine.model.work import RunKind, Standing
from syncengine.storage.connect import Pool
from syncengine.storage.state.access import read_state
from syncengine.storage.state.outcomes import unsupported_from
from syncengine.storage.state.standing import standing_in
from syncengine.storage.statements import statements

_SQL = statements("failures")
PAGE = 500
"""Rows that are read at a time."""
STANDING = (Standing.DEAD_LETTER, Standing.GONE, Standing.UNSUPPORTED)
"""Reasons why a contact stands that are failures, in the order of the list."""
NOT_REACHED = "not_reached"
"""Code of contacts that a run did not come to before it ended."""
SEND_NOTHING = (RunKind.VERIFY.value, RunKind.ADOPT.value, RunKind.FORGET.value)
"""Kinds of runs that bring no contact in step."""


@dataclass(frozen=True, slots=True)
class FailedContact:
    """A contact that fell short, as the state has it."""

    contact_id: str
    outcome: str
    """Outcome of its last try; empty where that is not there any more."""
    code: str
    message: str
    http_status: int | None
    requests: int | None
    at: datetime | None
    """When that was."""
    run_id: int | None
    status: str
    """Its status now; empty where the state does not know it any more."""
    standing: Standing | None
    rejections: int
    since_run_id: int | None
    is_grouped: bool
    """True where it is left alone together with others that were refused alike."""
    is_listed: bool = False
    """True where the list of another run has it, or a later run tried it again."""

    @property
    def key(self) -> tuple[str, str]:
        """Return where the page behind this contact begins."""
        return self.code, self.contact_id


@dataclass(frozen=True, slots=True)
class RunsThatCount:
    """The runs in which contacts of a destination fell short, by the newest of each."""

    run_ids: tuple[int, ...] = ()
    """The newest first."""
    undos: tuple[int, ...] = ()
    """Those of them that took something back, and mended no contact."""

    def after(self, run_id: int) -> RunsThatCount:
        """Return those of them that are newer."""
        newer = tuple(each for each in self.run_ids if each > run_id)
        return RunsThatCount(newer, self.undos)


NO_RUNS = RunsThatCount()


async def runs_that_count(pool: Pool, destination: str) -> RunsThatCount:
    """Return the newest run that looked at all contacts and is over, and those since.

    Where none is over it is the one under way.
    """
    arguments = (destination, list(SEND_NOTHING))
    async with read_state(pool) as connection:
        rows = await connection.fetch(_SQL["runs_since_whole"], *arguments)
        if not rows:
            rows = await connection.fetch(_SQL["run_under_way"], *arguments)
    return RunsThatCount(
        tuple(row["run_id"] for row in rows),
        tuple(row["run_id"] for row in rows if row["kind"] == RunKind.UNDO.value),
    )


async def failed_in_run(
    pool: Pool,
    destination: str,
    run_id: int,
    *,
    later: RunsThatCount = NO_RUNS,
    code: str | None = None,
    after: tuple[str, str] | None = None,
    most: int = PAGE,
) -> list[FailedContact]:
    """Return a page of the contacts that fell short in a run.

    Those that one of the ``later`` runs tried again are marked as listed. ``after`` is
    the ``key`` of the last one of the page before.
    """
    last_code, last_contact = after or (None, None)
    async with read_state(pool) as connection:
        rows = await connection.fetch(
            _SQL["of_run"],
            run_id,
            destination,
            code,
            last_code,
            last_contact,
            most,
            later.run_ids,
            later.undos,
        )
    return [_failed(row, is_listed=row["listed"]) for row in rows]


async def failed_and_standing(
    pool: Pool,
    destination: str,
    standing: Standing,
    *,
    besides: RunsThatCount = NO_RUNS,
    code: str | None = None,
    after: tuple[str, str] | None = None,
    most: int = PAGE,
) -> list[FailedContact]:
    """Return a page of the contacts that stand for this reason.

    Those that fell short in the runs ``besides`` are marked as listed.
    """
    last_code, last_contact = after or (None, None)
    async with read_state(pool) as connection:
        rows = await connection.fetch(
            _SQL["standing"],
            destination,
            standing.value,
            code,
            last_code,
            last_contact,
            most,
            besides.run_ids,
            besides.undos,
        )
    return [_failed(row, is_listed=row["listed"]) for row in rows]


async def all_failed_in_run(
    pool: Pool,
    destination: str,
    run_id: int,
    code: str | None = None,
    later: RunsThatCount = NO_RUNS,
) -> AsyncIterator[list[FailedContact]]:
    """Yield all contacts that fell short in a run, page by page.

    Those that one of the ``later`` runs tried again are left out.
    """
    after: tuple[str, str] | None = None
    while page := await failed_in_run(
        pool, destination, run_id, code=code, after=after, later=later
    ):
        yield [each for each in page if not each.is_listed]
        after = page[-1].key


async def all_unreached(
    pool: Pool, destination: str, run_id: int, besides: RunsThatCount = NO_RUNS
) -> AsyncIterator[list[FailedContact]]:
    """Yield the contacts that a run did not come to before it ended, batch by batch.

    Those that the runs ``besides`` list, or a later one of them tried, are left out.
    """
    async with read_state(pool) as connection:
        rows = await connection.fetch(_SQL["waiting_batches"], run_id)
    # A connection for each batch: a reader that is slow holds none meanwhile.
    for batch in rows:
        async with read_state(pool) as connection:
            found = await connection.fetch(
                _SQL["unreached"],
                run_id,
                batch["number"],
                destination,
                besides.run_ids,
                besides.undos,
            )
        if found:
            yield [_unreached(row, run_id) for row in found]


async def all_standing_besides(
    pool: Pool, destination: str, runs: RunsThatCount, code: str | None = None
) -> AsyncIterator[list[FailedContact]]:
    """Yield all contacts that stand and did not fall short in these runs."""
    for standing in STANDING:
        after: tuple[str, str] | None = None
        while page := await failed_and_standing(
            pool, destination, standing, besides=runs, code=code, after=after
        ):
            # Not left out in SQL: a page of marked ones would be empty, and look like
            # the last.
            yield [each for each in page if not each.is_listed]
            after = page[-1].key


def _unreached(row: asyncpg.Record, run_id: int) -> FailedContact:
    return FailedContact(
        contact_id=row["contact_id"],
        outcome=OutcomeKind.DEFERRED.value,
        code=NOT_REACHED,
        message="the run ended before it came to this contact",
        http_status=None,
        requests=0,
        at=None,
        run_id=run_id,
        status=row["status"] or "",
        standing=standing_in(row),
        rejections=row["rejections"] or 0,
        since_run_id=row["failing_since"],
        is_grouped=bool(row["grouped"]),
    )


def _failed(row: asyncpg.Record, *, is_listed: bool = False) -> FailedContact:
    # An outcome that is only ``unsupported`` has no message of the vendor.
    message = row["message"] or in_words(unsupported_from(row["unsupported"]))
    return FailedContact(
        contact_id=row["contact_id"],
        outcome=row["outcome"] or "",
        code=row["code"],
        message=message,
        http_status=row["http_status"],
        requests=row["requests"],
        at=row["at"],
        run_id=row["run_id"],
        status=row["status"] or "",
        standing=standing_in(row),
        rejections=row["rejections"] or 0,
        since_run_id=row["failing_since"],
        is_grouped=bool(row["grouped"]),
        is_listed=is_listed,
    )
