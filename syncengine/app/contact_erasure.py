"""Erasure of one contact at one destination."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import replace

from syncengine.app.accounts import stopped_by
from syncengine.app.databases import inspect_source
from syncengine.app.erasure_receipts import (
    NOTHING_KNOWN,
    also_of_others,
    keeps_part,
    may_be_there,
    receipt_of_error,
    receipt_of_outcome,
    request_to_vendor,
    with_progress,
)
from syncengine.app.session import Session
from syncengine.app.vendor_access import task_of, vendor_access
from syncengine.engine.contact import ContactSync
from syncengine.engine.crowd import Crowd
from syncengine.engine.dispatch import Dispatcher
from syncengine.engine.erasing import CopiesThere, copies_there, keys_of_person
from syncengine.engine.prepare import Preparer
from syncengine.engine.recorder import Recorder
from syncengine.engine.tally import Tally
from syncengine.errors import AccountStopped, RequestFailed, SourceError
from syncengine.model.contact import Desired, Known, MatchKey
from syncengine.model.erasure import Erased, Receipt
from syncengine.model.mapping import OnRemoved
from syncengine.model.work import BatchKind, ContactState, SourceRow
from syncengine.planning.attempt.records import WAS_GONE
from syncengine.planning.mapping import map_row
from syncengine.storage.source.rows import SourceRows
from syncengine.storage.state import erasure


class ContactErasure:
    """Deletes a contact, and what its match keys find where no link is known."""

    def __init__(
        self, s: Session, contact_id: str, progress: erasure.ErasureProgress
    ) -> None:
        self._session = s
        self._destination = s.destination
        self._contact_id = contact_id
        self._progress = progress
        """Progress of the erasure before this run, and what to ask the vendor for."""
        self._was_gone = False
        """True where the vendor did not have the contact that was to be deleted."""

    async def run(self) -> Receipt:
        """Erase the contact; return a receipt. Raises StorageError, LeaseLost."""
        known = (await self._state()).known
        if known.external_id is not None:
            return await self._erase_linked(known)
        return await self._erase_unlinked(known)

    async def _erase_linked(self, known: Known) -> Receipt:
        # Gathered before the deletion, which forgets them.
        try:
            keys = await self._keys(known)
        except SourceError:
            # What is known of the contact has to do.
            keys = self._keys_of(None, known)
        receipt = await self._delete()
        if self._was_gone and keys:
            # It may have been merged there: then another contact holds what it held.
            return await self._delete_found(keys, receipt)
        return receipt

    async def _erase_unlinked(self, known: Known) -> Receipt:
        keys: tuple[MatchKey, ...] = ()
        if self._destination.vendor.capabilities.find_by:
            try:
                keys = await self._keys(known)
            except SourceError as error:
                return receipt_of_error(self._session.name, self._contact_id, error)
        receipt = await self._delete()
        if keys and receipt.status is not Erased.OPEN:
            return await self._delete_found(keys, receipt)
        # The state was restored or lost once, and may lack the link.
        may_lack_link = self._session.recognised.looks_up
        if may_lack_link and receipt.message == NOTHING_KNOWN:
            return may_be_there(self._destination, self._contact_id, self._progress)
        return receipt

    async def _keys(self, known: Known) -> tuple[MatchKey, ...]:
        """Return what the person can be looked up by. Raises SourceError."""
        destination = self._destination
        pool = self._session.databases.source(destination)
        source = SourceRows(pool, await inspect_source(destination, pool))
        capabilities = destination.vendor.capabilities
        for row in await source.load([self._contact_id]):
            mapped = map_row(
                row,
                destination.mapping,
                capabilities.identity,
                capabilities.accumulates,
            )
            if isinstance(mapped, Desired):
                return self._keys_of(mapped, known)
        return self._keys_of(None, known)

    def _keys_of(self, desired: Desired | None, known: Known) -> tuple[MatchKey, ...]:
        destination = self._destination
        return keys_of_person(
            desired,
            known,
            destination.mapping.match_on,
            destination.vendor.capabilities,
        )

    async def _state(self) -> ContactState:
        states = await self._session.contacts.load([self._contact_id])
        return states.get(self._contact_id, ContactState(self._contact_id))

    async def _delete(self) -> Receipt:
        """Delete the linked contact; return a receipt."""
        s, destination = self._session, self._destination
        state = await self._state()
        before = state.known.external_id
        if before and keeps_part(destination):
            # Noted before the deletion, which forgets the external id: after a crash in
            # between nothing would be left to ask the vendor for.
            await self._note_to_ask(before)
        await s.batches.add(BatchKind.REMOVALS, [self._contact_id])
        await self._send_deletion()
        stopped = s.account.pacing.stopped
        if stopped is not None:
            return self._stopped(stopped)
        external_id = (await self._state()).known.external_id or before
        outcome = await erasure.outcome(s.fence, s.name, s.run_id, self._contact_id)
        if outcome is None and state.gone:
            outcome = erasure.ForgetOutcome("applied", WAS_GONE, "")
        self._was_gone = outcome is not None and outcome.code == WAS_GONE
        receipt = receipt_of_outcome(
            destination, self._contact_id, external_id, outcome
        )
        return with_progress(receipt, external_id, self._progress)

    async def _note_to_ask(self, external_id: str) -> None:
        s = self._session
        request = request_to_vendor(self._destination, external_id)
        receipt = Receipt(s.name, self._contact_id, Erased.IMPOSSIBLE, request)
        to_ask = receipt.with_earlier_request(self._progress.to_ask).message
        self._progress = replace(self._progress, to_ask=to_ask)
        await erasure.note_to_ask(s.fence, s.name, self._contact_id, to_ask)

    async def _send_deletion(self) -> None:
        """Delete the contact as a run deletes a removed one, safe from crashes."""
        s, destination = self._session, self._destination
        task = replace(
            task_of(destination),
            on_removed=OnRemoved.DELETE,
            needs_consent=False,
            # An erasure looks at no other contact: where this one is not there, its
            # receipt says so.
            gone_accepted=True,
        )
        capabilities = destination.vendor.capabilities
        recorder, never_stopped = Recorder(s.contacts), asyncio.Event()
        async with vendor_access(destination, s.account) as retrier, recorder.running():
            await Dispatcher(
                preparer=Preparer(
                    task, capabilities, _EmptySource(), s.contacts, keys=None
                ),
                contacts=ContactSync(
                    task,
                    destination.vendor,
                    retrier,
                    s.contacts,
                    recorder,
                    never_stopped,
                ),
                batches=s.batches,
                recorder=recorder,
                tally=Tally(),
                crowd=Crowd(1),
                stopping=never_stopped,
                stop=s.account.pacing.stop,
                advance=lambda _: None,
            ).run()

    async def _delete_found(
        self, keys: Sequence[MatchKey], receipt: Receipt
    ) -> Receipt:
        """Delete what the keys find and no other contact of ours owns.

        ``receipt`` is that of a contact of which nothing is found.
        """
        seen: list[str] = []
        while True:
            try:
                found = await self._look_up(keys, seen)
            except RequestFailed as error:
                return receipt_of_error(self._session.name, self._contact_id, error)
            except AccountStopped as stopped:
                return self._stopped(stopped)
            if not found.free:
                return also_of_others(
                    receipt,
                    found.owned,
                    self._progress,
                    vendor=self._destination.vendor.name if self._was_gone else None,
                )
            # One at a time: each is linked first, so that its deletion is safe from
            # crashes like any other.
            external_id, key = next(iter(found.free.items()))
            seen.append(external_id)
            await self._session.contacts.link(
                self._contact_id, external_id, key, takes_over=False
            )
            receipt = await self._delete()
            if receipt.status is Erased.OPEN:
                return receipt
            if receipt.status is Erased.IMPOSSIBLE:
                self._progress = replace(self._progress, to_ask=receipt.message)

    async def _look_up(
        self, keys: Sequence[MatchKey], seen: Collection[str]
    ) -> CopiesThere:
        s = self._session
        async with vendor_access(self._destination, s.account) as retrier:
            return await copies_there(
                self._destination.vendor,
                retrier,
                s.contacts,
                self._contact_id,
                keys,
                seen,
            )

    def _stopped(self, stopped: AccountStopped) -> Receipt:
        message = stopped_by(stopped, self._destination)
        return Receipt(self._session.name, self._contact_id, Erased.OPEN, message)


class _EmptySource:
    """Source that does not select the contact, whatever the real one does.

    It is a ``ports.SourceReader``.
    """

    async def load(self, contact_ids: Sequence[str]) -> Sequence[SourceRow]:
        del contact_ids  # the port's argument
        return ()
