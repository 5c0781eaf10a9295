"""All that outlives a process: the sources, the state, the vendor and the weather; and the runs over it."""

from __future__ import annotations

import asyncio
import copy
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from math import inf
from random import Random
from typing import Self

from syncengine.engine.task import Task
from syncengine.errors import AccountStopped, LeaseHeld, StorageError
from syncengine.model.calls import OutcomeKind
from syncengine.model.consent import Subject, SubjectKind
from syncengine.model.http import Json, Request
from syncengine.model.limits import Limit
from syncengine.model.mapping import OnRemoved
from syncengine.model.work import Status
from syncengine.ports import SendCheck
from syncengine.sandbox.limits import TwinLimit
from syncengine.sandbox.twins.screen import Screen
from syncengine.sandbox.twins.twin import Seed, Twin
from tests.simulation.life import SLOWEST, Life, Point
from tests.simulation.manual_edits import (
    Act,
    ManualEdits,
    delete,
    is_there,
    merge,
    recreate,
)
from tests.simulation.network import Network, Weather
from tests.simulation.pair import DesiredRow, Flaw, Pair
from tests.simulation.process import AccountSettings, Process
from tests.support.memory.database import Database, StateRow
from tests.support.memory.source import Row, Table

ACCOUNT = "account"
DESTINATIONS = ("one", "two")
"""Both in one account."""
EPOCH = 1_700_000_000.0
_BRISK = (Limit(calls=6, per=10.0),)
_TIGHT = (*_BRISK, Limit(calls=10, per=120.0))
LONGEST_WINDOW = max(limit.per for limit in _TIGHT)
"""Seconds."""
_LONGEST = 7 * 86400.0
_ANSWERING = 3 * SLOWEST
"""Seconds: the row is read, and then the suppressions; both answers may be on their way."""


@dataclass(frozen=True)
class RunResult:
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
    messages: Mapping[str, str] = field(default_factory=dict)
    """What was said of these contacts."""
    of_probes: int = 0
    """Requests for those that were tried for others that are refused alike, and were refused as before."""

    @property
    def is_quiet(self) -> bool:
        """Whether it came to its end and had nothing to do but to try whether others are still refused."""
        return not (
            self.died or self.requests - self.of_probes or self.outcomes or self.stopped
        )

    @property
    def held(self) -> bool:
        """Whether another run had the account."""
        return isinstance(self.stopped, LeaseHeld)


class World:
    """A deterministic one: the same seed and the same steps give the same history."""

    def __init__(
        self,
        pair: Pair,
        seed: int,
        on_removed: OnRemoved,
        destinations: int = 1,
        twin: Twin | None = None,
    ) -> None:
        self.pair = pair
        self.random = Random(seed)
        self.on_removed = on_removed
        self.destinations = DESTINATIONS[:destinations]
        self.find_first = True
        self.tables = {name: Table(pair.mapping.columns) for name in self.destinations}
        self.twin = twin or pair.twin()
        self.limits: tuple[Limit, ...] = ()
        """Kept by the engine, and strictly by the vendor."""
        self.limit(tight=False)
        self.database = Database(self.clock_of_database)
        self.weather = Weather()
        self.misdirected = Counter[str]()
        """The vendor's contacts, and how often an answer about one named another."""
        self.database_stalled_until = 0.0
        """The loop's time until which no statement comes through to the database."""
        self.clock_offset = 0.0
        """Seconds the database's clock is ahead."""
        self.recreates = False
        """Whether contacts deleted at the vendor are created again."""
        self.manual_edits = ManualEdits()
        self.last_sent: dict[str, float] = {}
        """Contact to the loop's time when the last write about it went out."""
        self.strangers: dict[str, frozenset[str]] = {}
        """Contacts that were at the vendor before us, with the tags they had."""
        self.desired_rows: Mapping[str, DesiredRow] = {}
        """What the sources hold, by contact."""
        self.suppressed: dict[str, float] = {}
        """Contact to the loop's time since when nothing may be sent about it."""
        self.opted_out: dict[str, float] = {}
        """The same where the contact's own row says so."""
        self.removed_since: dict[str, float] = {}
        """Contact to the loop's time since when no source has its row."""
        self.askers: dict[int, set[str]] = {}
        """The contacts that ever asked for a match key."""
        self.places: dict[str, set[tuple[bool, int]]] = {}
        """Contact to where it was, and by which match key."""
        self.initial_external_ids: dict[str, str] = {}
        """The vendor contacts that contacts had at the beginning."""
        self.ever_removed: set[str] = set()
        """Contacts that no source selected for a while."""
        self.unknown_tags: set[str] = set()
        """Tags that creates without an outcome may have carried."""
        self.violations: list[str] = []
        """What must never happen, and did."""
        self._epoch = 0
        self._started, self._frozen = EPOCH, False

    def clock(self) -> float:
        """The true time, by which the vendor goes."""
        return (
            self._started
            if self._frozen
            else self._started + asyncio.get_running_loop().time()
        )

    def clock_of_database(self) -> float:
        return self.clock() + self.clock_offset

    def limit(self, *, tight: bool) -> None:
        """Let the vendor count from now on, by one limit or by two."""
        self.limits = _TIGHT if tight else _BRISK
        self.twin.limiter.reset()
        self.twin.limiter.configure(self.strict)

    @property
    def strict(self) -> tuple[TwinLimit, ...]:
        return tuple(
            TwinLimit(limit.calls, limit.per, "sliding") for limit in self.limits
        )

    def freeze(self) -> Self:
        """Stop the clock: from now on the world is there to be copied."""
        self._started, self._frozen = self.clock(), True
        return self

    def copy(self, seed: int) -> World:
        """A frozen world once more, going on from here in a loop of its own, with a future of its own."""
        made = World(
            self.pair,
            seed,
            self.on_removed,
            len(self.destinations),
            copy.deepcopy(self.twin),
        )
        made._started = self._started - asyncio.get_running_loop().time()
        for name, table in self.tables.items():
            made.tables[name].rows = dict(table.rows)
        made.strangers = dict(self.strangers)
        made.places = {contact: set(places) for contact, places in self.places.items()}
        made.askers = {key: set(contacts) for key, contacts in self.askers.items()}
        for name in _TABLES:
            setattr(made.database, name, copy.deepcopy(getattr(self.database, name)))
        made._epoch = self._epoch
        made.initial_external_ids = made.external_ids()
        return made

    def add_stranger(self, contact: int, key: int, tags: frozenset[str]) -> None:
        """Let somebody else make a contact with this match key, where the vendor lets more than one have it."""
        name = self.pair.key
        if name is None:
            return
        row = self.pair.row(contact, key, (), ())
        held = [each["fields"].get(name) for each in self.twin.contacts(self.clock())]
        if self.pair.one_each and any(
            self.pair.vendor.same(name, row[name], each) for each in held
        ):
            return
        fields = {field: row[field] for field in (name, *self.pair.others)}
        (made,) = self.twin.seed([Seed(fields, tuple(sorted(tags)))], self.clock())
        # Some vendors know no tags.
        here = {
            str(each["id"]): frozenset(each["tags"])
            for each in self.twin.contacts(self.clock())
        }
        self.strangers[made] = here[made]

    def act(self, act: Act, contact_id: str, contact: int) -> None:
        """Let a person do something to a contact's copy, where there is one."""
        external_id = self.external_ids().get(contact_id)
        if external_id is None or not is_there(self.twin, external_id, self.clock()):
            return
        screen, now = self.twin.screen(self.clock()), asyncio.get_running_loop().time()
        match act:
            case Act.DELETES:
                delete(screen, self.manual_edits, external_id, now)
            case Act.RECREATES:
                made = recreate(screen, self.manual_edits, external_id, now)
                self.strangers[made] = self._tags_of(made)
            case Act.MERGES | Act.ABSORBS:
                self._merge(screen, contact_id, external_id, swapped=act is Act.ABSORBS)
            case Act.MERGES_STRANGER:
                self.add_stranger(contact, 60 + contact, frozenset({"x"}))
                stranger = next(reversed(self.strangers), None)
                if stranger is not None and is_there(self.twin, stranger, self.clock()):
                    left = merge(
                        screen,
                        self.manual_edits,
                        stranger,
                        external_id,
                        {contact_id},
                        now,
                    )
                    self.strangers[left] = self._tags_of(left) & {"x"}

    def _merge(
        self, screen: Screen, contact_id: str, external_id: str, *, swapped: bool
    ) -> None:
        """Merge a contact with the first other one of ours."""
        for other, other_id in sorted(self.external_ids().items()):
            if other != contact_id and is_there(self.twin, other_id, self.clock()):
                both = (external_id, other_id) if swapped else (other_id, external_id)
                left = merge(
                    screen,
                    self.manual_edits,
                    *both,
                    {contact_id, other},
                    asyncio.get_running_loop().time(),
                )
                self.manual_edits.mixed[left] = self._tags_of(left)
                return

    def _tags_of(self, external_id: str) -> frozenset[str]:
        tags = {
            str(each["id"]): frozenset(each["tags"])
            for each in self.twin.contacts(self.clock())
        }
        return tags.get(external_id, frozenset())

    async def run(
        self,
        *,
        dies_at: Point = 0,
        events: Mapping[int, Callable[[Life], None]] | None = None,
    ) -> RunResult:
        """A run in a process of its own, which dies at the given point, if it comes so far."""
        life = Life(
            Random(self.random.random()),
            dies_at=dies_at,
            events=events,
            still=self._remaining_stall,
        )
        network = Network(
            self.twin,
            self.clock,
            Random(self.random.random()),
            self.weather,
            self.pair.capabilities,
            self.refuses,
            self.misdirected,
        )
        life.on_death = network.abandon
        tasks = tuple(
            Task(
                name,
                self.pair.mapping,
                "id",
                self.on_removed,
                find_first=self.find_first,
                recreates=self.recreates,
                in_flight=3,
            )
            for name in self.destinations
        )
        settings = AccountSettings(self.pair.vendor, tasks, ACCOUNT, self.limits)
        process = Process(
            settings,
            self.database,
            self.tables,
            network,
            life,
            Random(self.random.random()),
            self._sends,
        )
        gone, there = self._gone(), self._ids_there()
        stopped = await self._lived(life, process)
        if not self.recreates:
            made = (
                self._ids_there() - there - self.manual_edits.made - set(self.strangers)
            )
            again = [
                place
                for place in sorted(gone)
                if self.database.states[place].external_id in made
            ]
            self.violations += [
                f"{contact_id} was gone, and was created again unasked"
                for _, contact_id in again
            ]
        self.unknown_tags |= {
            tag for row in self.database.known.values() if row.pending and row.pending.creates
            for tag in row.pending.add_tags
        }  # fmt: skip
        if network.lost:
            self.unknown_tags |= {
                tag for row in self.rows().values() for tag in row["tags"]
            }
        short = {
            contact_id: outcome
            for (run_id, contact_id), outcome in self.database.outcomes.items()
            if run_id in process.run_ids
            and outcome.kind not in (OutcomeKind.APPLIED, OutcomeKind.PROBED)
        }
        of_probes = sum(
            outcome.requests
            for (run_id, _), outcome in self.database.outcomes.items()
            if run_id in process.run_ids and outcome.kind is OutcomeKind.PROBED
        )
        ended = {
            contact_id: outcome.kind.value for contact_id, outcome in short.items()
        }
        messages = {
            contact_id: outcome.message for contact_id, outcome in short.items()
        }
        fates = {fate.value: number for fate, number in network.fates.items()}
        if isinstance(stopped, LeaseHeld) and network.fates:
            self.violations.append("a run that was refused the account sent requests")
        return RunResult(
            tuple(life.points),
            life.dead,
            process.requests,
            fates,
            ended,
            stopped,
            messages,
            of_probes,
        )

    async def _lived(self, life: Life, process: Process) -> BaseException | None:
        """Let it live; why it did not come to its end. What is no error of ours is raised."""
        stopped: BaseException | None = None
        try:
            async with asyncio.timeout(_LONGEST):
                await life.live(process.run())
        except* (LeaseHeld, AccountStopped, StorageError) as errors:
            stopped = next(_leaves(errors))
        return stopped or process.stopped

    def _gone(self) -> set[tuple[str, str]]:
        return {
            place
            for place, row in self.database.states.items()
            if row.status is Status.GONE
        }

    def _ids_there(self) -> set[str]:
        return {str(each["id"]) for each in self.twin.contacts(self.clock())}

    def _remaining_stall(self) -> float:
        return self.database_stalled_until - asyncio.get_running_loop().time()

    def suppress(self, contact_id: str) -> None:
        """Commit that nothing may be sent about a contact any more."""
        if contact_id not in self.suppressed and self._remaining_stall() <= 0:
            self.suppressed[contact_id] = asyncio.get_running_loop().time()
            self.database.suppressed[_named(contact_id)] = "suppressed"

    def lift(self, contact_id: str) -> None:
        """Take a suppression back, as the verb does: whoever was passed over is looked at once more."""
        if self.suppressed.pop(contact_id, None) is None:
            return
        del self.database.suppressed[_named(contact_id)]
        for row in self.database.states.values():
            if row.status is Status.SUPPRESSED or (
                row.status is Status.REMOVED and row.code == "suppressed"
            ):
                row.source_hash = row.standing = None
                row.status = (
                    Status.PENDING if row.status is Status.REMOVED else row.status
                )

    def note_rows(self) -> None:
        """The sources were changed: whoever opts out in them is to be let alone from now on."""
        since = max(asyncio.get_running_loop().time(), self.database_stalled_until)
        gone = set().union(*self.askers.values()) - self.desired_rows.keys()
        self.ever_removed |= gone
        self.removed_since = {
            contact_id: self.removed_since.get(contact_id, since)
            for contact_id in sorted(gone)
        }
        now = {
            contact_id
            for contact_id, desired in self.desired_rows.items()
            if desired.opted_out
        }
        self.opted_out = {
            contact_id: self.opted_out.get(contact_id, since)
            for contact_id in sorted(now)
        }
        for contact_id, desired in self.desired_rows.items():
            self.askers.setdefault(desired.key, set()).add(contact_id)
            self.places.setdefault(contact_id, set()).add((desired.moved, desired.key))

    @property
    def possible_duplicates(self) -> set[str]:
        """Contacts that may be there twice: nobody looked whether somebody's copy has their match key.

        Or they changed their match key and their destination: nothing tells the vendor, or us, that they are the same.
        """
        shared = (contacts for contacts in self.askers.values() if len(contacts) > 1)
        moved = {
            contact_id for contact_id, places in self.places.items() if _are_two(places)
        }
        return moved if self.find_first else moved.union(*shared)

    @property
    def withheld(self) -> set[str]:
        """Contacts about whom nothing may be sent."""
        return {*self.suppressed, *self.opted_out}

    def refuses(self, request: Request) -> bool:
        """Whether the vendor refuses what a request writes, for a value that it does not like."""
        texts = {
            row[name]
            for contact_id, row in self.rows().items()
            if self.desired_rows[contact_id].flaw is Flaw.REFUSED
            for name in self.pair.values
        }
        return request.writes and bool(texts & set(_texts(request.json)))

    def _sends(self, epoch: int, allowed: SendCheck | None, writes: bool) -> None:  # noqa: FBT001 - as the wire tells it
        """A process that took the account in this epoch lets a request out."""
        contact_id, _, wanted = (
            allowed.args if isinstance(allowed, partial) else ("", (), False)
        )
        now = asyncio.get_running_loop().time()
        if writes:
            self.last_sent[contact_id] = now
        # Where it left, it may be cleaned up, whatever its row says at another destination.
        moved = len({place for place, _ in self.places.get(contact_id, ())}) > 1
        opted_out = self.opted_out.get(contact_id, inf) if wanted or not moved else inf
        said = {
            "was suppressed": self.suppressed.get(contact_id, inf),
            # Behind the row the suppressions are read, and then the database may stand still.
            "opted out": max(opted_out, self.database_stalled_until),
            "left": max(
                self.removed_since.get(contact_id, inf) if wanted else inf,
                self.database_stalled_until,
            ),
        }
        for what, at in said.items():
            if now - at > _ANSWERING:
                self.violations.append(
                    f"a request about {contact_id} {now - at:.1f} s after it {what}"
                )
        if epoch < self._epoch:
            self.violations.append(
                "a run sent a request after another one had taken the account over and sent some"
            )
        self._epoch = max(self._epoch, epoch)

    async def settle(self) -> None:
        """Let everything under way arrive."""
        await asyncio.sleep(self.pair.capabilities.settles_within)

    def rows(self) -> Mapping[str, Row]:
        """What all sources ask for, by contact."""
        return {
            contact_id: row
            for table in self.tables.values()
            for contact_id, row in table.rows.items()
        }

    def external_ids(self) -> dict[str, str]:
        """Contact to its vendor contact, as written down."""
        return {
            contact_id: row.external_id
            for contact_id, row in self.states().items()
            if row.external_id is not None
        }

    def written_down(self) -> set[str]:
        """The vendor contacts that any row of the state names."""
        rows = self.database.states.values()
        return {row.external_id for row in rows if row.external_id is not None}

    def states(self) -> dict[str, StateRow]:
        """Contact to its state: at the destination that selects it, if there is one."""
        rows = self.rows()
        return {
            contact_id: row
            for (name, contact_id), row in sorted(self.database.states.items())
            if contact_id not in rows or contact_id in self.tables[name].rows
        }


def _are_two(places: set[tuple[bool, int]]) -> bool:
    return all(len(set(each)) > 1 for each in zip(*places, strict=True))


def _named(contact_id: str) -> str:
    return Subject(SubjectKind.CONTACT, contact_id).text


def _texts(body: Json) -> Iterator[str]:
    """Every text in a JSON value."""
    if isinstance(body, str):
        yield body
    elif isinstance(body, dict | list):
        for each in body.values() if isinstance(body, dict) else body:
            yield from _texts(each)


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
    "erasing",
)
