"""Read contacts back from the vendors, and compare them with what is known of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from syncengine.app.accounts import Account, stopped_by
from syncengine.app.asking import asking
from syncengine.app.brakes import refuse_changes
from syncengine.app.credentials import settled
from syncengine.app.databases import Databases, opened
from syncengine.app.pipelines import side_by_side
from syncengine.app.request import Request
from syncengine.app.runs import how_it_ended
from syncengine.config import Config, DestinationConfig
from syncengine.engine.holding import shows
from syncengine.engine.verification import Verification
from syncengine.errors import AccountStopped, RequestFailed, RunRefused, RunStopped, SyncEngineError
from syncengine.model.consent import Naming
from syncengine.model.copies import VerifyReport
from syncengine.model.mapping import OnNull
from syncengine.model.reports import Progress, Silent
from syncengine.model.work import RunKind
from syncengine.planning.drift import Owned
from syncengine.ports import Directory
from syncengine.storage.contacts import Contacts
from syncengine.storage.linked import Linked
from syncengine.storage.runs import finish_run, start_run


async def verify(
    config: Config,
    names: Sequence[str],
    *,
    sample: int | None = None,
    repair: bool = False,
    progress: Progress | None = None,
    stop: asyncio.Event | None = None,
) -> list[VerifyReport]:
    """Compare all contacts of the destinations, or a sample of so many each.

    All destinations are meant where none is named. With ``repair`` what drifted is
    planned again by the next run. Raises RunRefused for what concerns the whole call.
    """
    config = await settled(config)
    destinations = config.chosen(tuple(names))
    heard, ended = progress or Silent(), stop or asyncio.Event()
    async with opened(config, destinations) as databases:

        async def work(destination: DestinationConfig, account: Account) -> VerifyReport:
            return await _verify(destination, account, config, databases, sample, heard, repair=repair)

        return await side_by_side(config, databases, destinations, work, _failed, ended)


async def _verify(
    destination: DestinationConfig,
    account: Account,
    config: Config,
    databases: Databases,
    sample: int | None,
    progress: Progress,
    *,
    repair: bool,
) -> VerifyReport:
    vendor, name = destination.vendor, destination.name
    if not shows(vendor.capabilities):
        return VerifyReport(name, "unreadable", error=f"{name}: {vendor.name} shows nothing of what it holds")
    began, sent = time.monotonic(), account.pacing.requests
    try:
        recognised = await refuse_changes(destination, config, databases, Request())
    except RunRefused as error:
        return await _failed(destination, error)
    run_id = await start_run(account.fence, name, recognised.at_start, RunKind.VERIFY)
    linked = Linked(databases.state, name)
    total = await linked.count()
    progress.started(name, total if sample is None else min(sample, total))
    store = Contacts(account.fence, name, run_id, numbered=False)
    status, said = "done", None
    async with asking(destination, account) as retrier:
        verification = Verification(
            vendor,
            retrier,
            store,
            Owned(
                fields=tuple(field.field for field in destination.mapping.fields)
                if destination.mapping.on_null is OnNull.CLEAR
                else (),
                tag_prefix=destination.mapping.tags.prefix if destination.mapping.tags else "",
                hidden=vendor.capabilities.hidden,
                opt_outs=vendor.capabilities.opt_outs,
            ),
            Naming(destination.mapping),
            account.stopping.call,
            lambda contacts: progress.advanced(name, contacts, account.pacing.requests - sent),
            repair=repair,
        )
        try:
            if sample is not None:
                await verification.one_by_one(await linked.sample(sample, run_id))
            else:
                pages = vendor if isinstance(vendor, Directory) else None
                await verification.everybody(linked, total, pages)
        except RunStopped:
            status = "stopped"
        except AccountStopped as stopped:
            status, said = "halted", stopped_by(stopped, destination)
        except RequestFailed as failure:  # the vendor's list, without which nothing can be told of anybody
            status, said = "halted", f"{name}: {failure}"
    seen = verification.seen
    if status == "done" and (account.stopping.call.is_set() or seen.unread):
        status = "stopped" if account.stopping.call.is_set() else "incomplete"
    report = VerifyReport(
        destination=name,
        status=status,
        compared=seen.compared,
        drifted=seen.drifted,
        found=dict(sorted(seen.found.items())),
        subjects=dict(seen.subjects.most_common()),
        in_doubt=seen.in_doubt,
        unread=seen.unread,
        strangers=seen.strangers,
        repaired=seen.repaired,
        opted_out=seen.opted_out,
        requests=account.pacing.requests - sent,
        seconds=time.monotonic() - began,
        error=said,
        exit_code=int(status != "done" or seen.drifted > seen.repaired + seen.opted_out),
        contacts=tuple(seen.contacts),
    )
    await finish_run(account.fence, run_id, status, {**report.public(), "contacts": []}, said)
    progress.finished(name)
    return report


async def _failed(destination: DestinationConfig, error: SyncEngineError) -> VerifyReport:
    status, code = how_it_ended(error)
    return VerifyReport(destination.name, status, error=str(error), exit_code=code)
