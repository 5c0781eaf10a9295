"""Merge of two contacts at a vendor that can, for ambiguous matches of an adoption.

The vendor decides which of the two is left. Where one is the copy of a contact of ours,
that contact is noted as being merged before anything is sent, and owns the one that is
left afterwards. After a crash, or a lost answer, the next run finds out which it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from syncengine.app.accounts import LeasedAccount, stopped_by
from syncengine.app.credentials import settled
from syncengine.app.databases import Databases, open_databases
from syncengine.app.pipelines import side_by_side
from syncengine.app.session import session, status_of
from syncengine.app.vendor_access import vendor_access
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

_BATCH = 0
"""A merge has no batches: its records belong to none."""


async def merge(config: Config, name: str, into: str, other: str) -> MergeReport:
    """Merge the vendor contact ``other`` into ``into`` (external ids).

    A contact of ours that has ``into`` has the one that is left afterwards, and the
    next run brings it in step. Raises ConfigError for a vendor that cannot.
    """
    config = await settled(config)
    (destination,) = config.chosen((name,))
    if not isinstance(destination.vendor, Merger):
        what = (
            f"{destination.vendor.name} cannot merge contacts; delete one of the two "
            "there"
        )
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


async def _failed(
    destination: DestinationConfig, error: SyncEngineError
) -> MergeReport:
    return MergeReport(destination.name, status_of(error), error=str(error))


async def _merge(
    destination: DestinationConfig,
    account: LeasedAccount,
    config: Config,
    databases: Databases,
    into: str,
    other: str,
) -> MergeReport:
    name = destination.name
    async with session(destination, account, config, databases, kind=None) as s:
        owners = {
            **await s.contacts.owners("", [into], takes_over=False),
            **await s.contacts.owners("", [other], takes_over=True),
        }
        refusal = _refusal(name, owners, into, other)
        if refusal:
            return MergeReport(name, RunStatus.REFUSED, error=refusal)
        try:
            async with vendor_access(destination, account) as retrier:
                pair = _Pair(destination, retrier, into, other)
                if into not in owners:
                    return await _merge_strangers(pair)
                contact_id = owners[into].partition("/")[2]
                states = await s.contacts.load([contact_id])
                return await _merge_ours(pair, s.contacts, states[contact_id])
        except AccountStopped as stopped:
            error = stopped_by(stopped, destination)
            return MergeReport(name, RunStatus.HALTED, error=error)
        except RequestFailed as failure:
            return MergeReport(name, RunStatus.REJECTED, error=str(failure))


def _refusal(name: str, owners: dict[str, str], into: str, other: str) -> str:
    """Return why the two are not merged; empty where they may be."""
    owner, others_owner = owners.get(into), owners.get(other)
    if owner is not None and others_owner is not None:
        return (
            f"{into} is the copy of contact {_owner_name(owner, name)}, and {other} "
            f"that of contact {_owner_name(others_owner, name)}: each has a row of its own. "
            "Take one of the two out of the source first"
        )
    if others_owner is not None:
        destination = others_owner.partition("/")[0]
        return (
            f"{other} is the copy of contact {_owner_name(others_owner, name)}, which "
            "would lose it. Merge the other way round "
            f"(`syncengine merge {other} {into} -d {destination}`), or take the "
            "contact out of the source first"
        )
    if owner is not None and not owner.startswith(f"{name}/"):
        destination = owner.partition("/")[0]
        return (
            f"{into} is the copy of contact {_owner_name(owner, name)}: merge there, "
            f"`syncengine merge {into} {other} -d {destination}`"
        )
    return ""


def _owner_name(owner: str, destination: str) -> str:
    """Return the name of an owner, without the destination where it is this one."""
    owners_destination, _, contact_id = owner.partition("/")
    if owners_destination == destination:
        return name_of(contact_id)
    return name_of_owner(owner)


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
        # A vendor may show the contact that a merged one became.
        if remote is None or remote.external_id != external_id:
            return None
        return remote

    async def merge(self) -> Applied | Rejected:
        """Have the vendor merge them."""
        vendor = self.destination.vendor
        assert isinstance(vendor, Merger)
        answer = await self.retrier.run(
            partial(vendor.merge, self.into, self.other), Meter(), repeatable=False
        )
        assert isinstance(answer, Applied | Rejected), "a merge is applied or rejected"
        return answer

    async def left(self, answered_id: str | None) -> tuple[str, Remote | None] | None:
        """Return the id of the contact that is left, and how the vendor shows it.

        ``answered_id`` is the id in the vendor's answer. None where the vendor shows
        neither or both of the two, or a third one besides them.
        """
        if answered_id in (self.into, self.other):
            return answered_id, await self._read_if_shown(answered_id)
        shown: list[tuple[str, Remote]] = []
        for external_id in (self.into, self.other):
            remote = await self.read(external_id)
            if remote is not None:
                shown.append((external_id, remote))
        if answered_id is None:
            return shown[0] if len(shown) == 1 else None
        if shown:
            return None
        third = await self.read(answered_id)
        return None if third is None else (answered_id, third)

    async def _read_if_shown(self, external_id: str) -> Remote | None:
        try:
            return await self.read(external_id)
        except RequestFailed:
            # Its values stay unknown, and are all sent by the next run.
            return None


async def _merge_strangers(pair: _Pair) -> MergeReport:
    """Merge two vendor contacts that belong to no contact of ours."""
    name = pair.destination.name
    advice = "look with `syncengine show`, then try again"
    try:
        answer = await pair.merge()
    except RequestFailed as failure:
        return _failed_request(name, failure, advice)
    if isinstance(answer, Rejected):
        return MergeReport(name, RunStatus.REJECTED, error=answer.message)
    left = answer.external_id
    if left not in (None, pair.into, pair.other):
        error = _third_contact(left, advice)
        return MergeReport(name, RunStatus.INCOMPLETE, error=error)
    return MergeReport(name, RunStatus.DONE, left=left or pair.into)


async def _merge_ours(pair: _Pair, store: Contacts, state: ContactState) -> MergeReport:
    """Merge a vendor contact into the copy of a contact of ours."""
    name, contact = pair.destination.name, name_of(state.contact_id)
    command = f"syncengine run -d {name} --contact {as_argument(state.contact_id)}"
    advice = f"the next run, or `{command}`, finds out which of the two is left"
    if has_open_merge(state.known):
        error = (
            f"an earlier merge of the copy of contact {contact} is not settled yet: "
            f"{advice}"
        )
        return MergeReport(name, RunStatus.REFUSED, error=error)
    other = await pair.read(pair.other)
    if other is None:
        error = f"the vendor has no contact {pair.other} to be merged; nothing was sent"
        return MergeReport(name, RunStatus.REJECTED, error=error)
    ours = _OurContact(store, state, before_merge(state.known, other))
    # Before the request: a process that dies behind it leaves a note that the next run
    # settles, and not a contact whose external id has silently become another one's.
    await ours.note_merging()
    try:
        answer = await pair.merge()
    except RequestFailed as failure:
        if isinstance(failure, VendorUnavailable) and failure.maybe_applied:
            # Noted anew, since it may have been sent only now: from now on counts the
            # time within which the vendor may still carry it out.
            await ours.note_merging()
        else:
            await ours.restore()
        return _failed_request(name, failure, advice)
    if isinstance(answer, Rejected):
        await ours.restore()
        return MergeReport(name, RunStatus.REJECTED, error=answer.message)
    return await _take_over(pair, ours, answer.external_id, advice)


async def _take_over(
    pair: _Pair, ours: _OurContact, answered_id: str | None, advice: str
) -> MergeReport:
    """Make our contact the owner of the vendor contact that is left."""
    name = pair.destination.name
    found = await pair.left(answered_id)
    if found is None:
        error = f"the vendor does not show which of the two is left: {advice}"
        if answered_id:
            error = _third_contact(answered_id, advice)
        return MergeReport(name, RunStatus.INCOMPLETE, error=error)
    left, remote = found
    owner = await ours.own(left, remote, pair.destination)
    if owner:
        error = (
            f"{left} is left, which belongs to contact {_owner_name(owner, name)}: "
            "correct one of the two rows"
        )
        return MergeReport(name, RunStatus.INCOMPLETE, error=error)
    contact_id = ours.state.contact_id
    return MergeReport(name, RunStatus.DONE, left=left, contact_id=contact_id)


@dataclass(frozen=True, slots=True)
class _OurContact:
    """The contact of ours that has ``into``."""

    store: Contacts
    state: ContactState
    known_while_merging: Known

    async def note_merging(self) -> None:
        """Write down that it is being merged, and with which contact."""
        await self._record(self.known_while_merging)

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
        hidden = vendor.capabilities.hidden
        known = after_merge(self.known_while_merging)
        tags = frozenset[str]()
        if remote is not None:
            tags = remote.tags
            linked = known_from_remote(
                remote, None, known, vendor.same, hidden, None, prefix
            )
            known = with_seen_opt_outs(linked, known, remote, vendor.capabilities)
        our_tags = tags_with_prefix(tags, prefix)
        link = await self.store.link(
            self.state.contact_id, left, None, known.found_tags, our_tags
        )
        if link.owner is None:
            known = with_inherited(known, link.tags & tags, link.fields, hidden)
            await self._record(with_external_id(known, left))
        return link.owner

    async def _record(self, known: Known) -> None:
        status = Status.PENDING
        if self.state.status is Status.REMOVED:
            status = Status.REMOVED
        record = Record(
            contact_id=self.state.contact_id,
            known=known,
            status=status,
            source_hash=None,
            rejections=self.state.rejections,
            rejected_hash=self.state.rejected_hash,
        )
        await self.store.record(_BATCH, [record])


def _third_contact(external_id: str | None, advice: str) -> str:
    return (
        f"the vendor answered with the id of a third contact ({external_id}); whether "
        f"the two were merged is not known: {advice}"
    )


def _failed_request(name: str, error: RequestFailed, advice: str) -> MergeReport:
    if isinstance(error, VendorUnavailable) and error.maybe_applied:
        unknown = f"{error}; whether the two were merged is not known: {advice}"
        return MergeReport(name, RunStatus.INCOMPLETE, error=unknown)
    refused = f"{error}; nothing was merged"
    return MergeReport(name, RunStatus.REJECTED, error=refused)
