"""The look-up of all contacts of a destination at its vendor, for an adoption.

``engine.adoption`` looks up one batch, and links whom it finds once. This module takes
all contacts of the source through it, in batches, and counts what was found.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator

from syncengine.app.candidates import cut
from syncengine.app.databases import errors_name_file
from syncengine.app.match_keys import claim_keys, key_store
from syncengine.app.session import Session
from syncengine.app.vendor_access import task_of
from syncengine.engine.adoption import Adoption, Finding
from syncengine.engine.prepare import Preparer
from syncengine.engine.prepared import Prepared
from syncengine.engine.stopping import broken_off_by
from syncengine.model.calls import OutcomeKind
from syncengine.model.copies import AdoptReport
from syncengine.model.reports import Noteworthy, RunStatus
from syncengine.model.work import (
    Batch,
    BatchKind,
    ContactState,
    DiffSlice,
    Record,
    Status,
)
from syncengine.planning.attempt.records import LEFT_ALONE
from syncengine.storage.diff.comparison import Diff
from syncengine.storage.source.rows import SourceRows

_MOST_NAMED = 1000
"""Contacts that are named; more are only counted."""
_REFUSED = "refused"
"""Finding about a contact whose row, or match key, cannot be used."""
_NOT_NAMED = (Finding.LINKED, Finding.UNMATCHED, Finding.GONE)
"""Findings that are counted only: nobody has to look at these contacts."""


class AdoptionLookUp:
    """Looks the contacts of one destination up, and counts what is found."""

    def __init__(self, s: Session, adoption: Adoption) -> None:
        destination, task = s.destination, task_of(s.destination)
        rows = SourceRows(s.databases.source(destination), s.source)
        self._session = s
        self._adoption = adoption
        self._keys = key_store(s.fence, destination, numbered=s.has_numbers)
        self._preparer = Preparer(
            task, destination.vendor.capabilities, rows, s.contacts, self._keys
        )
        self._found: Counter[str] = Counter()
        """Number of contacts by finding."""
        self._silent = 0
        """Contacts without a link that are not looked up: nothing may be sent about
        them."""
        self._named: list[Noteworthy] = []
        """Contacts that a person has to look at."""

    async def everybody(self, limit: int | None) -> None:
        """Look all contacts up. Raises RunStopped, AccountStopped, RunRefused."""
        s = self._session
        total = 0
        async with broken_off_by(s.account.stopping.requested):
            slices = cut(_everybody(s), s.config.engine.batch_size, limit)
            async for piece in slices:
                await s.batches.add(piece.kind, piece.contact_ids)
                total += len(piece.contact_ids)
            # All claims come before the first look-up: which of several contacts with
            # one match key has it is judged over all of them.
            await claim_keys(self._preparer, self._keys, s.batches)
        s.live.started(total)
        async for batch in s.batches.waiting():
            if s.is_stopping:
                s.ending.status = RunStatus.STOPPED
                return
            await self._look_up(batch)
            # Links are written by now: should the process die before this line, the
            # next adoption finds these contacts linked.
            await s.batches.finish(batch.number, {})
            s.live.advanced(len(batch.contact_ids))

    async def _look_up(self, batch: Batch) -> None:
        """Look a batch up, and count what was found. Raises AccountStopped."""
        prepared = await self._preparer.plan(batch)
        self._silent += await self._count_silent(batch, prepared)
        # Findings are counted only once the whole batch is through.
        adopted = await self._adoption.adopt(prepared.jobs)
        for refused in _refused(prepared.records):
            self._note(refused)
        for each in adopted:
            self._note(
                Noteworthy(each.contact_id, each.finding, each.finding, each.message)
            )

    def _note(self, note: Noteworthy) -> None:
        """Count a finding, which is the outcome of the note."""
        self._found[note.outcome] += 1
        if note.outcome not in _NOT_NAMED and len(self._named) < _MOST_NAMED:
            self._named.append(note)

    async def _count_silent(self, batch: Batch, prepared: Prepared) -> int:
        """Return how many contacts without a link nothing may be sent about."""
        planned = {job.state.contact_id for job in prepared.jobs}
        planned |= {record.contact_id for record in prepared.records}
        # Those that were suppressed before are not planned any more.
        passed_over = [each for each in batch.contact_ids if each not in planned]
        states = await self._session.contacts.load(passed_over)
        contacts: list[Record | ContactState] = [*prepared.records, *states.values()]
        number = 0
        for contact in contacts:
            is_linked = contact.known.external_id is not None
            if contact.status is Status.SUPPRESSED and not is_linked:
                number += 1
        return number

    def report(self) -> AdoptReport:
        """Return the report of what was looked up so far."""
        s, found = self._session, self._found
        if s.ending.status is RunStatus.DONE and found[Finding.UNREAD]:
            s.ending.status = RunStatus.INCOMPLETE
        return AdoptReport(
            destination=s.name,
            status=s.ending.status,
            linked=found[Finding.LINKED],
            unmatched=found[Finding.UNMATCHED] + found[Finding.ALIKE],
            alike=found[Finding.ALIKE],
            gone=found[Finding.GONE],
            ambiguous=found[Finding.AMBIGUOUS],
            owned=found[Finding.OWNED],
            refused=found[_REFUSED],
            unread=found[Finding.UNREAD],
            silent=self._silent,
            requests=s.requests,
            seconds=s.seconds,
            error=s.ending.error,
            contacts=tuple(self._named),
        )


async def _everybody(s: Session) -> AsyncIterator[DiffSlice]:
    """Yield all contacts of the source; adoption ignores removed ones."""
    with errors_name_file(s.destination):
        differences = Diff(
            s.databases.state,
            s.databases.source(s.destination),
            s.source,
            s.name,
            same_database=not s.destination.source.database,
            everything=True,
        )
        async for piece in differences:
            if piece.kind is BatchKind.CHANGES:
                yield piece


def _refused(records: Iterable[Record]) -> Iterator[Noteworthy]:
    """Yield the contacts whose row or match key cannot be used."""
    for record in records:
        outcome = record.outcome
        if outcome is not None and outcome.kind is OutcomeKind.REJECTED:
            # Nothing is counted here: the next run tries a contact again that a run
            # with this refusal would leave alone.
            message = outcome.message.removesuffix(LEFT_ALONE)
            yield Noteworthy(record.contact_id, _REFUSED, outcome.code, message)
