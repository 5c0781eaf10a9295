"""What a process does for one destination: the engine composed as the application composes it, over other edges."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from syncengine.engine.contact import ContactSync
from syncengine.engine.dispatch import Dispatcher
from syncengine.engine.lease import LeaseKeeper
from syncengine.engine.pacing import Pacing
from syncengine.engine.prepare import Preparer
from syncengine.engine.recorder import Recorder
from syncengine.engine.retry import Retrier
from syncengine.engine.tally import Tally
from syncengine.engine.task import Task
from syncengine.model.limits import Limit
from syncengine.model.work import BatchKind, LeaseGrant
from syncengine.planning.match_keys import may_collide
from syncengine.ports import Vendor
from tests.memory.contacts import Contacts
from tests.memory.database import Database, Fence
from tests.memory.keys import Keys
from tests.memory.leases import Leases
from tests.memory.runs import Batches, finish_run, start_run
from tests.memory.source import Source, Table, diff
from tests.simulation.life import Life
from tests.simulation.network import TIMEOUT, Network, Wire

LEASE = 20.0
BATCH = 3


@dataclass(frozen=True)
class Settings:
    """What a destination's file says."""

    vendor: Vendor
    task: Task
    account: str
    limits: tuple[Limit, ...]


class Process:
    """One run. ``database``, ``table`` and ``network`` outlive it; all else is its own."""

    def __init__(
        self, settings: Settings, database: Database, table: Table, network: Network, life: Life, random: Random
    ) -> None:
        self.tally = Tally()
        self.run_id = 0
        self.requests = 0
        self.stopped: Exception | None = None
        self._settings = settings
        self._database = database
        self._table = table
        self._network = network
        self._life = life
        self._random = random

    async def run(self) -> None:
        """As ``app.accounts.held`` and what runs in it."""
        settings, now = self._settings, asyncio.get_running_loop().time
        settles_within = settings.vendor.capabilities.settles_within
        leases = Leases(self._database, self._life.hop)
        grant = await leases.acquire(settings.account, ttl=LEASE, settles_within=settles_within)
        asked = now()
        await leases.renew(grant)
        keeper = LeaseKeeper(leases, grant, asked, now)
        pacing = Pacing(
            settings.limits,
            in_flight=settings.task.in_flight,
            settles_within=settles_within,
            check=keeper.check,
            timeout=TIMEOUT,
            max_wait=settings.task.patience.max_wait,
        )
        async with keeper.kept(pacing.stop), pacing:
            await asyncio.sleep(grant.wait)
            _take_over(pacing, grant, now())
            await self._work(Fence(self._database, settings.account, grant.epoch, self._life.hop), pacing)
            keeper.check()
            await leases.release(grant, pacing.ledger.dump(now()))

    async def _work(self, fence: Fence, pacing: Pacing) -> None:
        """As ``app.destination_run``."""
        task, vendor = self._settings.task, self._settings.vendor
        self.run_id = await start_run(fence, task.destination)
        store = Contacts(fence, task.destination, self.run_id, numbered=False)
        keys = Keys(fence, task.destination, numbered=False) if may_collide(task.mapping, task.source_key) else None
        batches = Batches(fence, self.run_id)
        preparer = Preparer(task, vendor.capabilities, Source(self._table, self._life.hop), store, keys)
        await self._fill(batches, task.destination)
        await _claim(preparer, keys, batches)
        recorder = Recorder(store)
        async with recorder.running():
            retrier = Retrier(Wire(self._network, pacing, self._life), pacing, task.patience, self._random)
            stopping = _Stopping(pacing)
            await Dispatcher(
                preparer=preparer,
                contacts=ContactSync(task, vendor, retrier, store, recorder, stopping),
                batches=batches,
                recorder=recorder,
                tally=self.tally,
                workers=task.in_flight,
                stopping=stopping,
                stop=pacing.stop,
                advance=lambda _: None,
            ).run()
        self.requests, self.stopped = pacing.requests, pacing.stopped
        await finish_run(fence, self.run_id, "done")

    async def _fill(self, batches: Batches, destination: str) -> None:
        await self._life.hop("diff: asked")
        found, _ = diff(self._table, self._database, destination)
        await self._life.hop("diff: read")
        for piece in found:
            for ids in _chunks(piece.contact_ids):
                await batches.add(piece.kind, ids)


async def _claim(preparer: Preparer, keys: Keys | None, batches: Batches) -> None:
    if keys is None:
        return
    async for batch in batches.waiting():
        await preparer.claim(batch)
    freed = await keys.freed()
    if freed:
        await batches.add(BatchKind.CHANGES, freed)


def _take_over(pacing: Pacing, grant: LeaseGrant, now: float) -> None:
    if grant.ledger is None:
        pacing.ledger.fill(now)
    elif grant.ledger or grant.epoch > 1:
        pacing.ledger.restore(grant.ledger, grant.elapsed, now)


def _chunks(ids: Sequence[str]) -> list[Sequence[str]]:
    return [ids[start : start + BATCH] for start in range(0, len(ids), BATCH)]


class _Stopping(asyncio.Event):
    """Set when the account is to stop."""

    def __init__(self, pacing: Pacing) -> None:
        super().__init__()
        self._pacing = pacing

    def is_set(self) -> bool:
        return self._pacing.stopped is not None
