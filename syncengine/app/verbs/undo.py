"""Undo of a run: its plan. It is carried out as a run of its own (``verbs.run``)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from syncengine.app.brakes import brake_on_undo
from syncengine.app.candidates import Candidates, cut
from syncengine.app.credentials import settled
from syncengine.app.databases import inspect_source, open_databases
from syncengine.app.forecast import Forecast, prices_of, quotas_of
from syncengine.app.markers import warn_where_new
from syncengine.app.recognition import refuse_changes, refuse_unsure_undo
from syncengine.app.run_request import RunRequest
from syncengine.app.session import Reader
from syncengine.app.undoable import destination_to_undo
from syncengine.app.vendor_access import task_of
from syncengine.config.project import Config
from syncengine.engine.prepared import Prepared
from syncengine.engine.undoing import UndoPreparer
from syncengine.errors import RunRefused
from syncengine.model.reports import Noteworthy
from syncengine.model.undo_plan import UndoPlan
from syncengine.model.work import Batch, BatchKind, Record
from syncengine.planning.survey import Survey
from syncengine.planning.timing import timing
from syncengine.storage.source.rows import SourceRows
from syncengine.storage.source.spec import Source
from syncengine.storage.state.contact_counts import known_contacts
from syncengine.storage.state.contacts import Contacts
from syncengine.storage.state.runs import NO_RUN, NOTES
from syncengine.storage.state.taken_back import PastChanges

_NUMBER = 0
"""Number of the batches, which are not written down."""


async def plan_undo(
    config: Config, names: Sequence[str], request: RunRequest
) -> list[UndoPlan]:
    """Plan an undo; one report, for the destination of its run.

    Sends nothing, and leaves the state as it is. Raises RunRefused for what concerns
    the whole call.
    """
    assert request.undo is not None, "the request names the run"
    config = await settled(config)
    async with open_databases(config, config.destinations) as databases:
        await warn_where_new(databases)
        destinations = await destination_to_undo(config, databases, request.undo, names)
        return [
            await _plan(Reader(destination, config, databases), request)
            for destination in destinations
        ]


async def _plan(reader: Reader, request: RunRequest) -> UndoPlan:
    """Plan the undo at its destination; what stops it is part of the report."""
    assert request.undo is not None, "the request names the run"
    destination, databases = reader.destination, reader.databases
    prices = await prices_of(destination, reader.config, databases)
    forecast = Forecast(destination, prices)
    totals = _Totals(forecast)
    stopped_by: RunRefused | None = None
    try:
        await _count(totals, reader, request)
    except RunRefused as refused:
        stopped_by = refused
    lasting = timing(
        forecast.requests,
        destination.limits,
        items=forecast.items,
        by_method=forecast.by_method(),
        quotas=await quotas_of(destination, databases),
    )
    starts_at = datetime.now().astimezone()
    return UndoPlan(
        undo_of=request.undo.run_id,
        plan=forecast.report(lasting, starts_at, stopped_by),
        contacts=totals.contacts,
        reads=forecast.reads,
        skipped=dict(sorted(totals.skipped.items())),
        noteworthy=tuple(totals.noteworthy),
        left_out=totals.left_out,
        command=request.command(destination.name),
    )


@dataclass(slots=True)
class _Totals:
    """Counts of the contacts of an undo."""

    forecast: Forecast
    contacts: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    noteworthy: list[Noteworthy] = field(default_factory=list)
    left_out: int = 0

    def add(self, prepared: Prepared) -> None:
        """Count a batch."""
        self.forecast.add(prepared, {})
        self.contacts += len(prepared.jobs)
        # A contact that is left alone stands as it stood before.
        self.forecast.standing.clear()
        for job in prepared.jobs:
            if job.target is not None and job.target.skipped:
                self.skipped.update(each.code for each in job.target.skipped)
                code = job.target.skipped[0].code
                why = "; ".join(job.target.reasons)
                self._note(job.state.contact_id, code, why)
        for record in prepared.records:
            self._add_record(record)

    def _add_record(self, record: Record) -> None:
        outcome = record.outcome
        if outcome is None:
            return
        codes = [each.code for each in outcome.unsupported] or [outcome.code]
        self.skipped.update(codes)
        self._note(record.contact_id, outcome.code, outcome.message)

    def _note(self, contact_id: str, code: str, message: str) -> None:
        if len(self.noteworthy) < NOTES:
            self.noteworthy.append(Noteworthy(contact_id, "skipped", code, message))
        else:
            self.left_out += 1


async def _count(totals: _Totals, reader: Reader, request: RunRequest) -> None:
    """Count the contacts of an undo, and judge it as its brakes do.

    Raises RunRefused.
    """
    destination, databases = reader.destination, reader.databases
    recognised = await refuse_changes(destination, reader.config, databases, request)
    refuse_unsure_undo(destination, recognised)
    source = await inspect_source(destination, databases.source(destination))
    preparer = await _preparer(reader, request, source)
    candidates = Candidates(destination, databases, source, request)
    survey = Survey()
    size = reader.config.engine.batch_size
    async for piece in cut(candidates.slices(), size, None):
        batch = Batch(_NUMBER, BatchKind.CHANGES, piece.contact_ids)
        totals.add(await preparer.plan(batch))
        await preparer.survey(batch, survey)
    known = await known_contacts(databases.state, destination.name)
    await brake_on_undo(destination, databases, survey, known, request)


async def _preparer(
    reader: Reader, request: RunRequest, source: Source
) -> UndoPreparer:
    """Return what plans the contacts of an undo."""
    assert request.undo is not None, "the request names the run"
    destination, databases, fence = reader.destination, reader.databases, reader.fence
    others = await reader.others()
    return UndoPreparer(
        task_of(destination, request),
        destination.vendor,
        SourceRows(databases.source(destination), source),
        Contacts(fence, destination.name, NO_RUN, numbered=False),
        # Whether a former match key belongs to somebody else by now is found out by the
        # undo itself, which claims it.
        None,
        others.neighbours,
        PastChanges(fence, destination.name),
        request.undo,
    )
