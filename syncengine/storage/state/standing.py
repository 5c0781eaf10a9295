"""Contacts that are not in step and not tried any more, counted from the state."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import asyncpg

from syncengine.errors import StorageError
from syncengine.model.work import Standing
from syncengine.storage.connect import Pool
from syncengine.storage.state.access import read_state
from syncengine.storage.statements import statements

_SQL = statements("standing")


async def number_standing(
    pool: Pool, destination: str, among: Sequence[str] | None = None
) -> Counter[Standing]:
    """Count the standing contacts of a destination by reason.

    With ``among``, only these contacts are counted. Raises StorageError for a reason
    of a newer release.
    """
    async with read_state(pool) as connection:
        if among is None:
            rows = await connection.fetch(_SQL["standing"], destination)
        else:
            rows = await connection.fetch(
                _SQL["standing_among"], destination, list(among)
            )
    return Counter({_known(row["standing"]): row["number"] for row in rows})


class FailedAndLeftAlone(NamedTuple):
    """Numbers of a run's contacts that no later run tries by itself."""

    rejected: int = 0
    acquitted: int = 0
    """Deferred since their refusal was held against nobody: each run tries one of those
    that were refused alike, and all once it is accepted."""
    alike: int = 0
    """Those of the rejected of which the same is true."""


async def number_failed_and_left_alone(
    pool: Pool, destination: str, run_id: int
) -> FailedAndLeftAlone:
    """Count the contacts of a run that no later run tries by itself."""
    async with read_state(pool) as connection:
        row = await connection.fetchrow(
            _SQL["failed_and_left_alone"], destination, run_id
        )
    assert row is not None, "counts are one row"
    return FailedAndLeftAlone(row["rejected"], row["acquitted"], row["alike"])


async def standing_of(pool: Pool, destination: str, contact_id: str) -> Standing | None:
    """Return the reason why a contact is not tried any more.

    None where it is in step, or planned again.
    """
    async with read_state(pool) as connection:
        found: str | None = await connection.fetchval(
            _SQL["standing_of"], destination, contact_id
        )
    if found is None:
        return None
    return Standing(found)


def standing_in(row: asyncpg.Record) -> Standing | None:
    """Return the reason in a row with a column ``standing``; None without one."""
    found: str | None = row["standing"]
    return Standing(found) if found else None


def known_standing_in(row: asyncpg.Record) -> Standing | None:
    """Return the same for a run. Raises StorageError for a newer release's reason."""
    found: str | None = row["standing"]
    return _known(found) if found else None


def _known(word: str) -> Standing:
    try:
        return Standing.known(word)
    except ValueError:
        # A run would try, or write, what the newer release leaves alone.
        raise StorageError(
            f'a newer release of syncengine left contacts alone for the reason "{word}", '
            "which this one does not know: upgrade it on this host"
        ) from None
