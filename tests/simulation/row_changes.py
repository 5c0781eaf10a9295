"""What happens to source rows: between two runs, or while one works."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from tests.simulation.pair import Flaw, Wish
from tests.simulation.scenes import Source, is_beside


class Twist(StrEnum):
    """What happens to a source row."""

    REVERTS = "reverts"
    """It is as it was last night."""
    CHANGES_KEY = "changes key"
    CHANGES = "changes"
    TAGS = "changes tags"
    LEAVES = "leaves"
    COMES = "comes"
    """A contact that left is back as it was, or one that never was is new."""
    INHERITS = "inherits"
    """One that is not there comes, or is back, with the match key that was given up last."""
    WANTS = "wants"
    """It asks for the match key that the contact before it had last night."""
    SHARES = "shares"
    """It asks for the match key that another one asks for now."""
    SPOILS = "has a bad value"
    SPOILS_KEY = "has a bad match key"
    REFUSED = "has a value that the vendor refuses"
    CORRECTED = "is corrected"
    OPTS_OUT = "opts out"
    OPTS_IN = "opts in"
    MOVES = "moves"
    """Another destination of the account selects it."""


MILD = (
    Twist.REVERTS,
    Twist.CHANGES_KEY,
    Twist.CHANGES,
    Twist.TAGS,
    Twist.LEAVES,
    Twist.COMES,
    Twist.INHERITS,
)
"""After these everybody can be brought in step, unless somebody is suppressed."""


@dataclass(frozen=True)
class Twisted:
    """A twist of one contact's row."""

    twist: Twist
    contact: int


class Sources:
    """The sources through the nights."""

    def __init__(self, before: Source, after: Source) -> None:
        self._before = dict(before)
        self.now = dict(after)
        self._freed = {False: 0, True: 0}
        """The match key somebody gave up last at either destination."""
        self._fresh = 20

    def let(self, twisted: Twisted) -> None:
        """Let it happen."""
        contact = twisted.contact
        self._fresh += 1
        was, wish = self.now.get(contact), self._wish(twisted)
        if was is not None and (wish is None or wish.key != was.key):
            self._freed[is_beside(contact)] = was.key
        if wish is None:
            self.now.pop(contact, None)
        else:
            self.now[contact] = wish

    def _wish(self, twisted: Twisted) -> Wish | None:
        """What the contact's row holds afterwards; None: there is none."""
        contact, twist = twisted.contact, twisted.twist
        was, wish = self._before.get(contact), self.now.get(contact)
        match twist:
            case Twist.REVERTS:
                return was
            case Twist.LEAVES:
                return None
            case Twist.INHERITS if wish is None and (
                key := self._freed[is_beside(contact)]
            ):
                return Wish(key, (1, 2), ("a", "b"))
            case Twist.COMES if wish is None:
                return was or Wish(self._fresh, (1, 2), ("a",))
        return wish and self._changed(twist, contact, wish)

    def _changed(self, twist: Twist, contact: int, wish: Wish) -> Wish:
        fresh = self._fresh
        values = (fresh, fresh)
        tags = {True: ("c",), False: ("a",)}["a" in wish.tags]
        wanted = self._others(contact, self._before) or [wish]
        shared = self._others(contact, self.now) or [wish]
        changes: dict[Twist, dict[str, Any]] = {
            Twist.CHANGES_KEY: {"key": fresh},
            Twist.CHANGES: {"values": values, "tags": ("b", f"t{fresh}"), "flaw": None},
            Twist.TAGS: {"tags": tags},
            Twist.WANTS: {"key": wanted[0].key},
            Twist.SHARES: {"key": shared[-1].key},
            Twist.SPOILS: {"flaw": Flaw.VALUE},
            # Where the vendor has no match key the row stays as it is, and what was wrong with it too.
            Twist.SPOILS_KEY: {"flaw": wish.flaw or Flaw.KEY},
            Twist.REFUSED: {"values": values, "flaw": Flaw.REFUSED},
            Twist.CORRECTED: {"values": values, "flaw": None},
            Twist.OPTS_OUT: {"opted_out": True},
            Twist.OPTS_IN: {"opted_out": False},
            Twist.MOVES: {"moved": not wish.moved},
        }
        return replace(wish, **changes.get(twist, {}))

    def _others(self, contact: int, source: Source) -> list[Wish]:
        """What the others of its destination ask for, the one before it first."""
        beside = [
            each
            for each in source
            if each != contact and is_beside(each) is is_beside(contact)
        ]
        return [
            source[each]
            for each in sorted(beside, key=lambda each: (each > contact, -each))
        ]
