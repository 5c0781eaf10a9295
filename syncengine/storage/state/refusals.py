"""Contacts that the vendor refuses alike, and dead letters."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

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
from syncengine.storage.patience import DatabasePatience, patient
from syncengine.storage.state.access import read_state
from syncengine.storage.state.fence import Fence
from syncengine.storage.state.outcomes import unsupported_from
from syncengine.storage.statements import statements

_SQL = statements("refusals")
_PAGE = 10_000
"""Contacts that are read or written at a time."""


class Refusals:
    """Groups of one destination's contacts (``ports.RefusalStore``)."""

    def __init__(self, fence: Fence, destination: str, run_id: int) -> None:
        self._fence = fence
        self._destination = destination
        self._run_id = run_id

    @property
    def patience(self) -> DatabasePatience:
        return self._fence.patience

    @patient
    async def groups(self) -> Sequence[RefusalGroup]:
        async with self._fence.reading() as connection:
            rows = await connection.fetch(_SQL["groups"], self._destination)
        return [_alike(row) for row in rows]

    @patient
    async def members(
        self, fingerprint: int, skip: int, most: int
    ) -> Sequence[GroupMember]:
        async with self._fence.reading() as connection:
            group = self._destination, fingerprint
            rows = await connection.fetch(_SQL["members"], *group, skip, most)
        return _members(rows)

    async def leave_alone(self, at_least: int) -> None:
        await self._page_by_page("stand", at_least, self._run_id)

    async def relabel(self, former: int, now: Refusal) -> None:
        if not await self._stood_before(now):
            await self._page_by_page("relabel", former, now.fingerprint, now.code)

    @patient
    async def _stood_before(self, refusal: Refusal) -> bool:
        async with self._fence.reading() as connection:
            mine = self._destination, refusal.fingerprint, self._run_id
            return bool(await connection.fetchval(_SQL["stood_before"], *mine))

    async def _page_by_page(self, statement: str, *arguments: object) -> None:
        """Execute a statement until it finds nothing any more.

        Each page is a transaction of its own: as long as one lasts, the lease cannot be
        renewed.
        """
        while await self._page(statement, arguments):
            pass

    @patient
    async def _page(self, statement: str, arguments: Sequence[object]) -> bool:
        async with self._fence.writing() as connection:
            mine = self._destination, *arguments
            done = await connection.execute(_SQL[statement], *mine, _PAGE)
        return not done.endswith(" 0")

    @patient
    async def revive(
        self, fingerprints: Sequence[int], most: int
    ) -> Sequence[GroupMember]:
        async with self._fence.writing() as connection:
            groups = self._destination, list(fingerprints)
            rows = await connection.fetch(_SQL["revive"], *groups, self._run_id, most)
        return _members(rows)

    async def put_back(self, fingerprints: Sequence[int]) -> None:
        await self._page_by_page("put_back", list(fingerprints), self._run_id)


def _alike(row: asyncpg.Record) -> RefusalGroup:
    return RefusalGroup(Refusal(row["refusal"], row["code"] or ""), row["contacts"])


def _members(rows: Sequence[asyncpg.Record]) -> Sequence[GroupMember]:
    return [GroupMember(row["contact_id"], _kind(row)) for row in rows]


def _kind(row: asyncpg.Record) -> BatchKind:
    return BatchKind.REMOVALS if row["removal"] else BatchKind.CHANGES


@dataclass(frozen=True, slots=True)
class RefusedAlike:
    """Contacts that were refused alike, as reports tell of them."""

    contacts: int
    code: str
    contact_id: str
    """One of them."""
    message: str | None
    """What it was refused with; None where that run is deleted already."""


async def refused_alike(
    pool: Pool,
    destination: str,
    most: int = 5,
) -> tuple[RefusedAlike, ...]:
    """Return the largest groups that the vendor refuses alike."""
    rows = await _fetched(pool, "told", destination, most)
    return tuple(_told(row) for row in rows)


def _told(row: asyncpg.Record) -> RefusedAlike:
    code, contact_id = row["code"] or "", row["contact_id"]
    return RefusedAlike(row["contacts"], code, contact_id, row["message"])


@dataclass(frozen=True, slots=True)
class DroppedAlike:
    """Contacts of which the vendor did not take the same values."""

    contacts: int
    fingerprint: int
    contact_id: str
    """One of them."""
    unsupported: tuple[Unsupported, ...]
    """What was not done of it when it was tried last, the values that were not taken
    among them; empty where that run is deleted already."""


async def dropped_alike(
    pool: Pool,
    destination: str,
    most: int = 20,
) -> tuple[DroppedAlike, ...]:
    """Return the largest groups of which the vendor did not take the same values."""
    rows = await _fetched(pool, "dropped", destination, most)
    return tuple(
        DroppedAlike(
            contacts=row["contacts"],
            fingerprint=row["refusal"],
            contact_id=row["contact_id"],
            unsupported=unsupported_from(row["unsupported"]),
        )
        for row in rows
    )


async def all_dead_letters(
    pool: Pool,
    destination: str,
    code: str | None,
) -> AsyncIterator[DiffSlice]:
    """Yield all contacts that are left alone since they were refused.

    With ``code``, only those that were refused with it.
    """
    last: str | None = None
    while rows := await _fetched(pool, "dead_letters", destination, code, last, _PAGE):
        last = rows[-1]["contact_id"]
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
