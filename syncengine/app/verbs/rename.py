"""A new name for a destination: everything the state has moves to it."""

from __future__ import annotations

import asyncio

from syncengine.app.accounts import leased_account
from syncengine.app.databases import open_databases
from syncengine.app.rename_checks import (
    former_account,
    refuse_old_file,
    refuse_two_destinations,
    remembered_identity,
)
from syncengine.config.project import Config
from syncengine.model.reports import RenameReport
from syncengine.storage.state import renaming


async def rename(config: Config, old: str, new: str) -> RenameReport:
    """Move what the state has of a destination to its new name.

    Its file has the new name already. Raises ConfigError for what must not be renamed,
    LeaseHeld while a run works, and StorageError.
    """
    refuse_old_file(config, old, new)
    (destination,) = config.chosen((new,))
    async with open_databases(config, (destination,)) as databases:
        before = await remembered_identity(databases, old, new)
        await refuse_two_destinations(databases, old, new)
        former = await former_account(destination, databases, before, old)
        # Under the lease: a run of the destination would write under its old name.
        async with leased_account(
            destination.account,
            (destination,),
            databases,
            config.engine.lease_ttl,
            asyncio.Event(),
            former=former,
        ) as account:
            # Once more: a run under the new name may have created contacts while the
            # lease was waited for. To rename would drop their ids.
            await refuse_two_destinations(databases, old, new)
            contacts = await renaming.rename(account.fence, old, new)
    return RenameReport(old, new, contacts)
