"""The destinations of an account, and their move to another account or name.

An account is known by its name in the configuration. When that changes and the account
stays the same, everything that is stored under the former name moves
(``move_account``). When the name stays and the account is another one, what is known of
its contacts is dropped (``start_anew``).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from syncengine.storage.connect import Connection, Pool
from syncengine.storage.state.access import read_state
from syncengine.storage.state.lease import fence_off
from syncengine.storage.statements import statements

_SQL = statements("accounts")


async def is_remembered(pool: Pool, account: str) -> bool:
    """Return whether any destination is remembered under an account."""
    async with read_state(pool) as connection:
        return bool(await connection.fetchval(_SQL["is_remembered"], account))


async def remembered_elsewhere(
    pool: Pool, account: str, destinations: Sequence[str]
) -> dict[str, str]:
    """Return destinations that are remembered under other accounts, each with its own.

    Only the given destinations are looked at.
    """
    async with read_state(pool) as connection:
        rows = await connection.fetch(
            _SQL["remembered_elsewhere"], list(destinations), account
        )
    return {row["destination"]: row["account"] for row in rows}


async def holds_contacts(pool: Pool, account: str) -> bool:
    """Return whether a destination of this account owns contacts at the vendor."""
    async with read_state(pool) as connection:
        return bool(await connection.fetchval(_SQL["holds_contacts"], account))


async def former_owners(
    pool: Pool, account: str, configured: Sequence[str], newcomer: str
) -> dict[str, int]:
    """Return the number of contacts of each unconfigured destination of the account.

    The result is empty if ``newcomer`` owns contacts itself.
    """
    async with read_state(pool) as connection:
        rows = await connection.fetch(
            _SQL["former_owners"], account, list(configured), newcomer
        )
    return {row["destination"]: row["number"] for row in rows}


_START_ANEW = (
    "ask_former_vendor",
    "drop_known",
    "drop_taken_back",
    "drop_keys",
    "drop_waits",
    "drop_ids",
    "look_everybody_up",
)
"""Statements by which a destination forgets its former account. The erasures come
first: what a person has to ask the former vendor for names ids that are dropped later.
"""
_MOVE_ACCOUNT = (
    "move_credentials",
    "drop_credentials",
    "move_quota",
    "move_erasing",
    "move_runs",
)
"""Statements that move what is stored by the account's name. Each of them acts only on
names that no destination has any more."""


async def start_anew(connection: Connection, destination: str) -> None:
    """Drop the ids and values of a destination whose account is another one.

    Works in the caller's transaction: with only some of the statements done, ids of the
    former account would be used at the present one.
    """
    for statement in _START_ANEW:
        await connection.execute(_SQL[statement], destination)


async def move_account(
    connection: Connection,
    account: str,
    destinations: Sequence[str],
    beside: Collection[str] = (),
) -> None:
    """Give the account of these destinations its present name.

    Works in the caller's transaction. Raises LeaseHeld while another run holds a former
    name. Those ``beside`` are held by the caller: their last holders cannot write any
    more.
    """
    rows = await connection.fetch(_SQL["former_accounts"], destinations, account)
    former = [row["account"] for row in rows]
    if not former:
        return
    # A run under a former name would go on writing to contacts of this account, and
    # neither of the two would see what the other one sends. So its lease is taken
    # before anything moves.
    others = [name for name in former if name not in beside]
    await fence_off(connection, account, others)
    # Destinations first: the statements after them ask whether any is left under the
    # former name.
    await connection.execute(_SQL["move_destinations"], destinations, account)
    await connection.execute(_SQL["move_keys"], destinations, account)
    for name in former:
        for statement in _MOVE_ACCOUNT:
            await connection.execute(_SQL[statement], name, account)
