"""New names of destinations, and the release of contacts of those without a file.

A destination is known by the name of its file. If that changes, everything in the state
has to move to the new name, or all contacts would look new.
"""

from __future__ import annotations

from collections.abc import Sequence

from syncengine.storage.connect import Pool
from syncengine.storage.state.access import read_state
from syncengine.storage.state.accounts import move_account
from syncengine.storage.state.fence import Fence
from syncengine.storage.statements import statements

_SQL = statements("renaming")
_DROP_NEW_NAME = (
    "drop_state",
    "drop_known",
    "drop_taken_back",
    "drop_keys",
    "drop_waits",
    "drop_alerts",
    "drop_destination",
)
"""Statements that drop what the state has under the new name."""
_RENAME = (
    "rename_destination",
    "rename_state",
    "rename_known",
    "rename_taken_back",
    "rename_keys",
    "rename_runs",
    "rename_erasures",
    "rename_waits",
    "rename_alerts",
    "rename_owners",
)
"""Statements that move everything from the old name to the new one."""


async def contacts_there(pool: Pool, destination: str) -> int:
    """Return how many of its contacts are at the vendor, or may be."""
    async with read_state(pool) as connection:
        return int(await connection.fetchval(_SQL["count_at_vendor"], destination))


async def rename(fence: Fence, old: str, new: str) -> int:
    """Move everything the state has under the old name; return its contacts.

    It is one transaction. The account takes the fence's name where it had another one.
    What the state has under the new name is dropped: nothing of it is at the vendor.
    """
    async with fence.writing(sending=True) as connection:
        # First the account, since it locks leases, and every transaction locks these
        # before rows of contacts.
        await move_account(connection, fence.account, [old])
        # Then the new name is cleared, or its rows would meet the renamed ones.
        for name in _DROP_NEW_NAME:
            await connection.execute(_SQL[name], new)
        await connection.execute(_SQL["drop_erasures"], old, new)
        for name in _RENAME:
            await connection.execute(_SQL[name], old, new)
        return int(await connection.fetchval(_SQL["contacts"], new))


async def release(fence: Fence, destinations: Sequence[str]) -> None:
    """Let go of the contacts of destinations of the account that have no file."""
    # Contacts and their claims in one transaction: nobody else would ever delete claims
    # of a destination without a file.
    async with fence.writing(sending=True) as connection:
        await connection.execute(
            _SQL["release_contacts"], fence.account, list(destinations)
        )
        await connection.execute(
            _SQL["release_keys"], fence.account, list(destinations)
        )


async def without_file(
    pool: Pool, account: str, configured: Sequence[str]
) -> list[str]:
    """Return the destinations of an account that are not configured (any more)."""
    async with read_state(pool) as connection:
        rows = await connection.fetch(_SQL["without_file"], account, list(configured))
    return [row["destination"] for row in rows]


async def in_the_way(
    pool: Pool, destination: str, others: Sequence[str], contact_ids: Sequence[str]
) -> dict[str, int]:
    """Return those of the other destinations that have some of these contacts.

    Each comes with the number of contacts in question.
    """
    async with read_state(pool) as connection:
        rows = await connection.fetch(
            _SQL["in_the_way"], destination, list(others), list(contact_ids)
        )
    return {row["destination"]: row["number"] for row in rows}
