"""Number of requests that the steps of many contacts take.

Where the vendor takes several contacts in one request, equal steps of different
contacts share one (``planning.waves``). So what the contacts of a run cost is not the
sum of what each would cost alone: ``RequestCount`` adds up their steps, kind by kind.

Each kind takes the number of its steps, divided by what one request carries and rounded
up. A run sends more only where waves go out before they are full although others follow:
their longest wait is over, or every contact that is worked on waits in one of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from fractions import Fraction
from math import ceil, floor
from typing import TypeAlias

from syncengine.model.costs import Cost, total
from syncengine.planning.priced_steps import PricedStep, StepRange
from syncengine.planning.waves import Kind, VendorStep

_MARKED_STEPS = 2000
"""Steps of a kind of which it is noted which must not share a request. That two of
them must not matters only as long as all fit into few requests."""

_MOST_PATTERNS = 1000
"""Different ranges of steps that are kept before they are added up."""

Marked: TypeAlias = tuple[PricedStep, frozenset[Hashable]]
"""A usual step of a contact, and what no other one of its request may have."""


class RunPart(Enum):
    """Parts of a run that come one after the other, and share no request."""

    PROBES = auto()
    REMOVALS = auto()
    CHANGES = auto()
    RECREATIONS = auto()
    FOLLOWERS = auto()
    """Contacts that waited for another one."""


@dataclass(slots=True)
class _KindCount:
    """Number of steps of one kind."""

    sample: PricedStep
    number: int = 0
    alone: int = 0
    """Requests that they take if none is shared."""
    highest: int = 0
    """The most requests that the exchange of one of them takes."""
    in_turn: int = 0
    """The most of them that one contact takes: it waits for each before the next."""
    marks: Counter[Hashable] = field(default_factory=Counter)
    """How many of the first ones have the same mark."""
    marked: int = 0
    """Number of these first ones."""

    @property
    def size(self) -> int:
        return self.sample.size

    @property
    def is_shared(self) -> bool:
        """True where at least two contacts have a request in common."""
        return self.size > 1 and self.number > 1

    def add(self, step: PricedStep, in_turn: int, contacts: int) -> None:
        """Count the step of so many contacts; it is the one of this number of each."""
        self.number += contacts
        self.alone += contacts * step.requests
        self.highest = max(self.highest, step.requests)
        self.in_turn = max(self.in_turn, in_turn)

    def mark(self, marks: Iterable[Hashable]) -> None:
        """Note what one of the steps must not have in common with another one."""
        if self.marked < _MARKED_STEPS:
            self.marked += 1
            self.marks.update(marks)

    @property
    def requests(self) -> int:
        """Return the requests that they take when as many as possible share one."""
        if self.size <= 1:
            return self.alone
        return self.highest * max(ceil(self.number / self.size), self._apart)

    def bound_with(self, maybe: _KindCount) -> Fraction:
        """Return a number that ``requests`` does not exceed, however few there are.

        Steps of other kinds may take the place of some of these; ``maybe`` are those of
        this kind that may come. As each kind is rounded up by itself, the sum of all
        requests may become greater by that; the sum of the bounds does not.
        """
        if self.size <= 1:
            return Fraction(self.alone)
        highest = max(self.highest, maybe.highest)
        rounded_up = Fraction(self.number + self.size - 1, self.size)
        return highest * max(rounded_up, Fraction(self._apart))

    @property
    def _apart(self) -> int:
        """Return how many of the steps need a request each, at least."""
        return max(self.in_turn, max(self.marks.values(), default=0))


class _StepCount:
    """Numbers of steps, by kind, of which those of one kind may share requests."""

    def __init__(self) -> None:
        self.kinds: dict[tuple[Kind, int], _KindCount] = {}

    def add(self, steps: Iterable[PricedStep], contacts: int) -> None:
        """Add the steps that each of so many contacts has."""
        of_contact: Counter[tuple[Kind, int]] = Counter()
        for step in steps:
            kind = step.kind, step.turn
            of_contact[kind] += 1
            self.of(step).add(step, of_contact[kind], contacts)

    def of(self, step: PricedStep) -> _KindCount:
        """Return the count of the steps of this kind."""
        kind = step.kind, step.turn
        count = self.kinds.get(kind)
        if count is None:
            count = self.kinds[kind] = _KindCount(step)
        return count

    @property
    def requests(self) -> int:
        return sum(count.requests for count in self.kinds.values())


_Pattern: TypeAlias = tuple[StepRange, tuple[PricedStep, ...]]
"""Steps of a contact, and its look-ups among the usual ones."""


class _PartCount:
    """Steps of the contacts of one part of a run."""

    def __init__(self) -> None:
        self._look_ups = _StepCount()
        self._least = _StepCount()
        self._usual = _StepCount()
        self._most = _StepCount()
        self._maybe = _StepCount()
        self._alone = Cost()
        self._patterns: Counter[_Pattern] = Counter()
        """Contacts that are not added up yet. Most have the steps of many others."""

    def add(self, pattern: _Pattern, marked: Iterable[Marked]) -> None:
        self._patterns[pattern] += 1
        if len(self._patterns) > _MOST_PATTERNS:
            self._add_up()
        for step, marks in marked:
            self._usual.of(step).mark(marks)

    @property
    def look_ups(self) -> int:
        self._add_up()
        return self._look_ups.requests

    @property
    def usual(self) -> Iterable[_KindCount]:
        self._add_up()
        return self._usual.kinds.values()

    @property
    def alone(self) -> Cost:
        self._add_up()
        return self._alone

    @property
    def cost(self) -> Cost:
        """Return the requests that the steps take."""
        self._add_up()
        usual = self._usual.requests
        bound = Fraction(0)
        for maybe in self._maybe.kinds.values():
            bound += self._most.of(maybe.sample).bound_with(maybe)
        most = floor(bound)
        for kind, count in self._most.kinds.items():
            if kind not in self._maybe.kinds:
                most += count.requests
        return Cost(min(self._least.requests, usual), usual, max(usual, most))

    def _add_up(self) -> None:
        """Add the steps of the contacts that are not added up yet."""
        for (steps, look_ups), contacts in self._patterns.items():
            self._look_ups.add(look_ups, contacts)
            self._least.add(steps.least, contacts)
            self._usual.add(steps.usual, contacts)
            self._most.add(steps.most, contacts)
            self._maybe.add(steps.maybe, contacts)
            alone = steps.alone
            self._alone += Cost(
                contacts * alone.least, contacts * alone.usual, contacts * alone.most
            )
        self._patterns.clear()


class RequestCount:
    """Adds up the steps of a run's contacts, and tells what requests they take."""

    def __init__(self) -> None:
        self._parts: dict[RunPart, _PartCount] = {}

    def add(
        self,
        part: RunPart,
        steps: StepRange,
        look_ups: tuple[PricedStep, ...] = (),
        marked: Sequence[Marked] = (),
    ) -> None:
        """Add a contact.

        Args:
            part: the part of the run that works on it.
            steps: what it takes.
            look_ups: those of the usual steps that look it up.
            marked: those that cannot share a request with every other contact.
        """
        if part not in self._parts:
            self._parts[part] = _PartCount()
        self._parts[part].add((steps, look_ups), marked)

    @property
    def look_ups(self) -> int:
        """Return the requests of the look-ups alone, where no contact is found."""
        return sum(part.look_ups for part in self._parts.values())

    @property
    def requests(self) -> Cost:
        """Return all requests, those of the look-ups among them."""
        return total(part.cost for part in self._parts.values())

    @property
    def items(self) -> Cost:
        """Return how many contacts all requests carry, each counted in each request."""
        return total(part.alone for part in self._parts.values())

    def by_method(
        self, method_of: Callable[[VendorStep, bool], str]
    ) -> Mapping[str, int]:
        """Return the usual number of requests by HTTP method.

        ``method_of`` is given a step, and whether several contacts share its request.
        """
        methods: Counter[str] = Counter()
        for part in self._parts.values():
            for count in part.usual:
                method = method_of(count.sample.sample, count.is_shared)
                methods[method] += count.requests
        return methods
