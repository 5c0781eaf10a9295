"""One process's work: the engine put together as the application does it.

Only the edges differ: stores in memory, a simulated network, and virtual time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from random import Random

from syncengine.engine.consent import Consent
from syncengine.engine.contact import ContactSync
from syncengine.engine.dispatch import Dispatcher
from syncengine.engine.lease import LeaseKeeper
from syncengine.engine.neighbours import Neighbours
from syncengine.engine.pacing import Pacing
from syncengine.engine.prepare import Preparer
from syncengine.engine.recorder import Recorder
from syncengine.engine.refusal_groups import RefusalGroups, choose
from syncengine.engine.retry import Retrier
from syncengine.engine.tally import Tally
from syncengine.engine.task import Task
from syncengine.engine.undoing import UndoPreparer
from syncengine.engine.waiting import Waiting
from syncengine.model.capabilities import Capabilities
from syncengine.model.limits import Limit
from syncengine.model.mapping import Mapping as DestinationMapping
from syncengine.model.undo import UndoScope
from syncengine.model.work import (
    BatchKind,
    LeaseGrant,
    RefusalGroup,
    SourceRow,
    Status,
)
from syncengine.planning.match_keys import may_collide
from syncengine.planning.waves import contacts_at_once, largest_wave
from syncengine.ports import SendCheck, Vendor
from syncengine.storage.state.contacts import MOVED
from tests.simulation.life import Life
from tests.simulation.network import TIMEOUT, Network, Wire
from tests.simulation.wave_log import WatchedCrowd, WaveLog
from tests.support.memory.contacts import Contacts
from tests.support.memory.database import Database, Fence
from tests.support.memory.keys import Keys
from tests.support.memory.leases import Leases
from tests.support.memory.past_changes import PastChanges
from tests.support.memory.refusals import Refusals
from tests.support.memory.runs import Batches, finish_run, start_run
from tests.support.memory.shares import Shares
from tests.support.memory.source import Source, Table, diff
from tests.support.memory.waits import Waits

LEASE = 20.0
BATCH = 3


@dataclass(frozen=True)
class AccountSettings:
    """The settings in the files of an account's destinations."""

    vendor: Vendor
    tasks: tuple[Task, ...]
    account: str
    limits: tuple[Limit, ...]


class Process:
    """One run of an account's destinations.

    All that it is given outlives it, except its ``life``.
    """

    def __init__(
        self,
        settings: AccountSettings,
        database: Database,
        tables: Mapping[str, Table],
        network: Network,
        life: Life,
        random: Random,
        sends: Callable[[int, SendCheck | None, bool], None],
        undo: UndoScope | None = None,
    ) -> None:
        self.run_ids: list[int] = []
        self.requests = 0
        self.stopped: Exception | None = None
        self.waves = WaveLog(largest_wave(settings.vendor.capabilities))
        self._settings = settings
        self._database = database
        self._tables = tables
        self._network = network
        self._life = life
        self._random = random
        self._sends = sends
        self._undo = undo

    async def run(self) -> None:
        """Do what ``app.accounts.leased_account`` and the work in it do."""
        settings, now = self._settings, asyncio.get_running_loop().time
        settles_within = settings.vendor.capabilities.settles_within
        in_flight = min(task.in_flight for task in settings.tasks)
        leases = Leases(self._database, self._life.hop)
        grant = await leases.acquire(
            settings.account, ttl=LEASE, settles_within=settles_within
        )
        asked = now()
        await leases.renew(grant)
        keeper = LeaseKeeper(leases, grant, asked, now)
        pacing = Pacing(
            settings.limits,
            in_flight=in_flight,
            settles_within=settles_within,
            check=keeper.check,
            timeout=TIMEOUT,
            max_wait=settings.tasks[0].retry_policy.max_wait,
        )
        try:
            async with keeper.kept(pacing.stop), pacing:
                await _take_over(pacing, grant)
                fence = Fence(
                    self._database, settings.account, grant.epoch, self._life.hop
                )
                wire = Wire(
                    self._network,
                    pacing,
                    self._life,
                    partial(self._sends, grant.epoch),
                    self.waves,
                )
                for task in self._tasks():
                    await self._work(task, fence, pacing, wire)
                    self.stopped = pacing.stopped
                keeper.check()
                await leases.release(grant, pacing.ledger.dump(now()))
        finally:
            self.requests = pacing.requests

    async def _work(self, task: Task, fence: Fence, pacing: Pacing, wire: Wire) -> None:
        """Do what ``app.destination_run`` does."""
        vendor, table = self._settings.vendor, self._tables[task.destination]
        undo = self._undo
        run_id = await start_run(
            fence, task.destination, None if undo is None else undo.run_id
        )
        self.run_ids.append(run_id)
        store = Contacts(fence, task.destination, run_id, numbered=False)
        keys = (
            Keys(fence, task.destination, numbered=False)
            if may_collide(task.mapping, task.source_key)
            else None
        )
        batches = Batches(fence, run_id)
        source = Source(table, self._life.hop)
        neighbours = self._neighbours(task, fence)
        preparer = Preparer(task, vendor.capabilities, source, store, keys, neighbours)
        refusals = Refusals(fence, task.destination, run_id)
        groups: Sequence[RefusalGroup] = ()
        if undo is None:
            groups = await refusals.groups()
        else:
            preparer = UndoPreparer(
                task,
                vendor,
                source,
                store,
                keys,
                neighbours,
                PastChanges(fence, task.destination),
                undo,
            )
        refusal_groups = RefusalGroups(
            refusals, batches, preparer, groups, brings_back=undo is None
        )
        await refusal_groups.add(await choose(groups, refusals, preparer))
        await self._fill(batches, table, task.destination)
        await preparer.look_ahead(batches.waiting())
        waiting = Waiting(
            task.destination,
            Waits(fence, task.destination),
            brings_back=undo is None,
        )
        await _claim(preparer, keys, batches, frees=undo is None)
        if undo is None:
            await _bring_back(await waiting.moved(), batches)
        recorder = Recorder(store)
        async with recorder.running():
            retrier = Retrier(wire, pacing, task.retry_policy, self._random)
            stopping = _Stopping(pacing, self._life)
            at_once = contacts_at_once(task.in_flight, vendor.capabilities)
            crowd = self.waves.crowd = WatchedCrowd(at_once, self._life)
            await Dispatcher(
                preparer=preparer,
                contacts=ContactSync(
                    task,
                    vendor,
                    retrier,
                    store,
                    recorder,
                    stopping,
                    Consent(store, source, task.mapping),
                    crowd,
                ),
                batches=batches,
                recorder=recorder,
                tally=Tally(),
                crowd=crowd,
                stopping=stopping,
                stop=pacing.stop,
                advance=lambda _: None,
                unsettled=pacing.unsettled,
                waiting=waiting,
                recreations=partial(_recreations, task, store),
                refusal_groups=refusal_groups,
            ).run()
        await finish_run(fence, run_id, "done")

    def _neighbours(self, task: Task, fence: Fence) -> Neighbours | None:
        """Do what ``app.neighbours`` does."""
        others = [each for each in self._settings.tasks if each is not task]
        if not others:
            return None
        capabilities = self._settings.vendor.capabilities
        found = [
            _OtherDestination(
                each,
                capabilities,
                self._tables[each.destination],
                self._database,
                self._life,
            )
            for each in others
        ]
        return Neighbours(task.destination, found, Shares(fence))

    def _tasks(self) -> Sequence[Task]:
        """Return the tasks of the destinations that the run is about."""
        tasks, undo = self._settings.tasks, self._undo
        if undo is None:
            return tasks
        destination = self._database.destinations.get(undo.run_id)
        return [
            replace(each, recreates=False)
            for each in tasks
            if each.destination == destination
        ]

    async def _fill_undo(self, batches: Batches, undo: UndoScope) -> None:
        await self._life.hop("changes: asked")
        changed = sorted(
            contact_id
            for run_id, contact_id in self._database.changes
            if run_id == undo.run_id
        )
        await self._life.hop("changes: read")
        for ids in _chunks(changed):
            await batches.add(BatchKind.CHANGES, ids)

    async def _fill(self, batches: Batches, table: Table, destination: str) -> None:
        if self._undo is not None:
            await self._fill_undo(batches, self._undo)
            return
        await self._life.hop("diff: asked")
        found, _ = diff(table, self._database, destination)
        await self._life.hop("diff: read")
        moved = [
            contact_id
            for (place, contact_id), row in self._database.states.items()
            if place == destination
            and (row.status, row.code) == (Status.REMOVED, MOVED)
            and row.external_id is not None
        ]
        for ids in _chunks(moved):
            await batches.add(BatchKind.REMOVALS, ids)
        for piece in found:
            for ids in _chunks(piece.contact_ids):
                await batches.add(piece.kind, ids)


async def _recreations(task: Task, store: Contacts) -> Sequence[str]:
    return await store.gone(all_of_them=True) if task.recreates else ()


class _OtherDestination:
    """Another destination of the account (``engine.neighbours.Neighbour``)."""

    def __init__(
        self,
        task: Task,
        capabilities: Capabilities,
        table: Table,
        database: Database,
        life: Life,
    ) -> None:
        self.name = task.destination
        self.mapping: DestinationMapping = task.mapping
        self.capabilities: Capabilities = capabilities
        self._table = table
        self._database = database
        self._life = life

    async def load(self, contact_ids: Sequence[str]) -> Sequence[SourceRow]:
        return await Source(self._table, self._life.hop).load(contact_ids)

    async def differing(self) -> AsyncIterator[Sequence[str]]:
        await self._life.hop("diff beside: asked")
        found, _ = diff(self._table, self._database, self.name)
        for piece in found:
            if piece.kind is BatchKind.CHANGES:
                yield piece.contact_ids


async def _claim(
    preparer: Preparer, keys: Keys | None, batches: Batches, *, frees: bool
) -> None:
    if keys is None:
        return
    async for batch in batches.waiting():
        await preparer.claim(batch)
    if frees:
        await _bring_back(await keys.freed(), batches)


async def _bring_back(contact_ids: Sequence[str], batches: Batches) -> None:
    freed = set(contact_ids)
    async for batch in batches.waiting():
        freed -= set(batch.contact_ids)
    if freed:
        await batches.add(BatchKind.CHANGES, sorted(freed))


async def _take_over(pacing: Pacing, grant: LeaseGrant) -> None:
    if grant.ledger is None:
        pacing.ledger.fill(pacing.now() + grant.wait)
    elif grant.ledger or grant.epoch > 1:
        pacing.ledger.restore(grant.ledger, grant.elapsed, pacing.now())
    await asyncio.sleep(pacing.unsettled())


def _chunks(ids: Sequence[str]) -> list[Sequence[str]]:
    return [ids[start : start + BATCH] for start in range(0, len(ids), BATCH)]


class _Stopping:
    """The request to stop: of the process, or of the account."""

    def __init__(self, pacing: Pacing, life: Life) -> None:
        self._pacing = pacing
        self._life = life

    def is_set(self) -> bool:
        return self._life.stop_requested or self._pacing.stopped is not None

    async def wait(self) -> None:
        """Wait for ever: every wait of a process is cut off by its end."""
        await asyncio.Event().wait()
