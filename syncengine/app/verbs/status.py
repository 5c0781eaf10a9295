"""Status of each destination right now; reads nothing but the state."""

from __future__ import annotations

from collections.abc import Sequence

from syncengine.app.credentials import settled
from syncengine.app.databases import open_databases
from syncengine.config.project import Config
from syncengine.model.status import StatusReport
from syncengine.planning.taken_back import Versions
from syncengine.storage.state.status import read_status


async def status(config: Config, names: Sequence[str]) -> list[StatusReport]:
    """Return the status of the named destinations, or of all, in their order.

    Runs may be under way meanwhile. Raises ConfigError, StorageError.
    """
    config = await settled(config)
    accounts = [(name, config.account_of(name)) for name in config.named(tuple(names))]
    makings = {
        each.name: Versions(each.mapping).makings for each in config.destinations
    }
    # None of their sources is opened.
    async with open_databases(config, ()) as databases:
        return await read_status(databases.state, accounts, makings)
