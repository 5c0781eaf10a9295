"""Comparison of a destination's contacts with its vendor: which, and what was found.

``engine.verification`` compares the contacts that this module chooses: those that were
named, a sample, or all of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from syncengine.app.session import Session
from syncengine.app.verify_request import VerifyRequest
from syncengine.config.destination import DestinationConfig
from syncengine.engine.account_check import lacking_message
from syncengine.engine.repair import Repair
from syncengine.engine.verification import Verification
from syncengine.errors import RequestFailed
from syncengine.model.contact_ids import contact_id_of, name_of
from syncengine.model.copies import VerifyReport
from syncengine.model.mapping import OnNull
from syncengine.model.reports import RunStatus
from syncengine.planning.drift import ManagedParts
from syncengine.planning.repair import NotRepaired
from syncengine.ports import Directory
from syncengine.storage.state.linked import Linked

_MOST_ERASING = 20
"""Contacts with an unfinished erasure that are named; more are named the next time."""


def managed_parts(destination: DestinationConfig) -> ManagedParts:
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


class Comparison:
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
            ending = self._session.ending
            ending.status = RunStatus.HALTED
            ending.error = f"{self._session.name}: {failure}"
            ending.cause = failure

    async def _compare_named(self) -> None:
        """Compare the contacts that were named, also those that were gone before."""
        s = self._session
        contact_ids = [contact_id_of(given) for given in self._request.contacts]
        # Who is named twice is compared once.
        named = list(dict.fromkeys(contact_ids))
        all_gone = await self._all_gone()
        gone = [each for each in all_gone if each in named]
        linked = await Linked(s.databases.state, s.name).among(named)
        s.live.started(len(linked) + len(gone))
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
        """Compare all contacts of the destination, or a sample of them."""
        s, sample = self._session, self._request.sample
        linked = Linked(s.databases.state, s.name)
        gone = await self._all_gone()
        total = await linked.count()
        if sample is not None:
            s.live.started(min(sample, total))
            # Drawn by the number of the run: each run looks at other contacts.
            drawn = await linked.sample(sample, s.run_id)
            await self.verification.one_by_one(drawn)
        else:
            s.live.started(total)
            vendor = s.destination.vendor
            directory = vendor if isinstance(vendor, Directory) else None
            await self.verification.everybody(linked, total, directory)
        # Who was gone before is looked for once more only where a repair may create
        # them again; otherwise they are only counted.
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
        elif self.verification.seen.unread or self.verification.seen.merged:
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
        repaired = 0
        left = Counter[NotRepaired]()
        if repair is not None:
            repaired = repair.mended
            left = repair.left
        not_repaired = {
            reason.value: left[reason] for reason in NotRepaired if left[reason]
        }
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
            merged=tuple(seen.merged),
            strangers=seen.strangers,
            repaired=repaired,
            left=not_repaired,
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
