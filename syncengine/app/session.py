"""Frame of every verb around its own work, at one destination.

A verb that may send or write works in a ``session``: the destination is recognised, a
run is started, the verb does its work, and the run is finished with the verb's report.
It needs the account's lease, which ``pipelines.side_by_side`` has taken.

A verb that writes nothing takes a ``Reader``, which has neither a lease nor a run.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

from syncengine.app.accounts import LeasedAccount, stopped_by
from syncengine.app.databases import Databases, inspect_source
from syncengine.app.live_run import LiveRun
from syncengine.app.neighbours import Beside, beside
from syncengine.app.plan_basis import refuse_other_basis
from syncengine.app.recognition import (
    Recognised,
    refuse_changes,
    refuse_empty_state,
    refuse_new_name,
    refuse_unsure_undo,
    resyncing,
)
from syncengine.app.run_request import RunRequest
from syncengine.app.stranded import recognise_people
from syncengine.config.destination import DestinationConfig
from syncengine.config.project import Config
from syncengine.engine.stopping import broken_off_by
from syncengine.errors import (
    AccountStopped,
    LeaseHeld,
    RunRefused,
    RunStopped,
    SyncEngineError,
)
from syncengine.model.http import Json
from syncengine.model.reports import NoProgress, Progress, RunStatus
from syncengine.model.work import RunKind
from syncengine.storage.source.spec import KeyKind, Source
from syncengine.storage.state.batches import Batches
from syncengine.storage.state.contacts import Contacts
from syncengine.storage.state.fence import Fence, NoLease
from syncengine.storage.state.refusals import Refusals
from syncengine.storage.state.restores import accept_restore
from syncengine.storage.state.runs import NO_RUN, finish_run, start_run
from syncengine.storage.state.shares import Shares
from syncengine.storage.state.waits import Waits

_SYNCING = (
    RunKind.SYNC,
    RunKind.BACKFILL,
    RunKind.RESYNC,
    RunKind.RETRY,
    RunKind.UNDO,
)
"""Kinds of runs that send changes to contacts."""
_READING_SOURCE = (*_SYNCING, RunKind.ADOPT)
"""Kinds of runs that look at every contact of the source."""


class NotStarted(Exception):
    """A session could not start at one destination: nothing was sent or written.

    The other destinations of its account are worked on all the same.
    """

    def __init__(self, reason: RunRefused | RunStopped) -> None:
        super().__init__(str(reason))
        self.reason = reason


@dataclass(slots=True)
class Ending:
    """End of the work at a destination, as far as it is known."""

    status: RunStatus = RunStatus.DONE
    error: str | None = None
    cause: SyncEngineError | None = None
    """The error that ended it, where one did."""

    @contextmanager
    def noted(self, destination: DestinationConfig) -> Iterator[None]:
        """Note a stop of the account instead of raising it."""
        try:
            yield
        except RunStopped:
            self.status = RunStatus.STOPPED
        except AccountStopped as stopped:
            self.status = RunStatus.HALTED
            self.error = stopped_by(stopped, destination)
            self.cause = stopped


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """The work of one verb at one destination, once its run has started."""

    destination: DestinationConfig
    account: LeasedAccount
    config: Config
    databases: Databases
    request: RunRequest
    recognised: Recognised
    run_id: int
    contacts: Contacts
    batches: Batches
    live: LiveRun
    inspected: Source | None
    """The source; None for a verb that does not look at every contact."""
    others: Beside | None
    """The rest of the account; None for a verb that does not send what differs."""
    ending: Ending = field(default_factory=Ending)
    began: float = field(default_factory=time.monotonic)
    """Moment at which it started (``time.monotonic``)."""
    sent_before: int = 0
    """Requests that the account had sent for other destinations before."""

    @property
    def name(self) -> str:
        return self.destination.name

    @property
    def fence(self) -> Fence:
        return self.account.fence

    @property
    def source(self) -> Source:
        """Return the source of a verb that looks at every contact."""
        assert self.inspected is not None, "only some kinds of runs read the source"
        return self.inspected

    @property
    def has_numbers(self) -> bool:
        """Return whether the contact ids are integers."""
        return self.inspected is not None and self.inspected.kind is KeyKind.NUMBER

    @property
    def requests(self) -> int:
        """Return the number of requests that were sent so far."""
        return self.account.pacing.requests - self.sent_before

    @property
    def seconds(self) -> float:
        """Return the time since the session started."""
        return time.monotonic() - self.began

    @property
    def is_stopping(self) -> bool:
        """Return whether somebody asked for a stop of the whole call."""
        return self.account.stopping.requested.is_set()

    async def finish(self, totals: Json) -> None:
        """Record how the run ended, with the totals of its report."""
        ending = self.ending
        await self.live.end()
        await finish_run(self.fence, self.run_id, ending.status, totals, ending.error)


@asynccontextmanager
async def session(
    destination: DestinationConfig,
    account: LeasedAccount,
    config: Config,
    databases: Databases,
    kind: RunKind | None,
    *,
    request: RunRequest | None = None,
    progress: Progress | None = None,
) -> AsyncIterator[Session]:
    """Start a run of this kind; the block does its work and calls ``finish``.

    A verb that is no run (``kind`` None) gets a session that records nothing.

    Raises NotStarted where the destination is not what is remembered of it, where its
    source cannot be read, or where somebody asked for a stop. An error in the block
    ends the whole account; the next run of the destination then ends this one.
    """
    request = request or RunRequest()
    opening = _Opening(destination, account, config, databases)
    try:
        if kind in _READING_SOURCE:
            # The source may be slow: a stop must not wait for it.
            async with broken_off_by(account.stopping.requested):
                prepared = await opening.prepare(kind, request)
        else:
            prepared = await opening.prepare(kind, request)
    except (RunRefused, RunStopped) as error:
        raise NotStarted(error) from error
    # Errors from here on are not of this destination alone: the database or the lease
    # is lost. They are not turned into NotStarted, and end the account.
    started = await opening.start(prepared, progress or NoProgress())
    async with started.live.watched():
        yield started


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A destination that was recognised, so that its run may start."""

    kind: RunKind | None
    request: RunRequest
    recognised: Recognised
    source: Source | None

    @property
    def is_sync(self) -> bool:
        return self.kind in _SYNCING


@dataclass(frozen=True, slots=True)
class _Opening:
    """The two steps before a verb's own work: prepare, and start."""

    destination: DestinationConfig
    account: LeasedAccount
    config: Config
    databases: Databases
    began: float = field(default_factory=time.monotonic)

    async def prepare(self, kind: RunKind | None, request: RunRequest) -> _Prepared:
        """Recognise the destination. Raises RunRefused.

        Nothing is written: where a person has to decide, nothing has happened yet.
        """
        destination, databases = self.destination, self.databases
        where = destination, self.config, databases
        recognised = await refuse_changes(*where, request)
        if request.plan is not None:
            await refuse_other_basis(destination, recognised, request.plan)
        if kind is RunKind.UNDO:
            refuse_unsure_undo(destination, recognised)
        elif kind in _SYNCING:
            recognised, request = resyncing(recognised, request)
            kind = request.kind
            await refuse_empty_state(destination, databases, request, recognised)
        if kind not in _READING_SOURCE:
            return _Prepared(kind, request, recognised, source=None)
        await refuse_new_name(*where, request)
        source = await inspect_source(destination, databases.source(destination))
        return _Prepared(kind, request, recognised, source)

    async def start(self, prepared: _Prepared, progress: Progress) -> Session:
        """Start the run. Raises StorageError, LeaseLost."""
        name, fence = self.destination.name, self.account.fence
        others: Beside | None = None
        if prepared.is_sync:
            # Before the run starts, which may move the account to a new name: after
            # that nothing tells any more which destinations were in the former one.
            others = await beside(self.destination, self.config, self.databases, fence)
            await self._accept(prepared.recognised)
        run_id = await self._start_run(prepared)
        source = prepared.source
        numbered = source is not None and source.kind is KeyKind.NUMBER
        # An erasure must not write down the values that it erases.
        keeps_changes = self.config.engine.keep_changes > 0
        if prepared.kind is RunKind.FORGET:
            keeps_changes = False
        contacts = Contacts(
            fence, name, run_id, numbered=numbered, keeps_changes=keeps_changes
        )
        return Session(
            destination=self.destination,
            account=self.account,
            config=self.config,
            databases=self.databases,
            request=prepared.request,
            recognised=prepared.recognised,
            run_id=run_id,
            contacts=contacts,
            batches=Batches(fence, run_id),
            live=LiveRun(
                name, run_id, fence, self.account.pacing, progress, prepared.kind
            ),
            inspected=source,
            others=others,
            began=self.began,
            sent_before=self.account.pacing.requests,
        )

    async def _accept(self, recognised: Recognised) -> None:
        """Record what was accepted with this run: a restored state, another key.

        First of all writes: after a crash right here the run is repeated with the same
        ``--accept``, which then is not needed any more and does no harm.
        """
        if restored := recognised.restored:
            only_here = None if restored.whole else self.destination.name
            await accept_restore(self.account.fence, restored.restores, only_here)
        if recognised.has_other_key:
            await recognise_people(self.databases)

    async def _start_run(self, prepared: _Prepared) -> int:
        kind, recognised = prepared.kind, prepared.recognised
        if kind is None:
            return NO_RUN
        fence, name = self.account.fence, self.destination.name
        if not prepared.is_sync:
            return await start_run(fence, name, recognised.at_start, kind)
        plan_id: str | None = None
        undo_of: int | None = None
        if prepared.request.plan is not None:
            plan_id = prepared.request.plan.plan_id
        if prepared.request.undo is not None:
            undo_of = prepared.request.undo.run_id
        return await start_run(
            fence,
            name,
            recognised.at_start,
            kind,
            retry_of=prepared.request.retry_of,
            plan_id=plan_id,
            undo_of=undo_of,
            whole=prepared.request.about_everybody,
            moving=recognised.moving,
            starting_anew=recognised.starting_anew,
            beside=self.account.beside,
        )


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads one destination's part of the state, without a lease and without a run.

    Runs may be under way meanwhile. A store that it returns refuses to write.
    """

    destination: DestinationConfig
    config: Config
    databases: Databases

    @property
    def fence(self) -> Fence:
        return NoLease(self.databases.state, self.destination.account)

    @property
    def contacts(self) -> Contacts:
        return Contacts(self.fence, self.destination.name, NO_RUN, numbered=False)

    @property
    def refusals(self) -> Refusals:
        return Refusals(self.fence, self.destination.name, NO_RUN)

    @property
    def shares(self) -> Shares:
        return Shares(self.fence)

    @property
    def waits(self) -> Waits:
        return Waits(self.fence, self.destination.name)

    async def others(self) -> Beside:
        """Return the rest of the destination's account. Raises StorageError."""
        return await beside(self.destination, self.config, self.databases, self.fence)


def status_of(error: SyncEngineError) -> RunStatus:
    """Return the status of a destination that this error ended."""
    match error:
        case LeaseHeld():
            return RunStatus.HELD
        case RunRefused():
            return RunStatus.REFUSED
        case RunStopped():
            return RunStatus.STOPPED
        case _:
            return RunStatus.HALTED
