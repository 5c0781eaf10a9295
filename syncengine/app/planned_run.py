"""A run of one destination as it would be, without there being one.

It follows ``run_preparation`` step by step, and writes nothing but planned claims of
match keys into a temporary table.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace

from syncengine.app.brakes import Removed, brake_on_survey, judge_scope
from syncengine.app.candidates import Candidates, cut
from syncengine.app.consent_changes import ConsentChange
from syncengine.app.credentials import look_for_second_name
from syncengine.app.databases import inspect_source
from syncengine.app.earlier_removed import earlier_removed_remarks, only_marked
from syncengine.app.followers import Followers
from syncengine.app.forecast import Forecast, part_of
from syncengine.app.left_alone import gone_remarks, group_remarks
from syncengine.app.match_keys import keys_may_collide
from syncengine.app.meaning import causes_since, survey_of
from syncengine.app.neighbours import Beside
from syncengine.app.plan_file import PlanWriter
from syncengine.app.plan_recorder import PlanRecorder, plan_recorder
from syncengine.app.recognition import (
    Recognised,
    brake_on_no_file,
    refuse_changes,
    refuse_empty_state,
    refuse_new_name,
    resyncing,
)
from syncengine.app.recreations import Recreations
from syncengine.app.run_request import NO_FILE, RunRequest
from syncengine.app.session import Reader
from syncengine.app.vendor_access import distrust_by, task_of
from syncengine.config.destination import DestinationConfig
from syncengine.engine.prepare import Preparer
from syncengine.engine.prepared import Prepared
from syncengine.engine.refusal_groups import choose
from syncengine.model.work import Batch, BatchKind, ContactState, Scope, Standing
from syncengine.planning.distrust import distrusted_state
from syncengine.planning.request_count import RunPart
from syncengine.planning.survey import Survey
from syncengine.storage.connect import Connection
from syncengine.storage.source.rows import SourceRows
from syncengine.storage.source.spec import KeyKind, Source
from syncengine.storage.state.contacts import Contacts
from syncengine.storage.state.fence import Fence
from syncengine.storage.state.planned_keys import PlannedKeys
from syncengine.storage.state.runs import NO_RUN
from syncengine.storage.state.standing import number_standing
from syncengine.storage.state.status import standing_by_code

_NUMBER = 0
"""Number of the batches, which are not written down."""


async def plan_run(
    forecast: Forecast,
    reader: Reader,
    request: RunRequest,
    claims: Connection | None,
    writer: PlanWriter | None = None,
) -> None:
    """Plan every contact of the run, and count it in the forecast.

    ``claims`` is the connection with the planned claims of match keys, and ``writer``
    that of a plan file. Raises BrakeApplied, RunRefused, StorageError.
    """
    recognised, request = await _recognise(forecast, reader, request)
    recorder: PlanRecorder | None = None
    if writer is not None:
        recorder = await plan_recorder(writer, reader, recognised, request)
        forecast.watchers = (*forecast.watchers, recorder)
    destination, databases = reader.destination, reader.databases
    source = await inspect_source(destination, databases.source(destination))
    numbered = source.kind is KeyKind.NUMBER
    keys: PlannedKeys | None = None
    if claims is not None and keys_may_collide(destination):
        keys = PlannedKeys(
            claims, destination.account, destination.name, numbered=numbered
        )
    others = await reader.others()
    if NO_FILE in request.accept:
        await _release_without_file(others, keys)
    contacts = _contacts_of(reader, recognised, request, numbered=numbered)
    planned = _PlannedRun(
        forecast, reader, recognised, request, source, contacts, keys, others
    )
    await planned.count()
    if recorder is not None:
        recorder.end(forecast.actions)


async def _recognise(
    forecast: Forecast, reader: Reader, request: RunRequest
) -> tuple[Recognised, RunRequest]:
    """Recognise the destination as a run does; return the request that it would follow.

    Raises BrakeApplied.
    """
    where = reader.destination, reader.config, reader.databases
    destination, databases = reader.destination, reader.databases
    # First, so that a forecast that is refused shows them, too.
    forecast.causes = await causes_since(destination, databases)
    forecast.standing = await number_standing(databases.state, destination.name)
    codes = await standing_by_code(databases.state, destination.name)
    forecast.standing_codes = codes
    await look_for_second_name(*where)
    recognised = await refuse_changes(*where, request)
    await refuse_new_name(*where, request)
    recognised, resync_request = resyncing(recognised, request)
    await refuse_empty_state(destination, databases, request, recognised)
    if recognised.looks_up:
        forecast.prices = replace(forecast.prices, find_first=True)
    if not recognised.is_anew:
        return recognised, resync_request
    # The run would drop what is known of the contacts, and compare all of them.
    forecast.standing.clear()
    return recognised, replace(resync_request, backfill=True)


def _contacts_of(
    reader: Reader, recognised: Recognised, request: RunRequest, *, numbered: bool
) -> Contacts:
    """Return the contacts as the run would find them at its first request."""
    fence, destination = reader.fence, reader.destination
    if recognised.is_anew:
        return _UnknownContacts(fence, destination.name, NO_RUN, numbered=numbered)
    if request.resync:
        return _DistrustedContacts(fence, destination, numbered=numbered)
    return Contacts(fence, destination.name, NO_RUN, numbered=numbered)


async def _release_without_file(others: Beside, keys: PlannedKeys | None) -> None:
    """Plan as if destinations without a file had let go of their contacts."""
    if others.neighbours is not None:
        others.neighbours.release(others.without_file)
    if keys is not None:
        await keys.release(others.without_file)


class _PlannedRun:
    """Plans the contacts of a run in its order, and judges them as its brakes do."""

    def __init__(
        self,
        forecast: Forecast,
        reader: Reader,
        recognised: Recognised,
        request: RunRequest,
        source: Source,
        contacts: Contacts,
        keys: PlannedKeys | None,
        others: Beside,
    ) -> None:
        destination, databases = reader.destination, reader.databases
        self._forecast = forecast
        self._reader = reader
        self._destination = destination
        self._databases = databases
        self._recognised = recognised
        self._request = request
        self._source = source
        self._contacts = contacts
        self._keys = keys
        self._others = others
        self._task = task_of(destination, request)
        self._preparer = Preparer(
            self._task,
            destination.vendor.capabilities,
            SourceRows(databases.source(destination), source),
            contacts,
            keys,
            others.neighbours,
        )
        self._followers = Followers(destination.name, {})
        self._removed = Removed()

    async def count(self) -> None:
        """Count the contacts of the run. Raises BrakeApplied, RunRefused."""
        request, destination, databases = (
            self._request,
            self._destination,
            self._databases,
        )
        if request.about_everybody:
            waits = await self._reader.waits.kept()
            self._followers = Followers(destination.name, waits)
        self._forecast.remarks = (
            *await group_remarks(destination, databases),
            *await earlier_removed_remarks(destination, databases, request),
        )
        survey = await survey_of(destination, databases, self._recognised)
        request = self._request = await self._probe(survey)
        candidates = Candidates(destination, databases, self._source, request)
        change = ConsentChange(
            destination,
            databases,
            self._source,
            self._recognised,
            self._others.neighbours,
        )
        # Kept only for a run about some contacts: of these it creates again who is
        # gone.
        batched: set[str] = set()
        async for batch in self._batches(candidates):
            await self._refuse_strays(batch)
            await self._preparer.survey(batch, survey)
            if not request.about_everybody:
                batched.update(batch.contact_ids)
            await change.add(batch, await self._plan(batch, part_of(batch)))
        while brought_along := self._followers.brought_along():
            batch = Batch(_NUMBER, BatchKind.CHANGES, brought_along)
            await self._plan(batch, RunPart.FOLLOWERS)
        self._forecast.remarks += only_marked(
            self._destination, self._removed.only_marked
        )
        if candidates.scope is not None:
            await self._judge(candidates.scope, survey)
        change.judge(request)
        recreations = Recreations(
            destination, databases, request, self._task, self._contacts
        )
        again = tuple(await recreations.forecast(batched))
        if again:
            batch = Batch(_NUMBER, BatchKind.CHANGES, again)
            await self._plan(batch, RunPart.RECREATIONS)
        if self._forecast.standing[Standing.GONE]:
            self._forecast.remarks += await gone_remarks(destination, databases)

    async def _probe(self, survey: Survey) -> RunRequest:
        """Count the probes of the run; return the request for its other contacts."""
        request, refusals = self._request, self._reader.refusals
        if not request.probes:
            return request
        groups = await refusals.groups()
        probes = await choose(groups, refusals, self._preparer, request.limit)
        for probe in probes:
            batch = Batch(_NUMBER, probe.kind, (probe.contact_id,))
            await self._preparer.survey(batch, survey)
            self._forecast.add_probe(probe)
        if request.limit is None:
            return request
        return replace(request, limit=request.limit - len(probes))

    async def _plan(self, batch: Batch, part: RunPart) -> Prepared:
        """Plan and count a batch, which the run works on in this part."""
        recreates = part is RunPart.RECREATIONS
        prepared = await self._preparer.plan(batch, recreates=recreates)
        worked_on = [job.state.contact_id for job in prepared.jobs]
        worked_on += [record.contact_id for record in prepared.records]
        name = self._destination.name
        stood = await number_standing(self._databases.state, name, worked_on)
        self._forecast.add(prepared, stood, part)
        self._followers.note(prepared)
        if batch.kind is BatchKind.REMOVALS:
            self._removed.add(prepared)
        if self._keys is not None:
            sent = [job for job in prepared.jobs if not job.refusal]
            await self._keys.reach([job.state.contact_id for job in sent])
        return prepared

    async def _batches(self, candidates: Candidates) -> AsyncIterator[Batch]:
        """Yield the batches of the run, after all of its match keys are claimed."""
        request = self._request

        async def found() -> AsyncIterator[Batch]:
            size = self._reader.config.engine.batch_size
            async for piece in cut(candidates.slices(), size, request.limit):
                yield Batch(_NUMBER, piece.kind, piece.contact_ids)

        moved = await self._moved()
        await self._preparer.look_ahead(found())
        freed: Sequence[str] = ()
        if self._keys is not None:
            # The diff is read once more rather than that millions of ids are kept in
            # memory: a forecast writes no batches.
            async for batch in found():
                await self._preparer.claim(batch)
            if request.about_everybody:
                freed = await self._keys.freed()
        brought_back = dict.fromkeys((*freed, *moved))
        async for batch in found():
            yield batch
            for contact_id in batch.contact_ids:
                brought_back.pop(contact_id, None)
        added = tuple(brought_back)
        size = self._reader.config.engine.batch_size
        for start in range(0, len(added), size):
            yield Batch(_NUMBER, BatchKind.CHANGES, added[start : start + size])

    async def _moved(self) -> Sequence[str]:
        """Return contacts that other contacts or destinations have let go of."""
        if not self._request.about_everybody:
            return ()
        let_go = await self._reader.shares.let_go(self._destination.name)
        return (*let_go, *await self._reader.waits.moved())

    async def _refuse_strays(self, batch: Batch) -> None:
        """Raise BrakeApplied for contacts of destinations without a file."""
        without_file = self._others.without_file
        if not without_file or NO_FILE in self._request.accept:
            return
        if batch.kind is BatchKind.CHANGES:
            await brake_on_no_file(
                self._destination,
                without_file,
                self._databases,
                batch.contact_ids,
                self._request,
            )

    async def _judge(self, scope: Scope, survey: Survey) -> None:
        """Raise BrakeApplied for a run that would be stopped."""

        async def count_removed() -> Removed:
            return self._removed

        destination, request = self._destination, self._request
        scope = await judge_scope(destination, scope, request, count_removed)
        # Where the run drops what is known, there is nothing to compare with.
        if scope.known and not self._recognised.is_anew:
            await brake_on_survey(destination, self._databases, survey, scope, request)


class _DistrustedContacts(Contacts):
    """Contacts as a re-sync has them once it has distrusted what is known."""

    def __init__(
        self, fence: Fence, destination: DestinationConfig, *, numbered: bool
    ) -> None:
        super().__init__(fence, destination.name, NO_RUN, numbered=numbered)
        self._distrust = distrust_by(destination)

    async def load(self, contact_ids: Sequence[str]) -> Mapping[str, ContactState]:
        states = await super().load(contact_ids)
        return {
            contact_id: distrusted_state(state, self._distrust)
            for contact_id, state in states.items()
        }


class _UnknownContacts(Contacts):
    """Contacts as a run has them once it has dropped what is known of them."""

    async def load(self, contact_ids: Sequence[str]) -> Mapping[str, ContactState]:
        del contact_ids
        return {}

    async def gone(self, *, all_of_them: bool) -> Sequence[str]:
        del all_of_them
        return ()
