"""Merge of two contacts at a vendor that can, for ambiguous matches of an adoption."""

from __future__ import annotations

from functools import partial

from syncengine.app.accounts import Account, stopped_by
from syncengine.app.asking import asking
from syncengine.app.brakes import refuse_changes
from syncengine.app.credentials import settled
from syncengine.app.databases import Databases, opened
from syncengine.app.pipelines import side_by_side
from syncengine.app.request import Request
from syncengine.app.runs import how_it_ended
from syncengine.config import Config, DestinationConfig
from syncengine.engine.exchange import Meter
from syncengine.errors import (
    AccountStopped,
    CannotBeSent,
    ConfigError,
    Problem,
    RequestFailed,
    RunRefused,
    SyncEngineError,
)
from syncengine.model.calls import Applied, Rejected
from syncengine.model.contact_ids import name_of
from syncengine.model.copies import MergeReport
from syncengine.model.work import Record, Status
from syncengine.ports import Merger
from syncengine.storage.contacts import Contacts
from syncengine.storage.linked import Linked


async def merge(config: Config, name: str, into: str, other: str) -> MergeReport:
    """Merge the vendor contact ``other`` into ``into`` (external ids).

    The next run mends what that changed. Raises ConfigError for a vendor that cannot.
    """
    config = await settled(config)
    (destination,) = config.chosen((name,))
    if not isinstance(destination.vendor, Merger):
        what = f"{destination.vendor.name} cannot merge contacts; delete one of the two there"
        raise ConfigError([Problem(f"merge -d {name}", what)])
    if into == other:
        raise ConfigError([Problem("merge", "a contact cannot be merged into itself")])
    async with opened(config, (destination,)) as databases:

        async def work(destination: DestinationConfig, account: Account) -> MergeReport:
            try:
                return await _merge(destination, account, config, databases, into, other)
            except RunRefused as error:
                return await _failed(destination, error)

        (report,) = await side_by_side(config, databases, (destination,), work, _failed)
        return report


async def _merge(
    destination: DestinationConfig, account: Account, config: Config, databases: Databases, into: str, other: str
) -> MergeReport:
    name, vendor = destination.name, destination.vendor
    assert isinstance(vendor, Merger)
    await refuse_changes(destination, config, databases, Request())
    owners = await Linked(databases.state, name).owners([into, other])
    if other in owners:
        what = (
            f"{other} is the copy of contact {name_of(owners[other])}, which would lose it. Merge the other way round "
            f"(`syncengine merge {other} {into} -d {name}`), or take the contact out of the source first"
        )
        return MergeReport(name, "refused", error=what, exit_code=2)
    store = Contacts(account.fence, name, 0, numbered=False)
    contact_id = owners.get(into)
    if contact_id is not None:
        await _to_be_looked_at(store, contact_id)  # before the merge, for its outcome may never become known
    try:
        async with asking(destination, account) as retrier:
            answer = await retrier.run(partial(vendor.merge, into, other), Meter(), repeatable=False)
    except AccountStopped as stopped:
        return MergeReport(name, "halted", error=stopped_by(stopped, destination), exit_code=1)
    except RequestFailed as error:
        return _failed_request(name, error)
    match answer:
        case Rejected():
            return MergeReport(name, "rejected", error=answer.message, exit_code=1)
        case Applied(external_id=left) if left not in (None, into, other):
            what = (
                f"the vendor answered with the id of a third contact ({left}); whether the two were merged is not "
                "known: look with `syncengine show`, then try again"
            )
            return MergeReport(name, "incomplete", error=what, exit_code=1)
        case Applied(external_id=left):
            return MergeReport(name, "done", left=left or into, contact_id=contact_id)
        case _:
            raise AssertionError("a merge is applied or rejected")


async def _to_be_looked_at(store: Contacts, contact_id: str) -> None:
    """Have the next run compare the contact's values once more.

    A merge fills blanks and joins notes.
    """
    state = (await store.load([contact_id]))[contact_id]
    record = Record(
        contact_id=contact_id,
        known=state.known,
        status=Status.PENDING,
        source_hash=None,
        rejections=state.rejections,
        rejected_hash=state.rejected_hash,
    )
    await store.record(0, [record])


async def _failed(destination: DestinationConfig, error: SyncEngineError) -> MergeReport:
    status, code = how_it_ended(error)
    return MergeReport(destination.name, status, error=str(error), exit_code=code)


def _failed_request(name: str, error: RequestFailed) -> MergeReport:
    if isinstance(error, CannotBeSent):
        return MergeReport(name, "rejected", error=str(error), exit_code=1)
    what = f"{error}; whether the two were merged is not known: look with `syncengine show`, then try again"
    return MergeReport(name, "incomplete", error=what, exit_code=1)
