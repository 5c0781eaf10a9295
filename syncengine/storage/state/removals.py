"""Removed contacts: those that the source selected once and does not any more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from syncengine.model.contact import LISTS
from syncengine.storage.connect import Pool
from syncengine.storage.state.access import read_state
from syncengine.storage.statements import statements

_SQL = statements("removals")


@dataclass(frozen=True, slots=True)
class RemovedCounts:
    """Numbers of removed contacts."""

    known: int = 0
    """Contacts that the vendor is known to hold."""
    tagged: int = 0
    """Known contacts with tags or lists of ours, or possibly with such."""

    def __add__(self, other: RemovedCounts) -> RemovedCounts:
        return RemovedCounts(self.known + other.known, self.tagged + other.tagged)


async def count_removed(
    pool: Pool, destination: str, contact_ids: Sequence[str]
) -> RemovedCounts:
    """Count those of these contacts that the vendor is known to hold."""
    async with read_state(pool) as connection:
        row = await connection.fetchrow(
            _SQL["count_removed"], destination, list(contact_ids), LISTS
        )
    assert row is not None
    return RemovedCounts(row["known"], row["tagged"])


async def earlier_removed(
    pool: Pool, destination: str, *, tagged: bool
) -> tuple[str, ...]:
    """Return contacts that left the source earlier and are still at the vendor.

    With ``tagged``, only those that have or may have tags or lists of ours.
    """
    async with read_state(pool) as connection:
        rows = await connection.fetch(
            _SQL["earlier_removed"], destination, tagged, LISTS
        )
    return tuple(row["contact_id"] for row in rows)


async def count_earlier_removed(pool: Pool, destination: str, *, tagged: bool) -> int:
    """Return the number of contacts that ``earlier_removed`` returns."""
    async with read_state(pool) as connection:
        number: int = await connection.fetchval(
            _SQL["count_earlier_removed"], destination, tagged, LISTS
        )
    return number


async def moved_away(pool: Pool, destination: str) -> tuple[str, ...]:
    """Return removed contacts that another destination of the account selects.

    It has not taken them over yet. Should it not select them any more, their removal is
    still to be carried out.
    """
    async with read_state(pool) as connection:
        rows = await connection.fetch(_SQL["moved_away"], destination)
    return tuple(row["contact_id"] for row in rows)


async def removed_or_opted_out(
    pool: Pool, destination: str, contact_ids: Sequence[str]
) -> frozenset[str]:
    """Return those of the contacts that are known to be removed or opted out."""
    async with read_state(pool) as connection:
        rows = await connection.fetch(
            _SQL["removed_or_opted_out"], destination, list(contact_ids)
        )
    return frozenset(row["contact_id"] for row in rows)


async def present_elsewhere(
    pool: Pool, destination: str, account: str, contact_ids: Sequence[str]
) -> frozenset[str]:
    """Return those of the contacts that other destinations of the account have.

    A contact also counts if another destination had it when this one last ran (it may
    have run since), or if both let go of it for a third destination.
    """
    async with read_state(pool) as connection:
        rows = await connection.fetch(
            _SQL["present_elsewhere"], destination, account, list(contact_ids)
        )
    return frozenset(row["contact_id"] for row in rows)
