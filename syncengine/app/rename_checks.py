"""Conditions that have to be met before a destination is renamed.

The file has the new name already, the state knows the old one, the new one has no
contacts of its own, and the account stays the same.
"""

from __future__ import annotations

from syncengine.app.databases import Databases
from syncengine.config.destination import DestinationConfig
from syncengine.config.paths import quoted
from syncengine.config.project import Config
from syncengine.errors import ConfigError, Problem
from syncengine.storage.state import renaming
from syncengine.storage.state.credentials import is_other_account
from syncengine.storage.state.destinations import Identity, remembered


def refuse_old_file(config: Config, old: str, new: str) -> None:
    """Raise ConfigError while the destination has a file under its old name."""
    if old == new:
        raise _refused(old, new, "the two names are the same")
    files = {each.name: each.file for each in config.readable}
    if old not in files and old not in config.broken:
        return
    file = files.get(old) or config.file.parent / "destinations" / f"{old}.yaml"
    command = f"mv {quoted(file)} {quoted(file.with_stem(new))}"
    what = (
        f"destination {old} has a file still ({file}), and its next run would start "
        f"anew: give the file its new name first (`{command}`), or take it away"
    )
    raise _refused(old, new, what)


async def remembered_identity(databases: Databases, old: str, new: str) -> Identity:
    """Return what the state remembers of the destination. Raises ConfigError."""
    before = await remembered(databases.state, old)
    if before is None:
        what = f"the state knows no destination {old}: there is nothing to rename"
        raise _refused(old, new, what)
    return before.identity


async def refuse_two_destinations(databases: Databases, old: str, new: str) -> None:
    """Raise ConfigError where the new name has contacts of its own."""
    number = await renaming.contacts_there(databases.state, new)
    if not number:
        return
    contacts = "1 contact" if number == 1 else f"{number:,} contacts"
    what = (
        f"{new} has {contacts} at the vendor itself, and two destinations cannot be "
        f"made one by name: `syncengine run -d {new} --accept no_file` gives {new} those "
        f"contacts of {old} that it selects"
    )
    raise _refused(old, new, what)


async def former_account(
    destination: DestinationConfig, databases: Databases, before: Identity, old: str
) -> tuple[str, ...]:
    """Return the former name of the account, where it has a new one like the file.

    Raises ConfigError where the account is another one.
    """
    account = destination.account
    if before.account == account:
        return ()
    is_other = await is_other_account(
        databases.state, before.account, destination.credentials
    )
    # A destination without ``account:`` is alone in one that has its own name.
    named_after_file = (before.account, account) == (old, destination.name)
    if named_after_file and not is_other:
        return (before.account,)
    what = (
        f"the account of {old} is {before.account}, and {destination.file} says "
        f"{account}: write account: {before.account} there, rename, and change the "
        "account afterwards"
    )
    raise _refused(old, destination.name, what)


def _refused(old: str, new: str, what: str) -> ConfigError:
    return ConfigError([Problem(f"rename {old} {new}", what)])
