"""Show one contact: in the source, in the state, and at each vendor right now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from syncengine.app.accounts import LeasedAccount, stopped_by
from syncengine.app.credentials import settled
from syncengine.app.databases import Databases, inspect_source, open_databases
from syncengine.app.markers import refuse_restored
from syncengine.app.outlook import Outlook, Seen, look_ahead
from syncengine.app.pipelines import side_by_side
from syncengine.app.run_request import RunRequest
from syncengine.app.session import Reader
from syncengine.app.vendor_access import vendor_access
from syncengine.config.destination import DestinationConfig
from syncengine.config.project import Config
from syncengine.engine.exchange import Meter
from syncengine.engine.reading import can_show, read_linked
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
from syncengine.model.contact import Desired, Known, Pending, Remote
from syncengine.model.copies import Copy, ShowReport
from syncengine.model.http import Json
from syncengine.model.reports import RunStatus
from syncengine.model.work import ContactState, SourceRow
from syncengine.planning.found_contacts import opt_outs_to_remember, unique_remotes
from syncengine.planning.mapping import map_row
from syncengine.ports import DetailReader
from syncengine.storage.source.rows import SourceRows
from syncengine.storage.state.contacts import Contacts
from syncengine.storage.state.runs import NO_RUN


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
            each.name: await _trusted_view(each, config, databases, contact_id)
            for each in destinations
        }

        async def work(
            destination: DestinationConfig, account: LeasedAccount
        ) -> ShowReport:
            return await _at_vendor(destination, account, local[destination.name])

        async def failed(
            destination: DestinationConfig, error: SyncEngineError
        ) -> ShowReport:
            view = local[destination.name]
            view = view.with_remark(f"the vendor was not asked: {error}")
            if isinstance(error, LeaseHeld):
                return _report(view, RunStatus.HELD)
            return _report(view, RunStatus.INCOMPLETE)

        return await side_by_side(config, databases, destinations, work, failed)


@dataclass(frozen=True, slots=True)
class _LocalView:
    """Facts about a contact that are known without asking the vendor."""

    destination: str
    contact_id: str
    state: ContactState | None
    desired: Desired | None
    remarks: tuple[str, ...] = ()
    outlook: Outlook = field(default_factory=Outlook)
    vendor: Copy | None = None
    details: Mapping[str, Json] = field(default_factory=dict)

    def with_remark(self, remark: str) -> _LocalView:
        return replace(self, remarks=(*self.remarks, remark))


async def _trusted_view(
    destination: DestinationConfig,
    config: Config,
    databases: Databases,
    contact_id: str,
) -> _LocalView:
    """Return what is known without the vendor, and whether a run would go by it.

    A state that was restored or lost, and was not accepted yet, refuses every run.
    """
    view = await _local_view(destination, config, databases, contact_id)
    try:
        await refuse_restored(destination, config, databases, RunRequest())
    except BrakeApplied as error:
        refused = "is refused, and suppressions may be missing here"
        outlook = replace(view.outlook, next_run=refused)
        return replace(view, outlook=outlook).with_remark(str(error))
    return view


async def _local_view(
    destination: DestinationConfig,
    config: Config,
    databases: Databases,
    contact_id: str,
) -> _LocalView:
    reader = Reader(destination, config, databases)
    store = reader.contacts
    state = (await store.load([contact_id])).get(contact_id)
    seen = Seen(state or ContactState(contact_id))
    desired: Desired | None = None
    outlook = Outlook()
    remarks: list[str] = []
    try:
        pool = databases.source(destination)
        source = SourceRows(pool, await inspect_source(destination, pool))
        row = next(iter(await source.load([contact_id])), None)
        seen, remark = _with_row(destination, seen, row)
        desired = seen.desired
        if remark is not None:
            remarks.append(remark)
        others = await reader.others()
        outlook = await look_ahead(
            destination, databases, store, source, seen, others.neighbours
        )
    except RunRefused as error:
        remarks.append(f"the source could not be read: {error}")
        without_row = Seen(seen.state)
        outlook = await look_ahead(destination, databases, store, None, without_row)
    except SyncEngineError:
        raise
    except Exception as error:  # noqa: BLE001 - what else is known is shown all the same
        remarks.append(f"the row could not be worked out ({where_it_broke(error)})")
    return _LocalView(
        destination.name,
        contact_id,
        state,
        desired,
        (*remarks, *outlook.remarks),
        outlook,
    )


def _with_row(
    destination: DestinationConfig, seen: Seen, row: SourceRow | None
) -> tuple[Seen, str | None]:
    """Return the contact with its row, and what is wrong with the row, if anything."""
    if row is None:
        where = destination.place("where")
        return seen, (
            "the source does not select this contact: it has no such row, or "
            f"{where} leaves it out"
        )
    mapped = map_row(row, destination.mapping, destination.vendor.capabilities.identity)
    if isinstance(mapped, Rejected):
        return replace(seen, row=row), f"the row cannot be used: {mapped.message}"
    return replace(seen, row=row, desired=mapped), None


async def _at_vendor(
    destination: DestinationConfig, account: LeasedAccount, view: _LocalView
) -> ShowReport:
    """Return the report with the vendor's copy added."""
    name = destination.vendor.name
    if not can_show(destination.vendor.capabilities):
        return _report(view.with_remark(f"{name} shows nothing of what it holds"))
    try:
        async with vendor_access(destination, account) as retrier:
            return await _with_copy(destination, account, retrier, view)
    except AccountStopped as stopped:
        view = view.with_remark(stopped_by(stopped, destination))
    except RequestFailed as error:
        view = view.with_remark(f"the vendor gave no answer: {error}")
    return _report(view, RunStatus.INCOMPLETE)


async def _with_copy(
    destination: DestinationConfig,
    account: LeasedAccount,
    retrier: Retrier,
    view: _LocalView,
) -> ShowReport:
    vendor = destination.vendor
    known = view.state.known if view.state else Known()
    remotes = await _remotes(destination, retrier, known, view.desired)
    if not remotes:
        return _report(view.with_remark("the vendor has no such contact"))
    if len(remotes) > 1:
        ids = ", ".join(remote.external_id for remote in remotes)
        view = view.with_remark(f"{len(remotes)} contacts at the vendor match: {ids}")
        return _report(view, RunStatus.INCOMPLETE)
    (remote,) = remotes
    view = replace(view, vendor=_copy(remote.fields, remote.tags))
    if known.external_id is not None:
        await _remember_opt_outs(destination, account, view.contact_id, known, remote)
    else:
        linked = "a run, or `syncengine adopt`, links it"
        if view.outlook.standing is not None:
            linked = "it is not linked while nothing may be sent about the contact"
        view = view.with_remark(
            f"the vendor's contact {remote.external_id} matches; {linked}"
        )
    if isinstance(vendor, DetailReader):
        reading = partial(vendor.details, remote.external_id)
        details = await retrier.run(reading, Meter(), repeatable=True)
        view = replace(view, details=details)
    return _report(view)


async def _remember_opt_outs(
    destination: DestinationConfig,
    account: LeasedAccount,
    contact_id: str,
    known: Known,
    remote: Remote,
) -> None:
    """Note the opt-outs that the vendor shows.

    Should the contact be deleted there, it is created again with them.
    """
    seen = opt_outs_to_remember(known, remote, destination.vendor.capabilities)
    if seen != known.seen_opt_outs:
        store = Contacts(account.fence, destination.name, NO_RUN, numbered=False)
        await store.remember_opt_outs({contact_id: seen})


async def _remotes(
    destination: DestinationConfig,
    retrier: Retrier,
    known: Known,
    desired: Desired | None,
) -> tuple[Remote, ...]:
    """Return the vendor's contact by its id, or those that match the row's keys."""
    vendor = destination.vendor
    if known.external_id is not None:
        remote = await read_linked(vendor, retrier, known)
        return (remote,) if remote else ()
    keys = desired.keys if desired else ()
    for key in keys:
        if not matches(key.field, vendor.capabilities.find_by):
            continue
        found = await retrier.run(partial(vendor.find, key), Meter(), repeatable=True)
        if found:
            return unique_remotes(found)
    return ()


def _copy(fields: Mapping[str, Json], tags: frozenset[str]) -> Copy:
    return Copy(dict(sorted(fields.items())), tuple(sorted(tags)))


def _report(view: _LocalView, look_up: RunStatus = RunStatus.DONE) -> ShowReport:
    state, desired = view.state, view.desired
    known = state.known if state else Known()
    status = view.outlook.standing
    if status is None:
        status = state.status.value if state else "unknown"
    known_copy: Copy | None = None
    if known.external_id or known.fields:
        known_copy = _copy(known.fields, known.tags | known.found_tags)
    return ShowReport(
        destination=view.destination,
        contact_id=view.contact_id,
        status=status,
        external_id=known.external_id,
        source=_copy(desired.fields, desired.tags) if desired else None,
        known=known_copy,
        vendor=view.vendor,
        details=view.details,
        remarks=(*view.remarks, *_pending_remarks(known, view.outlook.kept)),
        next_run=view.outlook.next_run,
        look_up=look_up,
    )


def _pending_remarks(known: Known, kept: Pending | None) -> Iterator[str]:
    """Yield remarks on changes that were sent and have no outcome.

    ``kept`` is what the next run does not settle.
    """
    if known.pending is None:
        return
    if kept is not None:
        yield (
            f"an earlier request got no answer{_subjects(kept)}: its outcome stays "
            "unknown until the same is to be sent again"
        )
    if kept is None or _subjects(kept) != _subjects(known.pending):
        yield (
            "an earlier request got no answer: the next run settles its outcome before "
            "anything else"
        )


def _subjects(pending: Pending) -> str:
    """Return the names of the fields and tags of an intent, in brackets."""
    names = [f'field "{name}"' for name in pending.fields]
    tags = pending.add_tags | pending.remove_tags
    names += [f'tag "{tag}"' for tag in sorted(tags)]
    return f" ({', '.join(names)})" if names else ""
