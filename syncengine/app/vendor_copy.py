"""A contact as the vendor shows it right now, added to what is known here."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from syncengine.app.accounts import LeasedAccount, stopped_by
from syncengine.app.local_view import LocalView
from syncengine.app.show_report import show_report, sorted_copy
from syncengine.app.vendor_access import vendor_access
from syncengine.config.destination import DestinationConfig
from syncengine.engine.crowd import Crowd
from syncengine.engine.exchange import Meter
from syncengine.engine.reading import can_show, read_linked
from syncengine.engine.retry import Retrier
from syncengine.engine.waves import Waves
from syncengine.errors import AccountStopped, RequestFailed
from syncengine.model.capabilities import matches
from syncengine.model.contact import Desired, Known, Remote
from syncengine.model.contact_ids import name_of_owner
from syncengine.model.copies import ShowReport
from syncengine.model.reports import RunStatus
from syncengine.planning.found_contacts import opt_outs_to_remember, unique_remotes
from syncengine.ports import DetailReader
from syncengine.storage.state.contacts import Contacts
from syncengine.storage.state.runs import NO_RUN


async def report_with_copy(
    destination: DestinationConfig, account: LeasedAccount, view: LocalView
) -> ShowReport:
    """Return the report with the vendor's copy added."""
    name = destination.vendor.name
    if not can_show(destination.vendor.capabilities):
        return show_report(view.with_remark(f"{name} shows nothing of what it holds"))
    try:
        async with vendor_access(destination, account) as retrier:
            return await _with_copy(destination, account, retrier, view)
    except AccountStopped as stopped:
        view = view.with_remark(stopped_by(stopped, destination))
    except RequestFailed as error:
        view = view.with_remark(f"the contact could not be read at the vendor: {error}")
    return show_report(view, RunStatus.INCOMPLETE)


async def _with_copy(
    destination: DestinationConfig,
    account: LeasedAccount,
    retrier: Retrier,
    view: LocalView,
) -> ShowReport:
    """Read the contact at the vendor. Raises RequestFailed, AccountStopped."""
    vendor = destination.vendor
    known = view.state.known if view.state else Known()
    remotes = await _remotes(destination, retrier, known, view.desired)
    if not remotes:
        return show_report(view.with_remark("the vendor has no such contact"))
    if len(remotes) > 1:
        ids = ", ".join(remote.external_id for remote in remotes)
        view = view.with_remark(f"{len(remotes)} contacts at the vendor match: {ids}")
        return show_report(view, RunStatus.INCOMPLETE)
    (remote,) = remotes
    view = replace(view, vendor=sorted_copy(remote.fields, remote.tags))
    # A contact that is found by its keys alone is not linked here: that is for a run
    # or an adoption, which consider all contacts with these keys.
    if known.external_id is not None:
        await _remember_opt_outs(destination, account, view.contact_id, known, remote)
    else:
        link = await _link(destination, account, view, remote)
        view = view.with_remark(
            f"the vendor's contact {remote.external_id} matches; {link}"
        )
    if isinstance(vendor, DetailReader):
        reading = partial(vendor.details, remote.external_id)
        details = await retrier.run(reading, Meter(), repeatable=True)
        view = replace(view, details=details)
    return show_report(view)


async def _link(
    destination: DestinationConfig,
    account: LeasedAccount,
    view: LocalView,
    remote: Remote,
) -> str:
    """Describe whether the contact will be linked to the vendor contact it matches."""
    if view.outlook.standing is not None:
        return "it is not linked while nothing may be sent about the contact"
    store = Contacts(account.fence, destination.name, NO_RUN, numbered=False)
    ids = (remote.external_id, *remote.former_ids)
    owners = await store.owners(view.contact_id, ids)
    # Who knows it by an id from before a merge has it, too.
    owner = owners.get(remote.external_id, min(owners.values(), default=None))
    if owner is not None:
        return (
            f"it is the copy of contact {name_of_owner(owner)}, so it is not linked. "
            "Correct one of the two rows, or add a field to match_on in which they "
            "differ"
        )
    return "a run, or `syncengine adopt`, links it"


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
    """Return the vendor's contact by its id, or those that match the row's keys.

    The first key that finds any decides.
    """
    vendor = destination.vendor
    if known.external_id is not None:
        waves = Waves(vendor, retrier, Crowd(1))
        remote = await read_linked(waves, vendor.capabilities, known)
        return (remote,) if remote else ()
    keys = desired.keys if desired else ()
    for key in keys:
        if not matches(key.field, vendor.capabilities.find_by):
            continue
        found = await retrier.run(partial(vendor.find, key), Meter(), repeatable=True)
        if found:
            return unique_remotes(found)
    return ()
