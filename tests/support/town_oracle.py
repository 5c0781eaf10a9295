"""What must be true after each run over a town's table, computed without anything of syncengine.

One oracle follows one destination from run to run: who is looked at, who is refused and why, what the vendor must hold,
and the fewest requests that bring it there. It works contact by contact: whoever has a copy at the vendor first, then
those who have none, so that nobody finds a match key in a copy whose contact is about to give it up.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any

from tests.support.town_nights import Row, digits

CALL_ME = "call me"
"""The phone that is none."""
DEAD_AFTER = 3


@dataclass(frozen=True)
class Ways:
    """How a destination is configured."""

    name: str
    vendor: str
    match_on: tuple[str, ...] = ()
    """Columns, in the order in which they are tried."""
    clears: bool = True
    on_removed: str = "ignore"
    find_first: bool = True
    prefix: str = ""


@dataclass(frozen=True)
class Fate:
    """How one contact ends in a run."""

    outcome: str
    code: str = ""
    unsupported: frozenset[tuple[str, str]] = frozenset()


def fate(outcome: str, code: str, unsupported: Iterable[Iterable[str]]) -> Fate:
    """As it was recorded; of what is unsupported the first gives the code, and which is the first does not matter."""
    pairs = frozenset((each[0], each[1]) for each in map(tuple, unsupported))
    return Fate(outcome, "" if pairs else code, pairs)


@dataclass
class Expected:
    """What is expected of one run."""

    fates: dict[int, Fate] = field(default_factory=dict)
    least: int = 0
    most: int = 0
    """Above the least by the look-ups that find a key still held: whether that happens depends on who is first."""

    def spend(self, requests: int) -> None:
        self.least += requests
        self.most += requests


Held = tuple[Mapping[str, Any], AbstractSet[str]]
"""Fields and tags of a contact at the vendor; an empty field is none."""
Contents = tuple[Mapping[int, Held], Sequence[Held]]
"""What the vendor holds of our contacts, and what else."""


@dataclass
class Contact:
    """What is known of a contact at the destination."""

    copy: int | None = None
    """The number of its copy at the vendor."""
    known: dict[str, Any] = field(default_factory=dict)
    tags: set[str] = field(default_factory=set)
    found_tags: set[str] = field(default_factory=set)
    """There when it was met, so not ours."""
    status: str = "new"
    done: Row | None = None
    """The version of its row that the vendor is in step with."""
    refused: Row | None = None
    refusals: int = 0
    code: str = ""
    waits_for: int | None = None
    """The contact whose copy has its match key."""
    held: Any = None
    """What that one held when this was judged."""


def e164(phone: str | None) -> str | None:
    """The phone as vendors want it; ``CALL_ME`` must have been sorted out before."""
    return f"+49{digits(phone)}" if digits(phone) else None


def tags_of(row: Row, prefix: str) -> set[str]:
    return {prefix + tag for tag in row["tags"] or () if tag}


def calls(items: int, room: int) -> int:
    """How many calls of that much room they need."""
    return -(-items // room)


class Oracle(ABC):
    """One destination, run by run."""

    def __init__(self, ways: Ways) -> None:
        self.ways = ways
        self.contacts: dict[int, Contact] = {}
        self.claims: dict[tuple[str, str], dict[int, int]] = {}
        """Match key to the contacts that ask for it, with the run in which they began to."""
        self.runs = 0

    def run(self, rows: Mapping[int, Row]) -> Expected:
        """Follow one run."""
        self.runs += 1
        expected = Expected()
        left = sorted(
            each
            for each, it in self.contacts.items()
            if it.status != "removed" and each not in rows
        )
        changed = [each for each in sorted(rows) if self._differs(each, rows[each])]
        for each in (*left, *changed):
            self._claim(each, rows.get(each))
        changed += [
            each
            for each, it in sorted(self.contacts.items())
            if self._freed(each, it, rows, changed)
        ]
        for each in left:
            self._remove(each, self.contacts[each], expected)
        self._removed()
        ready = [
            each for each in changed if not self._refused(each, rows[each], expected)
        ]
        here = [each for each in ready if self.contacts[each].copy is not None]
        for each in here:
            self._bring(each, self.contacts[each], rows[each], expected)
        moved = [
            each
            for each in sorted(rows)
            if each not in changed and self._may_move(each)
        ]
        moved = [
            each for each in moved if not self._refused(each, rows[each], expected)
        ]
        for each in [*sorted({*ready} - {*here}), *moved]:
            self._bring(each, self.contacts[each], rows[each], expected)
        return expected

    def held_by(self, it: Contact) -> Any:
        """What tells whether a contact that another one waits for has moved."""
        return it.copy, it.status == "removed"

    def _may_move(self, each: int) -> bool:
        """Return whether it waits for a contact that has moved since."""
        it = self.contacts[each]
        if it.status != "dead" or it.waits_for is None:
            return False
        return bool(self.held_by(self.contacts[it.waits_for]) != it.held)

    def _wait(
        self, each: int, it: Contact, row: Row, owner: int, expected: Expected
    ) -> None:
        """Refused at once, and for as long as the owner does not move."""
        code = "key_held" if self.contacts[owner].done is None else "ambiguous_match"
        it.status, it.refused, it.done, it.code, it.refusals = (
            "dead",
            row,
            None,
            code,
            1,
        )
        it.waits_for, it.held = owner, self.held_by(self.contacts[owner])
        expected.fates[each] = Fate("rejected", code)

    def _differs(self, each: int, row: Row) -> bool:
        it = self.contacts.get(each)
        if it is None or it.status == "removed":
            return True
        return row != (it.refused if it.status == "dead" else it.done)

    def _claim(self, each: int, row: Row | None) -> None:
        keys = self.keys(row) if row and row["phone"] != CALL_ME else []
        for key, claimants in self.claims.items():
            if key not in keys:
                claimants.pop(each, None)
        for key in keys:
            self.claims.setdefault(key, {}).setdefault(each, self.runs)

    def _freed(
        self, each: int, it: Contact, rows: Mapping[int, Row], changed: Iterable[int]
    ) -> bool:
        dead = (
            it.status == "dead"
            and it.code == "duplicate_match_key"
            and each in rows
            and each not in changed
        )
        return dead and not self._loses(each)

    def _loses(self, each: int) -> bool:
        """Return whether another contact has a key that this one asks for.

        One with a copy comes before one without, the first to ask for the key before
        those after it, else the lowest id.
        """

        def rank(claimant: int, since: int) -> tuple[bool, int, int]:
            it = self.contacts.get(claimant, Contact())
            return it.copy is None, 0 if it.copy is None else since, claimant

        asked = [claimants for claimants in self.claims.values() if each in claimants]
        return any(
            min(rank(*claim) for claim in claimants.items())[2] != each
            for claimants in asked
        )

    def _refused(self, each: int, row: Row, expected: Expected) -> bool:
        """Our own checks."""
        it = self.contacts.setdefault(each, Contact())
        code = ""
        if row["phone"] == CALL_ME:
            code = "invalid_value"
        elif self._loses(each):
            code = "duplicate_match_key"
        elif it.copy is None and not self.keys(row):
            code = "no_match_key"
        if code:
            self._reject(each, it, row, code, expected)
        return bool(code)

    def _reject(
        self, each: int, it: Contact, row: Row, code: str, expected: Expected
    ) -> None:
        it.refusals = min(DEAD_AFTER, 1 + (it.refusals if it.refused == row else 0))
        it.status = "dead" if it.refusals == DEAD_AFTER else "rejected"
        it.refused, it.done, it.code, it.waits_for = row, None, code, None
        expected.fates[each] = Fate("rejected", code)

    def _settle(self, it: Contact, status: str, row: Row | None) -> None:
        it.status, it.done, it.refused, it.refusals, it.code = status, row, None, 0, ""
        it.waits_for = None

    @abstractmethod
    def contents(self) -> Contents:
        """What the vendor must hold."""

    @abstractmethod
    def keys(self, row: Row) -> list[tuple[str, str]]:
        """The match keys a row asks for."""

    @abstractmethod
    def _remove(self, each: int, it: Contact, expected: Expected) -> None:
        """Deal with one who left."""

    def _removed(self) -> None:  # noqa: B027 - only some want to know
        """All who left are dealt with."""

    @abstractmethod
    def _bring(self, each: int, it: Contact, row: Row, expected: Expected) -> None:
        """Bring a contact in step."""


@dataclass
class Copy:
    """A contact at the vendor."""

    fields: dict[str, Any] = field(default_factory=dict)
    tags: set[str] = field(default_factory=set)
