"""One contact as everybody sees it: the source, we, and each vendor right now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from syncengine.app.accounts import LeasedAccount, stopped_by
from syncengine.app.credentials import settled
from syncengine.app.databases import Databases, inspect_source, open_databases
from syncengine.app.markers import refuse_restored
from syncengine.app.neighbours import beside
from syncengine.app.outlook import Outlook, Seen, look_ahead
from syncengine.app.pipelines import side_by_side
from syncengine.app.run_request import RunRequest
from syncengine.app.vendor_access import vendor_access
from syncengine.config.destination import DestinationConfig
from syncengine.config.project import Config
from syncengine.engine.exchange import Meter
from syncengine.engine.holding import held, shows
from syncengine.engine.retry import Retrier
from syncengine.errors import (
    AccountStopped,
    BrakeApplied,
    LeaseHeld,
    RequestFailed,
    RunRefused,
    SyncEngineError,
    where_it_broke,
)
from syncengine.model.calls import Rejected
from syncengine.model.capabilities import matches
from syncengine.model.contact import Desired, Known, MatchKey, Pending, Remote
from syncengine.model.copies import Copy, ShowReport
from syncengine.model.http import Json
from syncengine.model.reports import RunStatus
from syncengine.model.work import ContactState
from syncengine.planning.found_contacts import opt_outs_to_remember, unique_remotes
from syncengine.planning.mapping import map_row
from syncengine.ports import DetailReader
from syncengine.storage.source.rows import SourceRows
from syncengine.storage.state.contacts import Contacts
from syncengine.storage.state.fence import Fence


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
            each.name: await _told(each, config, databases, contact_id)
            for each in destinations
        }

        async def work(
            destination: DestinationConfig, account: LeasedAccount
        ) -> ShowReport:
            return await _at_vendor(destination, account, local[destination.name])

        async def failed(
            destination: DestinationConfig, error: SyncEngineError
        ) -> ShowReport:
            told = f"the vendor was not asked: {error}"
            is_held = isinstance(error, LeaseHeld)
            ended = RunStatus.HELD if is_held else RunStatus.INCOMPLETE
            return _report(_with(local[destination.name], told), ended)

        return await side_by_side(config, databases, destinations, work, failed)


@dataclass(frozen=True, slots=True)
class _Local:
    """Facts about a contact that are known without asking the vendor."""

    destination: str
    contact_id: str
    state: ContactState | None
    desired: Desired | None
    remarks: tuple[str, ...] = ()
    outlook: Outlook = field(default_factory=Outlook)
    vendor: Copy | None = None
    details: Mapping[str, Json] = field(default_factory=dict)


async def _told(
    destination: DestinationConfig,
    config: Config,
    databases: Databases,
    contact_id: str,
) -> _Local:
    """Return what is known without the vendor, as long as a run may go by it.

    By a state that was restored or lost, and was not accepted yet, no run goes.
    """
    local = await _local(destination, config, databases, contact_id)
    try:
        await refuse_restored(destination, config, databases, RunRequest())
    except BrakeApplied as error:
        outlook = replace(
            local.outlook, next_run="is refused, and suppressions may be missing here"
        )
        return _with(replace(local, outlook=outlook), str(error))
    return local


async def _local(
    destination: DestinationConfig,
    config: Config,
    databases: Databases,
    contact_id: str,
) -> _Local:
    fence = Fence(databases.state, destination.account, 0)
    store = Contacts(fence, destination.name, 0, numbered=False)
    state = (await store.load([contact_id])).get(contact_id)
    desired: Desired | None = None
    outlook = Outlook()
    remarks: list[str] = []
    try:
        pool = databases.source(destination)
        source = SourceRows(pool, await inspect_source(destination, pool))
        row = next(iter(await source.load([contact_id])), None)
        wanted = (
            map_row(row, destination.mapping, destination.vendor.capabilities.identity)
            if row
            else None
        )
        desired = wanted if isinstance(wanted, Desired) else None
        if row is None:
            remarks.append(
                "the source does not select this contact (any more; look at where)"
            )
        if isinstance(wanted, Rejected):
            remarks.append(f"the row cannot be used: {wanted.message}")
        seen = Seen(state or ContactState(contact_id), row, desired)
        others = await beside(destination, config, databases, fence)
        outlook = await look_ahead(
            destination, databases, store, source, seen, others.neighbours
        )
    except RunRefused as error:
        remarks.append(f"the source could not be read: {error}")
        outlook = await look_ahead(
            destination, databases, store, None, Seen(state or ContactState(contact_id))
        )
    except SyncEngineError:
        raise
    except Exception as error:  # noqa: BLE001 - what else is known is told all the same
        remarks.append(f"the row cannot be told of: {where_it_broke(error)}")
    return _Local(
        destination.name,
        contact_id,
        state,
        desired,
        (*remarks, *outlook.remarks),
        outlook,
    )


async def _at_vendor(
    destination: DestinationConfig, account: LeasedAccount, local: _Local
) -> ShowReport:
    """Return the report with the vendor's copy added."""
    vendor = destination.vendor
    if not shows(vendor.capabilities):
        return _report(_with(local, f"{vendor.name} shows nothing of what it holds"))
    known = local.state.known if local.state else Known()
    try:
        async with vendor_access(destination, account) as retrier:
            remotes = await _remotes(destination, retrier, known, local.desired)
            if not remotes:
                return _report(_with(local, "the vendor knows no such contact"))
            if len(remotes) > 1:
                ids = ", ".join(remote.external_id for remote in remotes)
                return _report(
                    _with(local, f"{len(remotes)} contacts at the vendor match: {ids}"),
                    RunStatus.INCOMPLETE,
                )
            (remote,) = remotes
            told = replace(local, vendor=_copy(remote.fields, remote.tags))
            if known.external_id is not None:
                await _remember_noes(
                    destination, account, local.contact_id, known, remote
                )
            else:
                linked = "a run, or `syncengine adopt`, links it"
                if local.outlook.standing is not None:
                    linked = "nothing links it while nothing may be sent about it"
                told = _with(
                    told, f"{remote.external_id} at the vendor matches; {linked}"
                )
            if isinstance(vendor, DetailReader):
                details = await retrier.run(
                    partial(vendor.details, remote.external_id),
                    Meter(),
                    repeatable=True,
                )
                told = replace(told, details=details)
            return _report(told)
    except AccountStopped as stopped:
        return _report(
            _with(local, stopped_by(stopped, destination)), RunStatus.INCOMPLETE
        )
    except RequestFailed as error:
        return _report(
            _with(local, f"the vendor gave no answer: {error}"), RunStatus.INCOMPLETE
        )


async def _remember_noes(
    destination: DestinationConfig,
    account: LeasedAccount,
    contact_id: str,
    known: Known,
    remote: Remote,
) -> None:
    """Note the opt-outs that the vendor shows.

    Should the contact be deleted there, it is created again with them.
    """
    noes = opt_outs_to_remember(known, remote, destination.vendor.capabilities)
    if noes != known.seen_opt_outs:
        store = Contacts(account.fence, destination.name, 0, numbered=False)
        await store.remember_opt_outs({contact_id: noes})


async def _remotes(
    destination: DestinationConfig,
    retrier: Retrier,
    known: Known,
    desired: Desired | None,
) -> tuple[Remote, ...]:
    vendor = destination.vendor
    if known.external_id is not None:
        remote = await held(vendor, retrier, known)
        return (remote,) if remote else ()
    keys: tuple[MatchKey, ...] = desired.keys if desired else ()
    for key in keys:
        if matches(key.field, vendor.capabilities.find_by):
            found = await retrier.run(
                partial(vendor.find, key), Meter(), repeatable=True
            )
            if found:
                return unique_remotes(found)
    return ()


def _with(local: _Local, remark: str) -> _Local:
    return replace(local, remarks=(*local.remarks, remark))


def _copy(fields: Mapping[str, Json], tags: frozenset[str]) -> Copy:
    return Copy(dict(sorted(fields.items())), tuple(sorted(tags)))


def _report(local: _Local, look_up: RunStatus = RunStatus.DONE) -> ShowReport:
    state, desired = local.state, local.desired
    known = state.known if state else Known()
    return ShowReport(
        destination=local.destination,
        contact_id=local.contact_id,
        status=local.outlook.standing or (state.status.value if state else "unknown"),
        external_id=known.external_id,
        source=_copy(desired.fields, desired.tags) if desired else None,
        known=_copy(known.fields, known.tags | known.found_tags)
        if known.external_id or known.fields
        else None,
        vendor=local.vendor,
        details=local.details,
        remarks=(*local.remarks, *_of_pending(known, local.outlook.kept)),
        next_run=local.outlook.next_run,
        look_up=look_up,
    )


def _of_pending(known: Known, kept: Pending | None) -> Iterator[str]:
    """Yield what is told of changes that were sent and have no outcome.

    ``kept`` is what the next run does not settle.
    """
    if known.pending is None:
        return
    if kept is not None:
        yield (
            f"something was sent earlier that has no outcome{_named(kept)}: it is kept "
            "as unknown, and settled once it is to be sent again"
        )
    if kept is None or _named(kept) != _named(known.pending):
        yield (
            "something was sent that has no outcome yet: the next run settles it before anything else"
        )


def _named(pending: Pending) -> str:
    """Return the names of the fields and tags of an intent, in brackets."""
    tags = (f'tag "{tag}"' for tag in sorted(pending.add_tags | pending.remove_tags))
    names = (*(f'field "{name}"' for name in pending.fields), *tags)
    return f" ({', '.join(names)})" if names else ""
