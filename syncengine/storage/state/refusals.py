"""Contacts that the vendor refuses alike, and dead letters.

A dead letter was refused three times for itself. Of contacts that are refused alike the
configuration is to blame (``engine.refusal_groups``). The state leaves both alone.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from syncengine.model.calls import Unsupported
from syncengine.model.work import (
    BatchKind,
    DiffSlice,
    GroupMember,
    Refusal,
    RefusalGroup,
)
from syncengine.storage.connect import Pool
from syncengine.storage.patience import patient
from syncengine.storage.state.access import read_state
from syncengine.storage.state.fence import Fence, FencedStore
from syncengine.storage.state.outcomes import unsupported_from
from syncengine.storage.statements import statements

_SQL = statements("refusals")
_PAGE = 10_000
"""Contacts that are read or written at a time."""


class Refusals(FencedStore):
    """Groups of one destination's contacts (``ports.RefusalStore``)."""

    def __init__(self, fence: Fence, destination: str, run_id: int) -> None:
        super().__init__(fence)
        self._destination = destination
        self._run_id = run_id

    @patient
    async def groups(self) -> Sequence[RefusalGroup]:
        """Return the groups, the one that was tried longest ago first."""
        async with self._fence.reading() as connection:
            rows = await connection.fetch(_SQL["groups"], self._destination)
        return [_group(row) for row in rows]

    @patient
    async def members(
        self, fingerprint: int, skip: int, most: int
    ) -> Sequence[GroupMember]:
        """Return contacts of a group, those that were tried longest ago first."""
        async with self._fence.reading() as connection:
            rows = await connection.fetch(
                _SQL["members"], self._destination, fingerprint, skip, most
            )
        return _members(rows)

    async def leave_alone(self, at_least: int) -> None:
        """Make groups of the contacts of which so many were refused alike."""
        await self._page_by_page("leave_alone", at_least, self._run_id)

    async def relabel(self, former: int, now: Refusal) -> None:
        """Give a group the refusal with which its probe was refused."""
        if not await self._has_group(now):
            await self._page_by_page("relabel", former, now.fingerprint, now.code)

    @patient
    async def _has_group(self, refusal: Refusal) -> bool:
        """Return whether a group has this refusal already."""
        async with self._fence.reading() as connection:
            found = await connection.fetchval(
                _SQL["is_left_alone"],
                self._destination,
                refusal.fingerprint,
                self._run_id,
            )
        return bool(found)

    async def _page_by_page(self, statement: str, *arguments: object) -> None:
        """Execute a statement until it finds nothing any more.

        Each page is a transaction of its own: it keeps the lease's row locked (see
        ``Fence.writing``), so as long as it lasts, the lease cannot be renewed. After a
        crash between two pages, the statement finds the rest the next time.
        """
        while await self._page(statement, arguments):
            pass

    @patient
    async def _page(self, statement: str, arguments: Sequence[object]) -> bool:
        """Execute a statement for one page; return whether it changed any row."""
        async with self._fence.writing() as connection:
            status = await connection.execute(
                _SQL[statement], self._destination, *arguments, _PAGE
            )
        # The status ends with the number of rows: ``UPDATE 10000``.
        return not status.endswith(" 0")

    @patient
    async def revive(
        self, fingerprints: Sequence[int], most: int
    ) -> Sequence[GroupMember]:
        """Have contacts of these groups planned again, up to ``most`` of them."""
        async with self._fence.writing() as connection:
            rows = await connection.fetch(
                _SQL["revive"],
                self._destination,
                list(fingerprints),
                self._run_id,
                most,
            )
        return _members(rows)

    async def put_back(self, fingerprints: Sequence[int]) -> None:
        """Leave those alone again that this run revived."""
        await self._page_by_page("put_back", list(fingerprints), self._run_id)


def _group(row: asyncpg.Record) -> RefusalGroup:
    refusal = Refusal(row["refusal"], row["code"] or "")
    return RefusalGroup(refusal, row["contacts"])


def _members(rows: Sequence[asyncpg.Record]) -> Sequence[GroupMember]:
    return [GroupMember(row["contact_id"], _kind(row)) for row in rows]


def _kind(row: asyncpg.Record) -> BatchKind:
    """Return the kind of batch that tries what was refused once more."""
    if row["removal"]:
        return BatchKind.REMOVALS
    return BatchKind.CHANGES


@dataclass(frozen=True, slots=True)
class RefusedAlike:
    """A group of contacts that were refused alike, as reports show it."""

    contacts: int
    code: str
    contact_id: str
    """One of them."""
    message: str | None
    """The words of its refusal; None where that run is deleted already."""


async def refused_alike(
    pool: Pool,
    destination: str,
    most: int = 5,
) -> tuple[RefusedAlike, ...]:
    """Return the largest groups that the vendor refuses alike."""
    rows = await _fetched(pool, "refused_alike", destination, most)
    return tuple(_refused_alike(row) for row in rows)


def _refused_alike(row: asyncpg.Record) -> RefusedAlike:
    return RefusedAlike(
        contacts=row["contacts"],
        code=row["code"] or "",
        contact_id=row["contact_id"],
        message=row["message"],
    )


@dataclass(frozen=True, slots=True)
class DroppedAlike:
    """Contacts of which the vendor did not take the same values."""

    contacts: int
    fingerprint: int
    contact_id: str
    """One of them."""
    unsupported: tuple[Unsupported, ...]
    """The changes that were not made when it was tried last, the values that were not
    taken among them; empty where that run is deleted already."""


async def dropped_alike(
    pool: Pool,
    destination: str,
    most: int = 20,
) -> tuple[DroppedAlike, ...]:
    """Return the largest groups of which the vendor did not take the same values."""
    rows = await _fetched(pool, "dropped_alike", destination, most)
    return tuple(_dropped_alike(row) for row in rows)


def _dropped_alike(row: asyncpg.Record) -> DroppedAlike:
    return DroppedAlike(
        contacts=row["contacts"],
        fingerprint=row["refusal"],
        contact_id=row["contact_id"],
        unsupported=unsupported_from(row["unsupported"]),
    )


async def all_dead_letters(
    pool: Pool,
    destination: str,
    code: str | None,
    since: datetime | None = None,
) -> AsyncIterator[DiffSlice]:
    """Yield all contacts that are left alone since they were refused.

    With ``code``, only those that were refused with it; with ``since``, only those that
    a run tried since then.
    """
    first_run: int | None = None
    if since is not None:
        (row,) = await _fetched(pool, "first_run_since", destination, since)
        first_run = row["min"]
        if first_run is None:
            return
    last: tuple[str | None, str | None] = (None, None)
    while True:
        # By key and not by offset: a page takes as long as the first one did.
        rows = await _fetched(
            pool, "dead_letters", destination, code, *last, _PAGE, first_run
        )
        if not rows:
            return
        last = rows[-1]["code"], rows[-1]["contact_id"]
        for kind in BatchKind:
            ids = tuple(row["contact_id"] for row in rows if _kind(row) is kind)
            if ids:
                yield DiffSlice(kind, ids)


async def codes_of_dead_letters(pool: Pool, destination: str) -> dict[str, int]:
    """Return the codes of the dead letters, each with the number of its contacts."""
    rows = await _fetched(pool, "dead_codes", destination)
    return {row["code"]: row["contacts"] for row in rows}


async def _fetched(
    pool: Pool,
    statement: str,
    *arguments: object,
) -> Sequence[asyncpg.Record]:
    async with read_state(pool) as connection:
        return await connection.fetch(_SQL[statement], *arguments)
