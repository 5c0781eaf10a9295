"""The credentials by which the state knows an account, as salted hashes only."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass

from syncengine.storage.connect import Connection, Pool
from syncengine.storage.state.access import read_state, write_state
from syncengine.storage.statements import statements

_SQL = statements("credentials")


@dataclass(frozen=True, slots=True)
class KnownAccount:
    """The account under which credentials are known."""

    account: str
    destinations: tuple[str, ...]
    """Destinations that are remembered for the account."""


async def known_names(
    pool: Pool, credentials: Mapping[str, str]
) -> dict[str, KnownAccount]:
    """Return the name under which the credentials of each account are known.

    Accounts with new credentials are left out.
    """
    async with read_state(pool) as connection:
        return await _known(connection, await _hashed(connection, credentials))


async def keep_names(
    pool: Pool, credentials: Mapping[str, str], configured: frozenset[str]
) -> dict[str, KnownAccount]:
    """Store the credentials of accounts; return those known under another name.

    Nothing is stored of the latter. A name is another one unless it is among these
    accounts, whose keys may have changed places, or all destinations that are
    remembered for it are ``configured`` under other names now. In the latter case the
    former name is kept until a run takes the destinations over, so that none of them is
    ever overlooked.
    """
    async with write_state(pool) as connection:
        # Before the first read: what another process stored for the same key is seen.
        await connection.execute(_SQL["lock"])
        hashes = await _hashed(connection, credentials)
        known = await _known(connection, hashes)
        others = second_names(known, frozenset(credentials), configured)
        waiting = renamed(known, frozenset(credentials))
        kept = {
            account: key_hash
            for account, key_hash in hashes.items()
            if account not in others and account not in waiting
        }
        former = {known[account].account for account in kept if account in known}
        # Old rows are deleted first: of accounts whose keys changed places, the new row
        # of one has the hash in the old row of another, and hashes are unique.
        await connection.execute(_SQL["let_go"], sorted(former | kept.keys()))
        await connection.execute(_SQL["keep"], list(kept), list(kept.values()))
    return others


async def is_other_account(pool: Pool, account: str, credentials: str | None) -> bool:
    """Return whether an account is known by other credentials than these.

    False where the state does not know its credentials.
    """
    if credentials is None:
        return False
    async with read_state(pool) as connection:
        key_hash = await connection.fetchval(_SQL["key_of"], account)
        hashes = await _hashed(connection, {account: credentials})
    return key_hash is not None and key_hash != hashes[account]


def second_names(
    known: Mapping[str, KnownAccount],
    accounts: frozenset[str],
    configured: frozenset[str],
) -> dict[str, KnownAccount]:
    """Return the accounts whose credentials belong to another one, with that one."""
    found: dict[str, KnownAccount] = {}
    for account, named in known.items():
        # A name that is configured too: the two accounts have exchanged their keys.
        if named.account == account or named.account in accounts:
            continue
        # All of its destinations are configured, under this name: it was renamed.
        if named.destinations and configured.issuperset(named.destinations):
            continue
        found[account] = named
    return found


def renamed(
    known: Mapping[str, KnownAccount], accounts: frozenset[str]
) -> frozenset[str]:
    """Return the accounts with destinations still remembered under a former name."""
    found: set[str] = set()
    for account, named in known.items():
        is_other_name = named.account != account and named.account not in accounts
        if is_other_name and named.destinations:
            found.add(account)
    return frozenset(found)


async def _hashed(
    connection: Connection, credentials: Mapping[str, str]
) -> dict[str, bytes]:
    """Return the salted hash of each account's credentials.

    It tells credentials apart, and they cannot be read from it.
    """
    salt: bytes = await connection.fetchval(_SQL["salt"])
    return {
        account: hmac.digest(salt, text.encode(), hashlib.sha256)
        for account, text in credentials.items()
    }


async def _known(
    connection: Connection, hashes: Mapping[str, bytes]
) -> dict[str, KnownAccount]:
    rows = await connection.fetch(_SQL["known"], list(hashes.values()))
    by_hash = {
        row["key_hash"]: KnownAccount(row["account"], tuple(row["destinations"]))
        for row in rows
    }
    return {
        account: by_hash[key_hash]
        for account, key_hash in hashes.items()
        if key_hash in by_hash
    }
