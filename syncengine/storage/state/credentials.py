"""The credentials by which the state knows an account, as salted hashes only.

The name of an account is given in the configuration, and so it may change, while the
account at the vendor, with its limits and its contacts, stays the same. If two names
stood for one account, two runs would use up its limits together, and each would create
the contacts of the other again. So the state remembers which credentials belong to
which name, and a run is refused where they belong to another one
(``app.credentials``). In this module, "credentials" is one text for each account.
"""

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
    """Its name in the state."""
    destinations: tuple[str, ...]
    """Destinations that the state remembers for the account."""


async def known_names(
    pool: Pool, credentials: Mapping[str, str]
) -> dict[str, KnownAccount]:
    """Return the name under which the credentials of each account are known.

    ``credentials`` and the result are by configured name; accounts with credentials
    that the state does not know are left out.
    """
    async with read_state(pool) as connection:
        hashes = await _hashed(connection, credentials)
        return await _known(connection, hashes)


async def keep_names(
    pool: Pool, credentials: Mapping[str, str], configured: frozenset[str]
) -> dict[str, KnownAccount]:
    """Store the credentials of accounts; return those that are another account's.

    ``credentials`` are by configured name, and so is the result. ``configured`` are the
    destinations that belong to these accounts now. For each account there are four
    cases:

    * The state does not know its credentials, or knows them under this name: they are
      stored.
    * It knows them under the name of another configured account: the two have exchanged
      their credentials, and these are stored.
    * It knows them under a former name, and all destinations of that name are
      ``configured`` now: the account was renamed. Nothing is stored before a run has
      taken the destinations over (``renaming``), so that none is ever overlooked.
    * Else they belong to another account. It is returned, and nothing is stored.
    """
    async with write_state(pool) as connection:
        # Before the first read: what another process stored for the same key is seen.
        await connection.execute(_SQL["lock"])
        hashes = await _hashed(connection, credentials)
        known = await _known(connection, hashes)
        accounts = frozenset(credentials)
        others = second_names(known, accounts, configured)
        not_stored = renamed(known, accounts).union(others)
        kept: dict[str, bytes] = {}
        former: set[str] = set()
        for account, key_hash in hashes.items():
            if account in not_stored:
                continue
            kept[account] = key_hash
            if account in known:
                former.add(known[account].account)
        # Old rows are deleted first: of accounts whose keys changed places, the new row
        # of one has the hash in the old row of another, and hashes are unique.
        await connection.execute(_SQL["let_go"], sorted(former | kept.keys()))
        await connection.execute(_SQL["keep"], list(kept), list(kept.values()))
    return others


async def is_other_account(pool: Pool, account: str, credentials: str | None) -> bool:
    """Return whether an account is known by other credentials than these.

    False where the state knows none of it, or none are given.
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
    """Return the accounts whose credentials belong to another one, with that one.

    ``known`` is what the state knows of each account's credentials, ``accounts`` the
    configured names, and ``configured`` the configured destinations.
    """
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
    """Return the accounts with destinations still remembered under a former name.

    ``known`` is what the state knows of each account's credentials, and ``accounts``
    are the configured names.
    """
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
    hashes: dict[str, bytes] = {}
    for account, text in credentials.items():
        hashes[account] = hmac.digest(salt, text.encode(), hashlib.sha256)
    return hashes


async def _known(
    connection: Connection, hashes: Mapping[str, bytes]
) -> dict[str, KnownAccount]:
    """Return the accounts that the state knows by these hashes, by configured name."""
    rows = await connection.fetch(_SQL["known"], list(hashes.values()))
    by_hash: dict[bytes, KnownAccount] = {}
    for row in rows:
        destinations = tuple(row["destinations"])
        by_hash[row["key_hash"]] = KnownAccount(row["account"], destinations)
    known: dict[str, KnownAccount] = {}
    for account, key_hash in hashes.items():
        if key_hash in by_hash:
            known[account] = by_hash[key_hash]
    return known
