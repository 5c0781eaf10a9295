"""All that outlives a process: the source, the state, the vendor and the network; and the runs over it."""

from __future__ import annotations

import asyncio
import copy
from dataclasses import dataclass
from random import Random
from typing import Self

from syncengine.engine.task import Task
from syncengine.model.calls import OutcomeKind
from syncengine.model.limits import Limit
from syncengine.model.mapping import OnRemoved
from syncengine.model.work import Status
from syncengine.sandbox.limits import Limit as Strict
from syncengine.sandbox.twins.twin import Seed, Twin
from tests.memory.database import Database
from tests.memory.source import Row, Table
from tests.simulation.life import Life
from tests.simulation.network import Network
from tests.simulation.pair import Pair
from tests.simulation.process import Process, Settings

DESTINATION, ACCOUNT = "destination", "account"
EPOCH = 1_700_000_000.0
_LIMIT = Limit(calls=6, per=10.0)
STRICT = Strict(_LIMIT.calls, _LIMIT.per, "sliding")
_LONGEST = 7 * 86400.0


@dataclass(frozen=True)
class Ran:
    """How a run went."""

    run_id: int
    points: tuple[str, ...]
    """Where it waited."""
    died: bool
    requests: int
    outcomes: dict[str, str]
    """Contact to how it ended, where that is not ``applied``."""
    stopped: Exception | None


class World:
    """A deterministic one: the same seed and the same steps give the same history."""

    def __init__(self, pair: Pair, seed: int, on_removed: OnRemoved, twin: Twin | None = None) -> None:
        self.pair = pair
        self.random = Random(seed)
        self.started = EPOCH
        self.table = Table(pair.columns)
        self.database = Database(self.clock)
        self.twin = twin or pair.twin()
        self.twin.limiter.configure([STRICT])
        self.on_removed = on_removed
        self.faults = 0.0
        self._frozen = False
        self.strangers: dict[str, frozenset[str]] = {}
        """Contacts that were at the vendor before us, with the tags they had."""

    @property
    def task(self) -> Task:
        return Task(DESTINATION, self.pair.mapping, "id", self.on_removed, in_flight=3)

    def clock(self) -> float:
        return self.started if self._frozen else self.started + asyncio.get_running_loop().time()

    def freeze(self) -> Self:
        """Stop the clock: from now on the world is there to be copied."""
        self.started, self._frozen = self.clock(), True
        return self

    def copy(self, seed: int) -> World:
        """A frozen world once more, going on from here in a loop of its own, with a future of its own."""
        made = World(self.pair, seed, self.on_removed, copy.deepcopy(self.twin))
        made.started = self.started - asyncio.get_running_loop().time()
        made.table.rows = dict(self.table.rows)
        made.strangers = dict(self.strangers)
        tables = {name: copy.deepcopy(getattr(self.database, name)) for name in _TABLES}
        made.database = Database(made.clock, **tables)
        return made

    def put(self, contact_id: str, row: Row) -> None:
        self.table.rows[contact_id] = row

    def drop(self, contact_id: str) -> None:
        self.table.rows.pop(contact_id, None)

    def meet(self, row: Row, tags: frozenset[str]) -> None:
        """Let the vendor hold a contact with this row's match key before we do."""
        if self.pair.key is None:
            return
        fields = {name: row[name] for name in (self.pair.key, *self.pair.others)}
        self.twin.seed([Seed(fields, tuple(sorted(tags)))], self.clock())
        # Some vendors know no tags.
        self.strangers |= {str(each["id"]): frozenset(each["tags"]) for each in self.twin.contacts(self.clock())}

    async def run(self, *, dies_at: int | None = None) -> Ran:
        """A run in a process of its own, which dies at the given point, if it comes so far."""
        life = Life(Random(self.random.random()), dies_at=dies_at)
        network = Network(
            self.twin, self.clock, Random(self.random.random()), self.pair.can.settles_within, self.faults
        )
        life.on_death = network.abandon
        settings = Settings(self.pair.vendor, self.task, ACCOUNT, (_LIMIT,))
        process = Process(settings, self.database, self.table, network, life, Random(self.random.random()))
        async with asyncio.timeout(_LONGEST):
            await life.live(process.run())
        ended = {
            contact_id: outcome.kind.value
            for (run_id, contact_id), outcome in self.database.outcomes.items()
            if run_id == process.run_id and outcome.kind is not OutcomeKind.APPLIED
        }
        return Ran(process.run_id, tuple(life.points), life.dead, process.requests, ended, process.stopped)

    async def settle(self) -> None:
        """Let everything under way arrive."""
        await asyncio.sleep(self.pair.can.settles_within)

    def blamed(self) -> set[str]:
        """Contacts that something is held against."""
        return {
            contact_id
            for (_, contact_id), row in self.database.states.items()
            if row.rejections or row.status in (Status.REJECTED, Status.DEAD)
        }

    def external_ids(self) -> dict[str, str]:
        """Contact to its vendor contact, as written down."""
        return {
            contact_id: row.external_id
            for (_, contact_id), row in self.database.states.items()
            if row.external_id is not None
        }


_TABLES = ("leases", "accounts", "states", "known", "keys", "runs", "batches", "outcomes")
