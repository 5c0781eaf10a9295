"""A new name for a destination: everything the state has moves to it."""

from __future__ import annotations

import asyncio

from syncengine.app.accounts import leased_account
from syncengine.app.databases import Databases, open_databases
from syncengine.config.destination import DestinationConfig
from syncengine.config.paths import quoted
from syncengine.config.project import Config
from syncengine.errors import ConfigError, Problem
from syncengine.model.reports import RenameReport
from syncengine.storage.state import renaming
from syncengine.storage.state.credentials import is_other_account
from syncengine.storage.state.destinations import Identity, remembered


async def rename(config: Config, old: str, new: str) -> RenameReport:
    """Move what the state has of a destination to its new name.

    Its file has the new name already. Raises ConfigError for what must not be renamed,
    LeaseHeld while a run works, and StorageError.
    """
    _refuse_file(config, old, new)
    (destination,) = config.chosen((new,))
    async with open_databases(config, (destination,)) as databases:
        before = await _known(databases, old, new)
        await _refuse_state(databases, old, new)
        former = await _former_account(destination, databases, before, old)
        async with leased_account(
            destination.account,
            (destination,),
            databases,
            config.engine.lease_ttl,
            asyncio.Event(),
            former=former,
        ) as account:
            contacts = await renaming.rename(account.fence, old, new)
    return RenameReport(old, new, contacts)


def _refuse_file(config: Config, old: str, new: str) -> None:
    if old == new:
        raise _refused(old, new, "the two names are the same")
    known = {each.name: each.file for each in config.readable}
    if old in known or old in config.broken:
        file = known.get(old) or config.file.parent / "destinations" / f"{old}.yaml"
        renamed = f"mv {quoted(file)} {quoted(file.with_stem(new))}"
        raise _refused(
            old,
            new,
            f"destination {old} has a file still ({file}), and its next run would start anew: "
            f"give the file its new name first (`{renamed}`), or take it away",
        )


async def _known(databases: Databases, old: str, new: str) -> Identity:
    before = await remembered(databases.state, old)
    if before is None:
        raise _refused(
            old,
            new,
            f"the state knows no destination {old}: there is nothing to rename",
        )
    return before.identity


async def _refuse_state(databases: Databases, old: str, new: str) -> None:
    number = await renaming.contacts_there(databases.state, new)
    if number:
        contacts = "1 contact" if number == 1 else f"{number:,} contacts"
        raise _refused(
            old,
            new,
            f"{new} has {contacts} at the vendor itself, and two destinations cannot be made "
            f"one by name: `syncengine run -d {new} --accept no_file` gives {new} those contacts "
            f"of {old} that it selects",
        )


async def _former_account(
    destination: DestinationConfig, databases: Databases, before: Identity, old: str
) -> tuple[str, ...]:
    """Return the former name of the account, where it has a new one like the file.

    Raises ConfigError where the account is another one.
    """
    account = destination.account
    if before.account == account:
        return ()
    named_after = (before.account, account) == (old, destination.name)
    other = await is_other_account(
        databases.state, before.account, destination.credentials
    )
    if named_after and not other:
        return (before.account,)
    what = (
        f"the account of {old} is {before.account}, and {destination.file} says {account}: write "
        f"account: {before.account} there, rename, and change the account afterwards"
    )
    raise _refused(old, destination.name, what)


def _refused(old: str, new: str, what: str) -> ConfigError:
    return ConfigError([Problem(f"rename {old} {new}", what)])
