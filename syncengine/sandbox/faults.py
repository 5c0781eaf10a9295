"""Choose the fault, if any, that a request meets.

Pure: it follows from the rules, the seed and the requests before. ``Stage`` plays what
is chosen here. Faults come as JSON over the admin endpoint (``PUT faults``), either as
rules, such as "the second and third create break off after the commit"::

    [{"kind": "reset", "when": "after", "method": "POST", "after": 1, "times": 2}]

or at random: ``{"random": {"seed": 1, "share": 0.1, "kinds": ["throttle", "reset"]}}``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from typing import Annotated, Literal, TypeAlias

from pydantic import ConfigDict, Field

from syncengine.sandbox.twins.twin import TwinRequest

# Unlike under ``validation.STRICT``, values that can be converted are ("2" to 2).
_STRICT = ConfigDict(extra="forbid")
_Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]
_Seconds: TypeAlias = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_Count: TypeAlias = Annotated[int, Field(ge=0)]


class FaultKind(StrEnum):
    """A way in which a request goes wrong; *commit* is the vendor carrying it out."""

    LATENCY = "latency"
    """Waits ``seconds`` before the commit (``when: after``: after it)."""
    THROTTLE = "throttle"
    """429 with ``retry_after`` seconds, or without the header; nothing is committed."""
    ERROR_HTML = "error_html"
    """``status`` with an HTML page, before or after the commit."""
    RESET = "reset"
    """The connection is reset, before or after the commit."""
    TRUNCATED_JSON = "truncated_json"
    """Commits, then answers with the first half of the body."""
    SLOW_DRIP = "slow_drip"
    """Commits, then takes ``seconds`` to send the body piece by piece."""
    OTHER_ID = "other_id"
    """Commits, then answers with another contact's id in place of the one that was
    meant."""
    REFUSE = "refuse"
    """``status`` and ``text`` in the vendor's form, with ``retry_after`` if that is
    set; nothing is committed."""
    HALF_BATCH = "half_batch"
    """Commits the first half of a batch, then answers ``status`` with an HTML page. Of
    a request that is no batch nothing is committed."""
    ONE_UNTOLD = "one_untold"
    """Answers a batch with 207 and not a word about its last contact, which is
    committed with ``when: after`` alone. Other requests are answered as ever."""
    HOLD_BEFORE_COMMIT = "hold_before_commit"
    """Blocks until released. With ``commit_if_gone`` it is committed then although the
    client has left."""
    HOLD_AFTER_COMMIT = "hold_after_commit"
    """Commits, then blocks until released."""
    HOLD_HALF_COMMITTED = "hold_half_committed"
    """Commits the first half of a batch, then blocks until released. With
    ``commit_if_gone`` the other half is committed then although the client has left; a
    client that is still there gets ``status`` with an HTML page. Other requests are
    answered as ever."""
    COMMIT_LATE = "commit_late"
    """Resets the connection at once and commits ``seconds`` later, or with
    ``until_released`` when released."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A failure to play. Only the settings that the kind names above have a meaning."""

    __pydantic_config__ = _STRICT

    kind: FaultKind
    when: Literal["before", "after"] = "before"
    """Before the commit or after it; not to be confused with ``Rule.after``."""
    seconds: _Seconds = 0.05
    status: Annotated[int, Field(ge=400, le=599)] = 502
    text: str = "Refused by the sandbox"
    retry_after: _Seconds | None = None
    commit_if_gone: bool = False
    until_released: bool = False


@dataclass(frozen=True, slots=True)
class Rule(Fault):
    """A fault for the requests that match.

    A request matches if it fits all that is given of ``method``, ``path`` and ``body``.
    """

    method: str | None = None
    path: str | None = None
    """Regular expression that is searched in the path."""
    body: str | None = None
    """Text that must be part of the body."""
    times: _Count | None = None
    """Number of matching requests that meet the fault; None: all."""
    after: _Count = 0
    """Number of matching requests that pass before it."""

    def __post_init__(self) -> None:
        try:
            re.compile(self.path or "")
        except re.error as error:
            raise ValueError(f"path is not a regular expression: {error}") from None

    def matches(self, request: TwinRequest) -> bool:
        """Return whether a request is one of those that the rule is about."""
        if self.method not in (None, request.method):
            return False
        if self.path is not None and re.search(self.path, request.path) is None:
            return False
        return self.body is None or self.body.encode() in request.body


@dataclass(frozen=True, slots=True)
class Chance:
    """A fault for a share of the requests, one of ``kinds`` each.

    Equal seeds give equal faults.
    """

    __pydantic_config__ = _STRICT

    seed: int
    share: _Share
    """Probability that a request meets a fault, from 0 to 1."""
    kinds: Annotated[tuple[FaultKind | Fault, ...], Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class RandomFaults:
    """The form in which a chance is configured: ``{"random": {...}}``."""

    __pydantic_config__ = _STRICT

    random: Chance


@dataclass(slots=True)
class _RuleCount:
    """A rule, and how many requests it has matched."""

    rule: Rule
    matched: int = 0

    def count(self, request: TwinRequest) -> bool:
        """Count a request if it matches; return whether it meets the fault."""
        if not self.rule.matches(request):
            return False
        self.matched += 1
        number = self.matched - self.rule.after
        if number <= 0:
            return False
        return self.rule.times is None or number <= self.rule.times


@dataclass(slots=True)
class Faults:
    """The faults of one twin; none until configured.

    Of several rules that match, the first that strikes counts.
    """

    _rules: list[_RuleCount] = field(default_factory=list)
    _chance: Chance | None = None
    _random: Random = field(default_factory=Random)  # noqa: S311 - no secret

    def clear(self) -> None:
        """Let every request succeed from now on."""
        self.configure(())

    def configure(self, faults: Sequence[Rule] | Chance) -> None:
        """Replace all faults; every count starts anew."""
        self._rules = []
        self._chance = None
        if isinstance(faults, Chance):
            self._chance = faults
            self._random = Random(faults.seed)  # noqa: S311 - repeatable is the point
        else:
            self._rules = [_RuleCount(rule) for rule in faults]

    def matched(self) -> list[int]:
        """Return the number of requests that each rule has matched so far."""
        return [each.matched for each in self._rules]

    def choose(self, request: TwinRequest) -> Fault | None:
        """Return the fault that a request meets, if any.

        Call it once a request: rules count what they are asked about, and chances draw.
        """
        for each in self._rules:
            # The rules behind the first that strikes do not count this request.
            if each.count(request):
                return each.rule
        if self._chance is None or self._random.random() >= self._chance.share:
            return None
        chosen = self._random.choice(self._chance.kinds)
        if isinstance(chosen, Fault):
            return chosen
        return Fault(chosen)
