"""What happens to source rows: between two runs, or while one works."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from enum import StrEnum

from tests.simulation.scenes import Source, Wish, is_beside


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


@dataclass(frozen=True)
class Twisted:
    """A twist of one contact's row."""

    twist: Twist
    contact: int


class Sources:
    """The sources through the nights."""

    def __init__(self, before: Source, after: Source, *, rekeys: bool) -> None:
        self._before = dict(before)
        self.now = dict(after)
        self._rekeys = rekeys
        self._asked: defaultdict[int, set[int]] = defaultdict(set)
        """The contacts that ever asked for a key."""
        for source in (before, after):
            self._ask(source)
        self._freed = {False: 0, True: 0}
        """The match key somebody gave up last at either destination; one hears later what is new at the other."""
        self._fresh = 20
        self._silent: set[int] = set()

    def let(self, twisted: Twisted) -> None:
        """Let it happen, unless two rows would then have one key.

        Where the vendor cannot change a key, one who has it keeps it, so that nobody else ever asks for it. Of those
        who left, one at most may have kept a key that somebody asks for: nobody guesses which of two copies to take.
        One about whom nothing is sent keeps its key at the vendor.
        """
        contact = twisted.contact
        self._fresh += 1
        now = self._after(twisted)
        if len({wish.key for wish in now.values()}) < len(now):
            return
        if contact in now and not self._rekeys and self._asked[now[contact].key] - {contact}:
            return
        if any(len(self._asked[wish.key] - now.keys() - {each}) > 1 for each, wish in now.items()):
            return
        if any(self._asked[wish.key] & self._silent - {each} for each, wish in now.items()):
            return
        if contact in self.now and (contact not in now or now[contact].key != self.now[contact].key):
            self._freed[is_beside(contact)] = self.now[contact].key
        self.now = now
        self._ask(now)

    def silence(self, contact: int) -> bool:
        """Whether nothing may be sent about a contact from now on: not where somebody else asks for its match key."""
        if any(contact in self._asked[wish.key] for each, wish in self.now.items() if each != contact):
            return False
        self._silent.add(contact)
        return True

    def _after(self, twisted: Twisted) -> dict[int, Wish]:
        contact, now, was = twisted.contact, dict(self.now), self._before.get(twisted.contact)
        match twisted.twist:
            case Twist.REVERTS if was is not None:
                now[contact] = was
            case Twist.REVERTS | Twist.LEAVES:
                now.pop(contact, None)
            case Twist.CHANGES_KEY if contact in now:
                now[contact] = replace(now[contact], key=self._fresh)
            case Twist.CHANGES if contact in now:
                now[contact] = replace(now[contact], values=(self._fresh, self._fresh), tags=("b", f"t{self._fresh}"))
            case Twist.TAGS if contact in now:
                now[contact] = replace(now[contact], tags=("a",) if "a" not in now[contact].tags else ("c",))
            case Twist.INHERITS if contact not in now and (key := self._freed[is_beside(contact)]):
                now[contact] = Wish(key, (1, 2), ("a", "b"))
            case Twist.COMES if contact not in now:
                now[contact] = was or Wish(self._fresh, (1, 2), ("a",))
        return now

    def _ask(self, source: Source) -> None:
        for contact, wish in source.items():
            self._asked[wish.key].add(contact)
