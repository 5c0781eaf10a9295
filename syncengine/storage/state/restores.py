"""Restores of the state from a backup: how they are recognised and accepted."""

from __future__ import annotations

from collections.abc import Iterable

from syncengine.model.markers import RunMark, StateIdentity
from syncengine.storage.connect import Pool
from syncengine.storage.state.access import read_state
from syncengine.storage.state.fence import Fence
from syncengine.storage.statements import statements

_SQL = statements("resync")


async def state_identity(pool: Pool, run_ids: Iterable[int] = ()) -> StateIdentity:
    """Return by what the state is recognised, with those of these runs that it has.

    A run that is missing was made since the backup, and lost with the restore.
    """
    async with read_state(pool) as connection:
        row = await connection.fetchrow(_SQL["state_self"])
        runs = await connection.fetch(_SQL["runs_of"], list(run_ids))
    assert row is not None, "a migrated state knows itself"
    # The columns of both statements are named after the fields.
    marks = {run["run_id"]: RunMark(**run) for run in runs}
    return StateIdentity(**row, runs=marks)


async def newest_run(pool: Pool, destination: str) -> RunMark | None:
    """Return the newest run of a destination."""
    async with read_state(pool) as connection:
        row = await connection.fetchrow(_SQL["newest_run"], destination)
    if row is None:
        return None
    return RunMark(**row)


async def knows_nobody(pool: Pool) -> bool:
    """Return whether the state knows no contact and no suppression, as a new one."""
    async with read_state(pool) as connection:
        return bool(await connection.fetchval(_SQL["knows_nobody"]))


async def accept_restore(fence: Fence, restores: int, destination: str | None) -> None:
    """Accept that the state was restored: the next run of each destination re-syncs it.

    ``restores`` is the number of restores that were accepted before, as noted outside.
    Where a ``destination`` is named, it concerns that one alone.
    """
    async with fence.writing(sending=True) as connection:
        # The statement returns nothing where this restore was accepted before, by the
        # run of another destination: then all of them are marked already.
        accepted = await connection.fetchval(_SQL["accept_restore"], restores)
        if destination is not None:
            await connection.execute(_SQL["begin"], destination)
        elif accepted is not None:
            await connection.execute(_SQL["resync_all"])
