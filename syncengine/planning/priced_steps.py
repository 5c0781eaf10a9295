"""Steps of contacts' attempts with their prices: what forecasts are made of.

Contacts share requests where the vendor takes many in one (``planning.waves``). So what
a contact costs is not a number of requests, but a range of steps: ``request_count``
adds up those of many contacts.

There are few kinds of steps, and many contacts. Steps that are alike for a forecast are
one object, which ``StepPricer`` makes once.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field, replace

from syncengine.model.calls import Call
from syncengine.model.capabilities import Capabilities
from syncengine.model.contact import MatchKey
from syncengine.model.costs import Cost
from syncengine.planning.attempt.conclusions import is_repeatable
from syncengine.planning.attempt.steps import Find, Read, Send
from syncengine.planning.waves import Kind, Sharing, VendorStep, bulk_of, sharing_of


@dataclass(frozen=True, slots=True, eq=False)
class PricedStep:
    """Look-ups, reads or calls that are alike, with their price."""

    sample: VendorStep
    """One of them."""
    kind: Kind
    size: int
    """Number of contacts of one request, at most."""
    requests: int
    """Number of requests of its exchange, whatever number of contacts share it."""
    turn: int = 0
    """Number of times that the same contact has asked for it before: each time it takes
    another request."""

    @property
    def weight(self) -> float:
        """Return its part of the requests, if as many contacts as possible share it."""
        return self.requests / self.size


@dataclass(frozen=True, slots=True)
class StepRange:
    """Steps about a contact: at least, usually (where none is found), and at most."""

    least: tuple[PricedStep, ...] = ()
    usual: tuple[PricedStep, ...] = ()
    most: tuple[PricedStep, ...] = ()
    maybe: tuple[PricedStep, ...] = ()
    """Steps of which it depends on the vendor's answers whether they come."""

    def __add__(self, other: StepRange) -> StepRange:
        """Return the steps of both."""
        return StepRange(
            self.least + other.least,
            self.usual + other.usual,
            self.most + other.most,
            self.maybe + other.maybe,
        )

    @property
    def alone(self) -> Cost:
        """Return the requests that they take where no other contact shares one."""
        return Cost(
            sum(step.requests for step in self.least),
            sum(step.requests for step in self.usual),
            sum(step.requests for step in self.most),
        )


def certain(steps: Iterable[PricedStep]) -> StepRange:
    """Return the range of steps that come in any case."""
    each = tuple(steps)
    return StepRange(each, each, each)


def between(
    least: tuple[PricedStep, ...],
    usual: tuple[PricedStep, ...],
    *others: tuple[PricedStep, ...],
) -> StepRange:
    """Return the range of steps that depend on the vendor's answers.

    ``others`` are alternatives to the usual ones.
    """
    maybe = (step for steps in (least, usual, *others) for step in steps)
    most = max((usual, *others), key=_weight)
    return StepRange(least, usual, most, tuple(maybe))


def _weight(steps: Iterable[PricedStep]) -> float:
    return sum(step.weight for step in steps)


@dataclass(frozen=True, slots=True)
class StepPricer:
    """Makes the priced steps of one vendor."""

    capabilities: Capabilities
    _made: dict[Hashable, PricedStep] = field(default_factory=dict)

    def find(self, key: MatchKey, requests: int) -> PricedStep:
        """Return the step of a look-up, which takes so many requests alone."""
        name = "find", key.field, requests
        return self._made.get(name) or self._make(name, Find(key), requests)

    def read(self, external_id: str) -> PricedStep:
        """Return the step of reading a contact."""
        return self._made.get("read") or self._make("read", Read(external_id), 1)

    def call(self, call: Call, requests: int) -> PricedStep:
        """Return the step of a call, which takes so many requests alone."""
        like: Hashable = call.action
        if bulk_of(call.action, self.capabilities) is not None:
            like = self._sharing_of(call).kind
        name = like, requests
        return self._made.get(name) or self._make(name, self._send(call), requests)

    def marks(self, call: Call) -> frozenset[Hashable]:
        """Return what no two calls of one request may have in common."""
        if bulk_of(call.action, self.capabilities) is None:
            return frozenset()
        return self._sharing_of(call).marks

    def in_turn(
        self, steps: Iterable[PricedStep], times: int
    ) -> tuple[PricedStep, ...]:
        """Return the steps so many times, one behind the other."""
        once = tuple(steps)
        return tuple(self._again(step, turn) for turn in range(times) for step in once)

    def _again(self, step: PricedStep, turn: int) -> PricedStep:
        """Return a step that the contact has asked for so many times before."""
        if turn == step.turn:
            return step
        name = step, turn
        if name not in self._made:
            self._made[name] = replace(step, turn=turn)
        return self._made[name]

    def _make(self, name: Hashable, step: VendorStep, requests: int) -> PricedStep:
        sharing = sharing_of(step, self.capabilities, ())
        size = max(1, sharing.size)
        self._made[name] = PricedStep(step, sharing.kind, size, requests)
        return self._made[name]

    def _sharing_of(self, call: Call) -> Sharing:
        return sharing_of(self._send(call), self.capabilities, ())

    def _send(self, call: Call) -> Send:
        return Send(call, is_repeatable(call, self.capabilities))
