"""Adoption of contacts that exist in an account, before the first run."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence

from syncengine.app.accounts import LeasedAccount
from syncengine.app.candidates import cut
from syncengine.app.credentials import settled
from syncengine.app.databases import (
    Databases,
    errors_name_file,
    open_databases,
)
from syncengine.app.match_keys import claim_keys, key_store
from syncengine.app.pipelines import side_by_side
from syncengine.app.session import Session, session, status_of
from syncengine.app.vendor_access import task_of, vendor_access
from syncengine.config.destination import DestinationConfig
from syncengine.config.project import Config
from syncengine.engine.adoption import Adoption, Finding
from syncengine.engine.prepare import Prepared, Preparer
from syncengine.engine.stopping import broken_off_by
from syncengine.errors import RunRefused, RunStopped, SyncEngineError
from syncengine.model.calls import OutcomeKind
from syncengine.model.copies import AdoptReport
from syncengine.model.reports import Noteworthy, Progress, RunStatus
from syncengine.model.work import Batch, BatchKind, DiffSlice, Record, RunKind, Status
from syncengine.storage.diff.comparison import Diff
from syncengine.storage.source.rows import SourceRows

_MOST_NAMED = 1000
"""Contacts that are named; more are only counted."""
_REFUSED = "refused"
"""Finding about a contact whose row, or match key, cannot be used."""
_NOT_NAMED = (Finding.LINKED, Finding.UNMATCHED, Finding.GONE)
"""Findings that are counted only: nobody has to look at these contacts."""


async def adopt(
    config: Config,
    names: Sequence[str],
    *,
    limit: int | None = None,
    progress: Progress | None = None,
    stop: asyncio.Event | None = None,
) -> list[AdoptReport]:
    """Look up the source's contacts at the destinations, and link those found once.

    All destinations are meant where none is named. At most ``limit`` contacts each.
    Writes nothing to a vendor. Raises RunRefused for what concerns the whole call.
    """
    config = await settled(config)
    destinations = config.chosen(tuple(names))
    async with open_databases(config, destinations) as databases:

        async def work(
            destination: DestinationConfig, account: LeasedAccount
        ) -> AdoptReport:
            if not destination.vendor.capabilities.find_by:
                return _unreadable(destination)
            try:
                return await _adopt(
                    destination, account, config, databases, limit, progress
                )
            except (RunRefused, RunStopped) as error:
                # Nothing was changed at the vendor, so the account may go on.
                return await _failed(destination, error)

        return await side_by_side(config, databases, destinations, work, _failed, stop)


def _unreadable(destination: DestinationConfig) -> AdoptReport:
    name, vendor = destination.name, destination.vendor.name
    error = (
        f"{name}: {vendor} has no look-up; its contacts are recognised by the key they "
        "are sent with"
    )
    return AdoptReport(name, RunStatus.UNREADABLE, error=error)


async def _failed(
    destination: DestinationConfig, error: SyncEngineError
) -> AdoptReport:
    return AdoptReport(destination.name, status_of(error), error=str(error))


async def _adopt(
    destination: DestinationConfig,
    account: LeasedAccount,
    config: Config,
    databases: Databases,
    limit: int | None,
    progress: Progress | None,
) -> AdoptReport:
    async with session(
        destination, account, config, databases, RunKind.ADOPT, progress=progress
    ) as s:
        async with vendor_access(destination, account) as retrier:
            prefix = destination.mapping.tag_prefix
            adoption = Adoption(destination.vendor, retrier, s.contacts, prefix)
            looking_up = _LookingUp(s, adoption)
            with s.ending.noted(destination):
                await looking_up.everybody(limit)
        report = looking_up.report()
        await s.finish({**report.public(), "contacts": []})
    return report


class _LookingUp:
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
        self._silent = 0
        """Contacts without a link that are not looked up: nothing may be sent about
        them."""
        self._named: list[Noteworthy] = []

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
        s.progress.started(s.name, total)
        async for batch in s.batches.waiting():
            if s.is_stopping:
                s.ending.status = RunStatus.STOPPED
                return
            await self._look_up(batch)
            # Links are written by now: should the process die before this line, the next
            # adoption finds these contacts linked.
            await s.batches.finish(batch.number, {})
            s.advanced(len(batch.contact_ids))

    async def _look_up(self, batch: Batch) -> None:
        prepared = await self._preparer.plan(batch)
        self._silent += await self._count_silent(batch, prepared)
        # Findings are counted only once the whole batch is through.
        adopted = await self._adoption.adopt(prepared.jobs)
        self._note(_refused(prepared.records))
        self._note(
            Noteworthy(each.contact_id, each.finding, each.finding, each.message)
            for each in adopted
        )

    def _note(self, findings: Iterable[Noteworthy]) -> None:
        for finding in findings:
            self._found[finding.outcome] += 1
            if finding.outcome not in _NOT_NAMED and len(self._named) < _MOST_NAMED:
                self._named.append(finding)

    async def _count_silent(self, batch: Batch, prepared: Prepared) -> int:
        """Return how many contacts without a link nothing may be sent about."""
        planned = {record.contact_id for record in prepared.records}
        planned |= {job.state.contact_id for job in prepared.jobs}
        known = [
            record.known
            for record in prepared.records
            if record.status is Status.SUPPRESSED
        ]
        # Those that were suppressed before are not planned any more.
        passed_over = [each for each in batch.contact_ids if each not in planned]
        states = await self._session.contacts.load(passed_over)
        known += [
            state.known
            for state in states.values()
            if state.status is Status.SUPPRESSED
        ]
        return sum(each.external_id is None for each in known)

    def report(self) -> AdoptReport:
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


def _refused(records: Iterable[Record]) -> Iterable[Noteworthy]:
    for record in records:
        outcome = record.outcome
        if outcome is not None and outcome.kind is OutcomeKind.REJECTED:
            yield Noteworthy(record.contact_id, _REFUSED, outcome.code, outcome.message)
