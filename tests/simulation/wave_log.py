"""Log of the requests about several contacts, and of the deaths among them.

It says whether what only waves have comes to pass in histories at all: a simulation
without it would pass however wrong waves are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

from syncengine.engine.consent import ContactCheck
from syncengine.engine.crowd import Crowd
from syncengine.engine.waves import CheckOfAll
from syncengine.errors import ContactSuppressed
from syncengine.model.http import Request, Response
from syncengine.ports import SendCheck
from tests.simulation.life import Life

WAITS = "wave: waits"
"""The place where a contact has joined a wave."""
SECOND_HALF = ", second half"
"""Part of the name of places of the second half of a request that was refused."""
_FIRST_HALF = ", first half"
_SEVERAL = " contacts"

_NO_REFUSALS = (401, 403, 408, 423, 425, 429)
"""Statuses below 500 that say nothing about the contacts of a request."""


class WaveEvent(StrEnum):
    """Something that happens to requests about several contacts, or to a run."""

    FULL = "full"
    """It has as many contacts as one may have."""
    PARTIAL = "partial"
    """It has fewer, and nobody was on the way who might have joined."""
    STRAGGLING = "straggling"
    """It has fewer, and somebody was on the way."""
    HALVED = "halves"
    """A half of a request that was refused as a whole."""
    TAKEN_OUT = "one taken out"
    """A contact said no right before it went out."""
    HALF_CARRIED_OUT = "half carried out"
    ONE_UNTOLD = "one untold"
    DIED_WAITING = "died: waiting for newcomers"
    DIED_WITH_INTENTS = "died: intents written"
    DIED_SENT = "died: sent"
    DIED_CARRIED_OUT = "died: carried out, not answered"
    DIED_HALF_CARRIED_OUT = "died: half carried out"
    DIED_BETWEEN_HALVES = "died: between two halves"
    DIED_RECORDING = "died: recording"


def death_at(point: str) -> WaveEvent | None:
    """Return the phase of a wave in which a process died, by the place's name."""
    is_of_several = f"{_SEVERAL}: " in point
    match point.rpartition(": ")[2]:
        case _ if point == WAITS:
            phase = WaveEvent.DIED_WAITING
        case "committed" if point.startswith("intend"):
            phase = WaveEvent.DIED_WITH_INTENTS
        case "asked" | "committed" if point.startswith("record"):
            phase = WaveEvent.DIED_RECORDING
        case _ if SECOND_HALF in point:
            phase = WaveEvent.DIED_BETWEEN_HALVES
        case "half at the vendor" | "half late at the vendor":
            phase = WaveEvent.DIED_HALF_CARRIED_OUT
        case "sent" if is_of_several:
            phase = WaveEvent.DIED_SENT
        case end if is_of_several and end.endswith(" at the vendor"):
            phase = WaveEvent.DIED_CARRIED_OUT
        case _:
            return None
    return phase


class WatchedCrowd(Crowd):
    """A crowd in which each contact that joins a wave passes a place to die at."""

    def __init__(self, workers: int, life: Life) -> None:
        super().__init__(workers)
        self._life = life

    def park(self) -> None:
        super().park()
        self._life.point(WAITS)


@dataclass
class _Refused:
    """A request about several contacts that was refused as a whole."""

    contacts: frozenset[str]
    waiting: frozenset[str]
    """Those whose half was not sent yet."""


class WaveLog:
    """The log of one process."""

    def __init__(self, size: int) -> None:
        """Take the number of contacts that one request may be about."""
        self.counts: Counter[WaveEvent] = Counter()
        self.crowd = Crowd(1)
        """The contacts that are worked on now."""
        self._size = size
        self._seen: set[tuple[str, frozenset[str]]] = set()
        self._refused: list[_Refused] = []
        self._under_way = 0

    def about(self, request: Request, allowed: SendCheck | None) -> LoggedRequest:
        """Log a request that asks for a permit."""
        contacts = frozenset(_contacts_of(allowed))
        label = request.route
        if len(contacts) > 1:
            label = f"{label} of {len(contacts)}{_SEVERAL}"
        half = self._half(contacts)
        is_new = (request.route, contacts) not in self._seen
        self._seen.add((request.route, contacts))
        if half and is_new:
            self.counts[WaveEvent.HALVED] += 1
        elif len(contacts) > 1 and is_new:
            self.counts[self._kind(len(contacts))] += 1
        return LoggedRequest(self, f"{label}{half}", contacts)

    def _kind(self, number: int) -> WaveEvent:
        if number >= self._size:
            return WaveEvent.FULL
        if self.crowd.may_move or self._under_way:
            return WaveEvent.STRAGGLING
        return WaveEvent.PARTIAL

    def _half(self, contacts: frozenset[str]) -> str:
        """Return which half of a refused request this one is; empty if it is none."""
        for refused in reversed(self._refused):
            if not contacts or not contacts < refused.contacts:
                continue
            is_first = refused.waiting == refused.contacts
            refused.waiting -= contacts
            if not refused.waiting:
                self._refused.remove(refused)
            return _FIRST_HALF if is_first else SECOND_HALF
        return ""

    def refused(self, contacts: frozenset[str]) -> None:
        """Note that a request about several contacts was refused as a whole."""
        self._refused.append(_Refused(contacts, contacts))

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """Count a request as under way while the block runs."""
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1


@dataclass(frozen=True)
class LoggedRequest:
    """A request in the log."""

    log: WaveLog
    label: str
    """What it is called among the places where the process waits."""
    contacts: frozenset[str]

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Note it if a contact says no within the block."""
        try:
            yield
        except ContactSuppressed:
            if len(self.contacts) > 1:
                self.log.counts[WaveEvent.TAKEN_OUT] += 1
            raise

    def answered(self, response: Response) -> None:
        """Note the answer."""
        is_refusal = 400 <= response.status < 500
        if len(self.contacts) < 2 or not is_refusal:
            return
        if response.status not in _NO_REFUSALS:
            self.log.refused(self.contacts)


def _contacts_of(allowed: SendCheck | None) -> Iterator[str]:
    """Yield the contacts that a question about consent is about."""
    if isinstance(allowed, CheckOfAll):
        for check in allowed.members:
            yield check.contact_id
    if isinstance(allowed, ContactCheck):
        yield allowed.contact_id
