"""Merge of two contacts at a vendor that can, for ambiguous matches of an adoption.

The vendor decides which of the two is left. Where one is the copy of a contact of ours,
that contact is noted as being merged before anything is sent, and owns the one that is
left afterwards. After a crash, or a lost answer, the next run finds out which it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from syncengine.app.accounts import LeasedAccount, stopped_by
from syncengine.app.brakes import refuse_changes
from syncengine.app.credentials import settled
from syncengine.app.databases import Databases, open_databases
from syncengine.app.pipelines import side_by_side
from syncengine.app.run_request import RunRequest
from syncengine.app.vendor_access import vendor_access
from syncengine.app.verbs.run import status_of
from syncengine.config.destination import DestinationConfig
from syncengine.config.project import Config
from syncengine.engine.exchange import Meter
from syncengine.engine.retry import Retrier
from syncengine.errors import (
    AccountStopped,
    ConfigError,
    Problem,
    RequestFailed,
    RunRefused,
    SyncEngineError,
    VendorUnavailable,
)
from syncengine.model.calls import Applied, Rejected
from syncengine.model.contact import Known, Remote
from syncengine.model.contact_ids import as_argument, name_of, name_of_owner
from syncengine.model.copies import MergeReport
from syncengine.model.reports import RunStatus
from syncengine.model.work import ContactState, Record, Status
from syncengine.planning.found_contacts import (
    known_from_remote,
    tags_with_prefix,
    with_inherited,
    with_seen_opt_outs,
)
from syncengine.planning.merges import (
    after_merge,
    before_merge,
    has_open_merge,
    with_external_id,
)
from syncengine.ports import Merger
from syncengine.storage.state.contacts import Contacts


async def merge(config: Config, name: str, into: str, other: str) -> MergeReport:
    """Merge the vendor contact ``other`` into ``into`` (external ids).

    A contact of ours that has ``into`` has the one that is left afterwards, and the next
    run brings it in step. Raises ConfigError for a vendor that cannot.
    """
    config = await settled(config)
    (destination,) = config.chosen((name,))
    if not isinstance(destination.vendor, Merger):
        what = f"{destination.vendor.name} cannot merge contacts; delete one of the two there"
        raise ConfigError([Problem(f"merge -d {name}", what)])
    if into == other:
        raise ConfigError([Problem("merge", "a contact cannot be merged into itself")])
    async with open_databases(config, (destination,)) as databases:

        async def work(
            destination: DestinationConfig, account: LeasedAccount
        ) -> MergeReport:
            try:
                return await _merge(
                    destination, account, config, databases, into, other
                )
            except RunRefused as error:
                return await _failed(destination, error)

        (report,) = await side_by_side(config, databases, (destination,), work, _failed)
        return report


@dataclass(frozen=True, slots=True)
class _Ours:
    """The contact of ours that has ``into``."""

    store: Contacts
    state: ContactState
    noted: Known
    """What is known of it while the merge is under way."""

    async def note(self) -> None:
        """Write down that it is being merged, and with which contact."""
        await self._record(self.noted)

    async def restore(self) -> None:
        """Write down that nothing was merged."""
        await self._record(self.state.known)

    async def own(
        self, left: str, remote: Remote | None, destination: DestinationConfig
    ) -> str | None:
        """Make it the owner of the vendor contact that is left, as the vendor shows it.

        Returns the other contact that owns that one already.
        """
        vendor, prefix = destination.vendor, destination.mapping.tag_prefix
        hidden, known = vendor.capabilities.hidden, after_merge(self.noted)
        if remote is not None:
            linked = known_from_remote(
                remote, None, known, vendor.same, hidden, None, prefix
            )
            known = with_seen_opt_outs(linked, known, remote, vendor.capabilities)
        tags = remote.tags if remote else frozenset[str]()
        ours = tags_with_prefix(tags, prefix)
        link = await self.store.link(
            self.state.contact_id, left, None, known.found_tags, ours
        )
        if link.owner is None:
            known = with_inherited(known, link.tags & tags, link.fields, hidden)
            await self._record(with_external_id(known, left))
        return link.owner

    async def _record(self, known: Known) -> None:
        removed = self.state.status is Status.REMOVED
        record = Record(
            contact_id=self.state.contact_id,
            known=known,
            status=Status.REMOVED if removed else Status.PENDING,
            source_hash=None,
            rejections=self.state.rejections,
            rejected_hash=self.state.rejected_hash,
        )
        await self.store.record(0, [record])


@dataclass(frozen=True, slots=True)
class _Pair:
    """Two vendor contacts, and how to ask about them."""

    destination: DestinationConfig
    retrier: Retrier
    into: str
    other: str

    async def read(self, external_id: str) -> Remote | None:
        """Return a vendor contact; None where it is gone, or another one is shown."""
        read = partial(self.destination.vendor.read, external_id)
        remote = await self.retrier.run(read, Meter(), repeatable=True)
        return (
            remote if remote is not None and remote.external_id == external_id else None
        )

    async def merged(self) -> Applied | Rejected:
        """Have the vendor merge them."""
        vendor = self.destination.vendor
        assert isinstance(vendor, Merger)
        answer = await self.retrier.run(
            partial(vendor.merge, self.into, self.other), Meter(), repeatable=False
        )
        assert isinstance(answer, Applied | Rejected), "a merge is applied or rejected"
        return answer

    async def left(self, told: str | None) -> tuple[str, Remote | None] | None:
        """Return which contact is left, and how the vendor shows it.

        ``told`` is the id in the vendor's answer. None where the vendor shows neither or
        both of the two, or a third one besides them.
        """
        if told in (self.into, self.other):
            return told, await self._read_if_shown(told)
        found = {each: await self.read(each) for each in (self.into, self.other)}
        there = [(each, remote) for each, remote in found.items() if remote]
        if told is not None and not there and (remote := await self.read(told)):
            return told, remote
        return there[0] if told is None and len(there) == 1 else None

    async def _read_if_shown(self, external_id: str) -> Remote | None:
        try:
            return await self.read(external_id)
        except RequestFailed:
            return None  # its values stay unknown, and are all sent by the next run


async def _merge(
    destination: DestinationConfig,
    account: LeasedAccount,
    config: Config,
    databases: Databases,
    into: str,
    other: str,
) -> MergeReport:
    name = destination.name
    await refuse_changes(destination, config, databases, RunRequest())
    store = Contacts(account.fence, name, 0, numbered=False)
    owners = {
        **await store.owners("", [into], takes_over=False),
        **await store.owners("", [other], takes_over=True),
    }
    if why := _refusal(name, owners, into, other):
        return MergeReport(name, RunStatus.REFUSED, error=why)
    try:
        async with vendor_access(destination, account) as retrier:
            pair = _Pair(destination, retrier, into, other)
            if into not in owners:
                return await _of_strangers(pair)
            contact_id = owners[into].partition("/")[2]
            state = (await store.load([contact_id]))[contact_id]
            return await _of_ours(pair, store, state)
    except AccountStopped as stopped:
        return MergeReport(
            name, RunStatus.HALTED, error=stopped_by(stopped, destination)
        )
    except RequestFailed as error:
        return MergeReport(name, RunStatus.REJECTED, error=str(error))


def _refusal(name: str, owners: dict[str, str], into: str, other: str) -> str:
    """Return why the two are not merged; empty where they may be."""
    owner, others_owner = owners.get(into), owners.get(other)
    if owner is not None and others_owner is not None:
        return (
            f"{into} is the copy of contact {_named(owner, name)}, and {other} that of contact "
            f"{_named(others_owner, name)}: each has a row of its own. Take one of the two out of the source first"
        )
    if others_owner is not None:
        there = others_owner.partition("/")[0]
        return (
            f"{other} is the copy of contact {_named(others_owner, name)}, which would lose it. Merge the other way "
            f"round (`syncengine merge {other} {into} -d {there}`), or take the contact out of the source first"
        )
    if owner is not None and not owner.startswith(f"{name}/"):
        there = owner.partition("/")[0]
        return (
            f"{into} is the copy of contact {_named(owner, name)}: merge there, "
            f"`syncengine merge {into} {other} -d {there}`"
        )
    return ""


def _named(owner: str, destination: str) -> str:
    """Return the name of an owner, without the destination where it is this one."""
    there, _, contact_id = owner.partition("/")
    return name_of(contact_id) if there == destination else name_of_owner(owner)


async def _of_strangers(pair: _Pair) -> MergeReport:
    """Merge two vendor contacts that belong to no contact of ours."""
    name = pair.destination.name
    look = "look with `syncengine show`, then try again"
    try:
        answer = await pair.merged()
    except RequestFailed as error:
        return _failed_request(name, error, look)
    if isinstance(answer, Rejected):
        return MergeReport(name, RunStatus.REJECTED, error=answer.message)
    left = answer.external_id
    if left not in (None, pair.into, pair.other):
        return MergeReport(name, RunStatus.INCOMPLETE, error=_third(left, look))
    return MergeReport(name, RunStatus.DONE, left=left or pair.into)


async def _of_ours(pair: _Pair, store: Contacts, state: ContactState) -> MergeReport:
    """Merge a vendor contact into the copy of a contact of ours."""
    name, whose = pair.destination.name, name_of(state.contact_id)
    command = f"syncengine run -d {name} --contact {as_argument(state.contact_id)}"
    finds_out = f"the next run, or `{command}`, finds out which of the two is left"
    if has_open_merge(state.known):
        what = f"an earlier merge of the copy of contact {whose} is not settled yet: {finds_out}"
        return MergeReport(name, RunStatus.REFUSED, error=what)
    other = await pair.read(pair.other)
    if other is None:
        what = f"the vendor has no contact {pair.other} to be merged; nothing was sent"
        return MergeReport(name, RunStatus.REJECTED, error=what)
    ours = _Ours(store, state, before_merge(state.known, other))
    await ours.note()
    try:
        answer = await pair.merged()
    except RequestFailed as error:
        if isinstance(error, VendorUnavailable) and error.maybe_applied:
            await ours.note()  # anew, for it may have been sent only now
        else:
            await ours.restore()
        return _failed_request(name, error, finds_out)
    if isinstance(answer, Rejected):
        await ours.restore()
        return MergeReport(name, RunStatus.REJECTED, error=answer.message)
    return await _owned(pair, ours, answer.external_id, finds_out)


async def _owned(
    pair: _Pair, ours: _Ours, told: str | None, finds_out: str
) -> MergeReport:
    """Make our contact the owner of the one that is left."""
    name = pair.destination.name
    found = await pair.left(told)
    if found is None:
        what = (
            _third(told, finds_out)
            if told
            else f"the vendor does not show which of the two is left: {finds_out}"
        )
        return MergeReport(name, RunStatus.INCOMPLETE, error=what)
    left, remote = found
    if owner := await ours.own(left, remote, pair.destination):
        what = f"{left} is left, which belongs to contact {_named(owner, name)}: correct one of the two rows"
        return MergeReport(name, RunStatus.INCOMPLETE, error=what)
    return MergeReport(
        name, RunStatus.DONE, left=left, contact_id=ours.state.contact_id
    )


def _third(told: str | None, then: str) -> str:
    return f"the vendor answered with the id of a third contact ({told}); whether the two were merged is not known: {then}"  # noqa: E501


async def _failed(
    destination: DestinationConfig, error: SyncEngineError
) -> MergeReport:
    return MergeReport(destination.name, status_of(error), error=str(error))


def _failed_request(name: str, error: RequestFailed, then: str) -> MergeReport:
    if isinstance(error, VendorUnavailable) and error.maybe_applied:
        what = f"{error}; whether the two were merged is not known: {then}"
        return MergeReport(name, RunStatus.INCOMPLETE, error=what)
    return MergeReport(name, RunStatus.REJECTED, error=f"{error}; nothing was merged")
