"""Forecast of a run; sends nothing, and leaves the state as it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace

from syncengine.app.brakes import (
    Recognised,
    Removed,
    brake_on_no_file,
    brake_on_survey,
    judge_scope,
    refuse_changes,
    refuse_empty_state,
    refuse_new_name,
    resyncing,
)
from syncengine.app.candidates import Candidates, cut
from syncengine.app.consent_changes import ConsentChange
from syncengine.app.credentials import look_for_second_name, settled
from syncengine.app.databases import Databases, inspect_source, open_databases
from syncengine.app.earlier_leavers import of_earlier_leavers
from syncengine.app.followers import Followers
from syncengine.app.markers import warn_where_new
from syncengine.app.meaning import causes_since, counted_causes, survey_of
from syncengine.app.neighbours import Beside, beside
from syncengine.app.recreations import Recreations
from syncengine.app.remarks import of_gone, of_groups
from syncengine.app.run_request import NO_FILE, RunRequest
from syncengine.app.vendor_access import distrust_by, task_of
from syncengine.config.destination import DestinationConfig
from syncengine.config.project import Config
from syncengine.engine.circumstances import Probe, choose
from syncengine.engine.prepare import Prepared, Preparer
from syncengine.errors import BrakeApplied, RunRefused, SyncEngineError, root_error
from syncengine.model.calls import OutcomeKind
from syncengine.model.costs import Cost, exactly
from syncengine.model.reports import PlanReport
from syncengine.model.work import Batch, BatchKind, ContactState, Scope, Standing
from syncengine.planning.causes import CauseCounter
from syncengine.planning.distrust import distrusted_state
from syncengine.planning.forecast import Prices, duration, expense, first_call, likely
from syncengine.planning.mapping import INVALID_VALUE
from syncengine.planning.match_keys import may_collide
from syncengine.planning.survey import Survey
from syncengine.ports import RequestCosts
from syncengine.storage.connect import Connection
from syncengine.storage.source.rows import SourceRows
from syncengine.storage.source.spec import KeyKind
from syncengine.storage.state.accounts import holds_contacts
from syncengine.storage.state.contacts import Contacts
from syncengine.storage.state.fence import Fence
from syncengine.storage.state.planned_keys import PlannedKeys, planned_claims
from syncengine.storage.state.refusals import Refusals
from syncengine.storage.state.shares import Shares
from syncengine.storage.state.standing import number_standing
from syncengine.storage.state.waits import Waits

_MOST_TOLD = 20
"""Largest number of kinds of invalid values that are told, the most frequent ones."""


async def plan(
    config: Config, names: Sequence[str], request: RunRequest
) -> list[PlanReport]:
    """Plan the named destinations, or all, in the order of a run."""
    config = await settled(config)
    destinations = config.chosen(tuple(names))
    async with open_databases(config, destinations) as databases:
        await warn_where_new(databases)
        claiming = any(_claims(destination) for destination in destinations)
        async with (
            planned_claims(databases.state) if claiming else nullcontext() as claims
        ):
            return [
                await _plan(config, destination, databases, request, claims)
                for destination in destinations
            ]


@dataclass(slots=True)
class _Forecast:
    """Totals of the plans of one destination."""

    destination: DestinationConfig
    prices: Prices
    contacts: int = 0
    unsupported: int = 0
    look_ups: int = 0
    requests: Cost = field(default_factory=Cost)
    actions: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    invalid: Counter[str] = field(default_factory=Counter)
    suppressed: Counter[str] = field(default_factory=Counter)
    standing: Counter[Standing] = field(default_factory=Counter)
    causes: CauseCounter = field(default_factory=CauseCounter)
    anew: bool = False
    """True where the run would drop what is known of the contacts."""
    resync: bool = False
    """True where the run would distrust what is known of the contacts."""
    probes: int = 0
    remarks: tuple[str, ...] = ()

    def begin(self, recognised: Recognised, request: RunRequest) -> RunRequest:
        """Take in how the destination is recognised; return the request to plan."""
        recognised, request = resyncing(recognised, request)
        self.resync = request.resync
        if recognised.looks_up:
            self.prices = replace(self.prices, find_first=True)
        self.anew = recognised.is_anew
        if not self.anew:
            return request
        self.standing = Counter()
        return replace(request, backfill=True)

    def contacts_of(self, fence: Fence, name: str, *, numbered: bool) -> Contacts:
        if self.resync and not self.anew:
            return _Distrusting(fence, self.destination, numbered=numbered)
        return (_NothingKnown if self.anew else Contacts)(
            fence, name, 0, numbered=numbered
        )

    def probe(self, probe: Probe) -> None:
        """Count a probe: it is expected to be refused as before, at its first call."""
        self.probes += 1
        desired, known, plan = probe.job.desired, probe.job.state.known, probe.job.plan
        expected = first_call(plan, self.prices)
        whole = expense(desired, known, plan, self.prices, refused=False)
        first = expense(desired, known, expected, self.prices, refused=False)
        self.look_ups += first.look_ups
        self.requests += replace(first.requests, most=whole.requests.most)

    def add(self, prepared: Prepared, stood: Mapping[Standing, int]) -> None:
        """Count a batch.

        ``stood`` numbers those of its contacts that are not tried any more until now.
        """
        self.standing.subtract(stood)
        self.standing.update(
            record.standing for record in prepared.records if record.standing
        )
        for job in prepared.jobs:
            self.contacts += 1
            plan = likely(
                job.desired, job.state.known, job.plan, self.prices.capabilities
            )
            self.causes.add(job.state, job.desired, job.source_hash, plan.calls)
            refused = job.refusal is not None
            spent = expense(
                job.desired,
                job.state.known,
                job.plan,
                self.prices,
                refused=refused,
                gone=job.gone,
                recreates=job.recreates,
            )
            self.look_ups += spent.look_ups
            self.requests += spent.requests
            self.actions.update(call.action.value for call in plan.calls)
            self.unsupported += bool(plan.unsupported)
            self.standing.update([Standing.UNSUPPORTED] if plan.unsupported else [])
            if job.refusal:
                self._reject(job.refusal.code, job.refusal.message)
        for outcome in (
            record.outcome for record in prepared.records if record.outcome
        ):
            self.contacts += 1
            self.unsupported += bool(outcome.unsupported)
            if outcome.kind is OutcomeKind.REJECTED:
                self._reject(outcome.code, outcome.message)
            self.suppressed.update(
                [outcome.code] if outcome.kind is OutcomeKind.SUPPRESSED else []
            )

    def _reject(self, code: str, message: str) -> None:
        self.rejected[code] += 1
        if code == INVALID_VALUE:
            self.invalid[message] += 1

    def report(
        self, brake: BrakeApplied | None = None, error: SyncEngineError | None = None
    ) -> PlanReport:
        lasting = duration(self.requests, self.destination.limits)
        return PlanReport(
            destination=self.destination.name,
            contacts=self.contacts,
            actions=dict(sorted(self.actions.items())),
            unsupported=self.unsupported,
            rejected=dict(sorted(self.rejected.items())),
            invalid=dict(self.invalid.most_common(_MOST_TOLD)),
            suppressed=dict(sorted(self.suppressed.items())),
            standing=self.standing,
            causes=counted_causes(self.causes),
            probes=self.probes,
            remarks=self.remarks,
            look_ups=self.look_ups,
            requests=self.requests.usual,
            requests_least=self.requests.least,
            requests_most=self.requests.most,
            seconds=lasting.usual,
            seconds_least=lasting.least,
            seconds_most=lasting.most,
            brake=str(brake) if brake else None,
            error=str(error) if error else None,
        )


async def _plan(
    config: Config,
    destination: DestinationConfig,
    databases: Databases,
    request: RunRequest,
    claims: Connection | None,
) -> PlanReport:
    forecast = _Forecast(destination, await _prices(config, destination, databases))
    try:
        await _fill(forecast, config, destination, databases, request, claims)
    except BrakeApplied as brake:
        return forecast.report(brake=brake)
    except RunRefused as refused:
        return forecast.report(error=refused)
    except SyncEngineError:
        raise
    except Exception as unforeseen:  # noqa: BLE001 - the other destinations are planned all the same
        return forecast.report(error=root_error(unforeseen))
    return forecast.report()


async def _fill(
    forecast: _Forecast,
    config: Config,
    destination: DestinationConfig,
    databases: Databases,
    request: RunRequest,
    claims: Connection | None,
) -> None:
    """Plan every contact of the run. Raises BrakeApplied, RunRefused, StorageError."""
    recognised = await _recognised(forecast, config, destination, databases, request)
    await refuse_empty_state(
        destination, databases, request, resyncing(recognised, request)[0]
    )
    request = forecast.begin(recognised, request)
    source = await inspect_source(destination, databases.source(destination))
    numbered = source.kind is KeyKind.NUMBER
    name = destination.name
    fence = Fence(databases.state, destination.account, 0)
    keys = (
        PlannedKeys(claims, destination.account, name, numbered=numbered)
        if claims and _claims(destination)
        else None
    )
    task = task_of(destination, request)
    store = forecast.contacts_of(fence, name, numbered=numbered)
    others = await beside(destination, config, databases, fence)
    await _release(others, keys, request)
    preparer = Preparer(
        task,
        destination.vendor.capabilities,
        SourceRows(databases.source(destination), source),
        store,
        keys,
        others.neighbours,
    )
    waits = Waits(fence, name)
    followers = Followers(name, await waits.kept() if request.about_everybody else {})
    forecast.remarks = (
        *await of_groups(destination, databases),
        *await of_earlier_leavers(destination, databases, request),
    )
    survey = await survey_of(destination, databases, recognised)
    request = await _probed(
        forecast,
        Refusals(fence, name, 0),
        preparer,
        request,
        survey,
    )
    candidates = Candidates(destination, databases, source, request)
    change = ConsentChange(
        destination, databases, source, recognised, others.neighbours
    )

    removed = Removed()
    batched: set[str] = set()
    """The contacts of a run that is about some only."""

    async def take(batch: Batch, *, recreates: bool = False) -> Prepared:
        prepared = await preparer.plan(batch, recreates=recreates)
        worked_on = [job.state.contact_id for job in prepared.jobs]
        worked_on += [record.contact_id for record in prepared.records]
        forecast.add(prepared, await number_standing(databases.state, name, worked_on))
        followers.note(prepared)
        if batch.kind is BatchKind.REMOVALS:
            removed.add(prepared)
        if keys:
            await keys.reach(
                [job.state.contact_id for job in prepared.jobs if not job.refusal]
            )
        return prepared

    async for batch in _batches(
        candidates,
        config.engine.batch_size,
        request,
        preparer,
        keys,
        await _moved(name, fence, request),
    ):
        await _look_for_strays(destination, others, databases, batch, request)
        await preparer.survey(batch, survey)
        batched.update(() if request.about_everybody else batch.contact_ids)
        await change.add(batch, await take(batch))
    while brought_along := followers.brought_along():
        await take(Batch(0, BatchKind.CHANGES, brought_along))
    if candidates.scope is not None:
        surveyed = None if forecast.anew else survey
        await _judge(
            destination, databases, candidates.scope, surveyed, request, removed
        )
    change.judge(request)
    recreations = Recreations(destination, databases, request, task, store)
    if again := tuple(await recreations.forecast(batched)):
        await take(Batch(0, BatchKind.CHANGES, again), recreates=True)
    if forecast.standing[Standing.GONE]:
        forecast.remarks += await of_gone(destination, databases)


async def _moved(name: str, fence: Fence, request: RunRequest) -> Sequence[str]:
    """Return contacts that other contacts or destinations have let go of."""
    if not request.about_everybody:
        return ()
    return *await Shares(fence).let_go(name), *await Waits(fence, name).moved()


async def _recognised(
    forecast: _Forecast,
    config: Config,
    destination: DestinationConfig,
    databases: Databases,
    request: RunRequest,
) -> Recognised:
    """Return how the destination is recognised. Raises BrakeApplied."""
    forecast.causes = await causes_since(destination, databases)
    forecast.standing = await number_standing(databases.state, destination.name)
    await look_for_second_name(destination, config, databases)
    recognised = await refuse_changes(destination, config, databases, request)
    await refuse_new_name(destination, config, databases, request)
    return recognised


async def _release(
    others: Beside, keys: PlannedKeys | None, request: RunRequest
) -> None:
    """Plan as if destinations without a file had let go, where that is accepted."""
    if NO_FILE not in request.accept:
        return
    if others.neighbours is not None:
        others.neighbours.release(others.without_file)
    if keys is not None:
        await keys.release(others.without_file)


async def _look_for_strays(
    destination: DestinationConfig,
    others: Beside,
    databases: Databases,
    batch: Batch,
    request: RunRequest,
) -> None:
    if (
        others.without_file
        and NO_FILE not in request.accept
        and batch.kind is BatchKind.CHANGES
    ):
        await brake_on_no_file(
            destination, others.without_file, databases, batch.contact_ids, request
        )


async def _judge(
    destination: DestinationConfig,
    databases: Databases,
    scope: Scope,
    survey: Survey | None,
    request: RunRequest,
    removed: Removed,
) -> None:
    """Raise BrakeApplied for a run that would be stopped."""

    async def count() -> Removed:
        return removed

    scope = await judge_scope(destination, scope, request, count)
    if survey is not None and scope.known:
        await brake_on_survey(destination, databases, survey, scope, request)


class _Distrusting(Contacts):
    """Contacts as a re-sync has them once it has distrusted what is known."""

    def __init__(
        self, fence: Fence, destination: DestinationConfig, *, numbered: bool
    ) -> None:
        super().__init__(fence, destination.name, 0, numbered=numbered)
        self._distrust = distrust_by(destination)

    async def load(self, contact_ids: Sequence[str]) -> Mapping[str, ContactState]:
        states = await super().load(contact_ids)
        return {
            contact_id: distrusted_state(state, self._distrust)
            for contact_id, state in states.items()
        }


class _NothingKnown(Contacts):
    """Contacts as a run has them once it has dropped what is known of them."""

    async def load(self, contact_ids: Sequence[str]) -> Mapping[str, ContactState]:  # noqa: ARG002 - the port's
        return {}

    async def gone(self, *, all_of_them: bool) -> Sequence[str]:  # noqa: ARG002 - the port's
        return ()


async def _probed(
    forecast: _Forecast,
    refusals: Refusals,
    preparer: Preparer,
    request: RunRequest,
    survey: Survey,
) -> RunRequest:
    """Count the probes of the run; return the request for its other contacts."""
    if not request.probes:
        return request
    probes = await choose(await refusals.groups(), refusals, preparer, request.limit)
    for probe in probes:
        await preparer.survey(Batch(0, probe.kind, (probe.contact_id,)), survey)
        forecast.probe(probe)
    if request.limit is None:
        return request
    return replace(request, limit=request.limit - len(probes))


async def _prices(
    config: Config, destination: DestinationConfig, databases: Databases
) -> Prices:
    vendor, task = destination.vendor, task_of(destination)
    sharing = [
        each for each in config.destinations if each.account == destination.account
    ]
    create = vendor.capabilities.create
    told = create is None or create.tells_existing
    one_key = len(task.mapping.match_on) == 1 and told
    alone = (
        one_key
        and len(sharing) == 1
        and not await holds_contacts(databases.state, destination.account)
    )
    return Prices(
        capabilities=vendor.capabilities,
        on_removed=task.on_removed,
        find_first=task.find_first,
        look_up=vendor.look_up_cost
        if isinstance(vendor, RequestCosts)
        else lambda _: exactly(1),
        extra_requests=vendor.extra_requests
        if isinstance(vendor, RequestCosts)
        else lambda _: 0,
        rounds=1 if alone else 2,
    )


async def _batches(
    candidates: Candidates,
    size: int,
    request: RunRequest,
    preparer: Preparer,
    keys: PlannedKeys | None,
    moved: Sequence[str],
) -> AsyncIterator[Batch]:
    """Yield the batches of a run, after all of its match keys are claimed."""

    async def found() -> AsyncIterator[Batch]:
        async for piece in cut(candidates.slices(), size, request.limit):
            yield Batch(0, piece.kind, piece.contact_ids)

    await preparer.look_ahead(found())
    freed: Sequence[str] = ()
    if keys:
        # The diff comes twice rather than that millions of ids stand in memory.
        async for batch in found():
            await preparer.claim(batch)
        freed = await keys.freed() if request.about_everybody else ()
    brought_back = dict.fromkeys((*freed, *moved))
    async for batch in found():
        yield batch
        for contact_id in batch.contact_ids:
            brought_back.pop(contact_id, None)
    added = tuple(brought_back)
    for start in range(0, len(added), size):
        yield Batch(0, BatchKind.CHANGES, added[start : start + size])


def _claims(destination: DestinationConfig) -> bool:
    return may_collide(destination.mapping, destination.source.key or "")
