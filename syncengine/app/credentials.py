"""Accounts by their credentials: one key at a vendor is one account.

That holds in every configuration that shares the state: the key's limit counts once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from syncengine.app.databases import Databases, open_databases
from syncengine.config.destination import DestinationConfig
from syncengine.config.paths import quoted
from syncengine.config.project import Config
from syncengine.config.shared_accounts import credentials_of_several_accounts
from syncengine.errors import BrakeApplied, SyncEngineError
from syncengine.model.contact_ids import as_argument
from syncengine.storage.state import credentials as store
from syncengine.storage.state.credentials import KnownAccount
from syncengine.storage.state.destinations import remembered


async def settled(config: Config) -> Config:
    """Return the configuration with the names that the state keeps for accounts.

    Only accounts that have several names in the configuration are looked up. Of
    accounts that the state does not know, the first destination that it remembers has
    the name to keep.
    """
    several = credentials_of_several_accounts(config.readable)
    if not several:
        return config
    try:
        async with open_databases(config, ()) as databases:
            return config.with_account_names(await _kept_names(several, databases))
    except SyncEngineError:
        return config  # whatever needs the database reports that it is away


async def _kept_names(
    several: Mapping[str, Sequence[DestinationConfig]], databases: Databases
) -> dict[str, str]:
    # The names are asked for by credentials here, so each stands for itself.
    known = await store.known_names(
        databases.state, {credentials: credentials for credentials in several}
    )
    kept = {credentials: named.account for credentials, named in known.items()}
    for credentials, members in several.items():
        for member in members:
            before = await remembered(databases.state, member.name)
            if before is not None:
                kept.setdefault(credentials, before.identity.account)
    return kept


async def look_for_second_name(
    destination: DestinationConfig, config: Config, databases: Databases
) -> None:
    """Raise BrakeApplied where the destination's account is another one by name alone.

    Changes nothing.
    """
    if destination.credentials is None:
        return
    known = await store.known_names(
        databases.state, {destination.account: destination.credentials}
    )
    accounts = frozenset(each.account for each in config.destinations)
    refuse_second_name(
        destination, config, store.second_names(known, accounts, _names(config))
    )


async def keep_names(config: Config, databases: Databases) -> dict[str, KnownAccount]:
    """Note by which credentials each account is known.

    Returns those that are known under another name.
    """
    return await store.keep_names(databases.state, _credentials(config), _names(config))


def refuse_second_name(
    destination: DestinationConfig, config: Config, others: dict[str, KnownAccount]
) -> None:
    """Raise BrakeApplied where the account is another one by name alone."""
    named = others.get(destination.account)
    if named is None:
        return
    whose = f" of {', '.join(named.destinations)}" if named.destinations else ""
    configured = {*_names(config), *config.broken}
    without_file = [name for name in named.destinations if name not in configured]
    renamed = ""
    if without_file:
        renamed = f". {_if_renamed(destination, without_file[0])}"
    raise BrakeApplied(
        "account",
        f"{destination.place('account')}: the state knows these credentials as account "
        f'"{named.account}"{whose}, and the vendor counts their requests together, so '
        "nothing was sent under another name. "
        f"Write account: {named.account} here, or use a key of its own{renamed}",
    )


def _if_renamed(destination: DestinationConfig, old: str) -> str:
    """Return what to do where the destination is one without a file, renamed."""
    name, file = destination.name, destination.file
    moving = f"syncengine rename {as_argument(old)} {as_argument(name)}"
    undoing = f"mv {quoted(file)} {quoted(file.with_stem(old))}"
    return (
        f"If {name} is {old} under a new name, `{moving}` moves what is known of its "
        f"contacts, or give the file its old name back (`{undoing}`)"
    )


def _credentials(config: Config) -> dict[str, str]:
    given = {
        destination.account: destination.credentials
        for destination in config.destinations
    }
    return {
        account: credentials
        for account, credentials in given.items()
        if credentials is not None
    }


def _names(config: Config) -> frozenset[str]:
    return frozenset(destination.name for destination in config.destinations)
