"""Questions that plan files ask the state: its key, and what runs did since a plan."""

from __future__ import annotations

from collections.abc import Sequence

from syncengine.storage.connect import Pool
from syncengine.storage.state.access import read_state
from syncengine.storage.statements import statements

_SQL = statements("plan_files")
_CREDENTIALS = statements("credentials")


async def state_key(pool: Pool) -> bytes:
    """Return the salt of the state, with which digests of plan files are made."""
    async with read_state(pool) as connection:
        salt: bytes = await connection.fetchval(_CREDENTIALS["salt"])
    return salt


async def newest_run(pool: Pool, destination: str) -> int:
    """Return the newest run of a destination; 0 where there was none."""
    async with read_state(pool) as connection:
        run_id: int = await connection.fetchval(_SQL["newest_run"], destination)
    return run_id


async def former_runs(
    pool: Pool, destination: str, plan_id: str, besides: int
) -> list[int]:
    """Return the runs of a plan at a destination, apart from the present one."""
    async with read_state(pool) as connection:
        rows = await connection.fetch(
            _SQL["former_runs"], destination, plan_id, besides
        )
    return [row["run_id"] for row in rows]


async def judged_contacts(
    pool: Pool, runs: Sequence[int], contact_ids: Sequence[str]
) -> frozenset[str]:
    """Return those of the contacts that these runs have brought to their end."""
    async with read_state(pool) as connection:
        rows = await connection.fetch(_SQL["judged"], list(runs), list(contact_ids))
    return frozenset(row["contact_id"] for row in rows)


async def last_touched(
    pool: Pool,
    destination: str,
    contact_ids: Sequence[str],
    *,
    since: int,
    besides: int,
) -> dict[str, int]:
    """Return the last run since ``since`` that was about each of the contacts.

    The run ``besides`` is left out, and so are contacts that none was about.
    """
    async with read_state(pool) as connection:
        ended = await connection.fetch(
            _SQL["last_ended"], destination, since, list(contact_ids), besides
        )
        runs: dict[str, int] = {row["contact_id"]: row["run_id"] for row in ended}
        others = [each for each in contact_ids if each not in runs]
        if others:
            batched = await connection.fetch(
                _SQL["last_batched"], destination, since, others, besides
            )
            runs |= {row["contact_id"]: row["run_id"] for row in batched}
    return runs
