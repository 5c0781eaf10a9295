"""All that outlives a process: the sources, the state, the vendor and the weather; and the runs over it."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from math import inf
from random import Random
from typing import Self

from syncengine.engine.task import Task
from syncengine.errors import AccountStopped, LeaseHeld, StorageError
from syncengine.model.calls import OutcomeKind
from syncengine.model.consent import Subject, SubjectKind
from syncengine.model.limits import Limit
from syncengine.model.mapping import OnRemoved
from syncengine.model.work import Status
from syncengine.ports import Allowed
from syncengine.sandbox.limits import Limit as Strict
from syncengine.sandbox.twins.twin import Seed, Twin
from tests.memory.database import Database
from tests.memory.source import Row, Table
from tests.simulation.life import SLOWEST, Life, Point
from tests.simulation.network import Network, Weather
from tests.simulation.pair import Pair
from tests.simulation.process import Process, Settings

ACCOUNT = "account"
DESTINATIONS = ("one", "two")
"""Both in one account."""
EPOCH = 1_700_000_000.0
_BRISK = (Limit(calls=6, per=10.0),)
_TIGHT = (*_BRISK, Limit(calls=10, per=120.0))
LONGEST_WINDOW = max(limit.per for limit in _TIGHT)
"""Seconds."""
_LONGEST = 7 * 86400.0


@dataclass(frozen=True)
class Ran:
    """How a run went."""

    points: tuple[str, ...]
    """Where it waited."""
    died: bool
    requests: int
    fates: Mapping[str, int]
    """What happened to its requests, and how often."""
    outcomes: Mapping[str, str]
    """Contact to how it ended, where that is not ``applied``."""
    stopped: BaseException | None

    @property
    def held(self) -> bool:
        """Whether another run had the account."""
        return isinstance(self.stopped, LeaseHeld)


class World:
    """A deterministic one: the same seed and the same steps give the same history."""

    def __init__(
        self, pair: Pair, seed: int, on_removed: OnRemoved, destinations: int = 1, twin: Twin | None = None
    ) -> None:
        self.pair = pair
        self.random = Random(seed)
        self.on_removed = on_removed
        self.destinations = DESTINATIONS[:destinations]
        self.find_first = True
        self.tables = {name: Table(pair.columns) for name in self.destinations}
        self.twin = twin or pair.twin()
        self.limits: tuple[Limit, ...] = ()
        """Kept by the engine, and strictly by the vendor."""
        self.limit(tight=False)
        self.database = Database(self.clock_of_database)
        self.weather = Weather()
        self.still_until = 0.0
        """The loop's time until which no statement comes through to the database."""
        self.jumped = 0.0
        """Seconds the database's clock is ahead."""
        self.strangers: dict[str, frozenset[str]] = {}
        """Contacts that were at the vendor before us, with the tags they had."""
        self.suppressed: dict[str, float] = {}
        """Contact to the loop's time since when nothing may be sent about it."""
        self.in_doubt: set[str] = set()
        """Tags that creates without an outcome may have carried."""
        self.wrong: list[str] = []
        """What must never happen, and did."""
        self._epoch = 0
        self._started, self._frozen = EPOCH, False

    def clock(self) -> float:
        """The true time, by which the vendor goes."""
        return self._started if self._frozen else self._started + asyncio.get_running_loop().time()

    def clock_of_database(self) -> float:
        return self.clock() + self.jumped

    def limit(self, *, tight: bool) -> None:
        """Let the vendor count from now on, by one limit or by two."""
        self.limits = _TIGHT if tight else _BRISK
        self.twin.limiter.reset()
        self.twin.limiter.configure(self.strict)

    @property
    def strict(self) -> tuple[Strict, ...]:
        return tuple(Strict(limit.calls, limit.per, "sliding") for limit in self.limits)

    def freeze(self) -> Self:
        """Stop the clock: from now on the world is there to be copied."""
        self._started, self._frozen = self.clock(), True
        return self

    def copy(self, seed: int) -> World:
        """A frozen world once more, going on from here in a loop of its own, with a future of its own."""
        made = World(self.pair, seed, self.on_removed, len(self.destinations), copy.deepcopy(self.twin))
        made._started = self._started - asyncio.get_running_loop().time()
        for name, table in self.tables.items():
            made.tables[name].rows = dict(table.rows)
        made.strangers = dict(self.strangers)
        for name in _TABLES:
            setattr(made.database, name, copy.deepcopy(getattr(self.database, name)))
        made._epoch = self._epoch
        return made

    def meet(self, row: Row, tags: frozenset[str]) -> None:
        """Let the vendor hold a contact with this row's match key before we do."""
        if self.pair.key is None:
            return
        fields = {name: row[name] for name in (self.pair.key, *self.pair.others)}
        self.twin.seed([Seed(fields, tuple(sorted(tags)))], self.clock())
        # Some vendors know no tags.
        self.strangers |= {str(each["id"]): frozenset(each["tags"]) for each in self.twin.contacts(self.clock())}

    async def run(self, *, dies_at: Point = 0, events: Mapping[int, Callable[[Life], None]] | None = None) -> Ran:
        """A run in a process of its own, which dies at the given point, if it comes so far."""
        life = Life(Random(self.random.random()), dies_at=dies_at, events=events, still=self._still)
        network = Network(
            self.twin, self.clock, Random(self.random.random()), self.weather, self.pair.vendor.capabilities
        )
        life.on_death = network.abandon
        tasks = tuple(
            Task(name, self.pair.mapping, "id", self.on_removed, find_first=self.find_first, in_flight=3)
            for name in self.destinations
        )
        settings = Settings(self.pair.vendor, tasks, ACCOUNT, self.limits)
        process = Process(
            settings, self.database, self.tables, network, life, Random(self.random.random()), self._sends
        )
        stopped = await self._lived(life, process)
        self.in_doubt |= {
            tag for row in self.database.known.values() if row.pending and row.pending.creates
            for tag in row.pending.add_tags
        }  # fmt: skip
        if network.lost:
            self.in_doubt |= {tag for row in self.rows().values() for tag in row["tags"]}
        ended = {
            contact_id: outcome.kind.value
            for (run_id, contact_id), outcome in self.database.outcomes.items()
            if run_id in process.run_ids and outcome.kind is not OutcomeKind.APPLIED
        }
        fates = {fate.value: number for fate, number in network.fates.items()}
        if isinstance(stopped, LeaseHeld) and network.fates:
            self.wrong.append("a run that was refused the account sent requests")
        return Ran(tuple(life.points), life.dead, process.requests, fates, ended, stopped)

    async def _lived(self, life: Life, process: Process) -> BaseException | None:
        """Let it live; why it did not come to its end. What is no error of ours is raised."""
        stopped: BaseException | None = None
        try:
            async with asyncio.timeout(_LONGEST):
                await life.live(process.run())
        except* (LeaseHeld, AccountStopped, StorageError) as errors:
            stopped = next(_leaves(errors))
        return stopped or process.stopped

    def _still(self) -> float:
        return self.still_until - asyncio.get_running_loop().time()

    def suppress(self, contact_id: str) -> None:
        """Commit that nothing may be sent about a contact any more."""
        if contact_id not in self.suppressed and self._still() <= 0:
            self.suppressed[contact_id] = asyncio.get_running_loop().time()
            self.database.suppressed[Subject(SubjectKind.CONTACT, contact_id).text] = "suppressed"

    def _sends(self, epoch: int, allowed: Allowed | None) -> None:
        """A process that took the account in this epoch lets a request out."""
        contact_id = allowed.args[0] if isinstance(allowed, partial) else ""
        since = asyncio.get_running_loop().time() - self.suppressed.get(contact_id, inf)
        if since > SLOWEST:  # the database's answer may have been on its way
            self.wrong.append(f"a request about {contact_id} {since:.1f} s after it was suppressed")
        if epoch < self._epoch:
            self.wrong.append("a run sent a request after another one had taken the account over and sent some")
        self._epoch = max(self._epoch, epoch)

    async def settle(self) -> None:
        """Let everything under way arrive."""
        await asyncio.sleep(self.pair.can.settles_within)

    def rows(self) -> Mapping[str, Row]:
        """What all sources ask for, by contact."""
        return {contact_id: row for table in self.tables.values() for contact_id, row in table.rows.items()}

    def blamed(self) -> set[str]:
        """Contacts that something is held against. Nobody judges again about whom nothing is sent."""
        return {
            contact_id
            for (_, contact_id), row in self.database.states.items()
            if (row.rejections or row.status in (Status.REJECTED, Status.DEAD)) and contact_id not in self.suppressed
        }

    def external_ids(self) -> dict[str, str]:
        """Contact to its vendor contact, as written down."""
        return {
            contact_id: row.external_id
            for (_, contact_id), row in self.database.states.items()
            if row.external_id is not None
        }


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _leaves(each)
    else:
        yield error


_TABLES = (
    "leases",
    "accounts",
    "states",
    "known",
    "keys",
    "runs",
    "last_runs",
    "batches",
    "outcomes",
    "waits",
    "suppressed",
)
