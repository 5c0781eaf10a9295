"""A simulated world: all that outlives a process, and the runs over it.

The sources, the state, the vendor, the network's weather, and a record of what people
did. A world also watches each request that goes out for what must never happen.
"""

from __future__ import annotations

import asyncio
import copy
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from math import inf
from random import Random
from typing import Self

from syncengine.engine.consent import ContactCheck
from syncengine.engine.task import Task
from syncengine.engine.waves import CheckOfAll
from syncengine.errors import AccountStopped, LeaseHeld, StorageError
from syncengine.model.calls import OutcomeKind
from syncengine.model.consent import Subject, SubjectKind
from syncengine.model.contact import Pending, Remote
from syncengine.model.http import Json, Request
from syncengine.model.limits import Limit
from syncengine.model.mapping import OnRemoved
from syncengine.model.undo import TakenBack, UndoScope
from syncengine.model.work import Status
from syncengine.ports import SendCheck
from syncengine.sandbox.limits import TwinLimit
from syncengine.sandbox.twins.kit.answers import TwinRefusalError
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
from tests.simulation.wave_log import WaveEvent, death_at
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
_LONGEST_RUN = 7 * 86400.0
"""Seconds of virtual time after which a run counts as never ending."""
_LONGEST_CONSENT_CHECK = 3 * SLOWEST
"""Seconds between the oldest answer about consent and the request.

The row is read, and then the suppressions; both answers may be on their way.
"""


@dataclass(frozen=True)
class RunResult:
    """The end of one run, and what it did until then."""

    points: tuple[str, ...]
    """The places where it waited, in order."""
    died: bool
    requests: int
    fates: Mapping[str, int]
    """Fates of its requests, each with how often it happened."""
    outcomes: Mapping[str, str]
    """Contact to its outcome, where that is not ``applied``."""
    stopped: BaseException | None
    messages: Mapping[str, str] = field(default_factory=dict)
    """The messages of these outcomes."""
    waves: Mapping[WaveEvent, int] = field(default_factory=dict)
    """What happened to its requests about several contacts."""
    of_probes: int = 0
    """Requests for contacts that were probed for their refusal group, in vain."""

    @property
    def is_quiet(self) -> bool:
        """Return whether it came to its end with nothing to do.

        Probes of refusal groups do not count: they are sent every night.
        """
        sent = self.requests - self.of_probes
        return not (self.died or sent or self.outcomes or self.stopped)

    @property
    def found_account_leased(self) -> bool:
        """Return whether another run had the account's lease."""
        return isinstance(self.stopped, LeaseHeld)


@dataclass
class Beginning:
    """How everything stood when the first night began."""

    contacts: dict[str, Remote] = field(default_factory=dict)
    """The vendor's contacts by external id; strangers as they came later."""
    last_run: int = 0
    had_by: dict[str, set[str]] = field(default_factory=dict)
    """The vendor contacts that each contact has had, then and since."""
    unknown: dict[str, list[Pending]] = field(default_factory=dict)
    """What was unknown of each contact when a run had ended."""


class World:
    """A deterministic world: the same seed and steps give the same history."""

    gone_accepted = False
    """True if somebody has accepted that the vendor has no known contact any more."""

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
        """External id to how often an answer about its contact named another one."""
        self.database_stalled_until = 0.0
        """The loop's time until which no statement reaches the database."""
        self.clock_offset = 0.0
        """Seconds the database's clock is ahead."""
        self.recreates = False
        """True if contacts deleted at the vendor are created again."""
        self.manual_edits = ManualEdits()
        self.last_sent: dict[str, float] = {}
        """Contact to the loop's time when the last write about it went out."""
        self.written: dict[int, set[str]] = {}
        """By run: the contacts that it has sent a write about, or may have, since it
        left an intent. The empty text stands for a write that names no contact."""
        self.strangers: dict[str, frozenset[str]] = {}
        """Contacts that were at the vendor before us, with the tags they had."""
        self.desired_rows: Mapping[str, DesiredRow] = {}
        """Contact to its row in the sources."""
        self.suppressed: dict[str, float] = {}
        """Contact to the loop's time since when nothing may be sent about it."""
        self.opted_out: dict[str, float] = {}
        """The same where the contact's own row says so."""
        self.removed_since: dict[str, float] = {}
        """Contact to the loop's time since when no source has its row."""
        self.askers: dict[int, set[str]] = {}
        """Match key to the contacts whose rows ever asked for it."""
        self.places: dict[str, set[tuple[bool, int]]] = {}
        """Contact to the destinations and match keys that it ever had.

        The flag says whether it is the destination that the contact moved to.
        """
        self.initial_external_ids: dict[str, str] = {}
        """Contact to the external id that it had at the beginning."""
        self.ever_removed: set[str] = set()
        """Contacts that no source selected for a while."""
        self.beginning = Beginning()
        self.unknown_tags: set[str] = set()
        """Tags that creates without an outcome may have carried."""
        self.violations: list[str] = []
        """Sentences about what happened although it must never happen."""
        self._epoch = 0
        self._started, self._frozen = EPOCH, False

    def clock(self) -> float:
        """Return the true time, by which the vendor goes."""
        if self._frozen:
            return self._started
        return self._started + asyncio.get_running_loop().time()

    def clock_of_database(self) -> float:
        return self.clock() + self.clock_offset

    def limit(self, *, tight: bool) -> None:
        """Let the vendor count requests anew, by one limit or by two."""
        self.limits = _TIGHT if tight else _BRISK
        self.twin.limiter.reset()
        self.twin.limiter.configure(self.strict)

    @property
    def strict(self) -> tuple[TwinLimit, ...]:
        return tuple(
            TwinLimit(limit.most, limit.per, "sliding") for limit in self.limits
        )

    def freeze(self) -> Self:
        """Stop the clock: from now on the world only serves to be copied."""
        self._started, self._frozen = self.clock(), True
        return self

    def copy(self, seed: int) -> World:
        """Return a copy that goes on from here, with a loop and a seed of its own."""
        made = World(
            self.pair,
            seed,
            self.on_removed,
            len(self.destinations),
            copy.deepcopy(self.twin),
        )
        # The new loop may have run for a while. The copy's clock goes on where ours
        # stopped.
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
        made.beginning.contacts = {
            each.external_id: each for each in contacts_of(made.twin, made.clock())
        }
        made.beginning.last_run = max(made.database.runs, default=0)
        made.note_owners()
        return made

    def note_owners(self) -> None:
        """Note which vendor contacts each contact has had, and what is unknown of it."""
        for (_, contact_id), known in self.database.known.items():
            if known.pending is not None:
                self.beginning.unknown.setdefault(contact_id, []).append(known.pending)
        for (_, contact_id), state in self.database.states.items():
            if state.external_id is not None:
                self.beginning.had_by.setdefault(contact_id, set()).add(
                    state.external_id
                )

    def add_stranger(self, contact: int, key: int, tags: frozenset[str]) -> None:
        """Let somebody else make a contact with this match key at the vendor.

        Nothing happens where the vendor lets only one contact have a key, or another
        value, and it is taken, or where contacts have no match key.
        """
        name = self.pair.key
        if name is None:
            return
        row = self.pair.row(contact, key, (), ())
        if self.pair.one_each and self._is_taken(name, row[name]):
            return
        fields = {field: row[field] for field in (name, *self.pair.others)}
        try:
            (made,) = self.twin.seed([Seed(fields, tuple(sorted(tags)))], self.clock())
        except TwinRefusalError:
            return
        # Read back and not taken from ``tags``: some vendors know no tags.
        self.strangers[made] = self._tags_of(made)
        (stranger,) = (
            each
            for each in contacts_of(self.twin, self.clock())
            if each.external_id == made
        )
        self.beginning.contacts[made] = stranger

    def _is_taken(self, name: str, key: Json) -> bool:
        """Return whether a contact at the vendor has this match key."""
        theirs = [each["fields"].get(name) for each in self.twin.contacts(self.clock())]
        return any(self.pair.vendor.same(name, key, each) for each in theirs)

    def act(self, act: Act, contact_id: str, contact: int) -> None:
        """Let a person do something to a contact's copy, if there is one."""
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
                self._merge_with_stranger(screen, contact_id, contact, external_id)

    def _merge_with_stranger(
        self, screen: Screen, contact_id: str, contact: int, external_id: str
    ) -> None:
        """Merge a contact's copy into the newest contact that is not ours."""
        # Its match key belongs to no contact of any scene.
        self.add_stranger(60 + contact, 60 + contact, frozenset({"x"}))
        stranger = next(reversed(self.strangers), None)
        if stranger is None or not is_there(self.twin, stranger, self.clock()):
            return
        now = asyncio.get_running_loop().time()
        edits = self.manual_edits
        left = merge(screen, edits, stranger, external_id, {contact_id}, now)
        self.strangers[left] = self._tags_of(left) & {"x"}

    def _merge(
        self, screen: Screen, contact_id: str, external_id: str, *, swapped: bool
    ) -> None:
        """Merge a contact's copy with that of the first other contact of ours.

        ``swapped``: the other copy is merged into this one.
        """
        for other, other_id in sorted(self.external_ids().items()):
            if other == contact_id or not is_there(self.twin, other_id, self.clock()):
                continue
            into, absorbed = other_id, external_id
            if swapped:
                into, absorbed = external_id, other_id
            contacts = {contact_id, other}
            now = asyncio.get_running_loop().time()
            left = merge(screen, self.manual_edits, into, absorbed, contacts, now)
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
        events: Mapping[Point, Callable[[Life], None]] | None = None,
        undo: UndoScope | None = None,
    ) -> RunResult:
        """Run in a process of its own; it dies at the given point if it gets there."""
        # The order of these three draws is part of what a seed means.
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
            self.refused_in,
            self.misdirected,
        )
        life.on_death = network.abandon

        def sends(epoch: int, allowed: SendCheck | None, writes: bool) -> None:  # noqa: FBT001 - as the wire calls it
            self._check_request(epoch, allowed, writes)
            if writes:
                self.written.setdefault(process.run_ids[-1], set()).add(
                    _contact_of(allowed)
                )

        process = Process(
            AccountSettings(self.pair.vendor, self._tasks(), ACCOUNT, self.limits),
            self.database,
            self.tables,
            network,
            life,
            Random(self.random.random()),
            sends,
            undo,
        )
        gone_before, ids_before = self._gone(), self._ids_there()
        unknown_before = self._unknown()
        stopped = await self._live(life, process)
        self._note_intents(process.run_ids, unknown_before)
        self.note_owners()
        self._check_recreations(gone_before, ids_before)
        self._note_unknown_tags(network)
        if isinstance(stopped, LeaseHeld) and network.fates:
            self.violations.append("a run that was refused the account sent requests")
        return self._result(life, network, process, stopped)

    def _tasks(self) -> tuple[Task, ...]:
        """Return one task for each destination of the account."""
        return tuple(
            Task(
                name,
                self.pair.mapping,
                "id",
                self.on_removed,
                find_first=self.find_first,
                recreates=self.recreates,
                gone_accepted=self.gone_accepted,
                in_flight=3,
            )
            for name in self.destinations
        )

    async def _live(self, life: Life, process: Process) -> BaseException | None:
        """Let a process live; return why it stopped early, if it did.

        Errors that the engine does not foresee are raised: they fail the test.
        """
        stopped: BaseException | None = None
        try:
            async with asyncio.timeout(_LONGEST_RUN):
                await life.live(process.run())
        except* (LeaseHeld, AccountStopped, StorageError) as errors:
            stopped = next(_leaves(errors))
        return stopped or process.stopped

    def _unknown(self) -> dict[tuple[str, str], Pending]:
        """Return what is unknown now, by contact."""
        known = self.database.known.items()
        return {place: row.pending for place, row in known if row.pending is not None}

    def _note_intents(
        self, run_ids: list[int], before: Mapping[tuple[str, str], Pending]
    ) -> None:
        """Note the contacts of which a run has left another intent than there was.

        Whether it had sent it when it died, no later run can tell.
        """
        for place, pending in self._unknown().items():
            if before.get(place) != pending:
                for run_id in run_ids:
                    self.written.setdefault(run_id, set()).add(place[1])

    def _check_recreations(
        self, gone_before: set[tuple[str, str]], ids_before: set[str]
    ) -> None:
        """Note contacts that a run created again although nobody asked for it."""
        if self.recreates:
            return
        by_others = self.manual_edits.made | self.strangers.keys()
        made = self._ids_there() - ids_before - by_others
        for destination, contact_id in sorted(gone_before):
            state = self.database.states[destination, contact_id]
            if state.external_id in made:
                self.violations.append(
                    f"{contact_id} was gone, and was created again unasked"
                )

    def _note_unknown_tags(self, network: Network) -> None:
        """Note the tags that creates of unknown outcome may have carried."""
        for known in self.database.known.values():
            if known.pending and known.pending.creates:
                self.unknown_tags.update(known.pending.add_tags)
        if network.lost:
            # Any row may have been what the lost request was about.
            for row in self.rows().values():
                self.unknown_tags.update(row["tags"])

    def _result(
        self,
        life: Life,
        network: Network,
        process: Process,
        stopped: BaseException | None,
    ) -> RunResult:
        """Return what a run did, as its outcomes in the database say."""
        outcomes: dict[str, str] = {}
        messages: dict[str, str] = {}
        of_probes = 0
        for (run_id, contact_id), outcome in self.database.outcomes.items():
            if run_id not in process.run_ids:
                continue
            if outcome.kind is OutcomeKind.PROBED:
                of_probes += outcome.requests
            elif outcome.kind is not OutcomeKind.APPLIED:
                outcomes[contact_id] = outcome.kind.value
                messages[contact_id] = outcome.message
        return RunResult(
            points=tuple(life.points),
            died=life.dead,
            requests=process.requests,
            fates={fate.value: number for fate, number in network.fates.items()},
            outcomes=outcomes,
            stopped=stopped,
            messages=messages,
            waves=_with_death(process.waves.counts, life, network),
            of_probes=of_probes,
        )

    def _gone(self) -> set[tuple[str, str]]:
        return {
            place
            for place, row in self.database.states.items()
            if row.status is Status.GONE
        }

    @property
    def is_emptied(self) -> bool:
        """Return whether the vendor has none of the contacts of a destination any more."""
        there = self._ids_there()
        known: dict[str, set[str]] = {}
        for (destination, _), row in self.database.states.items():
            if row.external_id is not None:
                known.setdefault(destination, set()).add(row.external_id)
        return any(there.isdisjoint(ids) for ids in known.values())

    def _ids_there(self) -> set[str]:
        return {str(each["id"]) for each in self.twin.contacts(self.clock())}

    def _remaining_stall(self) -> float:
        return self.database_stalled_until - asyncio.get_running_loop().time()

    def suppress(self, contact_id: str) -> None:
        """Commit that nothing may be sent about a contact from now on."""
        if contact_id not in self.suppressed and self._remaining_stall() <= 0:
            self.suppressed[contact_id] = asyncio.get_running_loop().time()
            self.database.suppressed[_subject(contact_id)] = "suppressed"

    def lift(self, contact_id: str) -> None:
        """Take a suppression back, as the verb does.

        Contacts that were passed over become candidates again.
        """
        if self.suppressed.pop(contact_id, None) is None:
            return
        del self.database.suppressed[_subject(contact_id)]
        for row in self.database.states.values():
            was_removed = row.status is Status.REMOVED and row.code == "suppressed"
            if was_removed or row.status is Status.SUPPRESSED:
                row.source_hash = row.standing = None
            if was_removed:
                row.status = Status.PENDING

    def note_rows(self) -> None:
        """Take note of changed sources: whoever left them, and whoever opts out there.

        A stalled database answers the engine's questions later: what a row says counts
        from then on.
        """
        since = max(asyncio.get_running_loop().time(), self.database_stalled_until)
        removed = set().union(*self.askers.values()) - self.desired_rows.keys()
        self.ever_removed |= removed
        self.removed_since = _since(removed, self.removed_since, since)
        opted_out = {
            contact_id for contact_id, row in self.desired_rows.items() if row.opted_out
        }
        self.opted_out = _since(opted_out, self.opted_out, since)
        for contact_id, row in self.desired_rows.items():
            self.askers.setdefault(row.key, set()).add(contact_id)
            self.places.setdefault(contact_id, set()).add((row.moved, row.key))

    @property
    def possible_duplicates(self) -> set[str]:
        """The contacts that may rightly be at the vendor twice.

        Without look-ups nobody sees that another contact's copy has their match key.
        And where match key and destination both changed, nothing tells the vendor or us
        that the two copies are one contact's.
        """
        moved = {
            contact_id
            for contact_id, places in self.places.items()
            if _have_nothing_in_common(places)
        }
        if self.find_first:
            return moved
        shared = (contacts for contacts in self.askers.values() if len(contacts) > 1)
        return moved.union(*shared)

    @property
    def withheld(self) -> set[str]:
        """The contacts about whom nothing may be sent."""
        return {*self.suppressed, *self.opted_out}

    def refused_in(self, request: Request) -> frozenset[str]:
        """Return the values that a request writes and the vendor refuses."""
        if not request.writes:
            return frozenset()
        refused = {
            row[name]
            for contact_id, row in self.rows().items()
            if self.desired_rows[contact_id].flaw is Flaw.REFUSED
            for name in self.pair.values
        }
        return frozenset(refused.intersection(_texts(request.json)))

    def _check_request(
        self,
        epoch: int,
        allowed: SendCheck | None,
        writes: bool,  # noqa: FBT001 - as the wire calls it
    ) -> None:
        """Note what is wrong with a request that goes out now.

        ``epoch`` is that of the lease under which the process works; ``allowed`` the
        question about consent that it has asked, which names the contacts.
        """
        now = asyncio.get_running_loop().time()
        for contact_id, still_wanted in _asked_about(allowed):
            if writes:
                self.last_sent[contact_id] = now
            withheld = self._withheld_since(contact_id, still_wanted=still_wanted)
            for what, since in withheld.items():
                if now - since > _LONGEST_CONSENT_CHECK:
                    self.violations.append(
                        f"a request about {contact_id} {now - since:.1f} s after "
                        f"it {what}"
                    )
        if epoch < self._epoch:
            self.violations.append(
                "a run sent a request after another one had taken the account over "
                "and sent some"
            )
        self._epoch = max(self._epoch, epoch)

    def _withheld_since(
        self, contact_id: str, *, still_wanted: bool
    ) -> Mapping[str, float]:
        """Return the reasons to send nothing about a contact, each with since when.

        ``inf`` stands for a reason that is not there.
        """
        opted_out = self.opted_out.get(contact_id, inf)
        removed = self.removed_since.get(contact_id, inf)
        if not still_wanted:
            removed = inf
            # A contact that moved may be cleaned up at the destination that it left,
            # whatever its row says at the other one.
            destinations = {place for place, _ in self.places.get(contact_id, ())}
            if len(destinations) > 1:
                opted_out = inf
        # The row is read before the suppressions, and the database may stall between
        # the two. So what the row says counts from the end of the stall.
        return {
            "was suppressed": self.suppressed.get(contact_id, inf),
            "opted out": max(opted_out, self.database_stalled_until),
            "left": max(removed, self.database_stalled_until),
        }

    async def settle(self) -> None:
        """Wait until everything under way has arrived."""
        await asyncio.sleep(self.pair.capabilities.settles_within)

    def rows(self) -> Mapping[str, Row]:
        """Return the rows of all sources, by contact."""
        return {
            contact_id: row
            for table in self.tables.values()
            for contact_id, row in table.rows.items()
        }

    def external_ids(self) -> dict[str, str]:
        """Return the external ids that the state holds, by contact."""
        return {
            contact_id: row.external_id
            for contact_id, row in self.states().items()
            if row.external_id is not None
        }

    def taken_back(self, contact_id: str) -> TakenBack:
        """Return what was taken back of a contact; maybe nothing."""
        for (_, each), note in self.database.notes.items():
            if each == contact_id:
                return note
        return TakenBack(0)

    def written_down(self) -> set[str]:
        """Return the external ids that any row of the state names."""
        rows = self.database.states.values()
        return {row.external_id for row in rows if row.external_id is not None}

    def states(self) -> dict[str, StateRow]:
        """Return each contact's state, from the destination that selects it if any."""
        rows = self.rows()
        return {
            contact_id: row
            for (name, contact_id), row in sorted(self.database.states.items())
            if contact_id not in rows or contact_id in self.tables[name].rows
        }


def _with_death(
    waves: Mapping[WaveEvent, int], life: Life, network: Network
) -> Mapping[WaveEvent, int]:
    """Return what happened to requests, and to the process among them."""
    counts = Counter(waves)
    phase = death_at(life.points[-1]) if life.dead else None
    if network.left_half:
        phase = WaveEvent.DIED_HALF_CARRIED_OUT
    if phase is not None:
        counts[phase] += 1
    return counts


def _contact_of(allowed: SendCheck | None) -> str:
    """Return the contact that a question about consent names; empty without one."""
    return allowed.contact_id if isinstance(allowed, ContactCheck) else ""


def contacts_of(twin: Twin, now: float) -> list[Remote]:
    """Return the vendor's contacts, as the twin holds them."""
    return [
        Remote(each["id"], each["fields"], frozenset(each["tags"]))
        for each in twin.contacts(now)
    ]


def _since(
    contact_ids: set[str], before: Mapping[str, float], now: float
) -> dict[str, float]:
    """Return since when each contact is in a set: ``now`` where it is new there."""
    return {
        contact_id: before.get(contact_id, now) for contact_id in sorted(contact_ids)
    }


def _have_nothing_in_common(places: set[tuple[bool, int]]) -> bool:
    """Return whether both the destination and the match key changed."""
    destinations = {destination for destination, _ in places}
    keys = {key for _, key in places}
    return len(destinations) > 1 and len(keys) > 1


def _subject(contact_id: str) -> str:
    return Subject(SubjectKind.CONTACT, contact_id).text


def _texts(body: Json) -> Iterator[str]:
    """Yield every text in a JSON value."""
    if isinstance(body, str):
        yield body
    elif isinstance(body, dict):
        for each in body.values():
            yield from _texts(each)
    elif isinstance(body, list):
        for each in body:
            yield from _texts(each)


def _leaves(error: BaseException) -> Iterator[BaseException]:
    """Yield the single errors of nested exception groups."""
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _leaves(each)
    else:
        yield error


# What a copy of a world takes along of its database.
_TABLES = (
    "leases",
    "accounts",
    "states",
    "known",
    "keys",
    "runs",
    "undone_by",
    "destinations",
    "last_runs",
    "batches",
    "outcomes",
    "changes",
    "waits",
    "notes",
    "suppressed",
    "erasing",
)


def _asked_about(allowed: SendCheck | None) -> list[tuple[str, bool]]:
    """Return the contacts of a question about consent, each with whether it is wanted."""
    if isinstance(allowed, CheckOfAll):
        return [(check.contact_id, check.wanted) for check in allowed.members]
    if isinstance(allowed, ContactCheck):
        return [(allowed.contact_id, allowed.wanted)]
    return [("", False)]
