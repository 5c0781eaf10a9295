"""The expected result of each run over a town's table.

Computed without anything of syncengine. One oracle follows one destination from run to
run: who is looked at, who is refused and why, what the vendor must hold, and the fewest
requests that bring it there. It works contact by contact: those with a copy at the
vendor first, then those without, so that nobody finds a match key in a copy whose
contact is about to give it up.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from math import ceil
from typing import Any

from tests.support.town_nights import Row, digits

CALL_ME = "call me"
"""A text in place of a phone number."""
DEAD_AFTER = 3
"""Refusals of one version of a row that make it a dead letter."""


@dataclass(frozen=True)
class Ways:
    """The configuration of a destination."""

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
    """The outcome of one contact in a run."""

    outcome: str
    code: str = ""
    unsupported: frozenset[tuple[str, str]] = frozenset()


def fate(outcome: str, code: str, unsupported: Iterable[Iterable[str]]) -> Fate:
    """Return an outcome as it was recorded.

    Of several unsupported things the first one gives the code. Which one is the first
    does not matter, so the code is left out then.
    """
    pairs = frozenset((each[0], each[1]) for each in map(tuple, unsupported))
    return Fate(outcome, "" if pairs else code, pairs)


@dataclass
class Expected:
    """The expected result of one run."""

    fates: dict[int, Fate] = field(default_factory=dict)
    least: int = 0
    most: int = 0
    """The requests at most.

    Above the least by the look-ups that find a key in a copy which is about to lose it:
    that depends on which contact comes first.
    """

    def spend(self, requests: int) -> None:
        self.least += requests
        self.most += requests


RemoteContent = tuple[Mapping[str, Any], AbstractSet[str]]
"""Fields and tags of a contact at the vendor; an empty field is none."""
Contents = tuple[Mapping[int, RemoteContent], Sequence[RemoteContent]]
"""The contents of our contacts at the vendor, and those of all others."""


@dataclass
class Contact:
    """The state of a contact at the destination."""

    copy: int | None = None
    """The number of its copy at the vendor."""
    known: dict[str, Any] = field(default_factory=dict)
    tags: set[str] = field(default_factory=set)
    found_tags: set[str] = field(default_factory=set)
    """Tags that its copy had when it was found, which are not ours."""
    status: str = "new"
    done: Row | None = None
    """The version of its row that the vendor is in step with."""
    refused: Row | None = None
    refusals: int = 0
    code: str = ""
    waits_for: int | None = None
    """The contact whose copy has its match key."""
    owner_state: Any = None
    """The state of that contact when this one was judged (see ``Oracle.state_of``)."""


def e164(phone: str | None) -> str | None:
    """Return a phone as vendors want it; ``CALL_ME`` must be sorted out before."""
    national = digits(phone)
    return f"+49{national}" if national else None


def tags_of(row: Row, prefix: str) -> set[str]:
    return {prefix + tag for tag in row["tags"] or () if tag}


def calls(items: int, room: int) -> int:
    """Return how many calls these items need, so many a call."""
    return ceil(items / room)


class Oracle(ABC):
    """The expected results at one destination, run by run."""

    def __init__(self, ways: Ways) -> None:
        self.ways = ways
        self.contacts: dict[int, Contact] = {}
        self.claims: dict[tuple[str, str], dict[int, int]] = {}
        """Match key to its claimants, each with the run in which it began to ask."""
        self.runs = 0

    def run(self, rows: Mapping[int, Row]) -> Expected:
        """Follow one run."""
        self.runs += 1
        expected = Expected()
        removed = self._removed_from(rows)
        changed = [each for each in sorted(rows) if self._differs(each, rows[each])]
        # All keys are judged before the first contact is sent.
        for each in (*removed, *changed):
            self._claim(each, rows.get(each))
        changed += self._freed_losers(rows, changed)
        for each in removed:
            self._remove(each, self.contacts[each], expected)
        self._after_removals()
        ready = self._not_refused(changed, rows, expected)
        with_copy = [each for each in ready if self.contacts[each].copy is not None]
        without_copy = sorted({*ready} - {*with_copy})
        for each in with_copy:
            self._bring(each, self.contacts[each], rows[each], expected)
        # Asked now: whoever has a copy may have let go of a key just now.
        moved = [
            each
            for each in sorted(rows)
            if each not in changed and self._may_move(each)
        ]
        moved = self._not_refused(moved, rows, expected)
        for each in [*without_copy, *moved]:
            self._bring(each, self.contacts[each], rows[each], expected)
        return expected

    def _removed_from(self, rows: Mapping[int, Row]) -> list[int]:
        """Return the contacts that were removed from the table since the last run."""
        return sorted(
            each
            for each, it in self.contacts.items()
            if it.status != "removed" and each not in rows
        )

    def _freed_losers(
        self, rows: Mapping[int, Row], changed: Sequence[int]
    ) -> list[int]:
        """Return the dead letters whose match key nobody else asks for any more."""
        return [
            each
            for each, it in sorted(self.contacts.items())
            if each in rows and each not in changed and self._is_freed(each, it)
        ]

    def _not_refused(
        self, contacts: Sequence[int], rows: Mapping[int, Row], expected: Expected
    ) -> list[int]:
        return [
            each for each in contacts if not self._refused(each, rows[each], expected)
        ]

    def state_of(self, it: Contact) -> Any:
        """Return what changes when a contact that another one waits for moves."""
        return it.copy, it.status == "removed"

    def _may_move(self, each: int) -> bool:
        """Return whether it waits for a contact that has moved since."""
        it = self.contacts[each]
        if it.status != "dead" or it.waits_for is None:
            return False
        return bool(self.state_of(self.contacts[it.waits_for]) != it.owner_state)

    def _wait(
        self, each: int, it: Contact, row: Row, owner: int, expected: Expected
    ) -> None:
        """Make it a dead letter at once, for as long as the owner does not move."""
        code = "key_held" if self.contacts[owner].done is None else "ambiguous_match"
        it.status, it.code = "dead", code
        it.refused, it.refusals, it.done = row, 1, None
        it.waits_for = owner
        it.owner_state = self.state_of(self.contacts[owner])
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

    def _is_freed(self, each: int, it: Contact) -> bool:
        lost_a_key = it.status == "dead" and it.code == "duplicate_match_key"
        return lost_a_key and not self._loses(each)

    def _loses(self, each: int) -> bool:
        """Return whether another contact has a key that this one asks for.

        One with a copy comes before one without, the first to ask for the key before
        those after it, else the lowest id.
        """

        def rank(claimant: int, since: int) -> tuple[bool, int, int]:
            if self.contacts.get(claimant, Contact()).copy is None:
                return True, 0, claimant
            return False, since, claimant

        for claimants in self.claims.values():
            if each in claimants:
                _, _, winner = min(rank(*claim) for claim in claimants.items())
                if winner != each:
                    return True
        return False

    def _refused(self, each: int, row: Row, expected: Expected) -> bool:
        """Make our own checks; return whether one of them refuses the contact."""
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
        # Another version of the row begins anew.
        before = it.refusals if it.refused == row else 0
        it.refusals = min(DEAD_AFTER, before + 1)
        it.status = "dead" if it.refusals == DEAD_AFTER else "rejected"
        it.refused, it.done, it.code, it.waits_for = row, None, code, None
        expected.fates[each] = Fate("rejected", code)

    def _settle(self, it: Contact, status: str, row: Row | None) -> None:
        it.status, it.done, it.refused, it.refusals, it.code = status, row, None, 0, ""
        it.waits_for = None

    @abstractmethod
    def contents(self) -> Contents:
        """Return what the vendor must hold."""

    @abstractmethod
    def keys(self, row: Row) -> list[tuple[str, str]]:
        """Return the match keys that a row asks for."""

    @abstractmethod
    def _remove(self, each: int, it: Contact, expected: Expected) -> None:
        """Deal with a removed contact."""

    def _after_removals(self) -> None:  # noqa: B027 - only some oracles need it
        """Take note that all removals are through."""

    @abstractmethod
    def _bring(self, each: int, it: Contact, row: Row, expected: Expected) -> None:
        """Bring a contact in step."""


@dataclass
class Copy:
    """A contact at the vendor."""

    fields: dict[str, Any] = field(default_factory=dict)
    tags: set[str] = field(default_factory=set)
