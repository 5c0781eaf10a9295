"""Read contacts back from the vendors, and compare them with what is known of them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence

from syncengine.app.accounts import LeasedAccount
from syncengine.app.brakes import brake_limits_of
from syncengine.app.credentials import settled
from syncengine.app.databases import Databases, open_databases
from syncengine.app.pipelines import side_by_side
from syncengine.app.session import Session, session, status_of
from syncengine.app.vendor_access import vendor_access
from syncengine.app.verify_request import VerifyRequest
from syncengine.config.destination import DestinationConfig
from syncengine.config.project import Config
from syncengine.engine.account_check import lacking_message
from syncengine.engine.reading import can_show
from syncengine.engine.repair import Repair
from syncengine.engine.verification import Verification
from syncengine.errors import BrakeApplied, RequestFailed, SyncEngineError
from syncengine.model.consent import SubjectFinder
from syncengine.model.contact_ids import contact_id_of, name_of
from syncengine.model.copies import VerifyReport
from syncengine.model.mapping import OnNull
from syncengine.model.reports import Progress, RunStatus
from syncengine.model.work import RunKind
from syncengine.planning.brakes import Brake, brakes_of_repair
from syncengine.planning.drift import ManagedParts
from syncengine.planning.repair import NotRepaired
from syncengine.ports import Directory
from syncengine.storage.state.linked import Linked

_MOST_ERASING = 20
"""Contacts with an unfinished erasure that are named; more are named the next time."""


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
    async with session(
        destination, account, config, databases, RunKind.VERIFY, progress=progress
    ) as s:
        repair = _repair_of(destination, request)
        async with vendor_access(destination, account) as retrier:
            verification = Verification(
                destination.vendor,
                retrier,
                s.contacts,
                _managed_parts(destination),
                SubjectFinder(destination.mapping),
                account.stopping.requested,
                s.advanced,
                repair,
            )
            comparison = _Comparison(s, request, verification)
            # A stop or a halted account ends the comparison early; what was compared up
            # to there is reported, and repaired unless that needs the whole.
            with s.ending.noted(destination):
                await comparison.compare()
        comparison.judge()
        if repair is not None:
            await _carry_out(repair, s, request, verification.seen.compared)
        report = comparison.report(repair)
        await s.finish({**report.public(), "contacts": []})
    return report


def _repair_of(destination: DestinationConfig, request: VerifyRequest) -> Repair | None:
    if not request.repair:
        return None
    return Repair(destination.vendor.capabilities, request.repairs)


def _managed_parts(destination: DestinationConfig) -> ManagedParts:
    """Return the parts of a vendor contact that are compared."""
    mapping, capabilities = destination.mapping, destination.vendor.capabilities
    fields: tuple[str, ...] = ()
    if mapping.on_null is OnNull.CLEAR:
        # Only then is an empty field of the source empty at the vendor, too.
        fields = tuple(field.field for field in mapping.fields)
    return ManagedParts(
        fields=fields,
        tag_prefix=mapping.tag_prefix,
        hidden=capabilities.hidden,
        opt_outs=capabilities.opt_outs,
    )


class _Comparison:
    """Compares the contacts that were asked for, and reports what was found."""

    def __init__(
        self, s: Session, request: VerifyRequest, verification: Verification
    ) -> None:
        self.verification = verification
        self._session = s
        self._request = request

    async def compare(self) -> None:
        """Compare everything. Raises AccountStopped, StorageError."""
        try:
            if self._request.contacts:
                await self._compare_named()
            else:
                await self._compare_destination()
        except RequestFailed as failure:
            # The vendor's list of contacts, without which nothing is known of anybody.
            ending, name = self._session.ending, self._session.name
            ending.status, ending.error = RunStatus.HALTED, f"{name}: {failure}"
            ending.cause = failure

    async def _compare_named(self) -> None:
        s = self._session
        named = list(dict.fromkeys(map(contact_id_of, self._request.contacts)))
        gone = [each for each in await self._all_gone() if each in named]
        linked = await Linked(s.databases.state, s.name).among(named)
        s.progress.started(s.name, len(linked) + len(gone))
        await self.verification.one_by_one(linked)
        await self._compare_gone(gone)
        unknown = [each for each in named if each not in linked and each not in gone]
        if unknown:
            names = ", ".join(map(name_of, unknown))
            s.ending.error = (
                f"{s.name}: no vendor contact is known of contact {names}: nothing to "
                "compare"
            )

    async def _compare_destination(self) -> None:
        s, sample = self._session, self._request.sample
        linked = Linked(s.databases.state, s.name)
        gone = await self._all_gone()
        total = await linked.count()
        if sample is not None:
            s.progress.started(s.name, min(sample, total))
            drawn = await linked.sample(sample, s.run_id)
            await self.verification.one_by_one(drawn)
        else:
            s.progress.started(s.name, total)
            vendor = s.destination.vendor
            directory = vendor if isinstance(vendor, Directory) else None
            await self.verification.everybody(linked, total, directory)
        if self._request.recreate and sample is None and gone:
            await self._compare_gone(gone)
        else:
            self.verification.seen.gone_before = len(gone)

    async def _all_gone(self) -> Sequence[str]:
        """Return the contacts that were found deleted at the vendor before."""
        return await self._session.contacts.gone(all_of_them=True)

    async def _compare_gone(self, contact_ids: Sequence[str]) -> None:
        if contact_ids:
            states = await self._session.contacts.load(contact_ids)
            await self.verification.gone(states.values())

    def judge(self) -> None:
        """Note whether the comparison is complete."""
        ending = self._session.ending
        if ending.status is not RunStatus.DONE:
            return
        if self._session.is_stopping:
            ending.status = RunStatus.STOPPED
        elif self.verification.seen.unread:
            ending.status = RunStatus.INCOMPLETE

    def report(self, repair: Repair | None) -> VerifyReport:
        """Return the report, also of the repair."""
        s, seen = self._session, self.verification.seen
        is_other_account = False
        if s.ending.status is RunStatus.DONE and repair is None:
            is_other_account = self._has_nobody()
        if is_other_account:
            # Most likely the key leads to another account: nothing may be repaired
            # before somebody has looked.
            s.ending.error = f"{s.name}: {lacking_message(s.name, seen.compared)}"
        repaired, left = 0, Counter[NotRepaired]()
        if repair is not None:
            repaired, left = repair.mended, repair.left
        return VerifyReport(
            destination=s.name,
            status=s.ending.status,
            compared=seen.compared,
            drifted=seen.drifted,
            found=dict(sorted(seen.found.items())),
            subjects=dict(seen.subjects.most_common()),
            in_doubt=seen.unknown,
            silent=seen.suppressed,
            erasing=tuple(seen.erasing[:_MOST_ERASING]),
            gone=seen.gone_before,
            unread=seen.unread,
            strangers=seen.strangers,
            repaired=repaired,
            left={reason.value: left[reason] for reason in NotRepaired if left[reason]},
            opted_out=seen.opted_out,
            other_account=is_other_account,
            requests=s.requests,
            seconds=s.seconds,
            error=s.ending.error,
            contacts=tuple(seen.contacts),
            cause=s.ending.cause,
        )

    def _has_nobody(self) -> bool:
        """Return whether the vendor has none of several contacts."""
        seen = self.verification.seen
        if self._request.contacts or seen.compared <= 1:
            return False
        return seen.compared == seen.found["gone"]


async def _carry_out(
    repair: Repair, s: Session, request: VerifyRequest, compared: int
) -> None:
    """Carry the repair out, unless a brake stops it."""
    if s.ending.status not in (RunStatus.DONE, RunStatus.INCOMPLETE):
        # The brakes judge shares of everything that was to be compared.
        repair.give_up(NotRepaired.UNFINISHED)
        return
    repair.scope.compared = compared
    destination = s.destination
    brakes: Sequence[Brake] = ()
    if not request.contacts:
        allowed = brake_limits_of(destination)
        brakes = brakes_of_repair(repair.scope, allowed, request.accept)
    if not brakes:
        await repair.carry_out(s.contacts)
        return
    repair.give_up(NotRepaired.BRAKE)
    names = tuple(dict.fromkeys(brake.name for brake in brakes))
    messages = " ".join(f"brake {brake.name}: {brake.message}." for brake in brakes)
    keys = ", ".join(f"brakes.{name}" for name in names)
    s.ending.status = RunStatus.REFUSED
    s.ending.error = (
        f"{destination.name}: {messages} Nothing is repaired. If that is meant, "
        f"`{request.command(destination.name, *names)}` lets it pass this once "
        f"({destination.place(keys)})"
    )
    s.ending.cause = BrakeApplied(names[0], s.ending.error)
