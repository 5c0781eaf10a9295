"""Read contacts back from the vendors, and compare them with what is known of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from syncengine.app.accounts import LeasedAccount
from syncengine.app.comparison import Comparison, managed_parts
from syncengine.app.credentials import settled
from syncengine.app.databases import Databases, open_databases
from syncengine.app.pipelines import side_by_side
from syncengine.app.repairing import carry_out, repair_of
from syncengine.app.session import session, status_of
from syncengine.app.vendor_access import vendor_access
from syncengine.app.verify_request import VerifyRequest
from syncengine.config.destination import DestinationConfig
from syncengine.config.project import Config
from syncengine.engine.reading import can_show
from syncengine.engine.verification import Verification
from syncengine.errors import SyncEngineError
from syncengine.model.consent import SubjectFinder
from syncengine.model.copies import VerifyReport
from syncengine.model.reports import Progress, RunStatus
from syncengine.model.work import RunKind


async def verify(
    config: Config,
    names: Sequence[str],
    *,
    sample: int | None = None,
    contacts: Sequence[str] = (),
    repair: bool = False,
    fields: Sequence[str] = (),
    recreate: bool = False,
    accept: Iterable[str] = (),
    progress: Progress | None = None,
    stop: asyncio.Event | None = None,
) -> list[VerifyReport]:
    """Compare the contacts of the destinations with what is known of them.

    All destinations and contacts are meant where none is named; ``sample`` are so many
    of each destination. With ``repair`` what drifted is planned again by the next run,
    unless a brake stops that which ``accept`` does not name. Raises RunRefused for what
    concerns the whole call.
    """
    request = VerifyRequest(
        sample, tuple(contacts), repair, tuple(fields), recreate, frozenset(accept)
    )
    config = await settled(config)
    destinations = config.chosen(tuple(names))
    request.refuse_unknown_fields(destinations)
    async with open_databases(config, destinations) as databases:

        async def work(
            destination: DestinationConfig, account: LeasedAccount
        ) -> VerifyReport:
            if not can_show(destination.vendor.capabilities):
                return _unreadable(destination)
            return await _verify(
                destination, account, config, databases, request, progress
            )

        return await side_by_side(config, databases, destinations, work, _failed, stop)


def _unreadable(destination: DestinationConfig) -> VerifyReport:
    name, vendor = destination.name, destination.vendor.name
    error = f"{name}: {vendor} shows nothing of what it holds"
    return VerifyReport(name, RunStatus.UNREADABLE, error=error)


async def _failed(
    destination: DestinationConfig, error: SyncEngineError
) -> VerifyReport:
    status = status_of(error)
    return VerifyReport(destination.name, status, error=str(error), cause=error)


async def _verify(
    destination: DestinationConfig,
    account: LeasedAccount,
    config: Config,
    databases: Databases,
    request: VerifyRequest,
    progress: Progress | None,
) -> VerifyReport:
    """Compare and repair under the lease, so that no run changes what is compared."""
    async with session(
        destination, account, config, databases, RunKind.VERIFY, progress=progress
    ) as s:
        repair = repair_of(destination, request)
        async with vendor_access(destination, account) as retrier:
            verification = Verification(
                destination.vendor,
                retrier,
                s.contacts,
                managed_parts(destination),
                SubjectFinder(destination.mapping),
                account.stopping.requested,
                s.live.advanced,
                repair,
            )
            comparison = Comparison(s, request, verification)
            # A stop or a halted account ends the comparison early; what was compared up
            # to there is reported, and repaired unless that needs the whole.
            with s.ending.noted(destination):
                await comparison.compare()
        comparison.judge()
        if repair is not None:
            await carry_out(repair, s, request, verification.seen.compared)
        report = comparison.report(repair)
        # Contacts are named to the caller only, and kept in no record of the run.
        await s.finish({**report.public(), "contacts": []})
    return report
