"""Adoption of contacts that exist in an account, before the first run."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence

from syncengine.app.accounts import LeasedAccount, stopped_by
from syncengine.app.brakes import refuse_changes, refuse_new_name
from syncengine.app.candidates import cut
from syncengine.app.credentials import settled
from syncengine.app.databases import Databases, inspect_source, open_databases, placed
from syncengine.app.destination_run import claim_keys
from syncengine.app.pipelines import side_by_side
from syncengine.app.run_request import RunRequest
from syncengine.app.vendor_access import task_of, vendor_access
from syncengine.app.verbs.run import status_of
from syncengine.config.destination import DestinationConfig
from syncengine.config.project import Config
from syncengine.engine.adoption import Adopted, Adoption, Finding
from syncengine.engine.prepare import Prepared, Preparer
from syncengine.engine.stopping import broken_off_by
from syncengine.errors import AccountStopped, RunRefused, RunStopped, SyncEngineError
from syncengine.model.calls import OutcomeKind
from syncengine.model.copies import AdoptReport
from syncengine.model.reports import NoProgress, Noteworthy, Progress, RunStatus
from syncengine.model.work import Batch, BatchKind, DiffSlice, Record, RunKind, Status
from syncengine.planning.match_keys import may_collide
from syncengine.storage.diff.comparison import Diff
from syncengine.storage.source.rows import SourceRows
from syncengine.storage.source.spec import KeyKind, Source
from syncengine.storage.state.batches import Batches
from syncengine.storage.state.contacts import Contacts
from syncengine.storage.state.keys import Keys
from syncengine.storage.state.runs import finish_run, start_run

_MOST_NAMED = 1000
"""Contacts that are named; more are only counted."""


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
    heard, ended = progress or NoProgress(), stop or asyncio.Event()
    async with open_databases(config, destinations) as databases:

        async def work(
            destination: DestinationConfig, account: LeasedAccount
        ) -> AdoptReport:
            try:
                return await _adopt(
                    destination, account, config, databases, limit, heard
                )
            except (RunRefused, RunStopped) as error:
                return await _failed(destination, error)

        return await side_by_side(config, databases, destinations, work, _failed, ended)


async def _adopt(
    destination: DestinationConfig,
    account: LeasedAccount,
    config: Config,
    databases: Databases,
    limit: int | None,
    progress: Progress,
) -> AdoptReport:
    vendor, name = destination.vendor, destination.name
    if not vendor.capabilities.find_by:
        told = f"{name}: {vendor.name} has no look-up; its contacts are recognised by the key they are sent with"
        return AdoptReport(name, RunStatus.UNREADABLE, error=told)
    began, sent = time.monotonic(), account.pacing.requests
    async with broken_off_by(account.stopping.requested):
        recognised = await refuse_changes(destination, config, databases, RunRequest())
        await refuse_new_name(destination, config, databases, RunRequest())
        pool = databases.source(destination)
        source = await inspect_source(destination, pool)
    run_id = await start_run(account.fence, name, recognised.at_start, RunKind.ADOPT)
    task, batches = task_of(destination), Batches(account.fence, run_id)
    numbered = source.kind is KeyKind.NUMBER
    store = Contacts(account.fence, name, run_id, numbered=numbered)
    keys = (
        Keys(account.fence, name, numbered=numbered)
        if may_collide(task.mapping, task.source_key)
        else None
    )
    preparer = Preparer(
        task, vendor.capabilities, SourceRows(pool, source), store, keys
    )
    counts: Counter[str] = Counter()
    notes: list[Noteworthy] = []
    status: RunStatus = RunStatus.DONE
    said: str | None = None
    async with vendor_access(destination, account) as retrier:
        adoption, total = Adoption(vendor, retrier, store, task.mapping.tag_prefix), 0
        try:
            async with broken_off_by(account.stopping.requested):
                async for piece in cut(
                    _everybody(destination, databases, source),
                    config.engine.batch_size,
                    limit,
                ):
                    await batches.add(piece.kind, piece.contact_ids)
                    total += len(piece.contact_ids)
                await claim_keys(preparer, keys, batches)
            progress.started(name, total)
            async for batch in batches.waiting():
                if account.stopping.requested.is_set():
                    status = RunStatus.STOPPED
                    break
                prepared = await preparer.plan(batch)
                counts[_SILENCED] += await _silent(store, batch, prepared)
                found = [
                    *map(_refused, prepared.records),
                    *map(_told, await adoption.adopt(prepared.jobs)),
                ]
                counts.update(note.outcome for note in found if note)
                notes += [
                    note for note in found if note and note.outcome not in _SILENT
                ][: _MOST_NAMED - len(notes)]
                await batches.finish(batch.number, {})
                progress.advanced(
                    name, len(batch.contact_ids), account.pacing.requests - sent
                )
        except RunStopped:
            status = RunStatus.STOPPED
        except AccountStopped as stopped:
            status, said = RunStatus.HALTED, stopped_by(stopped, destination)
    if status == RunStatus.DONE and counts[Finding.UNREAD]:
        status = RunStatus.INCOMPLETE
    report = AdoptReport(
        destination=name,
        status=status,
        linked=counts[Finding.LINKED],
        unmatched=counts[Finding.UNMATCHED] + counts[Finding.ALIKE],
        alike=counts[Finding.ALIKE],
        gone=counts[Finding.GONE],
        ambiguous=counts[Finding.AMBIGUOUS],
        owned=counts[Finding.OWNED],
        refused=counts[_REFUSED],
        unread=counts[Finding.UNREAD],
        silent=counts[_SILENCED],
        requests=account.pacing.requests - sent,
        seconds=time.monotonic() - began,
        error=said,
        contacts=tuple(notes),
    )
    await finish_run(
        account.fence, run_id, status, {**report.public(), "contacts": []}, said
    )
    progress.finished(name)
    return report


_REFUSED = "refused"
_SILENCED = "silent"
_SILENT = (Finding.LINKED, Finding.UNMATCHED, Finding.GONE)


async def _everybody(
    destination: DestinationConfig, databases: Databases, source: Source
) -> AsyncIterator[DiffSlice]:
    """Yield all contacts of the source; adoption ignores removed ones."""
    with placed(destination):
        differ = Diff(
            databases.state,
            databases.source(destination),
            source,
            destination.name,
            same_database=not destination.source.database,
            everything=True,
        )
        async for piece in differ:
            if piece.kind is BatchKind.CHANGES:
                yield piece


def _told(adopted: Adopted) -> Noteworthy:
    return Noteworthy(
        adopted.contact_id, adopted.finding, adopted.finding, adopted.message
    )


async def _silent(store: Contacts, batch: Batch, prepared: Prepared) -> int:
    """Return how many contacts without a link are left out: nothing may be sent about them."""
    withheld = [each for each in prepared.records if each.status is Status.SUPPRESSED]
    told = {each.contact_id for each in prepared.records} | {
        job.state.contact_id for job in prepared.jobs
    }
    states = await store.load([each for each in batch.contact_ids if each not in told])
    before = [each for each in states.values() if each.status is Status.SUPPRESSED]
    known = [*(each.known for each in withheld), *(each.known for each in before)]
    return sum(each.external_id is None for each in known)


def _refused(record: Record) -> Noteworthy | None:
    outcome = record.outcome
    if outcome is None or outcome.kind is not OutcomeKind.REJECTED:
        return None
    return Noteworthy(record.contact_id, _REFUSED, outcome.code, outcome.message)


async def _failed(
    destination: DestinationConfig, error: SyncEngineError
) -> AdoptReport:
    return AdoptReport(destination.name, status_of(error), error=str(error))
