"""Adopt contacts that exist in an account, before the first run.

Each contact of the source is looked up at the vendor by its match keys, and linked if
exactly one contact is found (``app.adoption_look_up``). Nothing is written there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from syncengine.app.accounts import LeasedAccount
from syncengine.app.adoption_look_up import AdoptionLookUp
from syncengine.app.credentials import settled
from syncengine.app.databases import Databases, open_databases
from syncengine.app.pipelines import side_by_side
from syncengine.app.session import session, status_of
from syncengine.app.vendor_access import vendor_access
from syncengine.config.destination import DestinationConfig
from syncengine.config.project import Config
from syncengine.engine.adoption import Adoption
from syncengine.errors import RunRefused, RunStopped, SyncEngineError
from syncengine.model.copies import AdoptReport
from syncengine.model.reports import Progress, RunStatus
from syncengine.model.work import RunKind


async def adopt(
    config: Config,
    names: Sequence[str],
    *,
    limit: int | None = None,
    progress: Progress | None = None,
    stop: asyncio.Event | None = None,
) -> list[AdoptReport]:
    """Look up the source's contacts at the destinations, and link those found once.

    All destinations are meant where none is named. At most ``limit`` contacts each.
    Writes nothing to a vendor. Raises RunRefused for what concerns the whole call.
    """
    config = await settled(config)
    destinations = config.chosen(tuple(names))
    async with open_databases(config, destinations) as databases:

        async def work(
            destination: DestinationConfig, account: LeasedAccount
        ) -> AdoptReport:
            if not destination.vendor.capabilities.find_by:
                return _unreadable(destination)
            try:
                return await _adopt(
                    destination, account, config, databases, limit, progress
                )
            except (RunRefused, RunStopped) as error:
                # Nothing was changed at the vendor, so the account may go on.
                return await _failed(destination, error)

        return await side_by_side(config, databases, destinations, work, _failed, stop)


def _unreadable(destination: DestinationConfig) -> AdoptReport:
    name, vendor = destination.name, destination.vendor.name
    error = (
        f"{name}: {vendor} has no look-up; its contacts are recognised by the key they "
        "are sent with"
    )
    return AdoptReport(name, RunStatus.UNREADABLE, error=error)


async def _failed(
    destination: DestinationConfig, error: SyncEngineError
) -> AdoptReport:
    return AdoptReport(destination.name, status_of(error), error=str(error))


async def _adopt(
    destination: DestinationConfig,
    account: LeasedAccount,
    config: Config,
    databases: Databases,
    limit: int | None,
    progress: Progress | None,
) -> AdoptReport:
    """Look up under the lease, so that no run creates a contact meanwhile."""
    async with session(
        destination, account, config, databases, RunKind.ADOPT, progress=progress
    ) as s:
        async with vendor_access(destination, account) as retrier:
            prefix = destination.mapping.tag_prefix
            adoption = Adoption(destination.vendor, retrier, s.contacts, prefix)
            looking_up = AdoptionLookUp(s, adoption)
            with s.ending.noted(destination):
                await looking_up.everybody(limit)
        report = looking_up.report()
        # Contacts are named to the caller only, and kept in no record of the run.
        await s.finish({**report.public(), "contacts": []})
    return report
