"""Show one contact: in the source, in the state, and at each vendor right now.

What is known here (``app.local_view``) is shown even where the vendor cannot be asked
(``app.vendor_copy``); ``app.show_report`` puts both together.
"""

from __future__ import annotations

from collections.abc import Sequence

from syncengine.app.accounts import LeasedAccount
from syncengine.app.credentials import settled
from syncengine.app.databases import open_databases
from syncengine.app.local_view import trusted_view
from syncengine.app.pipelines import side_by_side
from syncengine.app.show_report import show_report
from syncengine.app.vendor_copy import report_with_copy
from syncengine.config.destination import DestinationConfig
from syncengine.config.project import Config
from syncengine.errors import LeaseHeld, SyncEngineError
from syncengine.model.copies import ShowReport
from syncengine.model.reports import RunStatus


async def show(
    config: Config, names: Sequence[str], contact_id: str
) -> list[ShowReport]:
    """Return a report for each named destination, or for all.

    Raises RunRefused for what concerns the whole call.
    """
    config = await settled(config)
    destinations = config.chosen(tuple(names))
    async with open_databases(config, destinations) as databases:
        local = {
            each.name: await trusted_view(each, config, databases, contact_id)
            for each in destinations
        }

        async def work(
            destination: DestinationConfig, account: LeasedAccount
        ) -> ShowReport:
            return await report_with_copy(destination, account, local[destination.name])

        async def failed(
            destination: DestinationConfig, error: SyncEngineError
        ) -> ShowReport:
            view = local[destination.name]
            view = view.with_remark(f"the vendor was not asked: {error}")
            if isinstance(error, LeaseHeld):
                return show_report(view, RunStatus.HELD)
            return show_report(view, RunStatus.INCOMPLETE)

        return await side_by_side(config, databases, destinations, work, failed)
