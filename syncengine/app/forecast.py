"""Totals of what a run of one destination would do, and what that costs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from syncengine.app.changes_report import counted_changes
from syncengine.app.databases import Databases
from syncengine.app.meaning import counted_causes
from syncengine.app.plan_watchers import CountedJob, PlanWatcher
from syncengine.app.request_methods import RequestMethods
from syncengine.app.vendor_access import task_of
from syncengine.config.destination import DestinationConfig
from syncengine.config.project import Config
from syncengine.engine.prepared import Prepared
from syncengine.engine.quota import counted_window, quota_name
from syncengine.engine.refusal_groups import Probe
from syncengine.errors import BrakeApplied, SyncEngineError
from syncengine.model.calls import Call, OutcomeKind, Unsupported
from syncengine.model.contact import MatchKey
from syncengine.model.costs import Cost, exactly
from syncengine.model.limits import LONGEST_PACED
from syncengine.model.plans import PlanReport
from syncengine.model.work import Batch, BatchKind, ContactOutcome, Standing
from syncengine.planning.attempt.job import Job
from syncengine.planning.causes import CauseCounter, causes_of
from syncengine.planning.distrust import known_before_distrust, should_read_back
from syncengine.planning.forecast import (
    Prices,
    expense,
    first_call,
    likely,
    read_before,
    requests_of,
)
from syncengine.planning.mapping import INVALID_VALUE
from syncengine.planning.planned_changes import ChangeCounter
from syncengine.planning.priced_steps import (
    PricedStep,
    StepPricer,
    between,
    certain,
)
from syncengine.planning.request_count import Marked, RequestCount, RunPart
from syncengine.planning.timing import QuotaUse, Timing
from syncengine.ports import RequestCosts
from syncengine.storage.state.accounts import holds_contacts
from syncengine.storage.state.quota import used_requests

_MOST_INVALID = 20
"""Number of kinds of invalid values that are reported: the most frequent ones."""


@dataclass(slots=True)
class Forecast:
    """Totals of the plans of one destination."""

    destination: DestinationConfig
    prices: Prices
    contacts: int = 0
    unsupported: int = 0
    unsupported_codes: Counter[str] = field(default_factory=Counter)
    count: RequestCount = field(default_factory=RequestCount)
    actions: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    invalid: Counter[str] = field(default_factory=Counter)
    suppressed: Counter[str] = field(default_factory=Counter)
    standing: Counter[Standing] = field(default_factory=Counter)
    standing_codes: Mapping[Standing, Mapping[str, int]] = field(default_factory=dict)
    """Those that stand before the run, by reason and code."""
    causes: CauseCounter = field(default_factory=CauseCounter)
    changes: ChangeCounter = field(default_factory=ChangeCounter)
    watchers: tuple[PlanWatcher, ...] = ()
    probes: int = 0
    reads: int = 0
    """Contacts of an undo that are read first; their requests are counted, too."""
    remarks: tuple[str, ...] = ()

    @property
    def look_ups(self) -> int:
        """Return the requests of look-ups that find no contact."""
        return self.count.look_ups

    @property
    def requests(self) -> Cost:
        """Return all requests, those of look-ups among them."""
        return self.count.requests

    @property
    def items(self) -> Cost:
        """Return how many contacts these requests carry: some limits count them."""
        return self.count.items

    def add_probe(self, probe: Probe) -> None:
        """Count a probe: it is expected to be refused as before, at its first call."""
        self.probes += 1
        desired, known, plan = probe.job.desired, probe.job.state.known, probe.job.plan
        first = first_call(plan, self.prices)
        if_refused = expense(desired, known, first, self.prices, refused=False)
        if_accepted = expense(desired, known, plan, self.prices, refused=False)
        # At worst it is accepted, and then its whole plan follows.
        steps = between(
            if_refused.steps.least, if_refused.steps.usual, if_accepted.steps.most
        )
        self.count.add(RunPart.PROBES, steps, if_refused.look_ups)

    def add(
        self,
        prepared: Prepared,
        stood: Mapping[Standing, int],
        part: RunPart = RunPart.CHANGES,
    ) -> None:
        """Count a batch, which the run works on in this part.

        ``stood`` numbers those of its contacts that are not tried any more until now.
        """
        # They are planned anew: below, those that stand after the run are counted
        # again.
        self.standing.subtract(stood)
        for record in prepared.records:
            if record.standing:
                self.standing[record.standing] += 1
        for job in prepared.jobs:
            self._add_job(job, part)
        for record in prepared.records:
            if record.outcome:
                self._add_outcome(record.outcome)
                for watcher in self.watchers:
                    watcher.add_record(record)

    def _add_outcome(self, outcome: ContactOutcome) -> None:
        """Count a contact of which nothing would be sent."""
        self.contacts += 1
        if outcome.unsupported:
            self._add_unsupported(outcome.unsupported)
        if outcome.kind is OutcomeKind.REJECTED:
            self._add_rejection(outcome.code, outcome.message)
        elif outcome.kind is OutcomeKind.SUPPRESSED:
            self.suppressed[outcome.code] += 1

    def _add_job(self, job: Job, part: RunPart) -> None:
        """Count a contact that would be worked on."""
        self.contacts += 1
        known = job.state.known
        plan = likely(job.desired, known, job.plan, self.prices.capabilities)
        why = self.causes.add(
            job.state,
            job.desired,
            job.source_hash,
            plan.calls,
            recreates=job.recreates,
            released=job.released,
        )
        before = known
        if should_read_back(known, self.prices.capabilities):
            # Usually the vendor shows what was known before.
            before = known_before_distrust(known)
        self.changes.add(plan.calls, before)
        if self.watchers:
            causes = causes_of(
                job.state,
                job.desired,
                job.source_hash,
                plan.calls,
                self.causes.changed,
                job.released,
            )
            counted = CountedJob(job, plan, before, why, causes, self.prices)
            for watcher in self.watchers:
                watcher.add(counted)
        spent = expense(
            job.desired,
            known,
            job.plan,
            self.prices,
            refused=job.refusal is not None,
            gone=job.gone,
            recreates=job.recreates,
        )
        steps = spent.steps
        reads: tuple[PricedStep, ...] = ()
        if job.undo is not None:
            # Read right before, to see whether somebody has changed it.
            reads = read_before(known, self.prices)
        if reads:
            self.reads += 1
            steps += certain(reads)
        self.count.add(part, steps, spent.look_ups, self._marked(plan.calls))
        self.actions.update(call.action.value for call in plan.calls)
        if plan.unsupported:
            self._add_unsupported(plan.unsupported)
            self.standing[Standing.UNSUPPORTED] += 1
        if job.refusal:
            self._add_rejection(job.refusal.code, job.refusal.message)

    def _marked(self, calls: Iterable[Call]) -> list[Marked]:
        """Return the calls that cannot share a request with every other contact."""
        pricer = self.prices.pricer
        found: list[Marked] = []
        for call in calls:
            marks = pricer.marks(call)
            if marks:
                requests = requests_of(call, self.prices)
                found.append((pricer.call(call, requests), marks))
        return found

    def by_method(self) -> Mapping[str, int] | None:
        """Return the usual number of requests by method; None: it does not matter."""
        if not any(limit.method for limit in self.destination.limits):
            return None
        return self.count.by_method(RequestMethods(self.destination.vendor).method_of)

    def _add_unsupported(self, unsupported: Iterable[Unsupported]) -> None:
        """Count a contact with changes that the vendor cannot express."""
        self.unsupported += 1
        self.unsupported_codes.update({each.code for each in unsupported})

    def _add_rejection(self, code: str, message: str) -> None:
        self.rejected[code] += 1
        if code == INVALID_VALUE:
            self.invalid[message] += 1

    def report(
        self,
        timing: Timing,
        starts_at: datetime,
        cause: SyncEngineError | None,
    ) -> PlanReport:
        """Return the totals, and what would stop the run."""
        brake: str | None = None
        brake_name: str | None = None
        error: str | None = None
        if isinstance(cause, BrakeApplied):
            brake, brake_name = str(cause), cause.name
        elif cause is not None:
            error = str(cause)
        lasting = timing.seconds
        fields, tags, left_out = counted_changes(self.changes)
        return PlanReport(
            destination=self.destination.name,
            contacts=self.contacts,
            actions=dict(sorted(self.actions.items())),
            unsupported=self.unsupported,
            unsupported_codes=dict(self.unsupported_codes.most_common()),
            rejected=dict(sorted(self.rejected.items())),
            invalid=dict(self.invalid.most_common(_MOST_INVALID)),
            suppressed=dict(sorted(self.suppressed.items())),
            standing=self.standing,
            standing_codes=self.standing_codes,
            causes=counted_causes(self.causes),
            why={why.value: number for why, number in self.causes.by_why().items()},
            fields=fields,
            tags=tags,
            tags_left_out=left_out,
            probes=self.probes,
            remarks=self.remarks,
            look_ups=self.look_ups,
            requests=self.requests.usual,
            requests_least=self.requests.least,
            requests_most=self.requests.most,
            seconds=lasting.usual,
            seconds_least=lasting.least,
            seconds_most=lasting.most,
            brake=brake,
            brake_name=brake_name,
            error=error,
            cause=cause,
            limit=timing.limit,
            starts_at=starts_at,
            shortages=timing.shortages,
        )


def part_of(batch: Batch) -> RunPart:
    """Return the part of a run that works on one of its first batches."""
    if batch.kind is BatchKind.REMOVALS:
        return RunPart.REMOVALS
    return RunPart.CHANGES


async def prices_of(
    destination: DestinationConfig,
    config: Config,
    databases: Databases,
    *,
    find_first: bool | None = None,
) -> Prices:
    """Return what calls and look-ups at a destination cost. Raises StorageError.

    ``find_first`` says whether new contacts are looked up, where that is not as the
    destination's file says.
    """
    vendor, task = destination.vendor, task_of(destination)
    look_up: Callable[[MatchKey], Cost] = _one_request
    extra_requests: Callable[[Call], int] = _no_request
    if isinstance(vendor, RequestCosts):
        look_up, extra_requests = vendor.look_up_cost, vendor.extra_requests
    if find_first is None:
        find_first = task.find_first
    return Prices(
        capabilities=vendor.capabilities,
        on_removed=task.on_removed,
        find_first=find_first,
        look_up=look_up,
        extra_requests=extra_requests,
        rounds=await _look_up_rounds(destination, config, databases),
        pricer=StepPricer(vendor.capabilities),
    )


async def quotas_of(
    destination: DestinationConfig, databases: Databases
) -> tuple[QuotaUse, ...]:
    """Return the limits with long windows, and what is used of them by now.

    Raises StorageError.
    """
    options, account = destination.options, destination.account
    late = options.timeout + destination.vendor.capabilities.settles_within
    found: list[QuotaUse] = []
    for limit in destination.limits:
        if limit.per > LONGEST_PACED:
            # A minute more: its requests may have been reserved at its very end.
            window = counted_window(limit, late) + 60.0
            name = quota_name(limit.method, counts_items=limit.counts_items)
            used = await used_requests(databases.state, account, name, window)
            found.append(QuotaUse(limit, window, used))
    return tuple(found)


async def _look_up_rounds(
    destination: DestinationConfig, config: Config, databases: Databases
) -> int:
    """Return how often a contact is looked up where the vendor knows it already.

    Once is enough where nobody but this contact can have what is found: it has one
    match key, the vendor tells of an existing contact itself, and the account is this
    destination's alone.
    """
    create = destination.vendor.capabilities.create
    tells_existing = create is None or create.tells_existing
    if len(destination.mapping.match_on) != 1 or not tells_existing:
        return 2
    sharing = [
        each for each in config.destinations if each.account == destination.account
    ]
    if len(sharing) != 1:
        return 2
    if await holds_contacts(databases.state, destination.account):
        return 2
    return 1


def _one_request(_key: MatchKey) -> Cost:
    return exactly(1)


def _no_request(_call: Call) -> int:
    return 0
